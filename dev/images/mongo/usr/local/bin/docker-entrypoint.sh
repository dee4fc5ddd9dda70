#!/bin/bash
# The entrypoint of the lab's MongoDB stand-in image. Written for this project against the documented contract of the
# official image: its environment variables, its folders, its users, PID 1.
set -euo pipefail
shopt -s nullglob

say() { printf 'entrypoint: %s\n' "$*" >&2; }
refuse() { say "refused: $*"; exit 1; }

# setting NAME: exports NAME, given plainly or as the contents of the file that NAME_FILE names.
setting() {
  local name=$1 from=${1}_FILE value=
  if [[ -n ${!name-} && -n ${!from-} ]]; then
    refuse "both $name and $from are set; set one of them"
  elif [[ -n ${!name-} ]]; then
    value=${!name}
  elif [[ -n ${!from-} ]]; then
    value=$(<"${!from}") || refuse "$from names ${!from}, which user $(id -un) cannot read"
  fi
  export "$name=$value"
  unset "$from"
}

# The data folder: an argument, the configuration file, the default.
data_directory() {
  local found=/data/db
  while (($#)); do
    case $1 in
      --dbpath) found=$2 ;;
      --config | -f) found=$(awk '$1 == "dbPath:" { gsub(/"/, "", $2); print $2 }' "$2"); found=${found:-/data/db} ;;
    esac
    shift
  done
  printf %s "$found"
}

# A text as JavaScript writes it. The text comes on standard input: in an argument, everybody could read it.
quoted() { jq --raw-input --slurp .; }

shell() { mongosh --quiet --host 127.0.0.1 --port 27017 "$@"; }

initialise() {
  local tries=0 file user password
  # The server before anybody may see it: inside the container only, and it asks for no password.
  mongod --dbpath "$DATA" --bind_ip 127.0.0.1 &
  local server=$!
  until (exec 3<>/dev/tcp/127.0.0.1/27017) 2>/dev/null; do
    kill -0 "$server" 2>/dev/null || refuse 'the server ended while it was being initialised'
    ((++tries < 600)) || refuse 'the server did not answer within 60 s'
    sleep 0.1
  done
  if [[ -n $MONGO_INITDB_ROOT_USERNAME ]]; then
    user=$(printf %s "$MONGO_INITDB_ROOT_USERNAME" | quoted) password=$(printf %s "$MONGO_INITDB_ROOT_PASSWORD" | quoted)
    shell admin <<<"db.createUser({user: $user, pwd: $password, roles: [{role: 'root', db: 'admin'}]})" >/dev/null
  fi
  export MONGO_INITDB_DATABASE=${MONGO_INITDB_DATABASE:-test}
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh)
        say "running $file"
        # shellcheck disable=SC1090
        . "$file"
        ;;
      *.js) say "running $file"; shell "$MONGO_INITDB_DATABASE" "$file" ;;
      *) say "ignoring $file" ;;
    esac
  done
  kill "$server"
  wait "$server" || refuse 'the server did not stop cleanly'
  say 'initialised; starting the server'
}

[[ ${1-} != -* ]] || set -- mongod "$@"
if [[ ${1-} == mongod && " $* " != *' --version '* ]]; then
  DATA=$(data_directory "$@")
  if ((EUID == 0)); then
    find /data/configdb "$DATA" \! -user mongodb -exec chown mongodb {} +
    HOME=/data/db exec setpriv --reuid mongodb --regid mongodb --init-groups -- "$0" "$@"
  fi
  setting MONGO_INITDB_ROOT_USERNAME
  setting MONGO_INITDB_ROOT_PASSWORD
  files=(/docker-entrypoint-initdb.d/*.{sh,js})
  wanted=${files[0]-}
  if [[ -n $MONGO_INITDB_ROOT_USERNAME && -n $MONGO_INITDB_ROOT_PASSWORD ]]; then
    set -- "$@" --auth
    wanted=yes
  elif [[ -n $MONGO_INITDB_ROOT_USERNAME$MONGO_INITDB_ROOT_PASSWORD ]]; then
    refuse 'MONGO_INITDB_ROOT_USERNAME and MONGO_INITDB_ROOT_PASSWORD go together; one of them is missing'
  fi
  if [[ -e $DATA/WiredTiger ]]; then
    say "$DATA holds a database already; nothing to initialise"
  elif [[ -n $wanted ]]; then
    initialise
  fi
  bound=0
  for arg; do
    case $arg in
      --bind_ip | --bind_ip_all) bound=1 ;;
      -*) ;;
      *) [[ ! -f $arg ]] || ! grep -q '^ *bindIp' "$arg" || bound=1 ;;
    esac
  done
  ((bound)) || set -- "$@" --bind_ip_all
  unset "${!MONGO_INITDB_@}"
fi
exec "$@"
