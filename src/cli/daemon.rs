//! The daemon's word, or, with the daemon dead, what can be seen without it.

use std::time::Duration;

use super::context::Context;
use super::error::{CliError, next};
use crate::http::Refusal;
use crate::http::client::ClientError;
use crate::model::view::{DatabaseView, Snapshot};
use crate::model::{DbName, Entry};

/// How long the daemon itself may wait for Docker or for a server that it is asked about.
pub(super) const OTHERS: Duration = Duration::from_secs(60);

/// Everything, from the daemon or without it.
pub async fn snapshot(context: &Context) -> Result<Snapshot, CliError> {
    match context.client.get("/snapshot").await {
        Err(error) if error.is_unheard() => {
            say_offline(context, &error);
            let seen = context.host.offline_snapshot(&context.globals).await;
            seen.map_err(|why| offline(&why))
        }
        answer => Ok(answer?),
    }
}

/// One database of it.
pub fn database<'s>(snapshot: &'s Snapshot, name: &DbName) -> Result<&'s DatabaseView, CliError> {
    let found = snapshot.databases.iter().find(|view| view.name == *name);
    found.ok_or_else(|| no_database(name))
}

/// There is no database of that name.
pub fn no_database(name: &DbName) -> CliError {
    CliError::Said(Refusal::no_database(name).message)
}

/// The newest entries of the ledger, oldest first.
pub async fn events(
    context: &Context,
    name: Option<&DbName>,
    limit: usize,
) -> Result<Vec<Entry>, CliError> {
    let of = name.map_or_else(String::new, |name| format!("&name={name}"));
    match context
        .client
        .get(&format!("/events?limit={limit}{of}"))
        .await
    {
        Err(error) if error.is_unheard() => {
            say_offline(context, &error);
            let entries = context
                .host
                .offline_events(&context.globals, name, limit)
                .await;
            entries.map_err(|why| offline(&why))
        }
        answer => Ok(answer?),
    }
}

/// The first line of every answer that is not the daemon's.
pub fn say_offline(context: &Context, error: &ClientError) {
    context.warn_once(&format!(
        "{error}; this is what Docker and the journal say, read-only; start it: {}",
        next(error)
    ));
}

/// The error when nothing could be seen without the daemon, either.
pub fn offline(why: &str) -> CliError {
    CliError::Said(format!(
        "nor can it be seen without the daemon: {why}; nothing was changed; what is wrong: db4sci \
         doctor"
    ))
}
