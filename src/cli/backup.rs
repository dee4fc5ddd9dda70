//! `db4sci backup`: take, list, prove, keep and fetch backups.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime};

use super::acting::Why;
use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::table::{Cell, Table};
use super::ui::{documents, sizes, times};
use crate::http::api::act::Accepted;
use crate::http::api::backups::KeepRequest;
use crate::model::view::{BackupView, Progress, WorkAsk, WorkView};
use crate::model::{BackupId, BackupState, DbName, Timestamp};

/// Between two questions whether work is over.
const PAUSE: Duration = Duration::from_millis(500);

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do with them.
    #[command(subcommand)]
    pub verb: BackupVerb,
}

/// What to do with backups.
#[derive(Debug, clap::Subcommand)]
pub enum BackupVerb {
    /// Take one now
    Now {
        /// Which database, and why.
        #[command(flatten)]
        why: Why,
        /// Wait until it is stored
        #[arg(long)]
        wait: bool,
        /// What to remember about it
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
    },
    /// List them, newest first
    List {
        /// The database
        name: DbName,
    },
    /// Restore one into a throwaway container, and compare its contents
    Verify {
        /// Which database, and why.
        #[command(flatten)]
        why: Why,
        /// Which; without it, the newest
        id: Option<BackupId>,
    },
    /// Keep one until a day, whatever the retention says
    Keep {
        /// Which
        id: BackupId,
        /// The day (`2027-06-30`); without it, as the retention says
        #[arg(long)]
        until: Option<NaiveDate>,
        /// What to remember about it
        #[arg(long)]
        note: Option<String>,
        /// Why, for the log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Fetch the files of one into a folder, ready for its restore.sh
    Download {
        /// Which
        id: BackupId,
        /// The folder, which is made
        #[arg(long)]
        to: PathBuf,
    },
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        BackupVerb::Now { why, wait, note } => {
            let Why { name, reason } = why;
            ask(context, &name, WorkAsk::Backup { note, reason }, wait).await
        }
        BackupVerb::Verify { why, id } => {
            let Why { name, reason } = why;
            ask(context, &name, WorkAsk::Verify { id, reason }, true).await
        }
        BackupVerb::List { name } => list(context, &name).await,
        BackupVerb::Keep {
            id,
            until,
            note,
            reason,
        } => {
            // To the end of that day.
            let until: Option<Timestamp> =
                until.map(|day| day.and_time(NaiveTime::MIN).and_utc() + chrono::Days::new(1));
            let request = KeepRequest {
                until,
                note,
                reason,
            };
            let path = format!("/backups/{id}/keep");
            let accepted: Accepted = context.client.post(&path, &request).await?;
            context.line(&accepted.message)?;
            Ok(Exit::OK)
        }
        BackupVerb::Download { id, to } => {
            let done = context.host.download(&context.globals, &id, &to).await;
            for line in done.map_err(CliError::Said)? {
                context.line(&line)?;
            }
            Ok(Exit::OK)
        }
    }
}

/// Asks for work, and waits for its end if that is wished.
pub async fn ask(
    context: &Context,
    name: &DbName,
    ask: WorkAsk,
    wait: bool,
) -> Result<Exit, CliError> {
    let path = format!("/databases/{name}/work");
    let begun: WorkView = context.client.post(&path, &ask).await?;
    let begins = match &begun.waits_for {
        Some(before) => format!("waits for: {before}"),
        None => "begun".to_owned(),
    };
    context.warn(&format!("{name}: {} {begins}", begun.what));
    if !wait {
        return Ok(Exit::OK);
    }
    let path = format!("{path}/{}", begun.id);
    loop {
        let asked = context.client.get(&path).await;
        let work: Option<WorkView> = asked.inspect_err(|_| context.progress(""))?;
        if let Some(work) = work.as_ref().filter(|work| work.running) {
            context.progress(&work.progress.as_ref().map_or(String::new(), how_far));
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        context.progress("");
        match work {
            Some(work) => {
                return if work.ok == Some(true) {
                    context.line(&work.message)?;
                    Ok(Exit::OK)
                } else {
                    Err(CliError::Said(format!(
                        "{name}: {}: {}",
                        work.what, work.message
                    )))
                };
            }
            None => {
                return Err(CliError::Said(format!(
                    "the daemon was started anew meanwhile; see: db4sci events {name}"
                )));
            }
        }
    }
}

/// How far a stage is, and how long it will take.
fn how_far(progress: &Progress) -> String {
    let size = sizes::about;
    let mut text = format!("{}: {}", progress.stage, size(progress.done_bytes));
    if let Some(total) = progress.total_bytes {
        text.push_str(&format!(" of {}", size(total)));
    }
    match progress.seconds_left {
        Some(left @ 0..120) => text.push_str(&format!(", {left} s left")),
        Some(left) => text.push_str(&format!(", {} min left", left.div_ceil(60))),
        None => {}
    }
    text
}

async fn list(context: &Context, name: &DbName) -> Result<Exit, CliError> {
    let path = format!("/databases/{name}/backups");
    let asked: Result<Vec<BackupView>, _> = context.client.get(&path).await;
    let all = match asked {
        Ok(all) => all,
        Err(error) if error.is_unheard() => {
            context.warn(&format!("{error}; this is what lies in the stores"));
            let read = context.host.offline_backups(&context.globals, name).await;
            read.map_err(CliError::Said)?
        }
        Err(error) => return Err(error.into()),
    };
    match context.format {
        Format::Json => documents::json(context, &all)?,
        Format::Yaml => documents::yaml(context, &all)?,
        Format::Name => {
            for backup in &all {
                context.line(&backup.id.to_string())?;
            }
        }
        Format::Table | Format::Wide => {
            if all.is_empty() {
                context.warn(&format!(
                    "{name} has no backup yet; take one: db4sci backup now {name}"
                ));
            } else {
                context.print(&table(context, &all).text(context.paint()))?;
            }
        }
    }
    Ok(Exit::OK)
}

fn table(context: &Context, all: &[BackupView]) -> Table {
    let mut table = Table::new(&[
        "ID", "STATE", "SIZE", "TAKEN", "VERIFIED", "WHY", "KEPT FOR",
    ]);
    for backup in all {
        let at = |at: Option<Timestamp>| at.map_or(String::new(), |at| times::full(context, at));
        let last = match backup.state {
            BackupState::Failed | BackupState::Damaged => backup.error.clone().unwrap_or_default(),
            BackupState::Running | BackupState::Stored | BackupState::Verified => {
                backup.kept_because.join(", ")
            }
        };
        let cells: Vec<Cell> = vec![
            backup.id.to_string().into(),
            backup.state.as_str().into(),
            sizes::about(backup.bytes).into(),
            times::full(context, backup.started).into(),
            at(backup.verified).into(),
            backup.kind.as_str().into(),
            last.into(),
        ];
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is_says_what_is_known() {
        let mut progress = Progress {
            stage: "dumping".to_owned(),
            done_bytes: 37 << 20,
            total_bytes: None,
            seconds_left: None,
        };
        assert_eq!(how_far(&progress), "dumping: 37Mi");
        progress.total_bytes = Some(1536 << 20);
        progress.seconds_left = Some(90);
        assert_eq!(how_far(&progress), "dumping: 37Mi of 1.5Gi, 90 s left");
        progress.seconds_left = Some(121);
        assert_eq!(how_far(&progress), "dumping: 37Mi of 1.5Gi, 3 min left");
    }
}
