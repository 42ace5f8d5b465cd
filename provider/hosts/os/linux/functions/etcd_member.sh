# Functions that speak with the member of etcd on this host.
# Variables: none.
# Leaves nothing behind. Safe to run twice.

# etcd PATH REQUEST: an answer of the member.
etcd() {
  local pki=/etc/kubernetes/pki/etcd
  curl --silent --fail --max-time 5 --cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" \
    --key "$pki/healthcheck-client.key" --data "$2" "https://127.0.0.1:2379/v3/$1"
}

# number NAME: the first number of that name in the JSON on stdin. 64-bit numbers are text in it.
number() {
  grep --only-matching --extended-regexp "\"$1\":\"?[0-9]+" | head -n 1 | grep --only-matching --extended-regexp '[0-9]+$'
}

# another_voter MEMBER: a member that may lead in its place. One that never started has no name.
another_voter() {
  etcd cluster/member/list '{}' | tr '{' '\n' | grep --invert-match '"isLearner":true' | grep '"name":"[^"]' |
    sed -n 's/^"ID":"\([0-9]*\)".*/\1/p' | grep --invert-match --line-regexp "$1" | head -n 1
}

# hand_over_leadership [MEMBER]: to this member, or to any other. Otherwise etcd elects a leader when the present one is gone,
# which takes a second or two in which nobody can write. Where it does not work, that is how it is.
hand_over_leadership() {
  local status self successor
  status=$(etcd maintenance/status '{}') || return 0
  self=$(number member_id <<<"$status") || return 0
  if [[ $self != "$(number leader <<<"$status")" ]]; then return 0; fi
  successor=${1:-$(another_voter "$self")} || return 0
  etcd maintenance/transfer-leadership "{\"targetID\":\"$successor\"}" >/dev/null || true
}
