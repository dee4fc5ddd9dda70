//! What `ALTER SYSTEM` set in a PostgreSQL: dumped as statements, and loaded one by one, since another
//! server may not know all of it.

use std::collections::BTreeMap;

use super::postgres::{END, script};
use super::{Command, IN, OUT, Refused, lines};

/// The part, as statements.
pub(super) const SETTINGS: &str = "settings.sql";
/// How it is counted.
pub(super) const KEY: &str = "system settings";
/// What each of its statements begins with.
pub(super) const SET: &str = "ALTER SYSTEM ";
/// How the part ends.
pub(super) const SETTINGS_END: &str = "-- end";
/// Where a server keeps them, in its data folder.
const FILE: &str = "postgresql.auto.conf";

/// Settings whose value is a list of quoted names: it stands in the file as SQL takes it, and would
/// be one name if it were quoted as a whole (`variable_is_guc_list_quote` of PostgreSQL's source).
const LISTS: &str = "'local_preload_libraries', 'search_path', 'session_preload_libraries', \
    'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories'";

/// Writes them, in the order of the file. A setting of a library that is not loaded is taken only where
/// its session has it, up to PostgreSQL 16.
pub(super) fn dump() -> Command {
    script(
        "postgres",
        format!(
            "\\o {OUT}\n\
             select '-- what ALTER SYSTEM set';\n\
             select pg_catalog.concat(\
             case when name ~ '\\.' then pg_catalog.format(E'SET %I = %L;\\n', name, setting) end, \
             pg_catalog.format(case when name in ({LISTS}) then '{SET}SET %I = %s;' \
             else '{SET}SET %I = %L;' end, name, setting)) \
             from pg_catalog.pg_file_settings \
             where sourcefile ~ '/{FILE}$' order by seqno;\n\
             select '{SETTINGS_END}';\n"
        ),
    )
}

/// Sets them, each by itself, and answers with the names of those that the server did not take: an
/// array with one a line.
pub(super) fn load() -> Command {
    script(
        "template1",
        format!(
            r#"create temporary table stated (line text);
\copy stated from '{IN}' with (format csv, delimiter E'\x01', quote E'\x02')
\unset ON_ERROR_STOP
select case when line ~ '^{SET}SET "?[^" ]+\.' then substring(line from {after}) end, line
  from stated where line ~ '^{SET}'
\gexec
\set ON_ERROR_STOP 1
select json_build_array(name)
  from (select substring(line from '^{SET}SET "?([^" ]+)"? = ') from stated where line ~ '^{SET}') as s (name)
 where lower(name) not in (select lower(name) from pg_file_settings
                            where name is not null and sourcefile ~ '/{FILE}$');
{END}"#,
            after = SET.len() + 1,
        ),
    )
}

/// What was not taken, as [`load`] answered.
pub(super) fn refused(answer: &[u8]) -> Result<Option<Refused>, String> {
    let names: Result<Vec<[String; 1]>, _> = lines(answer)?
        .into_iter()
        .map(serde_json::from_value)
        .collect();
    let names = names.map_err(|e| format!("no name of a setting: {e}"))?;
    let names: Vec<String> = names.into_iter().map(|[name]| name).collect();
    Ok((!names.is_empty()).then_some(Refused { key: KEY, names }))
}

/// Sets them aside on data at rest, if there are any.
pub(super) fn set_aside(data: &str, found: &BTreeMap<String, u64>) -> Option<Command> {
    found.get(KEY).filter(|n| **n > 0)?;
    let file = format!("{data}/{FILE}");
    Some(Command {
        program: "mv".to_owned(),
        args: vec!["-f".to_owned(), file.clone(), format!("{file}.refused")],
        ..Command::default()
    })
}

/// Lines of `restore.sh` after all is loaded: the settings hold from the next start on, and one may keep
/// the server from it. `ready` is a command in the container that succeeds once it is up. Where the data
/// lies its image says: the container is none of db4sci's.
pub(super) fn restart(ready: &str) -> String {
    RESTART.replace("{file}", FILE).replace("{ready}", ready)
}

const RESTART: &str = r#"
docker restart -t 300 "$NAME" >/dev/null
if ! until_in {ready}; then
  docker run --rm --volumes-from "$NAME" --entrypoint sh "$IMAGE" \
    -c 'mv -f "$PGDATA/{file}" "$PGDATA/{file}.refused"'
  docker restart -t 300 "$NAME" >/dev/null
  until_in {ready}
  echo "restore.sh: with what ALTER SYSTEM had set, the server does not start; it starts without that, which is in {file}.refused" >&2
fi
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_does_not_take_is_named_and_an_answer_that_was_cut_off_is_none() {
        let names = |answer: &[u8]| refused(answer).map(|found| found.map(|r| r.names));
        assert_eq!(names(b"[\"end\"]\n"), Ok(None));
        assert_eq!(
            names(b"[\"old_snapshot_threshold\"]\n[\"x.y\"]\n[\"end\"]\n"),
            Ok(Some(vec![
                "old_snapshot_threshold".to_owned(),
                "x.y".to_owned()
            ]))
        );
        assert!(names(b"[\"x.y\"]\n").is_err());
        assert!(names(b"[1]\n[\"end\"]\n").is_err());
    }

    #[test]
    fn nothing_is_set_aside_where_nothing_was_set() {
        let found = |n: u64| BTreeMap::from([(KEY.to_owned(), n)]);
        assert_eq!(set_aside("/data", &found(0)), None);
        assert_eq!(set_aside("/data", &BTreeMap::new()), None);
        let args = set_aside("/data", &found(2)).unwrap().args;
        assert_eq!(args[1], "/data/postgresql.auto.conf");
    }
}
