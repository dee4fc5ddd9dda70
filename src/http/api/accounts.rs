//! Accounts besides a database's own, over the API.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::act::Accepted;
use super::read::not_kept;
use super::{Api, Name};
use crate::http::backend::{Password, Rotated};
use crate::http::peer::Caller;
use crate::http::refusal::Refusal;
use crate::model::account::{AccountView, Rights};

/// An account that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddRequest {
    /// Its login name.
    pub user: String,
    /// What it may do.
    pub role: Rights,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// An account that is not wanted any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveRequest {
    /// Its login name.
    pub user: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// Whose password is to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordRequest {
    /// The login name.
    pub user: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// `GET /databases/{name}/accounts`
pub async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
) -> Result<Json<Vec<AccountView>>, Refusal> {
    Ok(Json(api.backend.accounts(&caller, &name).await?))
}

/// `POST /databases/{name}/accounts`: the answer may hold a password.
pub async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<AddRequest>,
) -> Result<(HeaderMap, Json<Rotated>), Refusal> {
    let AddRequest { user, role, reason } = request;
    let backend = &api.backend;
    let added = backend.add_account(&caller, &name, &user, role, reason);
    Ok((not_kept(), Json(added.await?)))
}

/// `POST /databases/{name}/accounts/remove`
pub async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<RemoveRequest>,
) -> Result<Json<Accepted>, Refusal> {
    let RemoveRequest { user, reason } = request;
    let backend = &api.backend;
    let removed = backend.remove_account(&caller, &name, &user, reason);
    Ok(Json(Accepted {
        message: removed.await?,
    }))
}

/// `POST /databases/{name}/accounts/password`: a POST, since it can be asked once only.
pub async fn password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<PasswordRequest>,
) -> Result<(HeaderMap, Json<Password>), Refusal> {
    let PasswordRequest { user, reason } = request;
    let shown = api
        .backend
        .password(&caller, &name, Some(&user), &reason)
        .await;
    Ok((not_kept(), Json(shown?)))
}
