//! `db4sci restore`

use super::backup;
use super::context::Context;
use super::error::{CliError, Exit};
use crate::model::view::WorkAsk;
use crate::model::{BackupId, DbName};

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database
    pub name: DbName,
    /// The backup: see `db4sci backup list`
    #[arg(long)]
    pub from: BackupId,
    /// As another database of this name, beside the one that is there
    #[arg(long = "as", value_name = "NEW")]
    pub copy: Option<DbName>,
    /// In place, without asking: what was written since the backup is out of the database then
    #[arg(long)]
    pub yes: bool,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Args {
        name,
        from,
        copy,
        yes,
    } = args;
    if copy.is_none() && !yes {
        return Err(CliError::Usage(format!(
            "this puts {from} in the place of what {name} holds now (which is backed up first, and \
             kept aside); to go on: db4sci restore {name} --from {from} --yes; to look at it beside: \
             db4sci restore {name} --from {from} --as {name}-copy"
        )));
    }
    backup::ask(context, &name, WorkAsk::Restore { from, copy }, true).await
}
