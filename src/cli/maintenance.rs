//! `db4sci maintenance on|off`

use super::acting::{Until, Why, act, say, set_override};
use super::context::Context;
use super::error::{CliError, Exit};
use crate::http::api::act::HostMaintenanceRequest;
use crate::model::view::DatabaseView;
use crate::model::{DbName, OverrideState};

/// What it takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// On or off.
    #[command(subcommand)]
    pub switch: Switch,
}

/// On or off.
#[derive(Debug, clap::Subcommand)]
pub enum Switch {
    /// Hands off: look, report, do nothing
    On {
        /// Which, and why.
        #[command(flatten)]
        which: Which,
        /// Until when.
        #[command(flatten)]
        until: Until,
    },
    /// The spec is in force again
    Off {
        /// Which, and why.
        #[command(flatten)]
        which: Which,
    },
}

/// Which database, or all; and why.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// The database
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub name: Option<DbName>,
    /// The whole host: every database, those still to come and mydb_admin included
    #[arg(long)]
    pub all: bool,
    /// Why, for the log and for everybody who looks
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let (on, which, until) = match args.switch {
        Switch::On { which, until } => (true, which, Some(until)),
        Switch::Off { which } => (false, which, None),
    };
    let Which { name, reason, .. } = which;
    let Some(name) = name else {
        let span = until.and_then(|until| until.span);
        let request = HostMaintenanceRequest {
            on,
            until: span.map(|span| context.now() + span),
            reason,
        };
        return say(
            context,
            context.client.post("/maintenance", &request).await?,
        );
    };
    let why = Why { name, reason };
    match until {
        Some(until) => set_override(context, OverrideState::Maintenance, why, until).await,
        None => off(context, why).await,
    }
}

/// Ends maintenance, and nothing that was said otherwise.
async fn off(context: &Context, why: Why) -> Result<Exit, CliError> {
    let name = &why.name;
    let view: DatabaseView = context.client.get(&format!("/databases/{name}")).await?;
    match view.overridden.map(|over| over.state) {
        Some(OverrideState::Running | OverrideState::Stopped) => Err(CliError::Said(format!(
            "`{name}` is not in maintenance, but started or stopped by hand; nothing was changed; \
             to end that: db4sci resume {name}"
        ))),
        Some(OverrideState::Maintenance) | None => act(context, "resume", why).await,
    }
}
