#!/bin/sh
# Runs one command for a lab and outlives nobody: when file descriptor 3 ends (the lab was closed, or its process died in
# whatever way) the command is killed and the run folder removed. Detached from the terminal, so Ctrl-C does not hit it.
# In the folder it leaves the command's process id (child.pid), output (console.log) and, when it ended by itself, its exit
# code (exit).
# Usage: guard.sh RUN_FOLDER COMMAND...
dir=$1
shift
trap '' INT TERM HUP PIPE
setpriv --pdeathsig KILL "$@" </dev/null 3<&- >"$dir/console.log" 2>&1 &
child=$!
echo "$child" >"$dir/child.pid"
(
  cat <&3 >/dev/null
  [ -e "$dir/exit" ] || kill -KILL "$child" 2>/dev/null
) &
watcher=$!
wait "$child"
echo "$?" >"$dir/exit.partial"
mv "$dir/exit.partial" "$dir/exit"
# The lab may still want to read the console.
wait "$watcher"
rm -rf "$dir"
