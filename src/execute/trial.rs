//! A server's files: written for its next start, taken back where it did not start with them, and found good
//! once it answers.

use crate::engine::{self, trial};
use crate::model::{Change, Database, FilesSeen, FilesWanted, Lane, Timestamp};

use super::reload::{Values, rendered};
use super::{Executor, StepError, steps};

/// Lines of a server's log in which its words are looked for.
const LINES: u32 = 50;

/// The files for its next start: without what it did not start with before, and with what it last answered
/// with, in case it does not start with these.
pub(super) async fn to_start(exec: &Executor, db: &Database) -> FilesWanted {
    let recipe = engine::recipe(db.engine);
    let Some(seen) = seen(exec, db).await else {
        return recipe.files(db);
    };
    let (initialised, retried) = known(exec, db);
    let mut files = recipe.files(&trial::startable(db, &seen, retried));
    // Before its first answer there is nothing to go back to.
    if initialised {
        files.trial = trial::begun(db, &seen, &files, retried, exec.clock.now());
    }
    files
}

/// Writes its files with those settings as they were when it last answered that its log names, and keeps what
/// it said of them. Where it names none, they are not what keeps it down, and stay.
///
/// # Errors
/// As folders and ledger do.
pub(super) async fn take_back(
    exec: &Executor,
    db: &Database,
    lane: &Lane,
) -> Result<(), StepError> {
    let Some(seen) = seen(exec, db).await else {
        return Ok(());
    };
    // Taken back already, by a step that was cut off after that.
    let Some(before) = &seen.trial.open else {
        return Ok(());
    };
    let log = match &lane.container {
        Some(id) => exec.runtime.logs(id, LINES).await,
        None => Ok(String::new()),
    };
    let log = log.unwrap_or_else(|error| error.to_string());
    let (_, retried) = known(exec, db);
    let now = exec.clock.now();
    let (files, message) = match trial::taken_back(db, &seen, before, retried, &log, now) {
        Some(back) => {
            let words = back.trial.refused.as_ref().map(|refused| &refused.words);
            let message = format!(
                "it did not start with its new {}, and said: {}; that is taken back",
                Vec::from_iter(back.names).join(", "),
                words.map_or("", String::as_str)
            );
            let mut files = as_seen(db, &seen, &back.settings, back.config.as_ref());
            files.trial = back.trial;
            (files, message)
        }
        None => {
            let mut files = as_seen(db, &seen, &seen.settings, seen.config.as_ref());
            files.trial.refused = seen.trial.refused.clone();
            let message = "it did not start, and its log names none of its new settings";
            (files, message.to_owned())
        }
    };
    exec.dirs.write_files(&exec.site, db, &files).await?;
    let change = Change::Acted {
        action: "take_back".to_owned(),
    };
    steps::note(exec, db, message, change).await
}

/// Records that the server answers with what its files say.
///
/// # Errors
/// As folders do.
pub(super) async fn prove(exec: &Executor, db: &Database) -> Result<(), StepError> {
    let Some(seen) = seen(exec, db).await else {
        return Ok(());
    };
    let mut files = as_seen(db, &seen, &seen.settings, seen.config.as_ref());
    files.trial.refused = seen.trial.refused.clone();
    exec.dirs.write_files(&exec.site, db, &files).await?;
    Ok(())
}

/// The files with these settings; all else is as it was seen.
fn as_seen(
    db: &Database,
    seen: &FilesSeen,
    settings: &Values,
    config: Option<&String>,
) -> FilesWanted {
    FilesWanted {
        config_tried: seen.config_tried.clone(),
        certificate: seen.in_use.clone(),
        ..rendered(db, settings, config)
    }
}

/// What its files say, as far as that is known.
async fn seen(exec: &Executor, db: &Database) -> Option<FilesSeen> {
    let named = engine::recipe(db.engine).named(db);
    let seen = exec.dirs.files(&exec.site, db, &named, &[]).await;
    seen.present().cloned()
}

/// Whether it has data, and when a person last asked for another try.
fn known(exec: &Executor, db: &Database) -> (bool, Option<Timestamp>) {
    let book = exec.ledger.book();
    let row = book.row(&db.name).filter(|row| row.database.uid == db.uid);
    row.map_or((false, None), |row| (row.initialised, row.retry_asked))
}
