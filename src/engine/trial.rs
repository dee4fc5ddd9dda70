//! What a server did not start with is left as it was, until its spec says something else.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::database::ConfigFile;
use crate::model::trial::{Earlier, Refused, Trial};
use crate::model::{Database, FilesSeen, FilesWanted, Timestamp};

use super::{recipe, settings, settings_of, shape};

/// Characters of a server's words that are kept.
const LONGEST: usize = 300;

/// Stands for a setting's value while it is brought into a running server, before the one that it had.
pub const UNDONE: &str = "(being changed)";

/// The value that a server has started with, also where its files say that it is being changed; `None`: its
/// default.
pub fn earlier(value: &str) -> Option<&str> {
    let Some(changing) = value.strip_prefix(UNDONE) else {
        return Some(value);
    };
    changing.strip_prefix(' ')
}

/// What of its spec a database's server did not start with, as long as the spec goes on saying it and no
/// person asked for another try since.
pub fn refused<'f>(
    db: &Database,
    files: &'f FilesSeen,
    retried: Option<Timestamp>,
) -> Option<&'f Refused> {
    let refused = files.trial.refused.as_ref()?;
    let wanted = settings_of(db);
    let said = |(name, value): (&String, &Option<String>)| {
        wanted.get(name.as_str()).copied() == value.as_deref()
    };
    let same_text = |text: &String| shape::config_text(db) == *text;
    let holds = refused.settings.iter().all(said)
        && refused.config.as_ref().is_none_or(same_text)
        && retried.is_none_or(|at| at <= refused.at);
    holds.then_some(refused)
}

/// The database as its server is started: what it did not start with is as it was before.
pub fn startable<'d>(
    db: &'d Database,
    files: &FilesSeen,
    retried: Option<Timestamp>,
) -> Cow<'d, Database> {
    let Some(refused) = refused(db, files, retried) else {
        return Cow::Borrowed(db);
    };
    let mut all = settings(db);
    for name in refused.settings.keys() {
        match files.settings.get(name).and_then(|value| earlier(value)) {
            Some(value) => all.insert(name.clone(), value.to_owned()),
            None => all.remove(name),
        };
    }
    let mut startable = db.with_settings(&all);
    if refused.config.is_some() {
        startable.config = files.config.clone().map(|text| ConfigFile {
            file: String::new(),
            text,
        });
    }
    Cow::Owned(startable)
}

/// What will be known of the settings of these files once they are written over those that were seen,
/// of a server that has answered before.
pub fn begun(
    db: &Database,
    seen: &FilesSeen,
    files: &FilesWanted,
    retried: Option<Timestamp>,
    now: Timestamp,
) -> Trial {
    let was = values(seen, now);
    let same = |of: &Earlier| of.settings == files.settings && of.config == files.config_text;
    let open = match &seen.trial.open {
        Some(before) if same(before) => None,
        Some(before) if same(&was) => Some(before.clone()),
        Some(before) => Some(Earlier {
            since: now,
            ..before.clone()
        }),
        // Where nothing is known of what it was started with, there is nothing to go back to.
        None => (!same(&was) && (!was.settings.is_empty() || was.config.is_some())).then_some(was),
    };
    Trial {
        open,
        refused: refused(db, seen, retried).cloned(),
    }
}

/// Settings as they were, where a server names them in its log as what it did not start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// The names that it named.
    pub names: BTreeSet<String>,
    /// All settings that it is started with now.
    pub settings: BTreeMap<String, String>,
    /// The text of its configuration file then.
    pub config: Option<String>,
    /// What is known of them.
    pub trial: Trial,
}

/// What is taken back to the settings before, by the end of its log: of those that are new to it the ones
/// that its last words name, since a server may have stopped for reasons that no setting mends. `None`: it
/// names none.
pub fn taken_back(
    db: &Database,
    seen: &FilesSeen,
    before: &Earlier,
    retried: Option<Timestamp>,
    log: &str,
    now: Timestamp,
) -> Option<TakenBack> {
    let texts = [&seen.config, &before.config].map(|text| {
        let text = text.as_deref().unwrap_or_default();
        recipe(db.engine).config_settings(text)
    });
    let by_file = changed(&texts[0], &texts[1]);
    let alone = changed(&seen.settings, &before.settings);
    let (words, names) = words(log, &alone.union(&by_file).copied().collect())?;
    let mut refused = refused(db, seen, retried).cloned().unwrap_or_default();
    (refused.at, refused.words) = (now, words);
    let (mut settings, mut config) = (BTreeMap::clone(&seen.settings), seen.config.clone());
    for name in names.intersection(&alone).copied() {
        let value = seen.settings.get(name).cloned();
        refused.settings.insert(name.to_owned(), value);
        match before.settings.get(name) {
            Some(value) => settings.insert(name.to_owned(), value.clone()),
            None => settings.remove(name),
        };
    }
    if !names.is_disjoint(&by_file) {
        refused.config = Some(config.take().unwrap_or_default());
        config.clone_from(&before.config);
    }
    // What it did not name is still new to it.
    let open = (settings != before.settings || config != before.config).then(|| Earlier {
        since: now,
        ..before.clone()
    });
    Some(TakenBack {
        names: names.into_iter().map(str::to_owned).collect(),
        settings,
        config,
        trial: Trial {
            open,
            refused: Some(refused),
        },
    })
}

/// The names whose values differ.
fn changed<'v>(
    one: &'v BTreeMap<String, String>,
    other: &'v BTreeMap<String, String>,
) -> BTreeSet<&'v str> {
    let names = one.keys().chain(other.keys());
    let changed = names.filter(|name| one.get(*name) != other.get(*name));
    changed.map(String::as_str).collect()
}

/// What the files say, without what is being changed.
fn values(seen: &FilesSeen, now: Timestamp) -> Earlier {
    let all = seen.settings.iter();
    let all = all.filter_map(|(name, value)| Some((name.clone(), earlier(value)?.to_owned())));
    Earlier {
        settings: all.collect::<BTreeMap<_, _>>(),
        config: seen.config.clone(),
        since: now,
    }
}

/// The last line of a log that names one of these settings, and those that it names.
fn words<'n>(log: &str, names: &BTreeSet<&'n str>) -> Option<(String, BTreeSet<&'n str>)> {
    // Some servers take and write `-` for `_`.
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    log.lines().rev().find_map(|line| {
        let text = plain(line);
        let all: BTreeSet<&str> = text
            .split(|c| !is_part(c))
            .map(|word| word.trim_matches('.'))
            .collect();
        let named = names.iter().filter(|name| all.contains(&*plain(name)));
        let named: BTreeSet<&str> = named.copied().collect();
        let words = || line.trim().chars().take(LONGEST).collect();
        (!named.is_empty()).then(|| (words(), named))
    })
}
