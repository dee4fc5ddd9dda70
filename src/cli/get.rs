//! `db4sci get`

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::paint::of_phase;
use super::ui::table::{Cell, Table};
use super::ui::{documents, next, times};
use super::{daemon, disk};
use crate::model::view::{DatabaseView, Phase};
use crate::model::{DbName, Reason, Timestamp};

/// Characters of an id that people read.
const SHORT_ID: usize = 12;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this database
    pub name: Option<DbName>,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let snapshot = daemon::snapshot(context).await?;
    let shown: Vec<&DatabaseView> = match &args.name {
        Some(name) => vec![daemon::database(&snapshot, name)?],
        None => snapshot.databases.iter().collect(),
    };
    match context.format {
        Format::Json => documents::json(context, &shown)?,
        Format::Yaml => documents::yaml(context, &shown)?,
        Format::Name => {
            for view in &shown {
                context.line(view.name.as_str())?;
            }
        }
        Format::Table | Format::Wide => {
            let wide = context.format == Format::Wide;
            context.print(&table(context, &shown, wide))?;
            context.line(&closing(&shown))?;
        }
    }
    Ok(Exit::OK)
}

fn table(context: &Context, databases: &[&DatabaseView], wide: bool) -> String {
    let mut heading = vec![
        "NAME", "ENGINE", "PHASE", "PORT", "MEM", "DISK", "VERIFIED", "OWNER",
    ];
    if wide {
        heading.extend([
            "IMAGE",
            "IMAGE ID",
            "VERSION",
            "UID",
            "SOURCE",
            "GEN",
            "HOST",
            "CONTAINER",
        ]);
    }
    heading.push("REASON");
    let mut table = Table::new(&heading);
    for view in databases {
        let mut cells: Vec<Cell> = vec![
            view.name.as_str().into(),
            engine(view).into(),
            Cell::coloured(view.phase.as_str(), of_phase(view.phase)),
            view.port.to_string().into(),
            view.memory.as_str().into(),
            disk::of(view).into(),
            verified(context, view).into(),
            view.owner.as_str().into(),
        ];
        if wide {
            cells.extend([
                view.image.as_str().into(),
                short(view.image_id.as_deref()).into(),
                view.version.clone().unwrap_or_default().into(),
                view.uid.to_string().into(),
                view.source.as_str().into(),
                generation(view).into(),
                view.host.as_str().into(),
                Cell::from(short(view.container.as_deref())),
            ]);
        }
        cells.push(reason(context, view).into());
        table.row(cells);
    }
    table.text(context.paint())
}

/// How old the newest backup is that a restore has proven.
fn verified(context: &Context, view: &DatabaseView) -> String {
    let last = view.backup.last_verified;
    last.map(|at| times::age(context, at)).unwrap_or_default()
}

/// The engine, with the server's own version once it answered.
pub fn engine(view: &DatabaseView) -> String {
    match &view.version {
        Some(version) => format!("{} {version}", view.engine),
        None => view.engine.to_string(),
    }
}

/// The generation that was accepted; with the one in force, where that is another.
fn generation(view: &DatabaseView) -> String {
    if view.generation == view.observed_generation {
        view.generation.to_string()
    } else {
        format!(
            "{} ({} in force)",
            view.generation, view.observed_generation
        )
    }
}

/// The beginning of an id, without its algorithm.
pub fn short(id: Option<&str>) -> String {
    let id = id.unwrap_or_default();
    let id = id.split_once(':').map_or(id, |(_, digits)| digits);
    id.chars().take(SHORT_ID).collect()
}

/// The reason, with the instant at which it is tried again; and that somebody's word is in force, whatever
/// the reason is.
fn reason(context: &Context, view: &DatabaseView) -> String {
    let said = |reason: Reason, until: Option<Timestamp>| match until {
        Some(until) => format!("{} {}", reason.as_str(), times::brief(context, until)),
        None => reason.as_str(),
    };
    let own = view.reason.map(|reason| {
        let held = view.held.iter().find(|held| held.reason == reason);
        said(reason, held.and_then(|held| held.until))
    });
    let over = view.overridden.as_ref();
    let over = over
        .filter(|_| view.reason != Some(Reason::Overridden))
        .map(|over| said(Reason::Overridden, over.until));
    own.into_iter().chain(over).collect::<Vec<_>>().join(", ")
}

/// The line below the table.
fn closing(databases: &[&DatabaseView]) -> String {
    let count = match databases.len() {
        1 => "1 database".to_owned(),
        n => format!("{n} databases"),
    };
    let needy: Vec<_> = databases.iter().filter(|v| next::needs_person(v)).collect();
    let busy = databases.iter().filter(|v| under_way(v.phase)).count();
    match (needy.as_slice(), busy) {
        ([one], _) => format!("{count}, 1 needs you: db4sci describe {}", one.name),
        ([_, _, ..], _) => format!("{count}, {} need you: db4sci status", needy.len()),
        ([], 0) if databases.is_empty() => {
            "no databases; make one: db4sci apply -f FILE".to_owned()
        }
        ([], 0) => format!("{count}, all well"),
        ([], 1) => format!("{count}, 1 is being worked on: db4sci wait --all"),
        ([], n) => format!("{count}, {n} are being worked on: db4sci wait --all"),
    }
}

/// Whether a phase is on its way to another one.
pub fn under_way(phase: Phase) -> bool {
    match phase {
        Phase::Pending | Phase::Creating | Phase::Degraded | Phase::Restoring => true,
        Phase::Ready
        | Phase::Stopped
        | Phase::Maintenance
        | Phase::Held
        | Phase::Retired
        | Phase::Ejected => false,
    }
}
