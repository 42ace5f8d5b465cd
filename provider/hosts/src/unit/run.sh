# Starts a unit and waits for its end, or only waits for the one that is there. It waits for PATIENCE seconds; then the
# caller asks again.
# Variables: UNIT, ACTION (run or attach), RUN_ID (of this run; empty with attach), PATIENCE, SEEN (run id of another run's
# unit that this caller waits for since an earlier call; may be empty), MOST_OF_LOG (bytes of the log's end that are
# printed); with run also RESUME (whether the unit was begun by an earlier call, or may have been over a connection that was
# lost), NAME and DIGEST (of the script), WRAPPER. Stdin with run: the script.
# Prints `none`; `runs` when the unit of this run has not ended in time; `waits ` and a run id, which may be empty, when
# another one has not; or a line with run id, exit code (or `killed`) and name, and then the end of the unit's log.
# Leaves behind: /run/kubeone/$UNIT until the result is forgotten. Safe to run twice: a running unit is never disturbed.

umask 077
directory=/run/kubeone/$UNIT
make_memory
# Whether a unit runs now, and which. Shared locks, so that those who look do not take each other for the unit.
seen_running=$SEEN
if [[ -e $directory/run-id ]]; then
  exec 9>>"$directory/running"
  if ! flock -sn 9; then seen_running=$(<"$directory/run-id"); fi
  exec 9>&-
fi
# One caller at a time starts a unit and waits for it. One whose connection is gone waits here too, for a while.
exec 8>"/run/kubeone/$UNIT.lock"
not_yet() {
  if [[ -n $RUN_ID && -e $directory/run-id && $(<"$directory/run-id") == "$RUN_ID" ]]; then
    echo runs
  else
    printf 'waits %s\n' "$seen_running"
  fi
  exit 0
}
flock -w "$PATIENCE" 8 || not_yet
await_end() {
  exec 9>>"$directory/running"
  flock -s -w "$PATIENCE" 9 || not_yet
  exec 9>&-
}
if [[ -e $directory/run-id ]]; then await_end; fi

print_result() {
  local exit_code=killed
  if [[ -e $directory/exit ]]; then exit_code=$(<"$directory/exit"); fi
  printf '%s %s %s\n' "$(<"$directory/run-id")" "$exit_code" "$(<"$directory/name")"
  if [[ -e $directory/log ]]; then tail -c "$MOST_OF_LOG" "$directory/log"; fi
}

if [[ $ACTION == attach ]]; then
  if [[ -e $directory/run-id ]]; then print_result; else echo none; fi
  exit 0
fi
if [[ -e $directory/run-id ]]; then
  ended=$(<"$directory/run-id")
  same_script=false
  if [[ -e $directory/exit && $(<"$directory/digest") == "$DIGEST" ]]; then same_script=true; fi
  # Ours, or one that did our work while we waited. An older result may not be true any more.
  if [[ $ended == "$RUN_ID" ]] || [[ $ended == "$seen_running" && $same_script == true ]]; then
    print_result
    exit 0
  fi
fi
if [[ $RESUME == true ]]; then
  # It was started and the host forgot it: a restart. What to do now is not decided here.
  echo none
  exit 0
fi

rm -rf --one-file-system -- "$directory"
mkdir -- "$directory"
cat >"$directory/script"
# A connection that was cut leaves half a script.
sha256sum --check --status <<<"$DIGEST  $directory/script"
printf '%s\n' "$WRAPPER" >"$directory/wrapper"
printf '%s\n' "$DIGEST" >"$directory/digest"
printf '%s\n' "$NAME" >"$directory/name"
mkfifo "$directory/ready"
exec 7<>"$directory/ready"
printf '%s\n' "$RUN_ID" >"$directory/run-id"

# A service that has just ended keeps its name for a moment.
attempt=0
# mixed: at shutdown systemd asks the wrapper, which waits for the script, before it kills anything.
until message=$(systemd-run --quiet --collect --no-ask-password --unit="$UNIT" --description="kubeone: $NAME" \
  --service-type=exec --property=KillMode=mixed --property=TimeoutStopSec=300 \
  bash "$directory/wrapper" 2>&1); do
  if ((++attempt == 50)); then
    rm -rf --one-file-system -- "$directory"
    printf '%s\n' "$message" >&2
    exit 1
  fi
  read -rt 0.1 -u 7 || true
done
# The wrapper writes a line when it holds the lock.
if ! read -rt 30 -u 7; then
  echo "the unit $UNIT did not begin to run within 30 s" >&2
  exit 1
fi
await_end
print_result
