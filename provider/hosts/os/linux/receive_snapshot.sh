# Gets this host ready for a snapshot that is sent to it in parts: takes away what was sent before, and looks for room.
# Functions: etcd_tools.
# Variables: INCOMING (folder to which it is sent), SIZE (bytes of the snapshot).
# Leaves behind: the folder, empty and for root only. Safe to run twice.

umask 077
rm -rf --one-file-system "$INCOMING"
mkdir -p "$INCOMING"
# For its parts and for what they are put together to. A disk that fills up would stop the etcd that runs.
make_room "$INCOMING" $((SIZE * 2 + 268435456))
