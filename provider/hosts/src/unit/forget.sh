# Removes the result of a unit that was read.
# Variables: UNIT, RUN_ID (of the result that was read; that of a later run stays).
# Leaves nothing behind but the lock, on which somebody may wait. Safe to run twice.

directory=/run/kubeone/$UNIT
if [[ -e $directory/run-id && $(<"$directory/run-id") == "$RUN_ID" ]]; then
  rm -rf --one-file-system -- "$directory"
fi
