# Takes, renews or gives back the lock that keeps two applies from working on one cluster at the same time.
# Functions: in_memory.
# Variables: ACTION (`take`, also to renew; or `release`), HOLDER (who takes it, unlike any other), PROCESS (what tells
#   whether the holder's process lives, to those on its machine), WHO (the holder in words), DEAD (a holder that is known to
#   be dead; may be empty), LIFETIME (seconds until a lock that nobody renews is void), CLUSTER (name), UID_KNOWN (uid of
#   the cluster; may be empty).
# Prints `taken`, `foreign` (the host is somebody else's and was left alone) or `held` with five lines: who holds it, the
#   holder's process, its words, for how many seconds, and since how many seconds nobody renewed it.
# Leaves behind: /run/kubeone.lock (memory) while it is held. Safe to run twice.

lock=/run/kubeone.lock

# The host's own clock, which nobody sets.
read -r now _ </proc/uptime
now=${now%.*}

# field NAME: its text in the marker, however that is written; empty where there is none.
field() {
  LC_ALL=C tr -d '\n\r\t' </etc/kubeone/cluster.json 2>/dev/null | grep --only-matching "[{,] *\"$1\" *: *\"[^\"]*\"" |
    head -n 1 | sed 's/^.*: *"\([^"]*\)"$/\1/'
}

# is_foreign: whether this host belongs to another cluster, by the same rule as everywhere: by its marker, or by Kubernetes without one.
# A marker that is damaged does not say so; the lock keeps applies apart and allows nothing.
is_foreign() {
  local marker=/etc/kubeone/cluster.json cluster uid
  if [[ ! -e $marker ]]; then
    [[ -e /etc/kubernetes/admin.conf || -e /etc/kubernetes/kubelet.conf || -e /etc/kubernetes/pki/ca.crt ||
      -e /var/lib/etcd/member ]] || compgen -G '/etc/kubernetes/manifests/*.yaml' >/dev/null ||
      systemctl --quiet is-active kubelet
    return
  fi
  cluster=$(field cluster) uid=$(field uid)
  if [[ -z $cluster ]]; then return 1; fi
  if [[ $cluster != "$CLUSTER" ]]; then return 0; fi
  # A cluster that was made in the place of the known one says so.
  [[ -n $uid && -n $UID_KNOWN && $uid != "$UID_KNOWN" && $(field replaces) != "$UID_KNOWN" ]]
}

# Before anything is made on it.
if [[ $ACTION == take ]] && is_foreign; then
  echo foreign
  exit 0
fi

# Whoever reads the lock and writes it does so alone. Only root can open the folder, so no other user can keep it locked. It goes
# with the cluster, and a lock on one that is gone keeps no one out.
guard=
until [[ $guard && $(stat --format %i /run/kubeone 2>/dev/null) == "$(stat --dereference --format %i "/dev/fd/$guard")" ]]; do
  if [[ $guard ]]; then exec {guard}<&-; fi
  make_memory
  exec {guard}</run/kubeone
  flock --wait 20 "$guard"
done

holder='' process='' who='' since=$now renewed=0
if [[ -e $lock ]]; then
  { read -r holder && read -r process && read -r who && read -r since && read -r renewed; } <"$lock" || true
fi

if [[ $ACTION == release ]]; then
  if [[ $holder == "$HOLDER" ]]; then rm -f "$lock"; fi
  rmdir --ignore-fail-on-non-empty /run/kubeone
  exit 0
fi
if [[ -n $holder && $holder != "$HOLDER" && $holder != "$DEAD" ]] && ((now - renewed < LIFETIME)); then
  printf 'held\n%s\n%s\n%s\n%d\n%d\n' "$holder" "$process" "$who" "$((now - since))" "$((now - renewed))"
  exit 0
fi
if [[ $holder != "$HOLDER" ]]; then since=$now; fi
umask 077
printf '%s\n' "$HOLDER" "$PROCESS" "$WHO" "$since" "$now" >"$lock.new"
mv "$lock.new" "$lock"
echo taken
