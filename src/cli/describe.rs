//! `db4sci describe`: everything about one database, and why nothing happens.

use serde_json::json;

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::paint::{Colour, of_phase};
use super::ui::table::Table;
use super::ui::{documents, next, times};
use super::{daemon, events, get};
use crate::model::view::{DatabaseView, Remark};
use crate::model::{Action, DbName, Entry, Lane, OverrideState};
use crate::plan::stages::{self, Stage};

/// How many events are shown.
const EVENTS: usize = 10;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database
    pub name: DbName,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let snapshot = daemon::snapshot(context).await?;
    let view = daemon::database(&snapshot, &args.name)?;
    let events = daemon::events(context, Some(&args.name), EVENTS).await;
    match context.format {
        Format::Json | Format::Yaml => {
            let events = events?;
            let mut answer = json!({"version": 1, "database": view, "events": events});
            let own = snapshot.remarks.iter().filter(|r| r.name == view.name);
            let own: Vec<&str> = own.map(|r| r.what.as_str()).collect();
            if !own.is_empty() {
                answer["remarks"] = json!(own);
            }
            if view.name.is_mydb_admin() {
                answer["recovery"] = json!(stages::stages(&snapshot));
            }
            if context.format == Format::Json {
                documents::json(context, &answer)?;
            } else {
                documents::yaml(context, &answer)?;
            }
        }
        Format::Name => context.line(view.name.as_str())?,
        Format::Table | Format::Wide => {
            let stages = match view.name.is_mydb_admin() {
                true => stages::stages(&snapshot),
                false => Vec::new(),
            };
            context.print(&text(context, view, &stages, &snapshot.remarks, events))?;
        }
    }
    Ok(Exit::OK)
}

fn text(
    context: &Context,
    view: &DatabaseView,
    stages: &[Stage],
    remarks: &[Remark],
    events: Result<Vec<Entry>, CliError>,
) -> String {
    let paint = context.paint();
    let mut text = head(context, view);
    let mut section = |title: &str, table: Table| {
        text.push_str(&format!("\n{}\n", paint.text(Colour::Strong, title)));
        for line in table.text(paint).lines() {
            text.push_str(&format!("  {line}\n"));
        }
    };
    section("Conditions", conditions(context, view));
    if view.overridden.is_some() {
        section("Override", overridden(context, view));
    }
    if !view.held.is_empty() {
        section("Held back", held(context, view));
    }
    let mut remarks = remarks
        .iter()
        .filter(|remark| remark.name == view.name)
        .peekable();
    if remarks.peek().is_some() {
        let mut table = Table::bare();
        for remark in remarks {
            table.row([remark.what.as_str().into()]);
        }
        section("To look at", table);
    }
    if !stages.is_empty() {
        section("Recovery", recovery(stages));
    }
    if let Some(kept) = &view.evidence {
        let mut table = Table::bare();
        table.row([kept.folder.as_str().into(), kept.files.join(", ").into()]);
        if let Some(data) = &kept.data {
            table.row([data.as_str().into(), "its data from then".into()]);
        }
        section("Evidence", table);
    }
    section("Doing now", lane(view.lane.as_ref()));
    section("Last seen", seen(view));
    section(
        "Events",
        match events {
            Ok(entries) if entries.is_empty() => one_line("none"),
            Ok(entries) => events::table(context, &entries, false),
            Err(error) => one_line(&format!("cannot be read: {}", error.text())),
        },
    );
    let next = match next::foremost(view) {
        Some(reason) => next::remedy(reason, &view.name),
        None if view.ready => format!("db4sci connect {}", view.name),
        None => format!("db4sci wait {} --for ready", view.name),
    };
    text.push_str(&format!(
        "\n{} {next}\n",
        paint.text(Colour::Strong, "Next:")
    ));
    text
}

/// What it takes, how much more a day, and on which volume.
fn disk(view: &DatabaseView) -> String {
    let growth = super::disk::a_day(view).map(|growth| format!(", {growth} a day"));
    match super::disk::of(view) {
        taken if taken.is_empty() => format!("not measured yet, volume {}", view.volume),
        taken => format!(
            "{taken}{}, volume {}",
            growth.unwrap_or_default(),
            view.volume
        ),
    }
}

/// Whose it is, and whom to write to.
fn owner(view: &DatabaseView) -> String {
    match view.contact.as_str() {
        "" => view.owner.clone(),
        contact => format!("{}, {contact}", view.owner),
    }
}

/// The lines above all sections.
fn head(context: &Context, view: &DatabaseView) -> String {
    let paint = context.paint();
    let phase = paint.text(of_phase(view.phase), view.phase.as_str());
    let phase = match view.reason {
        Some(reason) => format!("{phase} ({})", reason.as_str()),
        None => phase,
    };
    let image_id = get::short(view.image_id.as_deref());
    let image = if image_id.is_empty() {
        format!("{} ({}, not seen yet)", view.image, view.image_reference)
    } else {
        format!("{} ({}, id {image_id})", view.image, view.image_reference)
    };
    let rows = [
        ("Name", view.name.to_string()),
        ("Phase", phase),
        ("", view.message.clone()),
        ("Engine", get::engine(view)),
        ("Image", image),
        ("Address", format!("{}:{}", view.host, view.port)),
        (
            "Connections",
            view.connections
                .map_or("not known".to_owned(), |n| n.to_string()),
        ),
        ("Memory", view.memory.clone()),
        ("Disk", disk(view)),
        ("Owner", owner(view)),
        (
            "Spec",
            format!(
                "{}, generation {}, in force {}",
                view.source, view.generation, view.observed_generation
            ),
        ),
        ("Uid", view.uid.to_string()),
        ("Container", get::short(view.container.as_deref())),
        ("Data", view.data_dir.clone()),
    ];
    let mut text = String::new();
    for (label, value) in rows {
        match (label, value.as_str()) {
            ("", "") => {}
            ("", value) => text.push_str(&format!("             {value}\n")),
            (label, "") => text.push_str(&format!("{:<13}-\n", format!("{label}:"))),
            (label, value) => text.push_str(&format!("{:<13}{value}\n", format!("{label}:"))),
        }
    }
    text
}

/// How `mydb_admin` comes back, a stage a line.
pub(super) fn recovery(stages: &[Stage]) -> Table {
    let mut table = Table::bare();
    for stage in stages {
        table.row([
            stage.state.as_str().into(),
            stage.step.as_str().into(),
            stage.what.as_str().into(),
        ]);
    }
    table
}

fn one_line(text: &str) -> Table {
    let mut table = Table::bare();
    table.row([text.into()]);
    table
}

fn conditions(context: &Context, view: &DatabaseView) -> Table {
    let mut table = Table::bare();
    for condition in &view.conditions {
        let age = condition.last_transition_time - context.now();
        table.row([
            condition.kind.as_str().into(),
            format!("{:?}", condition.status).into(),
            condition.reason.as_str().into(),
            times::relative(age).into(),
            condition.message.as_str().into(),
        ]);
    }
    table
}

fn overridden(context: &Context, view: &DatabaseView) -> Table {
    let mut table = Table::bare();
    if let Some(over) = &view.overridden {
        let state = match over.state {
            OverrideState::Running => "Running",
            OverrideState::Stopped => "Stopped",
            OverrideState::Maintenance => "Maintenance",
        };
        let until = match over.until {
            Some(until) => format!("until {}", times::both(context, until)),
            None => "until it is resumed".to_owned(),
        };
        table.row([
            state.into(),
            format!("by {}", over.who).into(),
            format!("since {}", times::full(context, over.since)).into(),
            until.into(),
            over.reason.as_str().into(),
        ]);
    }
    table
}

fn held(context: &Context, view: &DatabaseView) -> Table {
    let mut table = Table::bare();
    for held in &view.held {
        let until = match held.until {
            Some(until) => format!("until {}", times::both(context, until)),
            None => "until something changes".to_owned(),
        };
        let message = match &held.would {
            Some(lane) => format!("{}; would: {}", held.message, lane.why.join(", ")),
            None => held.message.clone(),
        };
        table.row([held.reason.as_str().into(), until.into(), message.into()]);
    }
    table
}

fn lane(lane: Option<&Lane>) -> Table {
    match lane {
        None => one_line("nothing"),
        Some(lane) => {
            let steps: Vec<&str> = lane.actions.iter().map(Action::kind).collect();
            let mut table = Table::bare();
            table.row([lane.why.join(", ").into(), steps.join(", ").into()]);
            table
        }
    }
}

fn seen(view: &DatabaseView) -> Table {
    let mut table = Table::bare();
    for line in &view.seen {
        table.row([line.as_str().into()]);
    }
    if view.seen.is_empty() {
        return one_line("nothing yet");
    }
    table
}
