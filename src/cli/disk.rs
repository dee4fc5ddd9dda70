//! `db4sci disk`

use super::args::Format;
use super::context::Context;
use super::daemon;
use super::error::{CliError, Exit};
use super::ui::documents;
use super::ui::sizes;
use super::ui::table::Table;
use crate::model::view::{DatabaseView, Snapshot};

/// Runs it.
pub async fn run(context: &Context) -> Result<Exit, CliError> {
    let snapshot = daemon::snapshot(context).await?;
    let mut databases: Vec<&DatabaseView> = snapshot.databases.iter().collect();
    databases.sort_by_key(|view| std::cmp::Reverse(view.disk.map_or(0, |disk| disk.bytes)));
    match context.format {
        Format::Json | Format::Yaml => {
            let all: Vec<_> = databases
                .iter()
                .map(|view| serde_json::json!({"name": view.name, "volume": view.volume, "disk": view.disk}))
                .collect();
            let answer = serde_json::json!({"volumes": snapshot.volumes, "databases": all});
            match context.format {
                Format::Json => documents::json(context, &answer)?,
                _ => documents::yaml(context, &answer)?,
            }
        }
        Format::Name => {
            for view in databases {
                context.line(view.name.as_str())?;
            }
        }
        Format::Table | Format::Wide => {
            context.print(&volumes(context, &snapshot))?;
            context.line("")?;
            context.print(&usage(context, &databases))?;
        }
    }
    Ok(Exit::OK)
}

fn volumes(context: &Context, snapshot: &Snapshot) -> String {
    let mut table = Table::new(&["VOLUME", "SIZE", "FREE", "DATABASES", "PATH"]);
    for volume in &snapshot.volumes {
        let own = snapshot
            .databases
            .iter()
            .filter(|v| v.volume == volume.label);
        let taken: u64 = own.filter_map(|v| v.disk).map(|disk| disk.bytes).sum();
        table.row([
            volume.label.as_str().into(),
            sizes::about(volume.size).into(),
            sizes::about(volume.free).into(),
            sizes::about(taken).into(),
            volume.path.as_str().into(),
        ]);
    }
    table.text(context.paint())
}

fn usage(context: &Context, databases: &[&DatabaseView]) -> String {
    let mut table = Table::new(&["NAME", "VOLUME", "DISK", "A DAY", "OWNER"]);
    for view in databases {
        table.row([
            view.name.as_str().into(),
            view.volume.as_str().into(),
            of(view).into(),
            a_day(view).unwrap_or_default().into(),
            view.owner.as_str().into(),
        ]);
    }
    table.text(context.paint())
}

/// What a database takes; empty while nobody has measured it.
pub fn of(view: &DatabaseView) -> String {
    view.disk
        .map(|disk| sizes::about(disk.bytes))
        .unwrap_or_default()
}

/// How much more it is each day: `+1.2Gi`.
pub fn a_day(view: &DatabaseView) -> Option<String> {
    let growth = view.disk?.a_day?;
    let sign = if growth < 0 { "-" } else { "+" };
    Some(format!("{sign}{}", sizes::about(growth.unsigned_abs())))
}
