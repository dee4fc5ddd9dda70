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
    /// Release its spec from its file, which is gone for good: `apply`, `delete` and SQL change it then
    #[arg(long)]
    pub to_rows: bool,
    /// Why, for the log and for everybody who looks
    #[arg(long)]
    pub reason: String,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Args {
        name,
        to_rows,
        reason,
    } = args;
    let (verb, what) = if to_rows {
        ("to-rows", "is released from its file")
    } else {
        ("release", "may run again")
    };
    if reason.trim().is_empty() {
        let why = format!("say why `{name}` {what}: --reason TEXT");
        return Err(CliError::Usage(why));
    }
    act(context, verb, Why { name, reason }).await
}
