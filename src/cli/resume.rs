//! `db4sci resume`

use super::acting::{Why, act};
use super::context::Context;
use super::error::{CliError, Exit};

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which database, and why.
    #[command(flatten)]
    pub why: Why,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    act(context, "resume", args.why).await
}
