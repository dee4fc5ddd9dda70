//! `db4sci apply`

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::documents;
use super::{password, wait};
use crate::http::api::apply::ApplyRequest;
use crate::http::client::ClientError;
use crate::http::wait::{Target, WaitFor};
use crate::http::{Applied, AppliedOutcome, Document, document};
use crate::model::span;
use crate::model::view::DatabaseView;
use crate::plan::render::Preview;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file, a folder of `*.yaml`, or `-` for standard input
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    pub files: Vec<PathBuf>,
    /// Why, for the log and for everybody who looks
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until what was changed is in force
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "SPAN", value_parser = span::parse, default_value = "5m")]
    pub timeout: Duration,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let results = hand_in(&args.files, &args.reason, args.dry_run, context).await?;
    match context.format {
        Format::Json => documents::json(context, &results)?,
        Format::Yaml => documents::yaml(context, &results)?,
        Format::Name => {
            for name in results.iter().filter_map(|result| result.name.as_ref()) {
                context.line(name.as_str())?;
            }
        }
        Format::Table | Format::Wide => {
            say(context, &results, args.dry_run)?;
            if args.dry_run {
                show_plan(context, &results)?;
            }
        }
    }
    let refused = results
        .iter()
        .any(|result| result.outcome == AppliedOutcome::Refused);
    if args.wait {
        let targets: Vec<Target> = results.iter().filter_map(target).collect();
        if !targets.is_empty() {
            let (what, timeout) = (WaitFor::Settled, args.timeout);
            let exit = match context.format {
                Format::Table | Format::Wide => {
                    wait::until(context, what, targets, timeout).await?
                }
                Format::Json | Format::Yaml | Format::Name => {
                    wait::beside(context, what, targets, timeout).await?
                }
            };
            if exit != Exit::OK {
                return Ok(exit);
            }
            show_passwords(&results, &args.reason, context).await?;
        }
    }
    Ok(if refused { Exit::ERROR } else { Exit::OK })
}

/// What would be done, when, and what it costs.
fn show_plan(context: &Context, results: &[Applied]) -> Result<(), CliError> {
    let views = results.iter().filter_map(|result| result.view.as_deref());
    let views: Vec<DatabaseView> = views.cloned().collect();
    if views.is_empty() {
        return Ok(());
    }
    let preview = Preview::of(&views, &[]);
    context.print(&preview.text(context.now(), &|at| context.local(at)))
}

/// The passwords of what was made, to whom they belong. Whoever may not have one, or has a file of
/// their own, needs no word about it.
async fn show_passwords(
    results: &[Applied],
    reason: &str,
    context: &Context,
) -> Result<(), CliError> {
    let for_people = matches!(context.format, Format::Table | Format::Wide);
    let made = |result: &&Applied| result.outcome == AppliedOutcome::Created;
    for name in results.iter().filter(made).filter_map(|r| r.name.as_ref()) {
        let asked = || password::ask(context, name, None, reason.to_owned());
        if for_people && let Ok(password) = asked().await {
            password::say(context, name, None, &password)?;
        }
    }
    Ok(())
}

/// What `--wait` waits for.
fn target(result: &Applied) -> Option<Target> {
    match result.outcome {
        AppliedOutcome::Created | AppliedOutcome::Configured | AppliedOutcome::Unchanged => {
            result.name.clone().map(|name| Target {
                name,
                generation: result.generation,
            })
        }
        AppliedOutcome::Refused => None,
    }
}

fn say(context: &Context, results: &[Applied], dry_run: bool) -> Result<(), CliError> {
    let suffix = if dry_run { " (dry run)" } else { "" };
    for result in results {
        for problem in &result.problems {
            context.warn(&problem.to_string());
        }
        let name = result.name.as_ref().map_or("-", |name| name.as_str());
        let line = format!("{name} {}{suffix}", result.outcome.as_str());
        match result.outcome {
            AppliedOutcome::Refused => context.warn(&format!("{line}; nothing was changed")),
            AppliedOutcome::Created | AppliedOutcome::Configured | AppliedOutcome::Unchanged => {
                context.line(&line)?;
            }
        }
    }
    Ok(())
}

/// Hands in specs; what became of each, the refused ones included.
pub async fn hand_in(
    files: &[PathBuf],
    reason: &str,
    dry_run: bool,
    context: &Context,
) -> Result<Vec<Applied>, CliError> {
    let mut documents = Vec::new();
    for path in files {
        documents.extend(read(path)?);
    }
    if documents.is_empty() {
        return Err(CliError::Usage("there is no document in it".to_owned()));
    }
    let path = format!("/apply?dryRun={dry_run}");
    let reason = reason.to_owned();
    let request = ApplyRequest { documents, reason };
    match context.client.post(&path, &request).await {
        Err(ClientError::Problem(problem)) if !problem.results.is_empty() => Ok(problem.results),
        answer => Ok(answer?),
    }
}

/// All documents of a file, of a folder's YAML files, or of standard input.
fn read(path: &Path) -> Result<Vec<Document>, CliError> {
    let fails = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| CliError::File { path, what, source }
    };
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(fails("reading standard input", path))?;
        return Ok(document::split(path, &text));
    }
    let file = |path: &Path| {
        let text = std::fs::read_to_string(path).map_err(fails("reading it", path))?;
        Ok(document::split(path, &text))
    };
    if !path.is_dir() {
        return file(path);
    }
    let entries = std::fs::read_dir(path).map_err(fails("listing it", path))?;
    let mut paths = Vec::new();
    for entry in entries {
        let found = entry.map_err(fails("listing it", path))?.path();
        let hidden = found
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let yaml = found
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if yaml && !hidden && found.is_file() {
            paths.push(found);
        }
    }
    paths.sort();
    let mut documents = Vec::new();
    for path in paths {
        documents.extend(file(&path)?);
    }
    Ok(documents)
}
