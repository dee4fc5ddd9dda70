//! `db4sci export`

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::documents;
use crate::model::DbName;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database
    pub name: DbName,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let path = format!("/databases/{}/export", args.name);
    let document: serde_json::Value = context.client.get(&path).await?;
    match context.format {
        Format::Json => documents::json(context, &document)?,
        Format::Table | Format::Wide | Format::Yaml | Format::Name => {
            documents::yaml(context, &document)?;
        }
    }
    Ok(Exit::OK)
}
