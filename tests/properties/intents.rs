//! Crash, its first half: what is about to be done is on the disk before it is begun.
//!
//! A daemon that is killed between two calls leaves its last intent behind, or nothing was done.

use std::collections::{BTreeMap, BTreeSet};

use db4sci::admin::Ledger;
use db4sci::model::{Change, DbName};

use crate::host::{Db, Line};

/// What the ledger was read of.
#[derive(Default)]
pub struct Intents {
    /// The last entry that was looked at.
    read: u64,
}

impl Intents {
    /// Holds what calls changed since the last step against what was written as intended since then: a
    /// lane begins and ends, or is cut off, within one step.
    pub async fn check(&mut self, ledger: &Ledger, dbs: &[Db], new: &[Line]) -> Result<(), String> {
        let words = new.iter().filter_map(|line| line.text.split_once(' '));
        let done: Vec<(&str, &DbName)> = words
            .filter_map(|(verb, of)| {
                let db = dbs.iter().find(|db| db.name.as_str() == of)?;
                (!steps_of(verb).is_empty()).then_some((verb, &db.name))
            })
            .collect();
        let after = self.read;
        self.read = ledger.book().head().seq;
        if done.is_empty() {
            return Ok(());
        }
        let new = ledger.records(after, usize::MAX).await;
        let mut intended: BTreeMap<DbName, BTreeSet<String>> = BTreeMap::new();
        for record in new.map_err(|e| e.to_string())? {
            if let (Some(name), Change::Intended { actions, .. }) =
                (record.entry.name, record.entry.change)
            {
                intended.entry(name).or_default().extend(actions);
            }
        }
        for (verb, name) in done {
            let said = intended.get(name);
            let says = |kind: &&str| said.is_some_and(|said| said.contains(*kind));
            if !steps_of(verb).iter().any(says) {
                return Err(format!(
                    "`{verb} {name}`, and the ledger says nothing of it: {said:?}"
                ));
            }
        }
        Ok(())
    }
}

/// The kinds of steps that do what a verb of the host's journal stands for; none: it is not looked at.
fn steps_of(verb: &str) -> &'static [&'static str] {
    match verb {
        "create" => &["create"],
        "start" => &["start"],
        "stop" => &["stop"],
        "remove" => &["remove"],
        "unpause" => &["unpause"],
        "update" => &["update"],
        "set_policy" => &["set_policy"],
        "prepare" => &["prepare"],
        "set_aside" => &["set_aside"],
        "mark_initialised" => &["mark_initialised"],
        "write_files" => &["write_files", "take_back", "prove_settings", "reload"],
        "write_secrets" => &["write_secrets", "write_files", "rotate", "reload"],
        _ => &[],
    }
}
