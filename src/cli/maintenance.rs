//! `db4sci maintenance on|off`

use super::acting::{Until, Why, act, set_override};
use super::context::Context;
use super::error::{CliError, Exit};
use crate::model::OverrideState;
use crate::model::view::DatabaseView;

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
        /// Which database, and why.
        #[command(flatten)]
        why: Why,
        /// Until when.
        #[command(flatten)]
        until: Until,
    },
    /// The spec is in force again
    Off {
        /// Which database, and why.
        #[command(flatten)]
        why: Why,
    },
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    match args.switch {
        Switch::On { why, until } => {
            set_override(context, OverrideState::Maintenance, why, until).await
        }
        Switch::Off { why } => off(context, why).await,
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
