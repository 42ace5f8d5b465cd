# Becomes the root of a sandbox: programs are this machine's, read-only; everything else is the sandbox's own.
# $1: folder of the sandbox. Runs in mount, PID and network namespaces of its own; stdin goes on to bash.
set -e
cd "$1"
mount --bind root root
cd root
mount --rbind /usr usr
mount -o remount,bind,ro usr
mount --bind fakes/bin usr/local/sbin
mount -t proc proc proc
for device in null zero full random urandom; do
  mount --bind "/dev/$device" "dev/$device"
done
while read -r volume target; do
  mkdir -p "./$target"
  mount --bind "../volumes/$volume" "./$target"
done <../mounts
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . bash -s
