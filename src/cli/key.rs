//! `db4sci key`

use super::context::Context;
use super::error::{CliError, Exit};

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: KeyVerb,
}

/// What to do with keys.
#[derive(Debug, clap::Subcommand)]
pub enum KeyVerb {
    /// Print the key that reads this instance's backups: keep it where this host's end is not its end
    Export,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        KeyVerb::Export => {
            let key = context.host.key(&context.globals).map_err(CliError::Said)?;
            context.print(key.expose())?;
            Ok(Exit::OK)
        }
    }
}
