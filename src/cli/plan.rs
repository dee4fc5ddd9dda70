//! `db4sci plan`

use std::path::PathBuf;

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::documents;
use super::{apply, daemon, describe};
use crate::http::AppliedOutcome;
use crate::model::view::{DatabaseView, Snapshot};
use crate::model::{DbName, Problem};
use crate::plan::render::{Preview, When};
use crate::plan::stages;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this database
    pub name: Option<DbName>,
    /// What these specs would change; a file, a folder, or `-`
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    pub files: Vec<PathBuf>,
}

/// Runs it: exit code 0 nothing to do, 3 changes, 1 error.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let mut recovery = Vec::new();
    let (databases, problems, refused) = if args.files.is_empty() {
        let snapshot: Snapshot = context.client.get("/snapshot").await?;
        if args.name.as_ref().is_none_or(DbName::is_mydb_admin) {
            recovery = stages::stages(&snapshot);
            if !stages::comes_back(&snapshot, &recovery) {
                recovery.clear();
            }
        }
        (snapshot.databases, snapshot.problems, false)
    } else {
        previewed(&args.files, context).await?
    };
    let (databases, problems) = match &args.name {
        None => (databases, problems),
        Some(name) => one(name, databases, problems)?,
    };
    let preview = Preview::of(&databases, &problems);
    let form = || {
        let mut form = preview.json();
        if !recovery.is_empty() {
            form["recovery"] = serde_json::json!(recovery);
        }
        form
    };
    match context.format {
        Format::Json => documents::json(context, &form())?,
        Format::Yaml => documents::yaml(context, &form())?,
        Format::Name => {
            let mut names: Vec<&str> = preview
                .rows
                .iter()
                .filter(|row| matches!(row.when, When::Now | When::Waits))
                .map(|row| row.name.as_str())
                .collect();
            names.dedup();
            for name in names {
                context.line(name)?;
            }
        }
        Format::Table | Format::Wide => {
            context.print(&preview.text(context.now(), &|at| context.local(at)))?;
            if !recovery.is_empty() {
                context.line("mydb_admin comes back:")?;
                context.print(&describe::recovery(&recovery).text(context.paint()))?;
            }
        }
    }
    Ok(if refused {
        Exit::ERROR
    } else {
        Exit::of(preview.exit_code())
    })
}

/// What specs would change, and whether one was refused.
async fn previewed(
    files: &[PathBuf],
    context: &Context,
) -> Result<(Vec<DatabaseView>, Vec<Problem>, bool), CliError> {
    let results = apply::hand_in(files, "", true, context).await?;
    let mut views = Vec::new();
    let mut problems = Vec::new();
    let mut refused = false;
    for result in results {
        views.extend(result.view.map(|view| *view));
        if result.outcome == AppliedOutcome::Refused {
            refused = true;
            problems.extend(result.problems);
        }
    }
    Ok((views, problems, refused))
}

/// Only what concerns one database.
fn one(
    name: &DbName,
    mut databases: Vec<DatabaseView>,
    mut problems: Vec<Problem>,
) -> Result<(Vec<DatabaseView>, Vec<Problem>), CliError> {
    databases.retain(|view| view.name == *name);
    problems.retain(|problem| problem.name.as_ref() == Some(name));
    if databases.is_empty() && problems.is_empty() {
        return Err(daemon::no_database(name));
    }
    Ok((databases, problems))
}
