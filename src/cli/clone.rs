//! `db4sci clone`

use super::backup;
use super::context::Context;
use super::error::{CliError, Exit};
use crate::model::view::WorkAsk;
use crate::model::{BackupId, DbName};

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database whose data is wanted
    pub name: DbName,
    /// The name of the new one
    pub copy: DbName,
    /// The backup (see `db4sci backup list`); without it, the newest that is verified
    #[arg(long, value_name = "ID")]
    pub from: Option<BackupId>,
    /// Of a backup that is taken now
    #[arg(long, conflicts_with = "from")]
    pub live: bool,
    /// Why, for the log and for everybody who looks
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Args {
        name,
        copy,
        from,
        live,
        reason,
    } = args;
    let ask = WorkAsk::Clone {
        copy,
        from,
        live,
        reason,
    };
    backup::ask(context, &name, ask, true).await
}
