//! `db4sci delete` and `db4sci undelete`

use std::time::Duration;

use super::acting::{Why, act};
use super::context::Context;
use super::error::{CliError, Exit};
use super::wait;
use crate::http::wait::{Target, WaitFor};
use crate::model::span;

/// What `delete` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which database, and why.
    #[command(flatten)]
    pub why: Why,
    /// Wait until it is retired: its final backup restored to prove it, and its server stopped
    #[arg(long)]
    pub wait: bool,
    /// Let another database have the name, once its data was removed; its backups stay
    #[arg(long, conflicts_with = "wait")]
    pub forget: bool,
    /// How long to wait
    #[arg(long, value_name = "SPAN", value_parser = span::parse, default_value = "1h", requires = "wait")]
    pub timeout: Duration,
}

/// Retires a database.
pub async fn delete(args: Args, context: &Context) -> Result<Exit, CliError> {
    if args.forget {
        return act(context, "forget", args.why).await;
    }
    let target = Target {
        name: args.why.name.clone(),
        generation: None,
    };
    let done = act(context, "delete", args.why).await?;
    if !args.wait {
        return Ok(done);
    }
    wait::until(context, WaitFor::Retired, vec![target], args.timeout).await
}

/// Takes it back.
pub async fn undelete(why: Why, context: &Context) -> Result<Exit, CliError> {
    act(context, "undelete", why).await
}
