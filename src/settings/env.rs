//! Overrides from the environment: `DB4SCI_` and the key in capitals.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::model::Problem;
use crate::specs::document::{Guide, Key, Kind, Node, Position, nearest};

/// What every variable of ours begins with.
const PREFIX: &str = "DB4SCI_";

/// Variables that are no setting: the mode, the settings file, the log's filter, the home folder,
/// and whatever belongs to the lab.
const OTHERS: [&str; 5] = ["MODE", "CONFIG", "LOG", "HOME", "LAB"];

/// The one data volume, by its path.
pub(super) const DATA_VOLUME: &str = "DB4SCI_DATA_VOLUME";

/// The single values, as variable and as path of the key. Lists are the file's alone.
const KEYS: [(&str, &[&str]); 23] = [
    ("CONTAINER_HOST", &["container_host"]),
    ("CONTAINER_IP", &["container_ip"]),
    ("BASE_PORT", &["base_port"]),
    ("STATE_DIR", &["state_dir"]),
    ("SOCKET", &["socket"]),
    ("HTTP", &["http"]),
    ("DESIRED_STATE", &["desired_state"]),
    ("DBCONFIG", &["dbconfig"]),
    ("BACKUP_VOLUME", &["backupVolume"]),
    ("SHIP_JOURNAL", &["shipJournal"]),
    ("CONTAINER_PREFIX", &["container_prefix"]),
    ("IMAGE_MIRRORS", &["image_mirrors"]),
    ("TIME_ZONE", &["time_zone"]),
    ("HEARTBEAT_URL", &["heartbeat", "url"]),
    ("HEARTBEAT_EVERY", &["heartbeat", "every"]),
    ("RETIRED_DATA", &["retired", "data"]),
    ("RETIRED_BACKUPS", &["retired", "backups"]),
    ("STEWARDSHIP_LIFE", &["stewardship", "life"]),
    (
        "STEWARDSHIP_READ_ONLY_AFTER",
        &["stewardship", "readOnlyAfter"],
    ),
    (
        "STEWARDSHIP_HIBERNATE_AFTER",
        &["stewardship", "hibernateAfter"],
    ),
    ("LIMITS_LANES", &["limits", "lanes"]),
    ("LIMITS_DUMPS", &["limits", "dumps"]),
    ("DATA_VOLUME", &[]),
];

/// The variable that overrides a key, if it is set: problems of that key are the variable's.
pub(super) fn variable<'a>(key: &str, env: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let (name, _) = KEYS.iter().find(|(_, path)| path.join(".") == key)?;
    let (name, _) = env.get_key_value(&format!("{PREFIX}{name}"))?;
    Some(name)
}

/// Puts the environment's values over the file's. Unknown variables of ours are refused: a
/// mistyped override would otherwise be silently without effect.
pub(super) fn apply(
    env: &BTreeMap<String, String>,
    guide: &Guide,
    settings: &mut Map<String, Value>,
    problems: &mut Vec<Problem>,
) {
    for (variable, text) in env {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if OTHERS.contains(&name) || name.starts_with("LAB_") {
            continue;
        }
        // For tests; other builds have no failpoints, and refuse it as they refuse any mistake.
        if cfg!(debug_assertions) && name == "FAILPOINT" {
            continue;
        }
        match KEYS.iter().find(|(key, _)| *key == name) {
            None => problems.push(unknown(variable, name)),
            // The data volume replaces a list; `load` reads it itself.
            Some((_, [])) => {}
            Some((_, path @ [first, ..])) => {
                match guide.read_field::<Value>(first, &node(path, text), Path::new("")) {
                    Ok((value, _)) => put(settings, first, value),
                    Err(found) => problems.extend(
                        found
                            .into_iter()
                            .map(|p| Problem::new(variable.as_str(), p.message)),
                    ),
                }
            }
        }
    }
}

/// A variable's text as what would stand at its key.
fn node(path: &[&str], text: &str) -> Node {
    let at = Position::default();
    match path {
        [_, inner, ..] => {
            let key = Key {
                at,
                text: (*inner).to_owned(),
            };
            Node {
                at,
                kind: Kind::Map(vec![(key, node(&path[1..], text))]),
            }
        }
        [] | [_] => Node {
            at,
            // Where a number is expected, text is written as one.
            kind: Kind::Number(text.to_owned()),
        },
    }
}

fn put(settings: &mut Map<String, Value>, key: &str, value: Value) {
    match (settings.get_mut(key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
        (_, value) => {
            settings.insert(key.to_owned(), value);
        }
    }
}

fn unknown(variable: &str, name: &str) -> Problem {
    let names = KEYS.iter().map(|(key, _)| *key);
    let near = nearest(name, names.chain(OTHERS));
    let message = match near {
        Some(near) => format!("unknown variable; did you mean `{PREFIX}{near}`?"),
        None => {
            let all: Vec<String> = KEYS
                .iter()
                .map(|(key, _)| format!("{PREFIX}{key}"))
                .collect();
            format!("unknown variable; allowed: {}", all.join(", "))
        }
    };
    Problem::new(variable, message)
}
