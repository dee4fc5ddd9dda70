//! Passwords and keys over the API: every answer here may hold a password, so nothing keeps it.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::act::{Accepted, ActRequest};
use super::read::not_kept;
use super::{Api, Name};
use crate::http::backend::{Password, Rotate, Rotated};
use crate::http::peer::Caller;
use crate::http::refusal::Refusal;

/// Which passwords are to be changed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateRequest {
    /// Which.
    pub which: Rotate,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// `POST /databases/{name}/password`: a POST, since it can be asked once only.
pub async fn password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<ActRequest>,
) -> Result<(HeaderMap, Json<Password>), Refusal> {
    let shown = api
        .backend
        .password(&caller, &name, None, &request.reason)
        .await;
    Ok((not_kept(), Json(shown?)))
}

/// `POST /databases/{name}/rotate`
pub async fn rotate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<RotateRequest>,
) -> Result<(HeaderMap, Json<Rotated>), Refusal> {
    let RotateRequest { which, reason } = request;
    let rotated = api.backend.rotate(&caller, &name, which, reason).await?;
    Ok((not_kept(), Json(rotated)))
}

/// `POST /keys/renew`
pub async fn renew_keys(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ActRequest>,
) -> Result<Json<Accepted>, Refusal> {
    let message = api.backend.renew_keys(&caller, request.reason).await?;
    Ok(Json(Accepted { message }))
}
