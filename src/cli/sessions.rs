//! `db4sci sessions`

use super::acting::say;
use super::args::Format;
use super::context::Context;
use super::daemon::OTHERS;
use super::error::{CliError, Exit};
use super::ui::documents;
use super::ui::table::Table;
use super::ui::times;
use crate::http::api::sessions::EndRequest;
use crate::model::DbName;
use crate::model::session::Session;

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database
    pub name: DbName,
    /// End this session; of MongoDB, what it does just now
    #[arg(long, value_name = "ID")]
    pub kill: Option<String>,
    /// Why, for the log
    #[arg(long, requires = "kill", default_value_t)]
    pub reason: String,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let Args { name, kill, reason } = args;
    let path = format!("/databases/{name}/sessions");
    if let Some(id) = kill {
        let request = EndRequest { id, reason };
        let done = context
            .client
            .post(&format!("{path}/end"), &request)
            .await?;
        return say(context, done);
    }
    let sessions: Vec<Session> = context.client.get_later(&path, OTHERS).await?;
    match context.format {
        Format::Json => documents::json(context, &sessions)?,
        Format::Yaml => documents::yaml(context, &sessions)?,
        Format::Name => {
            for session in &sessions {
                context.line(&session.id)?;
            }
        }
        Format::Table | Format::Wide if sessions.is_empty() => {
            context.line(&format!("nobody is connected to {name}"))?;
        }
        Format::Table | Format::Wide => context.print(&table(context, &sessions))?,
    }
    Ok(Exit::OK)
}

fn table(context: &Context, sessions: &[Session]) -> String {
    let heading = [
        "ID",
        "USER",
        "DATABASE",
        "CLIENT",
        "PROGRAM",
        "STATE",
        "FOR",
        "STATEMENT",
    ];
    let mut table = Table::new(&heading);
    for session in sessions {
        let text = |of: &Option<String>| of.clone().unwrap_or_default();
        table.row([
            session.id.as_str().into(),
            text(&session.user).into(),
            text(&session.database).into(),
            text(&session.client).into(),
            text(&session.program).into(),
            text(&session.state).into(),
            session
                .seconds
                .map(times::amount)
                .unwrap_or_default()
                .into(),
            text(&session.statement).into(),
        ]);
    }
    table.text(context.paint())
}
