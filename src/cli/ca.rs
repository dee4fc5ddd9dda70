//! `db4sci ca`

use super::context::Context;
use super::error::{CliError, Exit};
use crate::http::api::read::AuthorityCertificate;
use crate::http::client::ClientError;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do with it.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with the authority.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Print its certificate, which clients verify the databases' servers with
    Export,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Export => export(context).await,
    }
}

async fn export(context: &Context) -> Result<Exit, CliError> {
    let asked: Result<AuthorityCertificate, ClientError> = context.client.get("/authority").await;
    let certificate = match asked {
        Ok(answer) => answer.certificate,
        Err(error) if error.is_unheard() => {
            let read = context.host.authority(&context.globals).await;
            read.map_err(CliError::Said)?
        }
        Err(error) => return Err(error.into()),
    };
    context.print(&certificate)?;
    Ok(Exit::OK)
}
