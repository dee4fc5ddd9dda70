//! Samples for the tests of this folder.

use serde_json::json;

use crate::admin::{Book, NewEntry};
use crate::model::{Change, Clock, Database, DbName, Entry, Outcome, Timestamp, Who};

/// Always the same instant.
pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        instant(0)
    }
}

/// So many seconds after an instant in 2026.
pub(crate) fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
}

pub(crate) fn name(text: &str) -> DbName {
    text.parse().unwrap()
}

/// A PostgreSQL database; its uid follows from its name and port.
pub(crate) fn database(text: &str, port: u16) -> Database {
    let id = uuid::Uuid::from_u128(u128::from(port) << 64 | text.len() as u128);
    serde_json::from_value(json!({
        "name": text, "uid": id, "generation": 1, "source": "row",
        "given": {"engine": "Postgres", "owner": "lab", "contact": "lab@example.org"},
        "labels": {}, "state": "Running", "engine": "Postgres",
        "image": {"display": "PostgreSQL 17", "reference": "postgres:17", "pinned": null,
                  "series": "17"},
        "database": text, "owner": "lab", "contact": "lab@example.org", "description": "",
        "facts": {"LIFE": "Long"},
        "volume": {"label": "Standard", "path": "/data"}, "port": port,
        "account": {"user": text, "role": "Admin", "passwordFile": null},
        "resources": {"memory": "2Gi", "cpus": null, "shm": "256Mi"},
        "settings": {"work_mem": "64MB"}, "config": null, "timeZone": "UTC",
        "maintenanceWindow": "any", "onLost": "Hold",
        "layout": {"ports": [5432], "data": [["/", "/var/lib/postgresql/data"]],
                   "command": ["postgres"], "sentinel": "PG_VERSION", "uid": 999}
    }))
    .unwrap()
}

/// A change by the daemon.
pub(crate) fn new(text: &str, change: Change) -> NewEntry {
    NewEntry {
        who: Who::Daemon,
        name: Some(name(text)),
        outcome: Outcome::Done,
        message: "as wanted".to_owned(),
        change,
    }
}

pub(crate) fn admitted(database: Database) -> NewEntry {
    let text = database.name.to_string();
    let database = Box::new(database);
    new(&text, Change::Admitted { database })
}

/// An accepted entry.
pub(crate) fn entry(seq: u64, new: NewEntry) -> Entry {
    Entry {
        seq,
        at: instant(seq as i64),
        who: new.who,
        name: new.name,
        outcome: new.outcome,
        message: new.message,
        change: new.change,
    }
}

/// An entry that changes nothing, with a message of some length.
pub(crate) fn note(seq: u64, message: &str) -> Entry {
    let mut new = new("genomics", Change::Noted);
    new.message = message.to_owned();
    entry(seq, new)
}

/// A book with these changes accepted, numbered from 1.
pub(crate) fn book(changes: Vec<NewEntry>) -> Book {
    let mut book = Book::new();
    for (new, seq) in changes.into_iter().zip(1..) {
        book.check(&new).unwrap();
        book.apply(&entry(seq, new)).unwrap();
    }
    book
}
