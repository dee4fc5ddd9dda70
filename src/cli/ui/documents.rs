//! Answers for programs.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::CliError;

/// Prints an answer as JSON.
pub fn json<T: Serialize>(context: &Context, value: &T) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| CliError::Unshowable(error.to_string()))?;
    context.line(&text)
}

/// Prints an answer as YAML.
pub fn yaml<T: Serialize>(context: &Context, value: &T) -> Result<(), CliError> {
    let text =
        serde_yaml::to_string(value).map_err(|error| CliError::Unshowable(error.to_string()))?;
    context.print(&text)?;
    if text.ends_with('\n') {
        Ok(())
    } else {
        context.print("\n")
    }
}
