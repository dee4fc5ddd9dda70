//! `db4sci thaw`

use super::acting::say;
use super::context::Context;
use super::error::{CliError, Exit};
use crate::http::api::act::ActRequest;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The store, as the settings name it
    #[arg(value_parser = store)]
    pub store: String,
    /// Why, for the log and for everybody who looks
    #[arg(long)]
    pub reason: String,
}

/// A name that can stand in a path.
fn store(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err("a store's name has lower-case letters, digits and `-`".to_owned())
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let path = format!("/stores/{}/thaw", args.store);
    let request = ActRequest {
        reason: args.reason,
    };
    say(context, context.client.post(&path, &request).await?)
}
