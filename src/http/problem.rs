//! Errors as RFC 9457 problem details.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::backend::Applied;
use super::refusal::{Refusal, RefusalKind};
use crate::model::Problem;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The longest text of somebody else's that becomes a `detail`.
const DETAIL_LIMIT: usize = 4096;

/// A problem document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProblemDetails {
    /// Always `about:blank`: the status says the kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do, for a person.
    pub detail: String,
    /// What is wrong with the input, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// For `apply`: what became of each document, since a bad one holds up no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Applied>,
}

impl ProblemDetails {
    /// A problem with a status and a detail.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        ProblemDetails {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            problems: Vec::new(),
            results: Vec::new(),
        }
    }
}

impl IntoResponse for ProblemDetails {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

impl From<Refusal> for ProblemDetails {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        ProblemDetails {
            problems: refusal.problems,
            ..ProblemDetails::new(status, refusal.message)
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        ProblemDetails::from(self).into_response()
    }
}

/// Turns every error that the web framework itself answers (404, 405, 413, 415, 400, 422) into
/// problem details; headers such as `Allow` stay.
pub async fn tidy(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("json"));
    if !(status.is_client_error() || status.is_server_error()) || json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, DETAIL_LIMIT)
        .await
        .unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let reason = status.canonical_reason().unwrap_or("error");
    let what = if said.trim().is_empty() {
        reason
    } else {
        said.trim()
    };
    let problem = ProblemDetails::new(
        status,
        format!("{method} {path}: {what}; nothing was changed"),
    );
    let (_, fresh) = problem.into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    Response::from_parts(parts, fresh)
}
