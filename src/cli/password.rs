//! `db4sci password`

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::documents;
use crate::http::backend::Password;
use crate::model::DbName;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database
    pub name: DbName,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let password = ask(context, &args.name).await?;
    match context.format {
        Format::Json => documents::json(context, &password)?,
        Format::Yaml => documents::yaml(context, &password)?,
        Format::Name => context.line(password.password.expose())?,
        Format::Table | Format::Wide => say(context, &args.name, &password)?,
    }
    Ok(Exit::OK)
}

/// Asks for it; a second time it is refused.
pub async fn ask(context: &Context, name: &DbName) -> Result<Password, CliError> {
    let path = format!("/databases/{name}/password");
    Ok(context.client.post(&path, &()).await?)
}

/// Shows it to a person.
pub fn say(context: &Context, name: &DbName, password: &Password) -> Result<(), CliError> {
    context.line(&format!(
        "{name}: user {}, password {} (shown once; `db4sci connect {name}` needs none)",
        password.user,
        password.password.expose()
    ))
}
