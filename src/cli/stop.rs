//! `db4sci stop`

use super::acting::{Until, Why, set_override};
use super::context::Context;
use super::error::{CliError, Exit};
use crate::model::OverrideState;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which database, and why.
    #[command(flatten)]
    pub why: Why,
    /// Until when.
    #[command(flatten)]
    pub until: Until,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    set_override(context, OverrideState::Stopped, args.why, args.until).await
}
