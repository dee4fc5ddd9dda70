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
    /// The copy's image, of the same version or a newer one, as a spec names it: "PostgreSQL 17"
    #[arg(long, value_name = "IMAGE", requires = "copy")]
    pub image: Option<String>,
    /// This database inside the server alone, in its place; the others are not touched
    #[arg(long, value_name = "DATABASE", conflicts_with = "copy")]
    pub only: Option<String>,
    /// In place, without asking: what was written since the backup is out of the database then
    #[arg(long)]
    pub yes: bool,
    /// Why, for the log and for everybody who looks
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Args {
        name,
        from,
        copy,
        only,
        image,
        yes,
        reason,
    } = args;
    if let (Some(only), false) = (&only, yes) {
        return Err(CliError::Usage(format!(
            "this puts `{only}` of {from} in the place of what {name} has under that name now (all of \
             {name} is backed up first); to go on, repeat it with --yes"
        )));
    }
    if copy.is_none() && !yes {
        return Err(CliError::Usage(format!(
            "this puts {from} in the place of what {name} holds now (which is backed up first, and \
             kept aside); to go on: db4sci restore {name} --from {from} --yes; to look at it beside: \
             db4sci restore {name} --from {from} --as {name}-copy"
        )));
    }
    let ask = WorkAsk::Restore {
        from,
        copy,
        only,
        image,
        reason,
    };
    backup::ask(context, &name, ask, true).await
}
