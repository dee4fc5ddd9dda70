//! The API's routes, under `/api/v1`.

pub mod accounts;
pub mod act;
pub mod apply;
pub mod audit;
pub mod backups;
pub mod read;
pub mod secrets;
pub mod sessions;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Router, middleware};
use chrono::Datelike;
use tokio_util::sync::CancellationToken;

use super::backend::Backend;
use super::peer::{self, Door};
use super::problem::{ProblemDetails, tidy};
use super::public;
use super::refusal::{Refusal, RefusalKind};
use crate::model::{DbName, Timestamp};

/// Bytes that a request's body may have: the limit of a spec, and room for its wrapping.
pub const BODY_LIMIT: usize = 2 << 20;

/// What handlers have.
#[derive(Clone)]
pub struct Api {
    /// The daemon.
    pub backend: Arc<dyn Backend>,
    /// Ends long waits when the daemon goes.
    pub stop: CancellationToken,
}

/// All that the socket has, behind its door.
pub fn router(backend: Arc<dyn Backend>, door: Door, stop: CancellationToken) -> Router {
    let api = Api {
        backend: Arc::clone(&backend),
        stop,
    };
    let v1 = Router::new()
        .route("/snapshot", get(read::snapshot))
        .route("/databases", get(read::databases))
        .route("/databases/{name}", get(read::database))
        .route("/databases/{name}/connection", get(read::connection))
        .route("/databases/{name}/logs", get(read::logs))
        .route("/databases/{name}/export", get(read::export))
        .route("/authority", get(read::authority))
        .route("/events", get(read::events))
        .route("/wait", post(read::wait))
        .route("/apply", post(apply::apply))
        .route("/databases/{name}/password", post(secrets::password))
        .route("/databases/{name}/rotate", post(secrets::rotate))
        .route(
            "/databases/{name}/accounts",
            get(accounts::list).post(accounts::add),
        )
        .route("/databases/{name}/accounts/remove", post(accounts::remove))
        .route(
            "/databases/{name}/accounts/password",
            post(accounts::password),
        )
        .route("/databases/{name}/sessions", get(sessions::list))
        .route("/databases/{name}/sessions/end", post(sessions::end))
        .route("/keys/renew", post(secrets::renew_keys))
        .route("/databases/{name}/override", post(act::set_override))
        .route("/databases/{name}/resume", post(act::resume))
        .route("/databases/{name}/delete", post(act::delete))
        .route("/databases/{name}/forget", post(act::forget))
        .route("/databases/{name}/undelete", post(act::undelete))
        .route("/databases/{name}/restart", post(act::restart))
        .route("/databases/{name}/retry", post(act::retry))
        .route("/databases/{name}/release", post(act::release))
        .route("/databases/{name}/to-rows", post(act::to_rows))
        .route("/audit", get(audit::audit))
        .route("/audit/acknowledge", post(audit::acknowledge))
        .route("/approve", post(act::approve))
        .route("/maintenance", post(act::host_maintenance))
        .route("/databases/{name}/rename/{to}", get(act::rename_cost))
        .route("/databases/{name}/backups", get(backups::list))
        .route("/databases/{name}/work", post(backups::take_on))
        .route("/databases/{name}/work/{id}", get(backups::work))
        .route("/backups/{id}/keep", post(backups::keep))
        .route("/stores/{store}/thaw", post(act::thaw))
        .with_state(api);
    Router::new()
        .nest("/api/v1", v1)
        .merge(public::health(backend))
        .fallback(elsewhere)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(tidy))
        .layer(middleware::from_fn_with_state(door, peer::guard))
}

async fn elsewhere(uri: axum::http::Uri) -> ProblemDetails {
    ProblemDetails::new(
        StatusCode::NOT_FOUND,
        format!("{}: there is no such path; nothing was changed", uri.path()),
    )
}

/// The database's name in the path.
pub struct Name(pub DbName);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let invalid = |why: String| Refusal::new(RefusalKind::Invalid, why);
        let text = axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| invalid(format!("{error}; nothing was changed")))?;
        let parsed: Result<DbName, String> = text.parse();
        parsed
            .map(Name)
            .map_err(|why| Refusal::no_name(&text, &why))
    }
}

/// An end that times can be reckoned with.
fn in_time(until: Option<Timestamp>) -> Result<Option<Timestamp>, Refusal> {
    match until {
        Some(at) if !(1970..=9999).contains(&at.year()) => Err(Refusal::new(
            RefusalKind::Invalid,
            format!("until: {at} is of no year from 1970 to 9999; nothing was changed"),
        )),
        until => Ok(until),
    }
}
