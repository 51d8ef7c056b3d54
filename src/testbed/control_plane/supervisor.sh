# Runs one command and ends with it, or ends it. Its standard input is a leash held by the owner:
# the line "stop" or the end of file (the owner is gone, even by SIGKILL) kills the command and all it started.
# When the owner is gone, the directory of its processes is removed too; the last supervisor to do so finds no writer left.
#   supervisor.sh DIRECTORY GRACE COMMAND [ARGUMENT...]
#   DIRECTORY  what to remove when the owner is gone, or empty
#   GRACE      tenths of a second between SIGTERM and SIGKILL; 0: SIGKILL at once
directory=$1
grace=$2
shift 2
exec 3<&0 </dev/null

"$@" 3<&- &
command=$!
# The output is the command's alone: what a shell says of the ends of its children is not part of it.
exec >/dev/null 2>&1

leash() {
  order=
  read -r order <&3
  # From here on the exit status of this function tells the supervisor who asked.
  trap '' TERM
  if [ "$grace" -gt 0 ]; then
    kill -TERM "$command"
    while [ "$grace" -gt 0 ] && kill -0 "$command"; do
      sleep 0.1
      grace=$((grace - 1))
    done
  fi
  kill -KILL "$command"
  if [ "$order" = stop ]; then exit 10; else exit 11; fi
}
leash &
leash=$!

wait "$command"
status=$?
kill -TERM "$leash"
wait "$leash"
case $? in
  10) kill -KILL 0 ;;
  11) [ -z "$directory" ] || rm -rf -- "$directory"
      kill -KILL 0 ;;
esac
exit "$status"
