//! `db4sci release`

use super::acting::{Why, act};
use super::context::Context;
use super::error::{CliError, Exit};
use crate::model::DbName;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database
    pub name: DbName,
    /// Why it may run again, for the log and for everybody who looks
    #[arg(long)]
    pub reason: String,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Args { name, reason } = args;
    if reason.trim().is_empty() {
        let why = format!("say why `{name}` may run again: --reason TEXT");
        return Err(CliError::Usage(why));
    }
    act(context, "release", Why { name, reason }).await
}
