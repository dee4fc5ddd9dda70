//! `db4sci wait`

use std::time::Duration;

use hyper::StatusCode;
use tokio::time::Instant;

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::documents;
use crate::http::client::ClientError;
use crate::http::wait::{LONGEST, Target, WaitAnswer, WaitFor, WaitRequest, WaitState};
use crate::model::span;
use crate::model::{DbName, Reason};

/// How soon to knock again at a daemon that is not there yet: no event tells of it.
const KNOCK: Duration = Duration::from_millis(200);

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The databases
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub names: Vec<DbName>,
    /// All databases: until each is ready, or stopped or left alone as somebody wants it
    #[arg(long)]
    pub all: bool,
    /// What to wait for: ready, stopped, retired, or settled (any of them, as wanted)
    #[arg(long = "for", value_name = "STATE", default_value_t = WaitFor::Ready)]
    pub what: WaitFor,
    /// How long
    #[arg(long, value_name = "SPAN", value_parser = span::parse, default_value = "60s")]
    pub timeout: Duration,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let what = match (args.all, args.what) {
        (true, WaitFor::Ready | WaitFor::Settled) => WaitFor::Settled,
        (true, WaitFor::Stopped | WaitFor::Retired) => {
            let why = "--all goes with --for ready: mydb_admin never stops";
            return Err(CliError::Usage(why.to_owned()));
        }
        (false, what) => what,
    };
    let targets = args.names.into_iter().map(|name| Target {
        name,
        generation: None,
    });
    until(context, what, targets.collect(), args.timeout).await
}

/// Waits, and says how it ended: exit code 1 when time was up.
pub async fn until(
    context: &Context,
    what: WaitFor,
    targets: Vec<Target>,
    timeout: Duration,
) -> Result<Exit, CliError> {
    let answer = ends(context, what, targets, timeout).await?;
    show(context, what, &answer, timeout)?;
    Ok(exit(&answer))
}

/// The same beside an answer that programs read and that was given already: on standard error alone.
pub async fn beside(
    context: &Context,
    what: WaitFor,
    targets: Vec<Target>,
    timeout: Duration,
) -> Result<Exit, CliError> {
    let answer = ends(context, what, targets, timeout).await?;
    if !answer.reached {
        say_late(context, what, &answer, timeout);
    }
    Ok(exit(&answer))
}

async fn ends(
    context: &Context,
    what: WaitFor,
    targets: Vec<Target>,
    timeout: Duration,
) -> Result<WaitAnswer, CliError> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let request = WaitRequest {
            what,
            targets: targets.clone(),
            // Rounded up: the last part of a second is waited for, too.
            timeout_seconds: left.as_millis().div_ceil(1000) as u64,
        };
        let answer: Result<WaitAnswer, _> = context.client.post("/wait", &request).await;
        match answer {
            Ok(answer) if answer.reached || left <= LONGEST => return Ok(answer),
            Ok(_) => {}
            Err(error) if may_come_back(&error) && left > KNOCK => {
                context.warn_once(&format!("{error}; waiting for it"));
                tokio::time::sleep(KNOCK).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn exit(answer: &WaitAnswer) -> Exit {
    if answer.reached {
        Exit::OK
    } else {
        Exit::ERROR
    }
}

/// Whether the daemon is not there, or is going: it may come back, and to ask again changes nothing.
fn may_come_back(error: &ClientError) -> bool {
    match error {
        ClientError::Down { .. } | ClientError::Silent { .. } | ClientError::Broken { .. } => true,
        ClientError::Problem(problem) => problem.status == StatusCode::SERVICE_UNAVAILABLE,
        ClientError::Denied { .. } | ClientError::Garbled { .. } => false,
    }
}

fn show(
    context: &Context,
    what: WaitFor,
    answer: &WaitAnswer,
    timeout: Duration,
) -> Result<(), CliError> {
    match context.format {
        Format::Json => return documents::json(context, answer),
        Format::Yaml => return documents::yaml(context, answer),
        Format::Name if answer.reached => {
            for state in &answer.databases {
                context.line(state.name.as_str())?;
            }
            return Ok(());
        }
        Format::Table | Format::Wide | Format::Name => {}
    }
    if answer.reached {
        for state in &answer.databases {
            let phase = state.phase.map_or("gone", |phase| phase.as_str());
            context.line(&format!("{} is {phase}", state.name))?;
            if let Some(rest) = waits(state) {
                context.line(&rest)?;
            }
        }
        return Ok(());
    }
    say_late(context, what, answer, timeout);
    Ok(())
}

fn say_late(context: &Context, what: WaitFor, answer: &WaitAnswer, timeout: Duration) {
    let span = span::show(timeout);
    for state in answer.databases.iter().filter(|state| !state.reached) {
        context.warn(&late(state, what, &span));
    }
    if let Some(note) = &answer.note {
        context.warn(&format!("not {what} within {span}: {note}; db4sci status"));
    }
}

/// What of a spec is not in force yet, and what lets it go.
fn waits(state: &WaitState) -> Option<String> {
    let reason = state.reason?;
    let waits = matches!(reason, Reason::OutsideWindow | Reason::NeedsApproval);
    let (name, message) = (&state.name, &state.message);
    waits.then(|| format!("{name} {}: {message}", reason.as_str()))
}

/// `proteomics is not ready within 60s: Held (DataLost): …; db4sci describe proteomics`
fn late(state: &WaitState, what: WaitFor, span: &str) -> String {
    let name = &state.name;
    let Some(phase) = state.phase else {
        return format!(
            "{name}: {}; waited {span}; all names: db4sci get",
            state.message
        );
    };
    let reason = state
        .reason
        .map_or_else(String::new, |reason| format!(" ({})", reason.as_str()));
    let message = if state.message.is_empty() {
        String::new()
    } else {
        format!(": {}", state.message)
    };
    format!("{name} is not {what} within {span}: {phase}{reason}{message}; db4sci describe {name}")
}
