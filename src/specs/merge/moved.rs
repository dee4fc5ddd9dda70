//! A file that got another path and another name at once.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Merged, Renamed, renamed};
use crate::model::DbName;

impl Merged {
    /// Holds back specs of new names that are, word for word, those of databases whose files are gone:
    /// somebody moved the file and wrote another name into it, and wants no new, empty database. `given`
    /// holds what each admitted database's spec says. Where more than one could be meant, none is.
    pub fn hold_moved(&mut self, given: &BTreeMap<DbName, Value>) {
        let orphans: Vec<(DbName, Value)> = self
            .orphans
            .iter()
            .filter_map(|name| Some((name.clone(), given.get(name)?.clone())))
            .collect();
        let mut pairs: Vec<(DbName, DbName)> = Vec::new();
        for candidate in &self.candidates {
            if given.contains_key(&candidate.name) {
                continue;
            }
            let spec = serde_json::to_value(&candidate.parsed.raw.spec).unwrap_or_default();
            let same = orphans.iter().filter(|(_, given)| *given == spec);
            pairs.extend(same.map(|(old, _)| (old.clone(), candidate.name.clone())));
        }
        for (old, new) in &pairs {
            let alike = pairs.iter().filter(|(o, n)| o == old || n == new).count();
            let at = self.candidates.iter().position(|c| c.name == *new);
            if let (1, Some(at)) = (alike, at) {
                let candidate = self.candidates.remove(at);
                self.problems.push(renamed(old, new, &candidate.parsed));
                self.orphans.remove(old);
                self.renamed.push(Renamed {
                    old: old.clone(),
                    new: new.clone(),
                    path: candidate.path,
                });
            }
        }
    }
}
