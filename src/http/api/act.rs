//! The changes that the API accepts, apart from specs.

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::{Deserialize, Serialize};

use super::{Api, Name, in_time};
use crate::http::peer::Caller;
use crate::http::refusal::Refusal;
use crate::model::{DbName, OverrideState, Timestamp};

/// A person's word over the spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OverrideRequest {
    /// What is in force instead.
    pub state: OverrideState,
    /// When it ends; without it, `resume` ends it.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A request that needs no more than a reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActRequest {
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// Steps that may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveRequest {
    /// What names them: a plan's hash, or one database's.
    pub hash: String,
    /// Of this database only.
    #[serde(default)]
    pub name: Option<DbName>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// Hands off the whole host, or on it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostMaintenanceRequest {
    /// Whether hands are off from now on.
    pub on: bool,
    /// When it ends by itself.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// One line for a person.
    pub message: String,
}

type Answer = Result<Json<Accepted>, Refusal>;

fn accepted(message: String) -> Answer {
    Ok(Json(Accepted { message }))
}

/// `POST /databases/{name}/override`
pub async fn set_override(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<OverrideRequest>,
) -> Answer {
    let OverrideRequest {
        state,
        until,
        reason,
    } = request;
    accepted(
        api.backend
            .set_override(&caller, &name, state, in_time(until)?, reason)
            .await?,
    )
}

/// `POST /databases/{name}/resume`
pub async fn resume(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<ActRequest>,
) -> Answer {
    accepted(api.backend.resume(&caller, &name, request.reason).await?)
}

/// `POST /databases/{name}/delete`
pub async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<ActRequest>,
) -> Answer {
    accepted(api.backend.delete(&caller, &name, request.reason).await?)
}

/// `POST /databases/{name}/forget`
pub async fn forget(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<ActRequest>,
) -> Answer {
    accepted(api.backend.forget(&caller, &name, request.reason).await?)
}

/// `POST /databases/{name}/undelete`
pub async fn undelete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<ActRequest>,
) -> Answer {
    accepted(api.backend.undelete(&caller, &name, request.reason).await?)
}

/// `POST /databases/{name}/restart`
pub async fn restart(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<ActRequest>,
) -> Answer {
    accepted(api.backend.restart(&caller, &name, request.reason).await?)
}

/// `GET /databases/{name}/rename/{to}`: what it would cost. It is begun as a work.
pub async fn rename_cost(
    State(api): State<Api>,
    Path((name, to)): Path<(String, String)>,
) -> Answer {
    let read = |text: &str| {
        let named = text.parse::<DbName>();
        named.map_err(|why| Refusal::no_name(text, &why))
    };
    accepted(api.backend.rename_cost(&read(&name)?, &read(&to)?).await?)
}

/// `POST /stores/{store}/thaw`
pub async fn thaw(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(store): Path<String>,
    Json(request): Json<ActRequest>,
) -> Answer {
    accepted(api.backend.thaw(&caller, &store, request.reason).await?)
}

/// `POST /databases/{name}/retry`
pub async fn retry(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<ActRequest>,
) -> Answer {
    accepted(api.backend.retry(&caller, &name, request.reason).await?)
}

/// `POST /databases/{name}/release`
pub async fn release(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<ActRequest>,
) -> Answer {
    accepted(api.backend.release(&caller, &name, request.reason).await?)
}

/// `POST /databases/{name}/to-rows`
pub async fn to_rows(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(request): Json<ActRequest>,
) -> Answer {
    accepted(api.backend.to_rows(&caller, &name, request.reason).await?)
}

/// `POST /approve`
pub async fn approve(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ApproveRequest>,
) -> Answer {
    let ApproveRequest { hash, name, reason } = request;
    let done = api
        .backend
        .approve(&caller, &hash, name.as_ref(), reason)
        .await;
    accepted(done?)
}

/// `POST /maintenance`: of the whole host.
pub async fn host_maintenance(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<HostMaintenanceRequest>,
) -> Answer {
    let HostMaintenanceRequest { on, until, reason } = request;
    let until = in_time(until)?;
    let done = api
        .backend
        .host_maintenance(&caller, on, until, reason)
        .await;
    accepted(done?)
}
