//! What the verbs that change something have in common.

use super::args::Format;
use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::documents;
use crate::http::api::act::{Accepted, ActRequest, OverrideRequest};
use crate::model::{DbName, OverrideState, span};

/// Which database, and why.
#[derive(Debug, Clone, clap::Args)]
pub struct Why {
    /// The database
    pub name: DbName,
    /// Why, for the log and for everybody who looks
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
}

/// Until when.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Until {
    /// For how long (`2h`, `1h30m`); without it, until `db4sci resume` (a start out of hibernation: two weeks)
    #[arg(long = "for", value_name = "SPAN", value_parser = span::parse)]
    pub span: Option<std::time::Duration>,
}

/// Puts a person's word over the spec's state.
pub async fn set_override(
    context: &Context,
    state: OverrideState,
    why: Why,
    until: Until,
) -> Result<Exit, CliError> {
    let until = until.span.map(|span| context.now() + span);
    let request = OverrideRequest {
        state,
        until,
        reason: why.reason,
    };
    let path = format!("/databases/{}/override", why.name);
    say(context, context.client.post(&path, &request).await?)
}

/// Asks for something that needs no more than a reason.
pub async fn act(context: &Context, verb: &str, why: Why) -> Result<Exit, CliError> {
    let request = ActRequest { reason: why.reason };
    let path = format!("/databases/{}/{verb}", why.name);
    say(context, context.client.post(&path, &request).await?)
}

pub(super) fn say(context: &Context, accepted: Accepted) -> Result<Exit, CliError> {
    match context.format {
        Format::Json => documents::json(context, &accepted)?,
        Format::Yaml => documents::yaml(context, &accepted)?,
        Format::Table | Format::Wide | Format::Name => context.line(&accepted.message)?,
    }
    Ok(Exit::OK)
}
