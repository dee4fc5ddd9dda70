//! `db4sci recover --status`

use serde::Serialize;
use std::collections::BTreeMap;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::table::{Cell, Table};
use crate::cli::ui::{documents, times};
use crate::cli::{args::Format, daemon};
use crate::http::api::read::MOST_EVENTS;
use crate::model::view::{DatabaseView, Phase, Snapshot};
use crate::model::{DbName, Entry, Timestamp};
use crate::plan::returned::{Return, Returned, Returns};

/// What became of the host.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    version: u32,
    began: Timestamp,
    as_of: Option<Timestamp>,
    lived: Option<Timestamp>,
    databases: BTreeMap<DbName, Line>,
}

/// What became of one database.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    phase: Phase,
    /// `None`: it does not come back by itself.
    #[serde(flatten)]
    returned: Option<Returned>,
    what: String,
}

/// Runs it.
pub(super) async fn run(context: &Context) -> Result<Exit, CliError> {
    let returns = returns(context).await?;
    let snapshot: Snapshot = context.client.get("/snapshot").await?;
    let came = |view: &DatabaseView| {
        let returned = returns.databases.get(&view.name).cloned();
        // Without a backup it is held, and nothing that it waits for comes.
        let saved = view.backup.last.is_some();
        let returned = returned.filter(|one| saved || one.how != Return::Asked);
        let line = Line {
            phase: view.phase,
            what: what(view, returned.as_ref()),
            returned,
        };
        (view.name.clone(), line)
    };
    let shown = |view: &&DatabaseView| view.phase != Phase::Retired;
    let status = Status {
        version: 1,
        began: returns.began,
        as_of: returns.as_of,
        lived: returns.lived,
        databases: snapshot.databases.iter().filter(shown).map(came).collect(),
    };
    match context.format {
        Format::Json => documents::json(context, &status)?,
        Format::Yaml => documents::yaml(context, &status)?,
        Format::Name => {
            for (name, _) in status.databases.iter().filter(|(_, line)| on_its_way(line)) {
                context.line(name.as_str())?;
            }
        }
        Format::Table | Format::Wide => {
            context.print(&table(context, &status).text(context.paint()))?;
            context.line(&summary(context, &status))?;
        }
    }
    Ok(Exit::OK)
}

/// What the log tells since the memory came back for the last time.
async fn returns(context: &Context) -> Result<Returns, CliError> {
    let admin = DbName::mydb_admin();
    let own = daemon::events(context, Some(&admin), MOST_EVENTS).await?;
    let begun = own.iter().rev();
    let mut begun = begun.filter_map(|entry| Some((entry.seq, Returns::begun_by(entry)?)));
    let Some((mut last, mut returns)) = begun.next() else {
        let why = "this host's memory did not come back from a store, as far as its log tells";
        return Err(CliError::Said(why.to_owned()));
    };
    loop {
        let path = format!("/events?after={last}&limit={MOST_EVENTS}");
        let more: Vec<Entry> = context.client.get(&path).await?;
        more.iter().for_each(|entry| returns.follow(entry));
        match more.last() {
            Some(entry) if more.len() == MOST_EVENTS => last = entry.seq,
            Some(_) | None => return Ok(returns),
        }
    }
}

/// Whether it comes back by itself, and is not there yet.
fn on_its_way(line: &Line) -> bool {
    line.returned.as_ref().is_some_and(|one| match one.how {
        Return::Asked | Return::Begun { .. } | Return::Failed { .. } => true,
        Return::Back { .. } | Return::Kept | Return::Anew => line.phase != Phase::Ready,
    })
}

/// In words, with what keeps it.
fn what(view: &DatabaseView, returned: Option<&Returned>) -> String {
    let now = match (view.phase, view.message.as_str()) {
        (Phase::Ready, _) => None,
        (phase, "") => Some(phase.as_str().to_owned()),
        (phase, message) => Some(format!("{phase}: {message}")),
    };
    let done = match returned.map(|one| &one.how) {
        None => return now.unwrap_or_default(),
        Some(Return::Asked) => "waits for its turn",
        Some(Return::Begun { .. }) => return "is being put into its place".to_owned(),
        Some(Return::Failed { why }) => return format!("failed, and is tried again: {why}"),
        Some(Return::Back { .. }) => "came back",
        Some(Return::Kept) => "its data was there",
        Some(Return::Anew) => "began anew, and is filled from the journal",
    };
    match now {
        Some(now) => format!("{done}; {now}"),
        None => done.to_owned(),
    }
}

fn table(context: &Context, status: &Status) -> Table {
    let mut table = Table::new(&["NAME", "PHASE", "AS OF", "LOST", "FROM", "WHAT"]);
    for (name, line) in &status.databases {
        let returned = line.returned.as_ref();
        let as_of = returned.and_then(|one| one.as_of);
        let lost = returned.and_then(|one| one.lost);
        let from = returned.and_then(|one| match &one.how {
            Return::Begun { from } | Return::Back { from } => Some(from.to_string()),
            Return::Asked | Return::Kept | Return::Anew | Return::Failed { .. } => None,
        });
        let cells: Vec<Cell> = vec![
            name.as_str().into(),
            line.phase.as_str().into(),
            as_of
                .map(|at| times::full(context, at))
                .unwrap_or_default()
                .into(),
            lost.map(|lost| lost.to_string()).unwrap_or_default().into(),
            from.unwrap_or_default().into(),
            line.what.clone().into(),
        ];
        table.row(cells);
    }
    table
}

/// `memory back since …: 3 of 4 databases came back, 1 is on its way`
fn summary(context: &Context, status: &Status) -> String {
    let lines = status.databases.values();
    let all = lines.clone().filter(|line| line.returned.is_some()).count();
    let coming = lines.filter(|line| on_its_way(line)).count();
    let rest = match coming {
        0 => "none is on its way".to_owned(),
        1 => "1 is on its way: db4sci wait --all".to_owned(),
        n => format!("{n} are on their way: db4sci wait --all"),
    };
    format!(
        "the memory is back since {}; of {all} that come back by themselves, {} did, {rest}",
        times::full(context, status.began),
        all - coming
    )
}
