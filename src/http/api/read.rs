//! What the API shows.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Api, Name};
use crate::http::backend::Connection;
use crate::http::peer::Caller;
use crate::http::refusal::Refusal;
use crate::http::wait::{self, LONGEST, WaitAnswer, WaitRequest};
use crate::model::view::{DatabaseView, Snapshot};
use crate::model::{DbName, Entry};

/// The most entries that one answer holds.
pub const MOST_EVENTS: usize = 10_000;
/// The most lines of a log that one answer holds.
pub const MOST_LINES: u32 = 100_000;

/// `GET /snapshot`
pub async fn snapshot(State(api): State<Api>) -> Json<Snapshot> {
    let snapshot = Arc::clone(&api.backend.snapshot().borrow());
    Json(Snapshot::clone(&snapshot))
}

/// `GET /databases`
pub async fn databases(State(api): State<Api>) -> Json<Vec<DatabaseView>> {
    let snapshot = Arc::clone(&api.backend.snapshot().borrow());
    Json(snapshot.databases.clone())
}

/// `GET /databases/{name}`
pub async fn database(
    State(api): State<Api>,
    Name(name): Name,
) -> Result<Json<DatabaseView>, Refusal> {
    let snapshot = Arc::clone(&api.backend.snapshot().borrow());
    snapshot
        .databases
        .iter()
        .find(|view| view.name == name)
        .map(|view| Json(view.clone()))
        .ok_or_else(|| Refusal::no_database(&name))
}

/// The query of `connection`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionQuery {
    /// Whether the client will run in a job container.
    #[serde(default)]
    from_job: bool,
    /// The further account to use.
    #[serde(default)]
    user: Option<String>,
}

/// `GET /databases/{name}/connection`: holds a password, so nothing may keep it.
pub async fn connection(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Query(query): Query<ConnectionQuery>,
) -> Result<(HeaderMap, Json<Connection>), Refusal> {
    let connection = api
        .backend
        .connection(&caller, &name, query.from_job, query.user.as_deref())
        .await?;
    Ok((not_kept(), Json(connection)))
}

/// What an answer with a password carries.
pub(super) fn not_kept() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

/// The query of `logs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogsQuery {
    /// How many lines.
    #[serde(default = "a_screenful")]
    lines: u32,
}

fn a_screenful() -> u32 {
    100
}

/// What a server wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logs {
    /// The lines, oldest first.
    pub text: String,
}

/// `GET /databases/{name}/logs`
pub async fn logs(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Query(query): Query<LogsQuery>,
) -> Result<Json<Logs>, Refusal> {
    let lines = query.lines.min(MOST_LINES);
    let text = api.backend.logs(&caller, &name, lines).await?;
    Ok(Json(Logs { text }))
}

/// `GET /databases/{name}/export`
pub async fn export(
    State(api): State<Api>,
    Name(name): Name,
) -> Result<Json<serde_json::Value>, Refusal> {
    Ok(Json(api.backend.export(&name).await?))
}

/// What servers' certificates are verified with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityCertificate {
    /// The certificate, as PEM.
    pub certificate: String,
}

/// `GET /authority`
pub async fn authority(State(api): State<Api>) -> Result<Json<AuthorityCertificate>, Refusal> {
    let certificate = api.backend.authority().await?;
    Ok(Json(AuthorityCertificate { certificate }))
}

/// The query of `events`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventsQuery {
    /// Of one database only.
    name: Option<DbName>,
    /// Only entries with a higher number.
    #[serde(default)]
    after: u64,
    /// At most so many, the newest ones.
    #[serde(default = "a_hundred")]
    limit: usize,
    /// When there is none: how long to wait for one.
    #[serde(default)]
    wait_seconds: u64,
}

fn a_hundred() -> usize {
    100
}

/// `GET /events`: at once, or (`waitSeconds`) as soon as there is one.
pub async fn events(
    State(api): State<Api>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<Vec<Entry>>, Refusal> {
    let deadline = Instant::now() + Duration::from_secs(query.wait_seconds).min(LONGEST);
    let limit = query.limit.min(MOST_EVENTS);
    let mut head = api.backend.head();
    loop {
        // Marked as seen before reading: an entry that comes in between wakes the wait below.
        head.borrow_and_update();
        let entries = api
            .backend
            .events(query.name.as_ref(), query.after, limit)
            .await?;
        if !entries.is_empty() || Instant::now() >= deadline {
            return Ok(Json(entries));
        }
        // `changed` is safe to cancel, and the others hold nothing.
        tokio::select! {
            changed = head.changed() => {
                if changed.is_err() {
                    return Err(wait::stopping());
                }
            }
            () = tokio::time::sleep_until(deadline) => return Ok(Json(entries)),
            () = api.stop.cancelled() => return Err(wait::stopping()),
        }
    }
}

/// `POST /wait`: changes nothing; a POST since the question has a body.
pub async fn wait(
    State(api): State<Api>,
    Json(request): Json<WaitRequest>,
) -> Result<Json<WaitAnswer>, Refusal> {
    let answer = wait::wait(api.backend.as_ref(), &api.stop, &request).await?;
    Ok(Json(answer))
}
