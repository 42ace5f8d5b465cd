# Starts services, now and at every boot, and waits for the kubelet.
# Variables: SERVICES (names, one per line, in this order), RESTART_KUBELET (whether a kubelet that runs starts anew: true
#   or false).
# Leaves behind: the services, enabled and running. Safe to run twice.

while read -r service; do
  systemctl --quiet unmask "$service"
  systemctl --quiet enable "$service"
  systemctl reset-failed "$service" 2>/dev/null || true
  if [[ $service == kubelet && $RESTART_KUBELET == true ]]; then
    systemctl restart kubelet
  else
    systemctl start "$service"
  fi
done <<<"$SERVICES"

if grep --quiet --line-regexp kubelet <<<"$SERVICES"; then
  deadline=$((SECONDS + 60))
  until curl --silent --fail --max-time 2 --output /dev/null http://127.0.0.1:10248/healthz; do
    if ((SECONDS >= deadline)); then
      echo 'the kubelet was not healthy within 60 s; its last words:' >&2
      journalctl --unit kubelet --no-pager --lines 5 --output cat >&2 || true
      exit 1
    fi
    sleep 0.2
  done
fi
