//! `db4sci audit`

use std::time::Duration;

use super::acting::say;
use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::{documents, times};
use crate::http::api::audit::AcknowledgeRequest;
use crate::model::audit::{AuditView, Findings};

/// How long the comparison of a log of millions of rows may take.
const COMPARES: Duration = Duration::from_secs(1800);

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do about the log.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Whether the log is as it was written: the journal against its chain and seals, the rows of
    /// mydb_admin against the journal, the ends that stores hold against both
    Verify,
    /// Say that you have looked into all that was found; until then `verify` fails
    Acknowledge {
        /// What came of it, for the log
        #[arg(long)]
        reason: String,
    },
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Verify => {
            let audit: AuditView = context.client.get_later("/audit", COMPARES).await?;
            match context.format {
                Format::Json => documents::json(context, &audit)?,
                Format::Yaml => documents::yaml(context, &audit)?,
                Format::Table | Format::Wide | Format::Name => tell(context, &audit)?,
            }
            Ok(if audit.is_good() {
                Exit::OK
            } else {
                Exit::ERROR
            })
        }
        Verb::Acknowledge { reason } => {
            let request = AcknowledgeRequest { reason };
            let done = context.client.post("/audit/acknowledge", &request).await?;
            say(context, done)
        }
    }
}

fn tell(context: &Context, audit: &AuditView) -> Result<(), CliError> {
    for harm in &audit.harms {
        context.line(&format!(
            "{}: found, mended, and not acknowledged:",
            times::both(context, harm.at)
        ))?;
        lines(context, &harm.findings, "  ")?;
    }
    lines(context, &audit.findings, "")?;
    for why in &audit.unread {
        context.line(&format!("not compared: {why}"))?;
    }
    let AuditView {
        entries,
        sealed,
        rows,
        ends,
        ..
    } = audit;
    context.line(&format!(
        "{entries} entries of the journal, {sealed} of them sealed by this host; {rows} rows of log; \
         {ends} ends in the stores"
    ))?;
    context.line(if audit.is_good() {
        "The log is as it was written."
    } else if !audit.findings.is_empty() {
        "The log is not as it was written. Next: docs/runbooks/audit.md"
    } else if !audit.harms.is_empty() {
        "The log is as it was written again. Next: docs/runbooks/audit.md, then db4sci audit acknowledge"
    } else {
        "Not all of it could be compared."
    })
}

fn lines(context: &Context, findings: &Findings, indent: &str) -> Result<(), CliError> {
    for finding in &findings.named {
        context.line(&format!("{indent}{finding}"))?;
    }
    if findings.more > 0 {
        context.line(&format!("{indent}and {} more", findings.more))?;
    }
    Ok(())
}
