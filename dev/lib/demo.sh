# shellcheck shell=bash
# Where the demo keeps itself, and who runs it. Needs common.sh and rust.sh. Sourced, never run.

DEMO=$(realpath --canonicalize-missing "${DB4SCI_DEMO_DIR:-/var/tmp/db4sci-demo}")
DEMO_ENV=$DEMO/env
DEMO_LOG=$DEMO/daemon.log
DEMO_PID=$DEMO/daemon.pid
DEMO_LOCK=$DEMO/state/lock
PROGRAM=$TARGET/release/db4sci
# The first line of the file that says: all of this folder is the demo's, and goes with it.
DEMO_MARK='# Made by dev/demo; dev/demo --down removes this folder.'

demo_made() { [[ -f $DEMO_ENV && $(head -n 1 "$DEMO_ENV") == "$DEMO_MARK" ]]; }

# The demo's own settings, in place of any that the caller's shell has.
demo_settings() {
  without_settings
  # shellcheck source=/dev/null
  . "$DEMO_ENV"
}

# demo_setting NAME: one of them.
demo_setting() (demo_settings && printf %s "${!1}")

# demo_daemon: the pid of the daemon that runs on the demo's state, of whatever checkout; status 1 if none does. The lock
# tells, since the pid file outlives its process.
demo_daemon() {
  local pid
  [[ -e $DEMO_LOCK ]] && ! flock --nonblock --shared "$DEMO_LOCK" true || return 1
  pid=$(sed -n 's/.* process \([0-9]\+\) on .*/\1/p' "$DEMO_LOCK")
  process_is "$pid" db4sci && printf %s "$pid"
}

# demo_program PID: the program that a process runs.
demo_program() { readlink "/proc/$1/exe"; }

# not_of_another_checkout PID: ends the script if the daemon is not this checkout's.
not_of_another_checkout() {
  local program
  program=$(demo_program "$1")
  [[ ${program% (deleted)} == "$(realpath --canonicalize-missing "$PROGRAM")" ]] ||
    die "the daemon of another checkout runs on $DEMO: process $1, ${program% (deleted)}" \
      "Stop it from there (dev/demo --down), or choose another folder: DB4SCI_DEMO_DIR=/var/tmp/another dev/demo"
}

# demo_stop PID: SIGTERM, and wait for its end; databases keep running.
demo_stop() {
  kill -TERM "$1" 2>/dev/null || true
  wait_until 60 demo_stopped "$1" || die "the daemon (process $1) did not end within 60 s after SIGTERM" "Its log: $DEMO_LOG"
  rm -f "$DEMO_PID"
}
demo_stopped() { ! process_is "$1" db4sci; }
