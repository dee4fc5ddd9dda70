//! Settings that a server does not start with: they are taken back to those that it last answered with.

use std::borrow::Cow;

use crate::engine;
use crate::model::{Database, FilesSeen, Reason, Seen};

use super::Ask;

/// So many failed runs with settings that are new to a server, and it does not start with them. One alone
/// may have been a hand's.
const FAILED: usize = 2;

impl<'a> Ask<'a> {
    /// The database as its server is to be started now.
    pub(super) fn startable(&self) -> Cow<'a, Database> {
        match self.files() {
            Some(files) => engine::trial::startable(self.wanted.db, files, self.wanted.retry_asked),
            None => Cow::Borrowed(self.wanted.db),
        }
    }

    /// Whether its server does not start with what its files say, and before that it answered with
    /// something else.
    pub(super) fn takes_back(&self) -> bool {
        let Some((files, open)) = self
            .files()
            .and_then(|files| Some((files, files.trial.open.as_ref()?)))
        else {
            return false;
        };
        let runs = self.seen.attempts.failed_runs.iter();
        let db = self.startable();
        // What its spec says by now may be better, and is tried instead.
        let as_wanted = engine::settings(&db) == *files.settings
            && db.config.as_ref().map(|config| &config.text) == files.config.as_ref();
        as_wanted && runs.filter(|at| **at >= open.since).count() >= FAILED
    }

    /// Whether its server answers with settings that were new to it.
    pub(super) fn proves(&self) -> bool {
        self.files().is_some_and(|files| files.trial.open.is_some())
    }

    /// Tells what its server did not start with, and runs without.
    pub(super) fn tell_refused(&mut self) {
        let told = |held: &super::Held| held.reason == Reason::NeedsSpecChange;
        if !self.seen.probe.answering() || self.held.iter().any(told) {
            return;
        }
        let (db, retried) = (self.wanted.db, self.wanted.retry_asked);
        let Some(files) = self.files() else {
            return;
        };
        let Some(refused) = engine::trial::refused(db, files, retried) else {
            return;
        };
        let each = refused.settings.iter().map(|(name, value)| {
            let in_force = files.settings.get(name);
            let in_force = in_force.and_then(|value| engine::trial::earlier(value));
            format!(
                "{name} {} (it has {})",
                value.as_deref().unwrap_or("of its default"),
                in_force.unwrap_or("its default")
            )
        });
        let mut what: Vec<String> = each.collect();
        if refused.config.is_some() {
            let file = db.config.as_ref().map_or("none", |c| c.file.as_str());
            what.push(format!("config {file} (it has the one before)"));
        }
        let message = format!(
            "its server did not start with {}, and was started as it was before; it said: {}; tried again \
             when the spec changes that, or after: db4sci retry {}",
            what.join(", "),
            refused.words,
            db.name
        );
        self.hold(Reason::NeedsSpecChange, message, None);
    }

    fn files(&self) -> Option<&'a FilesSeen> {
        let files: &'a Seen<FilesSeen> = &self.seen.files;
        files.present()
    }
}
