//! Which databases a server has, and which of them a dump leaves out.

use serde_json::Value;

use crate::model::{BackupKind, DbName, Timestamp};

/// Says of a database that it takes no connections.
pub const CLOSED: &str = "closed";

/// Says of a database that its removal was cut off: its data is gone, and its name is left.
pub const LOST: &str = "lost";

/// What a server says of its databases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Those to dump.
    pub open: Vec<String>,
    /// Those that cannot be dumped, since they take no connections.
    pub closed: Vec<String>,
    /// Those of which there is nothing to dump, since their removal was cut off.
    pub lost: Vec<String>,
}

/// What an inventory says.
///
/// # Errors
/// What about it is no answer.
pub fn databases(lines: Vec<Value>) -> Result<Inventory, String> {
    let mut found = Inventory::default();
    for line in lines {
        let words: Vec<String> =
            serde_json::from_value(line.clone()).map_err(|e| format!("`{line}`: {e}"))?;
        match <[String; 1]>::try_from(words) {
            Ok([name]) => found.open.push(name),
            Err(words) => match words.as_slice() {
                [name, word] if word == CLOSED => found.closed.push(name.clone()),
                [name, word] if word == LOST => found.lost.push(name.clone()),
                _ => return Err(format!("`{line}` is no name of a database")),
            },
        }
    }
    Ok(found)
}

/// Whether a backup of this kind may leave something out: not where something is taken away once it is there.
///
/// # Errors
/// What would not be in it, for a person.
pub fn holds_all(kind: BackupKind, name: &DbName, left_out: &[String]) -> Result<(), String> {
    let precedes_loss = kind.is_last() || kind == BackupKind::BeforeRestore;
    if left_out.is_empty() || !precedes_loss {
        return Ok(());
    }
    let closed: Vec<String> = left_out.iter().map(|one| format!("`{one}`")).collect();
    Err(format!(
        "{} would not be in the backup of {name}: it takes no connections, so it cannot be dumped; let it \
         (alter database … with allow_connections true), or drop it",
        closed.join(", ")
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
            let said = holds_all(kind, &name, &["archive".to_owned()]);
            assert_eq!(said.is_err(), refused, "{kind:?}");
            assert!(said.is_ok() || said.unwrap_err().contains("`archive` would not be in"));
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

    #[test]
    fn an_inventory_names_what_is_dumped_and_what_cannot_be() {
        let lines = |text: &str| databases(super::super::lines(text.as_bytes()).unwrap());
        let answer = "[\"archive\", \"closed\"]\n[\"genomics\"]\n[\"half\", \"lost\"]\n[\"end\"]\n";
        let one = |name: &str| vec![name.to_owned()];
        let (open, closed, lost) = (one("genomics"), one("archive"), one("half"));
        assert_eq!(lines(answer), Ok(Inventory { open, closed, lost }));
        for wrong in ["[]", "[1]", "[\"a\", \"b\"]", "{}"] {
            assert!(lines(&format!("{wrong}\n[\"end\"]\n")).is_err(), "{wrong}");
        }
    }
}
