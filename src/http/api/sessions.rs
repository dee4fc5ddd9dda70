//! Who is connected to a database.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::act::Accepted;
use super::read::not_kept;
use super::{Api, Name};
use crate::http::peer::Caller;
use crate::http::refusal::Refusal;
use crate::model::session::Session;

/// Which connection is to be ended, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndRequest {
    /// What the list calls it.
    pub id: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// `GET /databases/{name}/sessions`
pub async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
) -> Result<(HeaderMap, Json<Vec<Session>>), Refusal> {
    let sessions = api.backend.sessions(&caller, &name).await?;
    Ok((not_kept(), Json(sessions)))
}

/// `POST /databases/{name}/sessions/end`
pub async fn end(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<EndRequest>,
) -> Result<Json<Accepted>, Refusal> {
    let EndRequest { id, reason } = request;
    let message = api.backend.end_session(&caller, &name, &id, reason).await?;
    Ok(Json(Accepted { message }))
}
