# Takes this control plane out of service in good order: its API server answers what it was asked and ends, as do the
# controller manager and the scheduler, and its etcd hands the leadership over if it has it. etcd itself goes on.
# Variables: API_PORT (of the API server on this host), SUCCESSOR (decimal id of the member of etcd that shall lead).
# Leaves behind: a host whose only static pod is etcd. Safe to run twice.

pki=/etc/kubernetes/pki/etcd
etcd() {
  curl --silent --show-error --fail --max-time 10 --cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" \
    --key "$pki/healthcheck-client.key" --data "$2" "https://localhost:2379/v3/maintenance/$1"
}

rm -f /etc/kubernetes/manifests/kube-{apiserver,controller-manager,scheduler}.yaml
# An API server that does not end within a minute is ended with the rest of the host.
while ((SECONDS < 60)) && curl --silent --insecure --max-time 1 --output /dev/null "https://127.0.0.1:$API_PORT/livez"; do
  sleep 0.1
done
# Without the handover etcd elects a leader when this one is gone, which costs a second or two.
if status=$(etcd status '{}'); then
  member=$(sed -n 's/.*"member_id":"\([0-9]*\)".*/\1/p' <<<"$status")
  leader=$(sed -n 's/.*"leader":"\([0-9]*\)".*/\1/p' <<<"$status")
  if [[ $member == "$leader" ]]; then
    etcd transfer-leadership "{\"targetID\":\"$SUCCESSOR\"}" >/dev/null || true
  fi
fi
