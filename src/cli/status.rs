//! `db4sci status`, and `db4sci` alone: what is wrong, and the next command for each.

use std::collections::BTreeSet;

use serde::Serialize;

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::paint::{Colour, of_phase};
use super::ui::{documents, next, times};
use super::{daemon, get};
use crate::model::view::{ConditionStatus, DatabaseView, Phase, Snapshot};
use crate::model::{OverrideState, Reason};

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    /// Whether it is wrong, or only worth knowing.
    wrong: bool,
    /// What it is about: a database, a file, Docker.
    about: String,
    /// The database's phase.
    phase: Option<Phase>,
    /// What it is.
    what: String,
    /// The next command.
    next: String,
}

/// Runs it.
pub async fn run(context: &Context) -> Result<Exit, CliError> {
    let snapshot = daemon::snapshot(context).await?;
    let items = items(context, &snapshot);
    let well = items.iter().all(|item| !item.wrong);
    let summary = summary(&snapshot);
    let answer = serde_json::json!({
        "version": 1,
        "well": well,
        "mode": snapshot.mode,
        "summary": summary,
        "items": items,
    });
    match context.format {
        Format::Json => documents::json(context, &answer)?,
        Format::Yaml => documents::yaml(context, &answer)?,
        Format::Name => {
            for item in items.iter().filter(|item| item.wrong) {
                context.line(&item.about)?;
            }
        }
        Format::Table | Format::Wide => {
            let paint = context.paint();
            let first = if well {
                format!("{}: {summary}", paint.text(Colour::Good, "all well"))
            } else {
                summary
            };
            context.line(&first)?;
            for item in &items {
                let colour = item.phase.map_or(Colour::Bad, of_phase);
                let about = paint.text(colour, &item.about);
                context.line(&format!("{about}: {}\n  -> {}", item.what, item.next))?;
            }
        }
    }
    Ok(Exit::OK)
}

/// `3 databases: 2 Ready, 1 Held (mode prod)`
fn summary(snapshot: &Snapshot) -> String {
    let phases: Vec<String> = Phase::ALL
        .into_iter()
        .filter_map(|phase| {
            let count = snapshot
                .databases
                .iter()
                .filter(|d| d.phase == phase)
                .count();
            (count > 0).then(|| format!("{count} {phase}"))
        })
        .collect();
    let count = match snapshot.databases.len() {
        0 => "no databases".to_owned(),
        1 => format!("1 database: {}", phases.join(", ")),
        n => format!("{n} databases: {}", phases.join(", ")),
    };
    format!("{count} (mode {})", snapshot.mode)
}

fn items(context: &Context, snapshot: &Snapshot) -> Vec<Item> {
    let wrong = |about: &str, what: String, next: &str| Item {
        wrong: true,
        about: about.to_owned(),
        phase: None,
        what,
        next: next.to_owned(),
    };
    let mut items = Vec::new();
    if let Some(said) = &snapshot.docker {
        let what = format!("it does not answer, and nothing is done on a guess: {said}");
        items.push(wrong("Docker", what, "db4sci doctor"));
    }
    if !snapshot.first_pass_done {
        let what = "the first pass over all databases is not done".to_owned();
        items.push(wrong("db4sci", what, "db4sci wait --all"));
    }
    if let Some(harm) = &snapshot.journal_harm {
        items.push(wrong("mydb_admin", harm.clone(), "db4sci audit verify"));
    }
    if let Some(harm) = &snapshot.tables_harm {
        let what = format!(
            "its tables are left alone: {harm}; all that was accepted is safe in the journal"
        );
        items.push(wrong("mydb_admin", what, "db4sci events mydb_admin"));
    } else if snapshot.tables_behind > 0 {
        let what = format!(
            "{} accepted changes are not yet in its tables; they are safe in the journal",
            snapshot.tables_behind
        );
        items.push(wrong("mydb_admin", what, "db4sci describe mydb_admin"));
    }
    if snapshot.log_harms > 0 {
        let what = "somebody altered its log; it was mended, and what was there is kept".to_owned();
        items.push(wrong("mydb_admin", what, "db4sci audit verify"));
    }
    for why in &snapshot.frozen {
        let what = format!("nothing is removed or retired anywhere: {why}");
        items.push(wrong("db4sci", what, "db4sci doctor"));
    }
    for remark in &snapshot.remarks {
        let mut item = wrong(remark.name.as_str(), remark.what.clone(), "");
        item.next = format!("db4sci describe {}", remark.name);
        item.wrong = remark.notable;
        items.push(item);
    }
    for store in &snapshot.unshipped {
        let what = format!(
            "{} accepted changes are not known to be there, since {}: {}; they are safe in the journal \
             of this host, and nowhere else",
            store.entries,
            times::both(context, store.since),
            store.why
        );
        items.push(wrong(
            &format!("store {}", store.store),
            what,
            "db4sci doctor",
        ));
    }
    for problem in &snapshot.problems {
        items.push(wrong("spec", problem.to_string(), "db4sci check"));
    }
    items.extend(snapshot.databases.iter().filter_map(of_database));
    let overridden = snapshot.databases.iter();
    items.extend(overridden.filter_map(|view| of_override(context, view)));
    items.extend(told(&snapshot.databases));
    items
}

/// What owners and admins are told in the long run. Nothing is stopped for it, so only a promise that is
/// broken is wrong; what is said of an owner is said once.
fn told(databases: &[DatabaseView]) -> Vec<Item> {
    let mut said = BTreeSet::new();
    let mut items = Vec::new();
    for view in databases {
        for kind in DatabaseView::STEWARDSHIP {
            let Some(condition) = view.condition(kind) else {
                continue;
            };
            let soon = condition.reason == DatabaseView::ENDS_SOON;
            if condition.status != ConditionStatus::False && !soon {
                continue;
            }
            let of_owner = kind == DatabaseView::WITHIN_LIMITS;
            if of_owner && !said.insert(&view.owner) {
                continue;
            }
            let (about, next) = match of_owner {
                true => (format!("owner {}", view.owner), "db4sci get".to_owned()),
                false => (
                    view.name.to_string(),
                    format!("db4sci describe {}", view.name),
                ),
            };
            items.push(Item {
                wrong: kind == DatabaseView::PROTECTED,
                about,
                phase: (!of_owner).then_some(view.phase),
                what: condition.message.clone(),
                next,
            });
        }
    }
    items
}

/// What is wrong with one database.
fn of_database(view: &DatabaseView) -> Option<Item> {
    if !next::needs_person(view) && !get::under_way(view.phase) {
        return None;
    }
    let reason = next::foremost(view);
    let message = reason
        .and_then(|reason| view.held.iter().find(|held| held.reason == reason))
        .map_or(&view.message, |held| &held.message);
    let why = match reason {
        Some(reason) => format!("{} ({}): {message}", view.phase, reason.as_str()),
        None => format!("{}: {message}", view.phase),
    };
    let next = match reason {
        Some(reason) => next::command(reason, &view.name),
        None => next::command(Reason::Starting, &view.name),
    };
    Some(Item {
        wrong: true,
        about: view.name.to_string(),
        phase: Some(view.phase),
        what: why,
        next,
    })
}

/// A person's word in force: not wrong, but shown everywhere.
fn of_override(context: &Context, view: &DatabaseView) -> Option<Item> {
    let over = view.overridden.as_ref()?;
    let state = match over.state {
        OverrideState::Running => "running",
        OverrideState::Stopped => "stopped",
        OverrideState::Maintenance => "in maintenance",
    };
    let until = match over.until {
        Some(until) => format!("until {}", times::both(context, until)),
        None => "until it is resumed".to_owned(),
    };
    let reason = if over.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", over.reason)
    };
    Some(Item {
        wrong: false,
        about: view.name.to_string(),
        phase: Some(view.phase),
        what: format!("{state} {until}, by {}{reason}", over.who),
        next: if view.whole_host {
            "db4sci maintenance off --all".to_owned()
        } else {
            next::command(Reason::Overridden, &view.name)
        },
    })
}
