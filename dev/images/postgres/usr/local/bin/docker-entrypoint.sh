#!/bin/bash
# The entrypoint of the lab's PostgreSQL stand-in image. Written for this project against the documented contract of
# the official image: its environment variables, its folders, its users, PID 1.
set -euo pipefail
shopt -s nullglob

say() { printf 'entrypoint: %s\n' "$*" >&2; }
refuse() { say "refused: $*"; exit 1; }

# setting NAME [DEFAULT]: exports NAME, given plainly or as the contents of the file that NAME_FILE names.
setting() {
  local name=$1 from=${1}_FILE value=${2-}
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

# True when postgres is only asked about itself, which needs no data.
only_asks() {
  local arg
  for arg; do
    case $arg in -'?' | --help | -V | --version | --describe-config | -C) return 0 ;; esac
  done
  return 1
}

directories() {
  mkdir -p "$PGDATA" /var/run/postgresql
  if ((EUID == 0)); then
    find "$PGDATA" \! -user postgres -exec chown postgres {} +
    find /var/run/postgresql \! -user postgres -exec chown postgres {} +
  fi
  # Another owner's directory (a plain --user) keeps its mode; the server itself refuses a mode that is too wide.
  chmod 0700 "$PGDATA" 2>/dev/null || true
  chmod 3775 /var/run/postgresql 2>/dev/null || true
}

query() { psql --no-psqlrc --no-password --quiet -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" "$@"; }

# The server before anybody may see it: the unix socket only.
temporary_server() {
  local options="-c listen_addresses=''" word
  for word; do options+=$(printf ' %q' "$word"); done
  pg_ctl --pgdata "$PGDATA" --options "$options" --wait --silent start
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh)
        say "running $file"
        if [[ -x $file ]]; then
          "$file"
        else
          # shellcheck disable=SC1090
          . "$file"
        fi
        ;;
      *.sql) say "running $file"; query --dbname "$POSTGRES_DB" <"$file" ;;
      *.sql.gz) say "running $file"; gunzip --stdout "$file" | query --dbname "$POSTGRES_DB" ;;
      *) say "ignoring $file" ;;
    esac
  done
}

initialise() {
  local -a more=()
  if [[ -z $POSTGRES_PASSWORD && ${POSTGRES_HOST_AUTH_METHOD-} != trust ]]; then
    refuse "$PGDATA holds no database and no superuser password is given; set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE"
  fi
  eval "more=(${POSTGRES_INITDB_ARGS-})" # words as a shell reads them, quotes included: the contract
  [[ -z ${POSTGRES_INITDB_WALDIR-} ]] || more+=(--waldir "$POSTGRES_INITDB_WALDIR")
  # The password travels through a pipe: never in argv, never on disk.
  if [[ -n $POSTGRES_PASSWORD ]]; then
    initdb --pgdata "$PGDATA" --username "$POSTGRES_USER" --pwfile <(printf '%s\n' "$POSTGRES_PASSWORD") "${more[@]}"
  else
    initdb --pgdata "$PGDATA" --username "$POSTGRES_USER" "${more[@]}"
  fi
  # initdb lets in everybody from inside the container; from outside, by the server's own way to keep passwords
  # (scram-sha-256; md5 up to PostgreSQL 13).
  local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -D "$PGDATA" -C password_encryption)}
  [[ $method != on ]] || method=md5
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
  temporary_server "$@"
  if [[ $POSTGRES_DB != postgres ]]; then
    query --dbname postgres -v name="$POSTGRES_DB" <<<'CREATE DATABASE :"name";'
  fi
  run_init_files
  pg_ctl --pgdata "$PGDATA" --mode fast --wait --silent stop
  say 'initialised; starting the server'
}

[[ ${1-} != -* ]] || set -- postgres "$@"
if [[ ${1-} == postgres ]] && ! only_asks "${@:2}"; then
  setting POSTGRES_PASSWORD
  setting POSTGRES_USER postgres
  setting POSTGRES_DB "$POSTGRES_USER"
  setting POSTGRES_INITDB_ARGS
  directories
  if ((EUID == 0)); then
    HOME=/var/lib/postgresql exec setpriv --reuid postgres --regid postgres --init-groups -- "$0" "$@"
  fi
  if [[ -s $PGDATA/PG_VERSION ]]; then
    say "$PGDATA holds a database already; nothing to initialise"
  else
    initialise "${@:2}"
  fi
fi
exec "$@"
