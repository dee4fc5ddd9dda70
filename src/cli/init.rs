//! `db4sci init`

use super::context::Context;
use super::error::{CliError, Exit};

/// Runs it.
pub async fn run(context: &Context) -> Result<Exit, CliError> {
    let done = context.host.init(&context.globals).await;
    for line in done.map_err(CliError::Said)? {
        context.line(&line)?;
    }
    Ok(Exit::OK)
}
