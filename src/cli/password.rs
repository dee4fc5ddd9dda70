//! `db4sci password`

use super::acting::Why;
use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::documents;
use crate::http::api::accounts::PasswordRequest;
use crate::http::api::act::ActRequest;
use crate::http::backend::{Password, Rotated};
use crate::model::DbName;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which database, and why.
    #[command(flatten)]
    pub why: Why,
    /// That of an account that was added (`db4sci account add`)
    #[arg(long, value_name = "USER")]
    pub account: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Why { name, reason } = args.why;
    let account = args.account.as_deref();
    let password = ask(context, &name, account, reason).await?;
    match context.format {
        Format::Json => documents::json(context, &password)?,
        Format::Yaml => documents::yaml(context, &password)?,
        Format::Name => context.line(password.password.expose())?,
        Format::Table | Format::Wide => say(context, &name, account, &password)?,
    }
    Ok(Exit::OK)
}

/// Asks for it; a second time it is refused.
pub async fn ask(
    context: &Context,
    name: &DbName,
    account: Option<&str>,
    reason: String,
) -> Result<Password, CliError> {
    let Some(user) = account else {
        let path = format!("/databases/{name}/password");
        return Ok(context.client.post(&path, &ActRequest { reason }).await?);
    };
    let path = format!("/databases/{name}/accounts/password");
    let user = user.to_owned();
    Ok(context
        .client
        .post(&path, &PasswordRequest { user, reason })
        .await?)
}

/// Shows it to a person.
pub fn say(
    context: &Context,
    name: &DbName,
    account: Option<&str>,
    password: &Password,
) -> Result<(), CliError> {
    let account = account.map_or(String::new(), |user| format!(" --account {user}"));
    context.line(&format!(
        "{name}: user {}, password {} (shown once; `db4sci connect {name}{account}` needs none)",
        password.user,
        password.password.expose()
    ))
}

/// Says what came of a change, and the new password if there is one.
pub fn say_changed(
    context: &Context,
    name: &DbName,
    account: Option<&str>,
    changed: &Rotated,
) -> Result<Exit, CliError> {
    match context.format {
        Format::Json => documents::json(context, changed)?,
        Format::Yaml => documents::yaml(context, changed)?,
        Format::Table | Format::Wide | Format::Name => {
            context.line(&changed.message)?;
            if let Some(password) = &changed.account {
                say(context, name, account, password)?;
            }
        }
    }
    Ok(Exit::OK)
}
