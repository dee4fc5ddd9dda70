# shellcheck shell=bash
# The lab's engine images: official ones where the engine reaches a registry, else stand-ins from Debian's packages, and for
# two engines from Go's, npm's and Maven's.
# Needs common.sh. Sourced, never run.

# Catalog image, Debian suite that has this version (or what its programs run on). The slow ones first.
STANDINS=(
  'mongo:8.0 trixie'
  'neo4j:5.26 bookworm'
  'postgres:13 bullseye'
  'postgres:15 bookworm'
  'postgres:17 trixie'
  'mariadb:10.11 bookworm'
  'mariadb:11.8 trixie'
  'mongo:7.0 trixie'
)
# A second image of the same version, different by one label alone: an image change that keeps the data.
TWIN=postgres:15-b
TWIN_OF=postgres:15

standin_names() { printf '%s\n' "${STANDINS[@]%% *}"; }
standin_tag() { printf 'db4sci-lab/%s' "$1"; }
standin_suite() {
  local row
  for row in "${STANDINS[@]}"; do [[ ${row%% *} != "$1" ]] || printf %s "${row#* }"; done
}

# Our own files of an image, as a tar stream that is the same for the same files.
standin_files() { tar --create --directory "$DEV/images/${1%%:*}" --owner 0 --group 0 --mode u=rwX,go=rX --mtime @0 --sort name .; }

# Hashes: the same recipe makes the same image, any edit makes a new one. And that of the packages' part alone.
standin_recipe() { { standin_packages "$1"; cat "$DEV/images/build"; standin_files "$1"; } | sha256sum | cut -c1-12; }
standin_packages() {
  case $1 in
    # One root and one set of programs for all versions.
    mongo:*) { printf '%s\n' mongo "$(standin_suite "$1")"; cat "$DEV/images/root" "$DEV/images/programs"; } ;;
    neo4j:*) { printf '%s\n' "$1" "$(standin_suite "$1")"; cat "$DEV/images/root" "$DEV/images/programs"; } ;;
    mariadb:*) { printf '%s\n' "$1" "$(standin_suite "$1")"; cat "$DEV/images/root" "$DEV/images/plugins"; } ;;
    *) { printf '%s\n' "$1" "$(standin_suite "$1")"; cat "$DEV/images/root"; } ;;
  esac | sha256sum | cut -c1-12
}
standin_tarball() { printf %s "$LAB/images/${1/:/-}.$(standin_packages "$1").$(standin_recipe "$1").tar"; }

# make_twin IMAGE: db4sci-lab/postgres:15-b, from that image.
make_twin() {
  local container
  container=$(docker create "$1")
  docker commit --change 'LABEL db4sci.revision=b' "$container" "$(standin_tag "$TWIN")"
  docker rm --volumes "$container"
}

# image_label IMAGE LABEL: its value; nothing when there is no such image or label.
image_label() { docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null || true; }

# official_present NAME: the engine has or gets the official image.
official_present() {
  [[ -z ${DB4SCI_LAB_STANDINS-} ]] || return 1
  docker image inspect "$1" >/dev/null 2>&1 && return 0
  registry_answers && timeout 900 docker pull --quiet "$1"
}

# Does the engine reach a registry? Asked through the engine; a "no" is remembered for twelve hours.
registry_answers() {
  local no=$LAB/no-registry host
  [[ -z $(find "$no" -mmin -720 2>/dev/null) ]] || return 1
  host=$(docker_host)
  case $host in
    unix://*) set -- --unix-socket "${host#unix://}" http://engine ;;
    *) set -- "${host/#tcp:/http:}" ;;
  esac
  if timeout 8 curl --silent --fail --output /dev/null "${@:1:$#-1}" "${!#}/distribution/postgres:17/json"; then
    rm -f "$no"
  else
    touch "$no"
    return 1
  fi
}

# load_tarballs FILE…: into the engine of DOCKER_HOST, two at a time.
load_tarballs() {
  (($# == 0)) || printf '%s\0' "$@" | sort -zu | xargs -0 -P 2 -n 1 docker load --quiet --input
}

# What a build that was killed left behind.
sweep_builds() {
  local dir
  for dir in "$LAB"/images/build.*; do
    [[ -d $dir ]] || continue
    if mountpoint -q "$dir"; then umount --recursive --lazy "$dir"; fi
    rm -rf --one-file-system "$dir"
  done
}

# builds_missing: will a stand-in have to be built?
builds_missing() {
  local name
  for name in $(standin_names); do
    [[ -f $(standin_tarball "$name") || $(image_label "$(standin_tag "$name")" db4sci.recipe) == "$(standin_recipe "$name")" ]] || return 0
  done
  return 1
}

# ensure_images: every image is in the engine, and mirrors.yaml says which one stands for which.
ensure_images() {
  local name tag twin map='' official=() wanted=() built=() tarballs=()
  twin=$(standin_tag "$TWIN")
  mkdir -p "$LAB/images"
  sweep_builds
  for name in $(standin_names); do
    tag=$(standin_tag "$name")
    if official_present "$name"; then
      official+=("$name")
      if [[ $name == "$TWIN_OF" && $(image_label "$twin" db4sci.revision) != b ]]; then make_twin "$name"; fi
      continue
    fi
    map+="\"$name\": \"$tag\""$'\n'
    if [[ $(image_label "$tag" db4sci.recipe) == "$(standin_recipe "$name")" &&
      ($name != "$TWIN_OF" || $(image_label "$twin" db4sci.recipe) == "$(standin_recipe "$name")") ]]; then
      continue
    fi
    wanted+=("$name")
    [[ -f $(standin_tarball "$name") ]] || built+=("$name")
  done
  map+="\"$TWIN\": \"$twin\""$'\n'
  if ((${#built[@]})); then
    # Two at a time: each waits as much for the disk and the mirror as for a core.
    printf '%s\n' "${built[@]}" | tr ':' ' ' | xargs -P 2 -L 1 "$DEV/images/build" ||
      die "could not build every stand-in image (${built[*]})" \
        'The reason stands above. They are made from packages of Debian, and some of Go, npm and Maven: their mirrors must be' \
        'reachable, and 4 GB free.' \
        'Run dev/setup again: what was built is kept.'
  fi
  for name in "${wanted[@]}"; do tarballs+=("$(standin_tarball "$name")"); done
  load_tarballs "${tarballs[@]}"
  # What the new ones replaced is of no use, unless a container still runs from it.
  if ((${#wanted[@]})); then docker image prune --force --filter label=db4sci.recipe; fi
  printf %s "$map" >"$LAB/mirrors.yaml.new"
  mv "$LAB/mirrors.yaml.new" "$LAB/mirrors.yaml"
  if ((${#official[@]} < ${#STANDINS[@]})); then
    note "${#official[@]} official, $((${#STANDINS[@]} - ${#official[@]})) stand-ins; ${#built[@]} built, ${#wanted[@]} loaded"
  else
    note 'all official'
  fi
}
