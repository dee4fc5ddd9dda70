//! `db4sci rotate`

use super::acting::Why;
use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::password;
use super::ui::documents;
use crate::http::api::secrets::RotateRequest;
use crate::http::backend::{Rotate, Rotated};

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which database, and why.
    #[command(flatten)]
    pub why: Why,
    /// Only the account's password
    #[arg(long, conflicts_with = "own")]
    pub user: bool,
    /// Only db4sci's own password
    #[arg(long)]
    pub own: bool,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let which = match (args.user, args.own) {
        (true, _) => Rotate::User,
        (false, true) => Rotate::Own,
        (false, false) => Rotate::All,
    };
    let Why { name, reason } = args.why;
    let path = format!("/databases/{name}/rotate");
    let request = RotateRequest { which, reason };
    let rotated: Rotated = context.client.post(&path, &request).await?;
    match context.format {
        Format::Json => documents::json(context, &rotated)?,
        Format::Yaml => documents::yaml(context, &rotated)?,
        Format::Table | Format::Wide | Format::Name => {
            context.line(&rotated.message)?;
            if let Some(account) = &rotated.account {
                password::say(context, &name, account)?;
            }
        }
    }
    Ok(Exit::OK)
}
