//! Backups over the API.

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::{Deserialize, Serialize};

use super::act::Accepted;
use super::{Api, Name, in_time};
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::view::{BackupView, WorkAsk, WorkView};
use crate::model::{BackupId, DbName, Timestamp};

/// Keeps a backup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeepRequest {
    /// Until when; without it, as the retention says.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// What to remember about it.
    #[serde(default)]
    pub note: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// `GET /databases/{name}/backups`
pub async fn list(
    State(api): State<Api>,
    Name(name): Name,
) -> Result<Json<Vec<BackupView>>, Refusal> {
    api.backend.backups(&name).await.map(Json)
}

/// `GET /databases/{name}/work/{id}`; null when nothing is known of it.
pub async fn work(
    State(api): State<Api>,
    Path((name, id)): Path<(DbName, u64)>,
) -> Result<Json<Option<WorkView>>, Refusal> {
    api.backend.work(&name, id).await.map(Json)
}

/// `POST /databases/{name}/work`
pub async fn take_on(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    Json(ask): Json<WorkAsk>,
) -> Result<Json<WorkView>, Refusal> {
    api.backend.take_on(&caller, &name, ask).await.map(Json)
}

/// `POST /backups/{id}/keep`
pub async fn keep(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Json(mut request): Json<KeepRequest>,
) -> Result<Json<Accepted>, Refusal> {
    let id: BackupId = id
        .parse()
        .map_err(|why: String| Refusal::new(RefusalKind::Invalid, why))?;
    request.until = in_time(request.until)?;
    let message = api.backend.keep_backup(&caller, &id, request).await?;
    Ok(Json(Accepted { message }))
}
