# shellcheck shell=bash
# Shared by the scripts of dev/: the lab folder, timed steps, waiting. Sourced, never run.

DEV=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB=${DB4SCI_LAB:-/var/cache/db4sci-lab}
LAB_LOG=$LAB/setup.log
# Sockets and pid files: a unix socket's path holds 107 bytes at most, so they never lie in the lab folder itself.
LAB_RUN=/run/db4sci-lab
[[ $LAB == /var/cache/db4sci-lab ]] || LAB_RUN=/run/db4sci-lab-$(printf %s "$LAB" | cksum | cut -d' ' -f1)
# Tools that the lab keeps for itself (promtool) are found like any other.
PATH=$LAB/bin:$PATH
export DEV LAB LAB_LOG LAB_RUN PATH

# die WHAT [WHAT TO DO…]: say both on standard error and end.
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '       %s\n' "$@" >&2
  exit 1
}

# Milliseconds since the epoch.
now_ms() { local t=${EPOCHREALTIME/[.,]/}; printf %s "${t%???}"; }

# seconds MS: 3142 -> "3.1 s".
seconds() { printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# note TEXT: inside a step, a word on what was found, shown at the end of the step's line.
note() { printf '%s' "$*" >"${STEP_NOTE:-/dev/null}"; }

# step TITLE COMMAND…: runs it in a subshell under `set -e`, its output in the lab's log, one line for the reader:
# `docker engine ... ok 3.1 s (note)`. A failed step shows the end of its output and ends the script.
step() {
  local title=$1 begin rc=0 out STEP_NOTE
  shift
  out=$(mktemp) STEP_NOTE=$(mktemp)
  begin=$(now_ms)
  printf '%s ... ' "$title"
  set +e
  (set -e; export STEP_NOTE; "$@") >"$out" 2>&1 </dev/null
  rc=$?
  set -e
  { printf -- '--- %s: %s (exit %d)\n' "$(date -Is)" "$title" "$rc"; cat "$out"; } >>"$LAB_LOG"
  local text
  text=$(<"$STEP_NOTE")
  if ((rc == 0)); then
    printf 'ok %s%s\n' "$(seconds $(($(now_ms) - begin)))" "${text:+ ($text)}"
  else
    printf 'FAILED %s\n' "$(seconds $(($(now_ms) - begin)))"
    tail -n 25 "$out" | sed 's/^/  | /' >&2
    printf 'The whole output: %s\n' "$LAB_LOG" >&2
  fi
  rm -f "$out" "$STEP_NOTE"
  ((rc == 0)) || exit 1
}

# wait_until SECONDS COMMAND…: asks every 0.1 s; status 1 when the time is up. Readiness, in place of a bare sleep.
wait_until() {
  local deadline=$(($(now_ms) + $1 * 1000))
  shift
  until "$@" >/dev/null 2>&1; do
    (($(now_ms) < deadline)) || return 1
    sleep 0.1
  done
}

# The docker host in use: DOCKER_HOST, else the well-known socket.
docker_host() { printf %s "${DOCKER_HOST:-unix:///var/run/docker.sock}"; }

# engine_answers [HOST]: does a Docker Engine answer there? Asks the engine itself, within 3 s, also when it hangs.
engine_answers() {
  local host=${1:-$(docker_host)}
  [[ $host != unix://* || -S ${host#unix://} ]] && timeout 3 docker -H "$host" version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# wait_for_engine HOST SECONDS
wait_for_engine() { wait_until "$2" engine_answers "$1"; }

# process_is PID NAME: is PID alive, and does it run the program NAME? A pid file may outlive its process, the pid may be
# another's by now, and a zombie is dead.
process_is() {
  [[ -n $1 && $(cat "/proc/$1/comm" 2>/dev/null) == "$2" ]] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}
