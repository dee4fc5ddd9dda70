//! `db4sci doctor`

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit, next};
use super::host::{Finding, Health};
use super::ui::documents;
use super::ui::paint::Colour;
use super::ui::table::{Cell, Table};
use crate::model::view::Snapshot;

/// Runs it.
pub async fn run(context: &Context) -> Result<Exit, CliError> {
    let mut findings = vec![daemon(context).await];
    findings.extend(context.host.doctor(&context.globals).await);
    match context.format {
        Format::Json => documents::json(context, &findings)?,
        Format::Yaml => documents::yaml(context, &findings)?,
        Format::Table | Format::Wide | Format::Name => table(context, &findings)?,
    }
    let bad = findings.iter().any(|found| found.health == Health::Bad);
    Ok(if bad { Exit::ERROR } else { Exit::OK })
}

/// Whether the daemon answers: the one thing that the command line itself knows best.
async fn daemon(context: &Context) -> Finding {
    let what = "daemon".to_owned();
    match context.client.get::<Snapshot>("/snapshot").await {
        Ok(snapshot) => Finding {
            what,
            health: Health::Ok,
            message: format!(
                "answers on {} ({} databases, mode {})",
                context.client.socket().display(),
                snapshot.databases.len(),
                snapshot.mode
            ),
            next: None,
        },
        Err(error) => Finding {
            what,
            health: Health::Bad,
            next: error.is_unheard().then(|| next(&error).to_owned()),
            message: error.to_string(),
        },
    }
}

fn table(context: &Context, findings: &[Finding]) -> Result<(), CliError> {
    let mut table = Table::bare();
    for found in findings {
        let health = match found.health {
            Health::Ok => Cell::coloured("ok", Colour::Good),
            Health::Warn => Cell::coloured("warn", Colour::Busy),
            Health::Bad => Cell::coloured("bad", Colour::Bad),
        };
        let message = match &found.next {
            Some(next) => format!("{}; next: {next}", found.message),
            None => found.message.clone(),
        };
        table.row([health, found.what.as_str().into(), message.into()]);
    }
    context.print(&table.text(context.paint()))?;
    let of = |health| findings.iter().filter(|f| f.health == health).count();
    context.line(&match (of(Health::Bad), of(Health::Warn)) {
        (0, 0) => "all well".to_owned(),
        (bad, warn) => format!("{bad} bad, {warn} to look at"),
    })
}
