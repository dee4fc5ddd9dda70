//! `db4sci rename`

use super::backup;
use super::context::Context;
use super::daemon::OTHERS;
use super::error::{CliError, Exit};
use crate::http::api::act::Accepted;
use crate::model::DbName;
use crate::model::view::WorkAsk;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database, by its name now
    pub old: DbName,
    /// Its new name
    pub new: DbName,
    /// Why, for the log and for everybody who looks
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Only show what it would cost, and whether anything is in the way
    #[arg(long)]
    pub plan: bool,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Args {
        old,
        new,
        reason,
        plan,
    } = args;
    let path = format!("/databases/{old}/rename/{new}");
    let cost: Accepted = context.client.get_later(&path, OTHERS).await?;
    if plan {
        context.line(&cost.message)?;
        return Ok(Exit::OK);
    }
    context.warn(&cost.message);
    backup::ask(context, &old, WorkAsk::Rename { to: new, reason }, true).await
}
