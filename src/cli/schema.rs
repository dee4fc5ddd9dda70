//! `db4sci schema`

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::documents;

/// Runs it.
pub async fn run(context: &Context) -> Result<Exit, CliError> {
    let schema = context.host.schema();
    match context.format {
        Format::Yaml => documents::yaml(context, &schema)?,
        Format::Table | Format::Wide | Format::Json | Format::Name => {
            documents::json(context, &schema)?;
        }
    }
    Ok(Exit::OK)
}
