//! What lies beside the dumps for people who have neither this program nor its host: the spec, a
//! script, and words.

use crate::engine::backup::Backups;
use crate::model::Database;
use crate::store::manifest::Manifest;

/// The files, by name. None of them is a secret.
pub(super) fn files(
    recipe: &dyn Backups,
    db: &Database,
    manifest: &Manifest,
    spec: String,
) -> Vec<(String, String)> {
    vec![
        ("spec.yaml".to_owned(), spec),
        ("restore.sh".to_owned(), script(recipe, db, manifest)),
        ("RESTORE.md".to_owned(), words(recipe, db, manifest)),
    ]
}

fn script(recipe: &dyn Backups, db: &Database, manifest: &Manifest) -> String {
    let files: Vec<(String, String, Option<String>)> = manifest
        .files
        .iter()
        .filter_map(|f| Some((f.name.clone(), f.part.clone()?, f.database.clone())))
        .collect();
    let sums: String = manifest
        .files
        .iter()
        .map(|f| format!("{}  {}\n", f.sha256, f.name))
        .collect();
    HEAD.replace("{name}", db.name.as_str())
        .replace("{image}", &manifest.image)
        .replace("{sums}", sums.trim_end())
        + &recipe.restore_script(db, &files)
        + if recipe.serves() { TAIL } else { "" }
}

fn words(recipe: &dyn Backups, db: &Database, manifest: &Manifest) -> String {
    let words = WORDS.to_owned() + if recipe.serves() { "" } else { FILES };
    words
        .replace("{name}", db.name.as_str())
        .replace("{slot}", &manifest.slot.to_string())
        .replace("{engine}", db.engine.as_str())
        .replace("{version}", &manifest.server_version)
        .replace("{image}", &manifest.image)
}

const HEAD: &str = r#"#!/bin/sh
# Brings the database {name} back from the files in this folder: with Docker, age and zstd, and
# without DB4Sci. See RESTORE.md.
#
#   IMAGE=… KEY=… NAME=… ./restore.sh
#
# IMAGE   the server's image (default: {image})
# KEY     the file with an age identity that reads this backup (default: key.txt)
# NAME    the new container's name (default: {name}-restored)
# PASSWORD_FILE  a file with the new privileged password (default: one is made)
set -eu
cd "$(dirname "$0")"
IMAGE=${IMAGE:-{image}}
KEY=${KEY:-key.txt}
NAME=${NAME:-{name}-restored}

for tool in docker age zstd sha256sum; do
  command -v "$tool" >/dev/null || { echo "restore.sh: $tool is not installed" >&2; exit 1; }
done
[ -r "$KEY" ] || { echo "restore.sh: there is no key $KEY; set KEY=" >&2; exit 1; }
for kind in container volume; do
  if docker "$kind" inspect "$NAME" >/dev/null 2>&1; then
    echo "restore.sh: there is a $kind $NAME already; set NAME= to another name" >&2
    exit 1
  fi
done
if [ -n "${PASSWORD_FILE:-}" ]; then
  PASSWORD=$(cat "$PASSWORD_FILE")
else
  PASSWORD=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
  (umask 077; printf '%s\n' "$PASSWORD" >"./$NAME.password") 2>/dev/null ||
    { echo "restore.sh: this folder cannot be written; set PASSWORD_FILE=" >&2; exit 1; }
fi
export PASSWORD

sha256sum --quiet -c - <<'SUMS'
{sums}
SUMS

# A pipe ends as its last program does: what fails before that is noted. (141: nobody reads any more.)
BROKEN=$(mktemp)
trap 'rm -f "$BROKEN"' EXIT
part() { name=$1; shift; "$@" || [ $? -eq 141 ] || printf '%s\n' "$name" >>"$BROKEN"; }
plain() { part "$1" age -d -i "$KEY" "$1" | part "$1" zstd -d -c -q; }
until_in() {
  tries=0
  until docker exec "$NAME" "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    running=$(docker container inspect -f '{{.State.Running}}' "$NAME")
    if [ "$running" != true ] || [ "$tries" -ge 300 ]; then
      echo "restore.sh: the server does not come up; see: docker logs $NAME" >&2
      return 1
    fi
    sleep 1
  done
}

"#;

const TAIL: &str = r#"
if [ -s "$BROKEN" ]; then
  echo "restore.sh: $(head -n 1 "$BROKEN") could not be read to its end: is $KEY the key? What is in $NAME is not all; remove it" >&2
  exit 1
fi
echo "restored into the container $NAME; its privileged password is in ${PASSWORD_FILE:-$PWD/$NAME.password}"
"#;

const WORDS: &str = r"# Bringing {name} back

This folder is one backup of the database `{name}` ({engine} {version}), taken for {slot}. It is
whole when `manifest.json` is here. What is needed: Docker, `age`, `zstd`, an image of the server
(`{image}` or one of the same series), and a key.

1. Get the files of this folder onto a machine with Docker.
2. Get a key that reads them. `manifest.json` names the ids of all keys that do: the host's own
   (`backup.agekey` of `db4sci key export FOLDER`) and the institute's offline key.
3. Run

       KEY=/path/to/key.txt IMAGE={image} NAME={name}-restored sh restore.sh

   It checks every file's SHA-256, starts a new container, and loads the files into it. Nothing that
   exists is touched.
4. Accounts are as they were when the backup was taken, with the passwords of then, but for the
   privileged one: its new password is in the file that the script names at its end.

By hand, each file's own text is `age -d -i KEY FILE | zstd -d`; `restore.sh` says what it is piped
into. The counts in `manifest.json` (`contents`) say what must be there afterwards.
";

const FILES: &str = r"
## These are files

The server of `{name}` could not be dumped any more when this was taken, so this is a copy of its
files, as they were. `restore.sh` puts them into volumes of a new container and does not start it:
whether a server starts on them, and with what they may be mended, has to be found out. No password
is set; those of then are in the files.
";
