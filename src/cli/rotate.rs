//! `db4sci rotate`

use super::acting::Why;
use super::context::Context;
use super::error::{CliError, Exit};
use super::password;
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
    /// Only that of an account that was added; without this, those keep theirs
    #[arg(long, value_name = "USER", conflicts_with_all = ["user", "own"])]
    pub account: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let account = args.account;
    let which = match (&account, args.user, args.own) {
        (Some(user), ..) => Rotate::Account(user.clone()),
        (None, true, _) => Rotate::User,
        (None, false, true) => Rotate::Own,
        (None, false, false) => Rotate::All,
    };
    let Why { name, reason } = args.why;
    let path = format!("/databases/{name}/rotate");
    let request = RotateRequest { which, reason };
    let rotated: Rotated = context.client.post(&path, &request).await?;
    password::say_changed(context, &name, account.as_deref(), &rotated)
}
