# Runs inside of a unit: runs the script beside it and keeps the result.
# Variables: none. Leaves behind: log and exit; removes the script, which holds secrets.
# Not run over SSH; written to the host by run.sh.

cd "${0%/*}" || exit 1
# Caught, not ignored: the script itself can still be asked to end.
trap : TERM
exec 9>>running
flock 9
echo >ready
# The script must not hold the lock in a process it leaves behind.
bash script >log 2>&1 </dev/null 9>&-
exit_code=$?
rm -f script
echo "$exit_code" >exit.new
mv exit.new exit
