//! `db4sci run`

use super::context::Context;
use super::error::{CliError, Exit};

/// Runs it.
pub async fn run(context: &Context) -> Result<Exit, CliError> {
    let ended = context.host.run_daemon(&context.globals).await;
    ended.map(|()| Exit::OK).map_err(CliError::Said)
}
