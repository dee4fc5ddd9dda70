//! `db4sci init`

use super::context::Context;
use super::error::{CliError, Exit};

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Begin anew although the stores hold the history of another host; see `db4sci recover`
    #[arg(long)]
    pub fresh: bool,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let done = context.host.init(&context.globals, args.fresh).await;
    for line in done.map_err(CliError::Said)? {
        context.line(&line)?;
    }
    Ok(Exit::OK)
}
