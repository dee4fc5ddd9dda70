//! `db4sci key`

use std::path::PathBuf;

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::host::KeyKind;
use super::ui::documents;
use super::ui::table::Table;
use crate::http::api::act::{Accepted, ActRequest};
use crate::http::client::ClientError;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do with them.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with the keys.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Which keys there are, which one seals, and how many secrets or backups each opens
    List,
    /// Copy the keys into a folder, to be kept apart from all other copies
    Export {
        /// The folder
        to: PathBuf,
    },
    /// Make a new key and seal all passwords under it; without the daemon, what a lost key sealed is
    /// taken from the files that containers mount
    Renew {
        /// Why, for the log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::List => list(context).await,
        Verb::Export { to } => {
            let done = context.host.export_keys(&context.globals, to).await;
            let done = done.map_err(CliError::Said)?;
            for path in &done {
                context.line(path)?;
            }
            if done.is_empty() {
                context.line("all keys are there already")?;
            }
            Ok(Exit::OK)
        }
        Verb::Renew { reason } => {
            let request = ActRequest { reason };
            let asked: Result<Accepted, ClientError> =
                context.client.post("/keys/renew", &request).await;
            let message = match asked {
                Ok(accepted) => accepted.message,
                Err(error) if error.is_down() => {
                    let renewed = context.host.renew_keys(&context.globals, &request.reason);
                    let renewed = renewed.await;
                    renewed.map_err(CliError::Said)?
                }
                Err(error) => return Err(error.into()),
            };
            context.line(&message)?;
            Ok(Exit::OK)
        }
    }
}

async fn list(context: &Context) -> Result<Exit, CliError> {
    let keys = context.host.keys(&context.globals).await;
    let keys = keys.map_err(CliError::Said)?;
    match context.format {
        Format::Json => documents::json(context, &keys)?,
        Format::Yaml => documents::yaml(context, &keys)?,
        Format::Name => {
            for key in &keys {
                context.line(&key.id)?;
            }
        }
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["KEY", "FOR", "FILE", "SEALS", "OPENS"]);
            for key in &keys {
                let file = if key.there { "there" } else { "LOST" };
                let seals = if key.seals { "yes" } else { "-" };
                let kind = match key.kind {
                    KeyKind::Secrets => "secrets",
                    KeyKind::Backups => "backups",
                };
                let opens = key.opens.to_string();
                table.row([
                    key.id.as_str().into(),
                    kind.into(),
                    file.into(),
                    seals.into(),
                    opens.into(),
                ]);
            }
            context.print(&table.text(context.paint()))?;
        }
    }
    let lost = keys.iter().any(|key| !key.there);
    Ok(if lost { Exit::ERROR } else { Exit::OK })
}
