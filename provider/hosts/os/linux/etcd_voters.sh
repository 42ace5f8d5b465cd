# Asks all members of etcd that vote, as the member on this host knows them, whether they are well: each runs, and a majority
# of all is with it.
# Functions: etcd_member.
# Variables: PATIENCE (for how many seconds they are asked again, until a majority of all is well without one of them).
# Prints a line for each: `well` or `ill`, and its name.
# Leaves nothing behind. Safe to run twice. It fails when the member on this host does not answer.

pki=/etc/kubernetes/pki/etcd

# voters: the members that vote, one JSON object per line.
voters() {
  etcd cluster/member/list '{"linearizable":true}' | tr '{' '\n' | grep '"ID":' | grep --invert-match '"isLearner":true'
}

# is_well URL: asks the member that serves clients there. One that never started serves nowhere.
is_well() {
  local health
  [[ -n $1 ]] || return 1
  health=$(curl --silent --max-time 3 --cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" \
    --key "$pki/healthcheck-client.key" "$1/health") && [[ $health == *'"health":"true"'* ]]
}

deadline=$((SECONDS + PATIENCE))
while true; do
  well=() ill=()
  if list=$(voters); then
    while read -r voter; do
      name=$(sed -n 's/.*"name":"\([^"]*\)".*/\1/p' <<<"$voter")
      if is_well "$(sed -n 's/.*"clientURLs":\["\([^"]*\)".*/\1/p' <<<"$voter")"; then
        well+=("$name")
      else
        ill+=("${name:-a member that never started}")
      fi
    done <<<"$list"
  fi
  if ((2 * (${#well[@]} - 1) > ${#well[@]} + ${#ill[@]} || SECONDS >= deadline)); then break; fi
  sleep 0.5
done
if ((${#well[@]} + ${#ill[@]} == 0)); then
  printf 'the member of etcd on this host does not say who the members are\n' >&2
  exit 1
fi
for name in "${well[@]}"; do printf 'well %s\n' "$name"; done
for name in "${ill[@]}"; do printf 'ill %s\n' "$name"; done
