//! `db4sci recover`

mod status;

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::table::{Cell, Table};
use super::ui::{documents, times};
use crate::model::{DbName, Memory, Timestamp};
use crate::plan::comeback::{Lost, Priority};

/// What it takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Say what would come back, and change nothing
    #[arg(long)]
    pub plan: bool,
    /// Only these databases come back by themselves; the others wait for a person
    #[arg(long, value_name = "NAME")]
    pub only: Vec<DbName>,
    /// Make the memory anew of what lives, where no store holds a copy of it: of the markers beside the
    /// data, the containers' labels, and the backups in the stores
    #[arg(long)]
    pub from_docker: bool,
    /// Whose backups, where a store holds those of several hosts
    #[arg(long, value_name = "ID")]
    pub instance: Option<String>,
    /// Why, for the log
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Say what became of each database since the memory came back: asked of the daemon
    #[arg(long, conflicts_with_all = ["plan", "only", "from_docker", "instance"])]
    pub status: bool,
}

/// What was found, and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    /// The instance that comes back.
    pub instance: String,
    /// The backup of `mydb_admin` that the ledger was read from, or that there is none.
    pub ledger: String,
    /// Entries of the ledger.
    pub entries: u64,
    /// The last ones among them that come from the journal in the stores: they are newer than the backup.
    pub shipped: u64,
    /// Up to when it knows.
    pub as_of: Timestamp,
    /// What cannot be read or is missing, one line each.
    pub problems: Vec<String>,
    /// The databases, by name.
    pub databases: BTreeMap<DbName, Found>,
}

/// What there is of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// When its turn comes: those of one priority come back side by side.
    pub priority: Priority,
    /// Its engine.
    pub engine: String,
    /// What was written and does not come back; `None`: it stays where it is, or is gone for good.
    pub lost: Option<Lost>,
    /// The newest backup.
    pub backup: Option<String>,
    /// What it holds was written before then.
    pub as_of: Option<Timestamp>,
    /// Bytes in the store.
    pub bytes: u64,
    /// What becomes of it.
    pub what: String,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    if args.status {
        return status::run(context).await;
    }
    let plan = args.plan;
    let done = context.host.recover(&context.globals, args).await;
    let done = done.map_err(CliError::Said)?;
    match context.format {
        Format::Json => documents::json(context, &done)?,
        Format::Yaml => documents::yaml(context, &done)?,
        Format::Name => {
            for name in done.databases.keys() {
                context.line(name.as_str())?;
            }
        }
        Format::Table | Format::Wide => {
            context.line(&format!(
                "instance {}: {} entries, up to {}, from {}{}",
                done.instance,
                done.entries,
                times::full(context, done.as_of),
                done.ledger,
                match done.shipped {
                    0 => String::new(),
                    n => format!(" and, for the last {n}, the journal in the stores"),
                }
            ))?;
            context.print(&table(context, &done).text(context.paint()))?;
        }
    }
    for problem in &done.problems {
        context.warn(problem);
    }
    context.warn(if plan {
        "nothing was changed; to bring it back, the same without --plan"
    } else {
        "its memory is back; the databases come back when the daemon runs: db4sci run; how far they \
         are: db4sci recover --status"
    });
    Ok(Exit::OK)
}

fn table(context: &Context, done: &Recovered) -> Table {
    let mut table = Table::new(&[
        "NAME", "ENGINE", "PRIORITY", "AS OF", "LOST", "SIZE", "FROM", "WHAT",
    ]);
    let mut in_turn: Vec<_> = done.databases.iter().collect();
    in_turn.sort_by_key(|(_, found)| found.priority);
    for (name, found) in in_turn {
        let as_of = found.as_of.map(|at| times::full(context, at));
        let cells: Vec<Cell> = vec![
            name.as_str().into(),
            found.engine.clone().into(),
            found.priority.as_str().into(),
            as_of.unwrap_or_default().into(),
            found
                .lost
                .map(|lost| lost.to_string())
                .unwrap_or_default()
                .into(),
            Memory::from_bytes(found.bytes).to_string().into(),
            found.backup.clone().unwrap_or_default().into(),
            found.what.clone().into(),
        ];
        table.row(cells);
    }
    table
}
