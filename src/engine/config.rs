//! What another text of a person's configuration file asks of a running server.

use std::collections::{BTreeMap, BTreeSet};

use super::Recipe;
use crate::model::database::TLS;

/// The settings of a server that another text changes; none, if it differs in comments only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigChange {
    /// Those that it takes while it runs.
    pub reload: BTreeSet<String>,
    /// Those that need a restart.
    pub restart: BTreeSet<String>,
}

/// Compares texts of a configuration file by what they set. The server may have settings of any
/// text in `before`, and of each only some: a reload may have been cut off. `settings` are those
/// that it has beside the file, which wins over them.
pub fn config_change(
    recipe: &dyn Recipe,
    before: &[&str],
    after: &str,
    settings: &BTreeMap<String, String>,
) -> ConfigChange {
    let before: Vec<_> = before
        .iter()
        .map(|text| recipe.config_settings(text))
        .collect();
    let after = recipe.config_settings(after);
    let names: BTreeSet<&String> = before.iter().flatten().map(|(name, _)| name).collect();
    let mut change = ConfigChange::default();
    for name in names.into_iter().chain(after.keys()) {
        let beside = settings.get(name);
        let new = after.get(name).or(beside);
        if before
            .iter()
            .all(|before| before.get(name).or(beside) == new)
        {
            continue;
        }
        // A word of db4sci's own among the settings; in a file it is no server's.
        let reloads = name != TLS && recipe.reloads(name, new.map(String::as_str));
        let part = if reloads {
            &mut change.reload
        } else {
            &mut change.restart
        };
        part.insert(name.clone());
    }
    change
}

/// What stands for a text that cannot be read with certainty: under a name that no setting has, so
/// that any other text needs a restart, and the same one nothing.
pub(super) fn unsure(why: &str, text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(format!("({why})"), text.to_owned())])
}

#[cfg(test)]
mod tests;
