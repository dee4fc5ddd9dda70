//! `db4sci check`

use std::path::PathBuf;

use serde_json::json;

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::documents;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files and folders of specs; without any: all specs and settings
    pub paths: Vec<PathBuf>,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let checked = context.host.check(&context.globals, &args.paths).await;
    let checked = checked.map_err(CliError::Said)?;
    let problems = &checked.problems;
    let answer = json!({
        "files": checked.files,
        "problems": problems,
        "warnings": checked.warnings,
    });
    match context.format {
        Format::Json => documents::json(context, &answer)?,
        Format::Yaml => documents::yaml(context, &answer)?,
        Format::Table | Format::Wide | Format::Name => {
            for problem in problems {
                context.line(&problem.to_string())?;
            }
            for warning in &checked.warnings {
                context.line(&format!("warning: {warning}"))?;
            }
            let files = match checked.files {
                1 => "1 file".to_owned(),
                n => format!("{n} files"),
            };
            context.line(&match problems.len() {
                0 => format!("{files}: no problem; see what would happen: db4sci plan"),
                1 => format!("{files}: 1 problem; nothing was changed"),
                n => format!("{files}: {n} problems; nothing was changed"),
            })?;
        }
    }
    Ok(if problems.is_empty() {
        Exit::OK
    } else {
        Exit::ERROR
    })
}
