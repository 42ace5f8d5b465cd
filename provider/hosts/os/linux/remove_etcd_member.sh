# Removes a member from etcd, through the member on this host. etcd itself refuses when that would cost the quorum.
# Variables: MEMBER_ID (decimal).
# Leaves nothing behind. Safe to run twice: a member that is gone already is fine.

pki=/etc/kubernetes/pki/etcd
etcd() {
  curl --silent --show-error --fail-with-body --max-time 30 --cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" \
    --key "$pki/healthcheck-client.key" --data "$2" "https://localhost:2379/v3/cluster/$1"
}
# For some seconds after a member started, etcd does not count on it, and calls the cluster unhealthy.
deadline=$((SECONDS + 60))
until answer=$(etcd member/remove "{\"ID\":\"$MEMBER_ID\"}" 2>&1); do
  if [[ $answer == *'member not found'* ]]; then
    break
  fi
  if [[ $answer != *'unhealthy cluster'* ]] || ((SECONDS >= deadline)); then
    printf 'etcd: %s\n' "$answer" >&2
    exit 1
  fi
  sleep 1
done
