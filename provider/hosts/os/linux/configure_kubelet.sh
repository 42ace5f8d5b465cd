# Gives the kubelet of this host settings of its own, over those that kubeadm wrote. A kubelet that runs gets them in parts:
# `try` restarts it with them and keeps the ones before; if it is well then, `keep` forgets those, and if it is not,
# `take_back` goes back to them. While they are kept, nobody knows whether the kubelet is well.
# Functions: durable.
# Variables: PART (write, try, keep or take_back), SETTINGS (a KubeletConfiguration; empty for none), SERVICE (what makes the
#   kubelet's service find them), INVOCATION (with keep: what `try` printed, so that it speaks of the same process).
# Leaves behind: the settings, and with `try` the ones before. Safe to run twice.

settings=/etc/kubeone/kubelet.conf.d/settings.conf
service=/etc/systemd/system/kubelet.service.d/20-kubeone.conf
before=/etc/kubeone/kubelet-settings.before

# put TEXT: the settings, each file in one move; without a text there is nothing of ours.
put() {
  if [[ -z $1 ]]; then
    forget "$service" && forget "$settings"
    return
  fi
  mkdir -p "${settings%/*}" "${service%/*}"
  printf '%s\n' "$1" | write_file "$settings" && printf '%s' "$SERVICE" | write_file "$service"
}

invocation() {
  systemctl show --property InvocationID --value kubelet
}

is_healthy() {
  curl --silent --fail --max-time 2 --output /dev/null http://127.0.0.1:10248/healthz
}

# restart: whether the kubelet is healthy within a minute. One that ends by itself does so again and again.
restart() {
  local deadline=$((SECONDS + 60))
  systemctl daemon-reload
  systemctl --quiet unmask kubelet
  systemctl --quiet enable kubelet
  systemctl reset-failed kubelet 2>/dev/null
  systemctl restart kubelet || return 1
  until is_healthy; do
    if ! systemctl --quiet is-active kubelet || ((SECONDS >= deadline)); then return 1; fi
    sleep 0.1
  done
}

# last_words: what the kubelet complained of last.
last_words() {
  journalctl --unit kubelet --no-pager --lines 200 --output cat | grep --extended-regexp '^[EF][0-9]{4} ' |
    tail --lines 3 >&2 || true
}

take_back() {
  last_words
  if [[ -e $before ]]; then put "$(<"$before")"; fi
  if restart; then
    forget "$before"
    echo 'the settings before are back' >&2
  else
    echo 'the kubelet does not start with the settings before either' >&2
    return 1
  fi
}

umask 022
case $PART in
  write)
    put "$SETTINGS"
    forget "$before"
    ;;
  try)
    if [[ $SETTINGS ]] && ! systemctl cat kubelet 2>/dev/null | grep --quiet --fixed-strings 'KUBELET_CONFIG_ARGS'; then
      echo 'the service of the kubelet does not use the variable KUBELET_CONFIG_ARGS, as that of kubeadm does' >&2
      exit 1
    fi
    if [[ ! -e $before ]]; then
      mkdir -p "${before%/*}"
      if [[ -e $settings ]]; then write_file "$before" <"$settings"; else write_file "$before" </dev/null; fi
    fi
    put "$SETTINGS"
    if ! restart; then
      take_back
      exit 1
    fi
    invocation
    ;;
  keep)
    if [[ $(invocation) != "$INVOCATION" ]] || ! is_healthy; then
      echo 'the kubelet ended after its start' >&2
      exit 1
    fi
    forget "$before"
    ;;
  take_back) take_back ;;
esac
