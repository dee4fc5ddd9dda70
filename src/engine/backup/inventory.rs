//! What a server has, and what of it a dump leaves out.

use std::fmt;

use serde_json::Value;

use crate::model::{BackupKind, DbName, Timestamp};

/// Says of a database that it takes no connections.
pub const CLOSED: &str = "closed";
/// Says of a database that its removal was cut off: its data is gone, and its name is left.
pub const DROPPED: &str = "dropped";
/// Says of a table of a database that its history is dumped.
pub const HISTORY: &str = "history";
/// Says of a table of a database that it has a history, which no tool of its server dumps.
pub const LOST: &str = "lost history";
/// Says of a view of a database that it does not work; its text follows.
pub const BROKEN: &str = "broken view";
/// Says of a plugin which library it is in.
pub const PLUGIN: &str = "plugin";

/// What a server says that it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// The databases to dump.
    pub databases: Vec<String>,
    /// What is in no dump.
    pub left_out: Vec<LeftOut>,
    /// Whether there are tables whose history is dumped.
    pub history: bool,
    /// What was installed into the server: plugin and library.
    pub plugins: Vec<(String, String)>,
}

/// Something of a server that is in no dump of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// A database that takes no connections.
    Closed(String),
    /// A database whose removal was cut off: there is nothing left to dump.
    Dropped(String),
    /// What rows of a table were before.
    History {
        /// The database.
        database: String,
        /// The table.
        table: String,
    },
    /// A view of what is not there any more.
    View {
        /// The database.
        database: String,
        /// The view.
        view: String,
        /// The statement that would make it again.
        text: String,
    },
}

impl LeftOut {
    /// What it is.
    fn name(&self) -> String {
        match self {
            LeftOut::Closed(database) | LeftOut::Dropped(database) => database.clone(),
            LeftOut::History { database, table } => {
                format!("the history of {database}.{table}")
            }
            LeftOut::View { database, view, .. } => format!("the view {database}.{view}"),
        }
    }

    /// Why it is left out, and what a person does about it, where data is missing by that.
    fn missing(&self) -> Option<&'static str> {
        match self {
            LeftOut::Closed(_) => Some(
                "it takes no connections, so it cannot be dumped; let it \
                 (alter database … with allow_connections true), or drop it",
            ),
            LeftOut::History { .. } => Some(
                "no tool of this server dumps it; drop it (alter table … drop system versioning) once what is \
                 needed of it is in another table",
            ),
            // They hold nothing, and a view's text is kept.
            LeftOut::Dropped(_) | LeftOut::View { .. } => None,
        }
    }
}

/// In words, for a person.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            LeftOut::Closed(_) => "no connections are taken there",
            LeftOut::Dropped(_) => {
                "a DROP DATABASE was cut off there, and the data is gone: drop it"
            }
            LeftOut::History { .. } => "no tool of its server dumps it",
            LeftOut::View { .. } => "it does not work, and its text is kept",
        };
        write!(f, "{}: {why}", self.name())
    }
}

impl Inventory {
    /// Reads the answer of a server.
    ///
    /// # Errors
    /// What about it is no answer.
    pub fn read(lines: Vec<Value>) -> Result<Self, String> {
        let mut inventory = Inventory::default();
        let (mut with_history, mut lost) = (Vec::new(), false);
        for line in lines {
            let words: Vec<String> =
                serde_json::from_value(line.clone()).map_err(|e| format!("`{line}`: {e}"))?;
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[..] {
                [database] => inventory.databases.push(database.to_owned()),
                [database, CLOSED] => {
                    let closed = LeftOut::Closed(database.to_owned());
                    inventory.left_out.push(closed);
                }
                [database, DROPPED] => {
                    let dropped = LeftOut::Dropped(database.to_owned());
                    inventory.left_out.push(dropped);
                }
                [database, word @ (HISTORY | LOST), table] => {
                    lost |= word == LOST;
                    with_history.push(LeftOut::History {
                        database: database.to_owned(),
                        table: table.to_owned(),
                    });
                }
                [database, BROKEN, view, text] => inventory.left_out.push(LeftOut::View {
                    database: database.to_owned(),
                    view: view.to_owned(),
                    text: text.to_owned(),
                }),
                [name, PLUGIN, library] => {
                    let plugin = (name.to_owned(), library.to_owned());
                    inventory.plugins.push(plugin);
                }
                _ => return Err(format!("`{line}` is no name of a database")),
            }
        }
        // One dump is with the history of all tables or of none.
        if lost {
            inventory.left_out.append(&mut with_history);
        }
        inventory.history = !with_history.is_empty();
        Ok(inventory)
    }
}

/// Whether a backup of this kind may leave something out: not where something is taken away once it is there.
///
/// # Errors
/// What would not be in it, for a person.
pub fn holds_all(kind: BackupKind, name: &DbName, left_out: &[LeftOut]) -> Result<(), String> {
    let precedes_loss = kind.is_last() || kind == BackupKind::BeforeRestore;
    let first = left_out.iter().find_map(LeftOut::missing);
    let Some(why) = first.filter(|_| precedes_loss) else {
        return Ok(());
    };
    let missing: Vec<String> = left_out
        .iter()
        .filter(|one| one.missing() == Some(why))
        .map(|one| format!("`{}`", one.name()))
        .collect();
    Err(format!(
        "{} would not be in the backup of {name}: {why}",
        missing.join(", ")
    ))
}

/// The name under which a database stays that another one took the place of. What has such a name and takes
/// no connections is in no backup, and is not missed there.
pub fn aside_name(database: &str, now: Timestamp) -> String {
    // With the rest it must fit PostgreSQL's 63 bytes.
    let kept = database.floor_char_boundary(36.min(database.len()));
    format!(
        "{} before {}",
        &database[..kept],
        now.format("%Y%m%dT%H%M%SZ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_something_away_wants_a_backup_of_all() {
        use BackupKind::{Again, BeforeRestore, Files, Final, Manual, Scheduled};
        let name = "genomics".parse().unwrap();
        for (kind, refused) in [
            (Scheduled, false),
            (Manual, false),
            (Again, false),
            (BeforeRestore, true),
            (Final, true),
            (Files, true),
        ] {
            assert_eq!(holds_all(kind, &name, &[]), Ok(()));
            let archive = LeftOut::Closed("archive".to_owned());
            let history = LeftOut::History {
                database: "lab".to_owned(),
                table: "t".to_owned(),
            };
            let view = LeftOut::View {
                database: "lab".to_owned(),
                view: "v".to_owned(),
                text: String::new(),
            };
            // These hold nothing.
            let empty = [view.clone(), LeftOut::Dropped("half".to_owned())];
            assert_eq!(holds_all(kind, &name, &empty), Ok(()));
            for (missing, named) in [
                (archive, "`archive` would not be in"),
                (history, "`the history of lab.t` would not be in"),
            ] {
                let said = holds_all(kind, &name, &[view.clone(), missing]);
                assert_eq!(said.is_err(), refused, "{kind:?}");
                assert!(said.is_ok() || said.unwrap_err().contains(named));
            }
        }
    }

    #[test]
    fn what_was_set_aside_is_known_by_its_name() {
        let now = "2026-11-22T20:00:00Z".parse().unwrap();
        let long = "ä".repeat(40);
        for (database, name) in [
            ("genes", "genes before 20261122T200000Z".to_owned()),
            (
                long.as_str(),
                format!("{} before 20261122T200000Z", "ä".repeat(18)),
            ),
        ] {
            let aside = aside_name(database, now);
            assert_eq!(aside, name);
            // As the inventory of PostgreSQL asks for it.
            let (_, time) = aside.split_once(" before ").unwrap();
            assert!(aside.len() < 64 && time.len() == 16 && time.ends_with('Z'));
        }
    }

    fn read(text: &str) -> Result<Inventory, String> {
        Inventory::read(super::super::lines(text.as_bytes()).unwrap())
    }

    #[test]
    fn an_inventory_names_what_is_dumped_and_what_cannot_be() {
        let answer = "[\"archive\", \"closed\"]\n[\"genomics\"]\n[\"half\", \"dropped\"]\n\
             [\"lab\", \"broken view\", \"v\", \"create view …\"]\n\
             [\"ed25519\", \"plugin\", \"auth_ed25519.so\"]\n[\"end\"]\n";
        let inventory = read(answer).unwrap();
        assert_eq!(inventory.databases, ["genomics"]);
        let left_out: Vec<String> = inventory.left_out.iter().map(LeftOut::to_string).collect();
        assert_eq!(
            left_out,
            [
                "archive: no connections are taken there",
                "half: a DROP DATABASE was cut off there, and the data is gone: drop it",
                "the view lab.v: it does not work, and its text is kept"
            ]
        );
        assert!(!inventory.history);
        assert_eq!(
            inventory.plugins,
            [("ed25519".to_owned(), "auth_ed25519.so".to_owned())]
        );
        for wrong in ["[]", "[1]", "[\"a\", \"b\"]", "{}"] {
            assert!(read(&format!("{wrong}\n[\"end\"]\n")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_history_that_cannot_be_dumped_leaves_out_all() {
        let dumped = "[\"lab\", \"history\", \"t\"]\n";
        let inventory = read(&format!("{dumped}[\"end\"]\n")).unwrap();
        assert!(inventory.history && inventory.left_out.is_empty());
        let lost = "[\"lab\", \"lost history\", \"u\"]\n";
        let inventory = read(&format!("{dumped}{lost}[\"end\"]\n")).unwrap();
        assert!(!inventory.history);
        assert_eq!(inventory.left_out.len(), 2);
    }
}
