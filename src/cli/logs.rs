//! `db4sci logs`

use super::context::Context;
use super::daemon::{self, OTHERS};
use super::error::{CliError, Exit};
use crate::http::api::read::Logs;
use crate::model::DbName;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database
    pub name: DbName,
    /// How many lines
    #[arg(short = 'n', long, default_value_t = 100)]
    pub lines: u32,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Args { name, lines } = args;
    let path = format!("/databases/{name}/logs?lines={lines}");
    let text = match context.client.get_later::<Logs>(&path, OTHERS).await {
        Err(error) if error.is_unheard() => {
            daemon::say_offline(context, &error);
            let logs = context
                .host
                .offline_logs(&context.globals, &name, lines)
                .await;
            logs.map_err(|why| daemon::offline(&why))?
        }
        answer => answer?.text,
    };
    context.print(&text)?;
    if !text.is_empty() && !text.ends_with('\n') {
        context.line("")?;
    }
    Ok(Exit::OK)
}
