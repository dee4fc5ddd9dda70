//! `db4sci events`

use super::args::Format;
use super::context::Context;
use super::daemon;
use super::error::{CliError, Exit};
use super::ui::paint::Colour;
use super::ui::table::{Cell, Table};
use super::ui::{documents, times};
use crate::http::api::read::MOST_EVENTS;
use crate::model::{DbName, Entry, Outcome, span};

/// How many are shown without `--since`.
const SOME: usize = 50;
/// How long one question for more may wait.
const FOLLOW_SECONDS: u64 = 600;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this database
    pub name: Option<DbName>,
    /// Only what happened in this span (`2h`); without it, the last fifty
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    pub since: Option<std::time::Duration>,
    /// Go on with what happens from now on
    #[arg(long)]
    pub follow: bool,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let name = args.name.as_ref();
    let limit = if args.since.is_some() {
        MOST_EVENTS
    } else {
        SOME
    };
    let mut entries = daemon::events(context, name, limit).await?;
    let mut last = entries.last().map_or(0, |entry| entry.seq);
    if let Some(since) = args.since {
        let from = context.now() - since;
        if entries.len() == limit && entries.first().is_some_and(|first| first.at > from) {
            context.warn(&format!("only the last {limit} are shown"));
        }
        entries.retain(|entry| entry.at >= from);
    }
    if args.follow {
        show_lines(context, &entries)?;
        loop {
            let fresh = more(context, name, last).await?;
            last = fresh.last().map_or(last, |entry| entry.seq);
            show_lines(context, &fresh)?;
        }
    }
    match context.format {
        Format::Json => documents::json(context, &entries)?,
        Format::Yaml => documents::yaml(context, &entries)?,
        Format::Table | Format::Wide | Format::Name => {
            if entries.is_empty() {
                context.warn("nothing happened");
            } else {
                context.print(&table(context, &entries, name.is_none()).text(context.paint()))?;
            }
        }
    }
    Ok(Exit::OK)
}

/// Entries after one, as soon as there are any.
async fn more(
    context: &Context,
    name: Option<&DbName>,
    after: u64,
) -> Result<Vec<Entry>, CliError> {
    let of = name.map_or_else(String::new, |name| format!("&name={name}"));
    let path =
        format!("/events?after={after}&limit={MOST_EVENTS}&waitSeconds={FOLLOW_SECONDS}{of}");
    let wait = std::time::Duration::from_secs(FOLLOW_SECONDS);
    Ok(context.client.get_later(&path, wait).await?)
}

/// Entries as they come: one line each, whatever comes later.
fn show_lines(context: &Context, entries: &[Entry]) -> Result<(), CliError> {
    for entry in entries {
        match context.format {
            Format::Json => {
                let line = serde_json::to_string(entry)
                    .map_err(|error| CliError::Unshowable(error.to_string()))?;
                context.line(&line)?;
            }
            Format::Yaml => {
                context.line("---")?;
                documents::yaml(context, entry)?;
            }
            Format::Table | Format::Wide | Format::Name => {
                let name = entry.name.as_ref().map_or("-", DbName::as_str);
                context.line(&format!(
                    "{}  {name:<16}  {:<9}  {}  ({})",
                    times::full(context, entry.at),
                    word(entry.outcome),
                    entry.message,
                    entry.who,
                ))?;
            }
        }
    }
    Ok(())
}

/// Entries as a table.
pub fn table(context: &Context, entries: &[Entry], names: bool) -> Table {
    let mut table = Table::bare();
    for entry in entries {
        let mut cells: Vec<Cell> = vec![times::full(context, entry.at).into()];
        if names {
            cells.push(entry.name.as_ref().map_or("", DbName::as_str).into());
        }
        cells.extend([
            Cell::coloured(word(entry.outcome), colour(entry.outcome)),
            entry.who.to_string().into(),
            entry.message.as_str().into(),
        ]);
        table.row(cells);
    }
    table
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
        Outcome::Abandoned => "abandoned",
    }
}

fn colour(outcome: Outcome) -> Colour {
    match outcome {
        Outcome::Done => Colour::Good,
        Outcome::Failed => Colour::Bad,
        Outcome::Refused | Outcome::Abandoned => Colour::Busy,
    }
}
