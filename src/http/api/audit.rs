//! The log, compared with what proves it.

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};

use super::Api;
use super::act::Accepted;
use crate::http::peer::Caller;
use crate::http::refusal::Refusal;
use crate::model::audit::AuditView;

/// What came of looking into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// For the log.
    pub reason: String,
}

/// `GET /audit`
pub async fn audit(State(api): State<Api>) -> Json<AuditView> {
    Json(api.backend.audit().await)
}

/// `POST /audit/acknowledge`
pub async fn acknowledge(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<AcknowledgeRequest>,
) -> Result<Json<Accepted>, Refusal> {
    let message = api.backend.acknowledge(&caller, request.reason).await?;
    Ok(Json(Accepted { message }))
}
