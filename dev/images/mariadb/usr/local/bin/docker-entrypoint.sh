#!/bin/bash
# The entrypoint of the lab's MariaDB stand-in image. Written for this project against the documented contract of
# the official image: its environment variables, its folders, its users, PID 1.
set -euo pipefail
shopt -s nullglob

SOCKET=/run/mysqld/mysqld.sock

say() { printf 'entrypoint: %s\n' "$*" >&2; }
refuse() { say "refused: $*"; exit 1; }

# setting MARIADB_X [DEFAULT]: exports it, given plainly, as the contents of the file that MARIADB_X_FILE names, or by
# the older names MYSQL_X and MYSQL_X_FILE.
setting() {
  local name=$1 value=${2-} alias
  for alias in "MYSQL_${1#MARIADB_}" "$1"; do
    local from=${alias}_FILE
    if [[ -n ${!alias-} && -n ${!from-} ]]; then
      refuse "both $alias and $from are set; set one of them"
    elif [[ -n ${!alias-} ]]; then
      value=${!alias}
    elif [[ -n ${!from-} ]]; then
      value=$(<"${!from}") || refuse "$from names ${!from}, which user $(id -un) cannot read"
    fi
    unset "$from"
  done
  export "$name=$value"
}

# True when the server is only asked about itself, which needs no data.
only_asks() {
  local arg
  for arg; do
    case $arg in -'?' | --help | -V | --version | --print-defaults) return 0 ;; esac
  done
  return 1
}

# The data directory after configuration files and arguments had their say.
data_directory() {
  "$@" --verbose --help 2>/dev/null | awk '$1 == "datadir" { sub(/^datadir +/, ""); sub(/\/$/, ""); print; exit }'
}

directories() {
  mkdir -p "$DATADIR" /run/mysqld
  if ((EUID == 0)); then
    find "$DATADIR" /run/mysqld \! -user mysql -exec chown mysql:mysql {} +
  fi
}

# quoted TEXT: as an SQL string, for any byte but NUL.
quoted() { local t=${1//\\/\\\\}; printf "'%s'" "${t//\'/\\\'}"; }

# A client as root on the unix socket. The password is never in argv, never on disk.
query() {
  MYSQL_PWD=$ROOT_SECRET mariadb --no-defaults --no-auto-rehash --binary-mode --user root --socket "$SOCKET" "$@"
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
      *.sql) say "running $file"; query ${MARIADB_DATABASE:+"$MARIADB_DATABASE"} <"$file" ;;
      *.sql.gz) say "running $file"; gunzip --stdout "$file" | query ${MARIADB_DATABASE:+"$MARIADB_DATABASE"} ;;
      *) say "ignoring $file" ;;
    esac
  done
}

# The statements that make accounts and the first database, on standard output.
accounts() {
  local root
  root=$(quoted "$MARIADB_ROOT_PASSWORD")
  echo 'SET @@SESSION.sql_log_bin = 0;'
  # What the installer made beside root@localhost has an empty password.
  echo "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');"
  echo 'FLUSH PRIVILEGES;'
  if [[ -n $MARIADB_ROOT_HOST && $MARIADB_ROOT_HOST != localhost ]]; then
    echo "CREATE USER root@$(quoted "$MARIADB_ROOT_HOST") IDENTIFIED BY $root;"
    echo "GRANT ALL ON *.* TO root@$(quoted "$MARIADB_ROOT_HOST") WITH GRANT OPTION;"
  fi
  if [[ -n $MARIADB_DATABASE ]]; then
    echo "CREATE DATABASE IF NOT EXISTS \`${MARIADB_DATABASE//\`/\`\`}\`;"
  fi
  if [[ -n $MARIADB_USER ]]; then
    echo "CREATE USER $(quoted "$MARIADB_USER")@'%' IDENTIFIED BY $(quoted "$MARIADB_PASSWORD");"
    # In a grant the database's name is a pattern: its underscores are meant as they are.
    if [[ -n $MARIADB_DATABASE ]]; then
      local name=${MARIADB_DATABASE//\`/\`\`}
      echo "GRANT ALL ON \`${name//_/\\_}\`.* TO $(quoted "$MARIADB_USER")@'%';"
    fi
  fi
  echo "SET PASSWORD FOR root@localhost = PASSWORD($root);"
}

initialise() {
  if [[ -z $MARIADB_ROOT_PASSWORD && -z $MARIADB_ALLOW_EMPTY_ROOT_PASSWORD && -z $MARIADB_RANDOM_ROOT_PASSWORD ]]; then
    refuse "$DATADIR holds no database and no root password is given; set MARIADB_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD_FILE," \
      'MARIADB_RANDOM_ROOT_PASSWORD or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD'
  fi
  [[ $MARIADB_USER != root ]] || refuse 'MARIADB_USER cannot be root; MARIADB_ROOT_PASSWORD is its setting'
  if [[ -n $MARIADB_USER && -z $MARIADB_PASSWORD ]]; then
    refuse 'MARIADB_USER is given without MARIADB_PASSWORD'
  fi
  if [[ -n $MARIADB_RANDOM_ROOT_PASSWORD ]]; then
    MARIADB_ROOT_PASSWORD=$(head -c 24 /dev/urandom | base64)
    say "GENERATED ROOT PASSWORD: $MARIADB_ROOT_PASSWORD"
  fi

  mariadb-install-db --datadir="$DATADIR" --auth-root-authentication-method=normal --skip-test-db --cross-bootstrap >/dev/null
  # The server before anybody may see it: the unix socket only.
  "$@" --skip-networking --skip-log-bin --socket="$SOCKET" &
  local server=$! tries=0
  ROOT_SECRET=
  until query --execute 'SELECT 1' >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || refuse 'the server ended while it was being initialised'
    ((++tries < 600)) || refuse 'the server did not answer within 60 s'
    sleep 0.1
  done
  if [[ -z $MARIADB_INITDB_SKIP_TZINFO ]]; then
    mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo 2>/dev/null | query mysql
  fi
  accounts | query mysql
  ROOT_SECRET=$MARIADB_ROOT_PASSWORD
  run_init_files
  kill "$server"
  wait "$server" || refuse 'the server did not stop cleanly'
  say 'initialised; starting the server'
}

[[ ${1-} != -* ]] || set -- mariadbd "$@"
[[ ${1-} != mysqld ]] || set -- mariadbd "${@:2}"
if [[ ${1-} == mariadbd ]] && ! only_asks "${@:2}"; then
  for name in ROOT_PASSWORD USER PASSWORD DATABASE RANDOM_ROOT_PASSWORD ALLOW_EMPTY_ROOT_PASSWORD INITDB_SKIP_TZINFO; do
    setting "MARIADB_$name"
  done
  setting MARIADB_ALLOW_EMPTY_ROOT_PASSWORD "${MYSQL_ALLOW_EMPTY_PASSWORD-}"
  setting MARIADB_ROOT_HOST %
  DATADIR=$(data_directory "$@")
  [[ -n $DATADIR ]] || refuse "the server does not accept its configuration: $("$@" --verbose --help 2>&1 >/dev/null | tail -n 3)"
  directories
  if ((EUID == 0)); then
    HOME=/var/lib/mysql exec setpriv --reuid mysql --regid mysql --init-groups -- "$0" "$@"
  fi
  if [[ -d $DATADIR/mysql ]]; then
    say "$DATADIR holds a database already; nothing to initialise"
  else
    initialise "$@"
  fi
fi
exec "$@"
