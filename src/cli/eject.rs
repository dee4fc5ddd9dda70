//! `db4sci eject`

use std::path::PathBuf;

use super::backup;
use super::context::Context;
use super::error::{CliError, Exit};
use crate::model::DbName;
use crate::model::view::WorkAsk;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which database
    pub name: DbName,
    /// The folder, on the daemon's host, for the compose file, secrets and configuration; without it,
    /// NAME.ejected beside its data
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    /// Why, for the log
    #[arg(long)]
    pub reason: String,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Args { name, to, reason } = args;
    backup::ask(context, &name, WorkAsk::Eject { to, reason }, true).await
}
