#!/bin/sh
# The guard of DB4Sci: the first process of every database container. It looks whether the mounted
# data is this database's, whole and held by no other server, and then becomes the image's own
# entrypoint. It changes nothing on disk. dockerd may start a container while nobody looks, and an engine's
# image on an empty folder makes a new, empty database: this is the last place to refuse.
#
# guard.sh UID SENTINEL DATA -- ENTRYPOINT...
#   UID       identity of the database
#   SENTINEL  file that the engine makes at its first start, as a path in the container
#   DATA      the data folder, as a path in the container
# The marker folder is mounted read-only at /db4sci/marker (DB4SCI_MARKER in tests).
# Exit codes: 81 another database's data, 82 in use, 83 lost, 84 half made, 85 no marker,
# 86 the guard cannot do its work.
set -u

refuse() {
    code=$1
    shift
    echo "db4sci guard: $*; nothing was changed" >&2
    exit "$code"
}

# The first word of a plain file; empty when there is none. `-f` first: a pipe would block.
word_of() {
    word=
    if [ -f "$1" ]; then
        read -r word _ <"$1" || :
    fi
    printf '%s' "$word"
}

if [ $# -lt 5 ] || [ "$4" != "--" ]; then
    refuse 86 "wrong arguments: guard.sh UID SENTINEL DATA -- ENTRYPOINT..."
fi
uid=$1
sentinel=$2
data=$3
shift 4
marker=${DB4SCI_MARKER:-/db4sci/marker}

if [ ! -f "$marker/uid" ] || [ ! -f "$marker/state" ] || [ ! -f "$marker/lock" ]; then
    refuse 85 "no marker of this database in $marker (is its volume mounted?)"
fi
marked=$(word_of "$marker/uid")
if [ "$marked" != "$uid" ]; then
    refuse 81 "the marker is of $marked, this container of $uid"
fi

# The lock is on descriptor 9, which the server inherits: it is held as long as the server lives.
command -v flock >/dev/null 2>&1 || refuse 86 "the image has no flock program"
[ -r "$marker/lock" ] || refuse 86 "$marker/lock cannot be read"
exec 9<"$marker/lock"
flock -n 9 || refuse 82 "another server holds the lock of $data"

inside=$(word_of "$data/db4sci-uid")
if [ -n "$inside" ] && [ "$inside" != "$uid" ]; then
    refuse 81 "$data holds the data of $inside, this container is of $uid"
fi
state=$(word_of "$marker/state")
case $state in
initialised)
    if [ ! -e "$sentinel" ]; then
        refuse 83 "this database was initialised, and $sentinel is gone"
    fi
    if [ -z "$inside" ]; then
        refuse 81 "this database was initialised, and $data lacks its db4sci-uid: other data lies there (if it is the right data, write $uid into $data/db4sci-uid)"
    fi
    ;;
initialising)
    # With the uid inside, the first start had ended well and only the marker was not yet written.
    if [ -e "$sentinel" ] && [ -z "$inside" ]; then
        refuse 84 "the first start in $data was broken off, what lies there is half made"
    fi
    ;;
*)
    refuse 85 "the marker's state is '$state', which is no state"
    ;;
esac

# Newer engines give containers 1,024 open files, and servers that do not raise their own limit stop taking connections
# there. Their hard limit is what they may have. No more than half a million: some programs close every descriptor
# that could be open, one by one. What fails here is no reason to keep a server down.
# shellcheck disable=SC3045 # dash, bash and busybox know both limits; another shell leaves them as they are
files=$(ulimit -Hn 2>/dev/null) || files=0
if [ "$files" = unlimited ] || [ "${files:-0}" -gt 524288 ]; then
    files=524288
fi
# shellcheck disable=SC3045 # as above
soft=$(ulimit -Sn 2>/dev/null) || soft=unlimited
if [ "${soft:-unlimited}" != unlimited ] && [ "$soft" -lt "${files:-0}" ]; then
    # shellcheck disable=SC3045 # as above
    ulimit -Sn "$files" 2>/dev/null || :
fi

exec "$@"
