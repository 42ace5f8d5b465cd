# Removes the result of a unit that was read.
# Variables: UNIT, RUN_ID (of the result that was read; that of a later run stays).
# Leaves nothing behind. Safe to run twice.

directory=/run/kubeone/$UNIT
if [[ -e $directory/run-id && $(<"$directory/run-id") == "$RUN_ID" ]]; then
  rm -rf -- "$directory" "$directory.lock"
fi
