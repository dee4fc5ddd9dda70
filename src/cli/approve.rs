//! `db4sci approve`

use super::acting::say;
use super::context::Context;
use super::error::{CliError, Exit};
use crate::http::api::act::ApproveRequest;
use crate::model::DbName;
use crate::plan::approval::DIGITS;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `db4sci plan` shows: the plan's hash, or that of one database's steps
    #[arg(value_parser = hash)]
    pub hash: String,
    /// Of the whole plan, only this database's steps
    pub name: Option<DbName>,
    /// Why, for the log and for everybody who looks
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
}

/// A hash as `plan` shows it.
fn hash(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    if text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err(format!(
        "a hash has {DIGITS} digits of 0-9 and a-f, as `db4sci plan` shows it"
    ))
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let request = ApproveRequest {
        hash: args.hash,
        name: args.name,
        reason: args.reason,
    };
    say(context, context.client.post("/approve", &request).await?)
}
