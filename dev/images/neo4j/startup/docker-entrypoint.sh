#!/bin/bash
# The entrypoint of the lab's Neo4j stand-in image. Written for this project against the documented contract of the official
# image: its environment variables, its folders, its user.
set -euo pipefail
shopt -s nullglob

refuse() { printf 'entrypoint: refused: %s\n' "$*" >&2; exit 1; }
conf=$NEO4J_HOME/conf/neo4j.conf
command=${1-neo4j}

as_neo4j=()
if ((EUID == 0)); then
  as_neo4j=(setpriv --reuid neo4j --regid neo4j --init-groups --)
  chown -R neo4j:neo4j "$NEO4J_HOME/conf"
  for folder in /data /logs; do
    [[ -z $(find "$folder" \! -user neo4j -print -quit) ]] || chown -R neo4j:neo4j "$folder"
  done
fi

# A folder /conf takes the place of all configuration.
if [[ -d /conf ]]; then
  rm -rf "${NEO4J_HOME:?}"/conf/*
  find /conf -type f -exec cp --preserve=ownership,mode {} "$NEO4J_HOME/conf/" \;
fi
touch "$conf"
[[ -z $(tail -c 1 "$conf") ]] || echo >>"$conf"

# setting NAME VALUE: in place of what the configuration says, but for the one that may stand several times.
setting() {
  [[ $1 == server.jvm.additional ]] || sed -i "/^$1=/d" "$conf"
  printf '%s=%s\n' "$1" "$2" >>"$conf"
}
default() { grep -q "^$1=" "$conf" || setting "$1" "$2"; }
default server.memory.pagecache.size 512M
default server.default_listen_address 0.0.0.0
default server.directories.run /tmp
default server.directories.data /data
default server.directories.logs /logs

# NEO4J_server_bolt_advertised__address is server.bolt.advertised_address.
while read -r name; do
  case $name in
    NEO4J_AUTH | NEO4J_AUTH_PATH | NEO4J_EDITION | NEO4J_HOME | NEO4J_PLUGINS | NEO4J_DEBUG) continue ;;
  esac
  key=${name#NEO4J_} key=${key//__/%} key=${key//_/.} key=${key//%/_}
  [[ -z ${!name} || $key == [0-9]* ]] || setting "$key" "${!name}"
done < <(compgen -e NEO4J_ || true)

auth=${NEO4J_AUTH-}
if [[ -n ${NEO4J_AUTH_PATH-} ]]; then
  [[ -r $NEO4J_AUTH_PATH ]] || refuse "NEO4J_AUTH_PATH names $NEO4J_AUTH_PATH, which cannot be read"
  auth=$(<"$NEO4J_AUTH_PATH")
fi
if [[ $command == neo4j && -n $auth ]]; then
  if [[ $auth == none ]]; then
    setting dbms.security.auth_enabled false
  elif [[ $auth =~ ^([^/]+)/([^/]+)/?([tT][rR][uU][eE])?$ ]]; then
    user=${BASH_REMATCH[1]} password=${BASH_REMATCH[2]}
    [[ $password != neo4j ]] || refuse "the password cannot be 'neo4j', which is the default"
    [[ $user == neo4j ]] || refuse "the first account is neo4j, not '$user'"
    "${as_neo4j[@]}" neo4j-admin dbms set-initial-password "$password" ${BASH_REMATCH[3]:+--require-password-change}
  else
    refuse 'NEO4J_AUTH is neither none nor neo4j/PASSWORD'
  fi
fi

if [[ $command == neo4j ]]; then
  exec "${as_neo4j[@]}" neo4j console
fi
exec "${as_neo4j[@]}" "$@"
