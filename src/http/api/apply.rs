//! Specs that come in by the API.

use std::path::Path;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Api;
use crate::http::backend::AppliedOutcome;
use crate::http::document::{self, Document};
use crate::http::peer::Caller;
use crate::http::problem::ProblemDetails;
use crate::http::refusal::{Refusal, RefusalKind};

/// The most documents that one request holds.
const MOST_DOCUMENTS: usize = 1000;

/// The query of `apply`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyQuery {
    /// Whether nothing is written.
    #[serde(default)]
    dry_run: bool,
    /// Why; of documents as YAML, whose body has no room for it.
    #[serde(default)]
    reason: String,
}

/// The body of `apply` as JSON. As YAML, the body is the documents themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyRequest {
    /// The documents, each with its origin.
    pub documents: Vec<Document>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// `POST /apply`: 200 when no document was refused; otherwise 422, with what became of each.
pub async fn apply(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<ApplyQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let ApplyQuery { dry_run, reason } = query;
    let ApplyRequest { documents, reason } = request(&headers, &body, reason)?;
    let mut results = api
        .backend
        .apply(&caller, &documents, &reason, dry_run)
        .await?;
    document::place(&documents, &mut results);
    let refused = results
        .iter()
        .filter(|result| result.outcome == AppliedOutcome::Refused);
    let count = refused.clone().count();
    if count == 0 {
        return Ok(Json(results).into_response());
    }
    let problems = refused.flat_map(|r| r.problems.iter().cloned()).collect();
    let detail = if count == results.len() {
        format!("{count} refused; nothing was changed")
    } else {
        format!(
            "{count} of {} refused; the others were accepted",
            results.len()
        )
    };
    let problem = ProblemDetails {
        problems,
        results,
        ..ProblemDetails::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    };
    Ok(problem.into_response())
}

/// What is handed in; `reason` is the query's.
fn request(headers: &HeaderMap, body: &[u8], reason: String) -> Result<ApplyRequest, Refusal> {
    let invalid =
        |why: String| Refusal::new(RefusalKind::Invalid, format!("{why}; nothing was changed"));
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    let mut request = if is_json {
        serde_json::from_slice::<ApplyRequest>(body)
            .map_err(|error| invalid(format!("the body is not as it should be: {error}")))?
    } else {
        let text = std::str::from_utf8(body)
            .map_err(|error| invalid(format!("the body is not UTF-8: {error}")))?;
        ApplyRequest {
            documents: document::split(Path::new("-"), text),
            reason: String::new(),
        }
    };
    if request.reason.is_empty() {
        request.reason = reason;
    }
    let documents = &request.documents;
    if documents.is_empty() {
        return Err(invalid("there is no document in it".to_owned()));
    }
    if documents.len() > MOST_DOCUMENTS {
        return Err(invalid(format!(
            "{} documents; at most {MOST_DOCUMENTS} a request",
            documents.len()
        )));
    }
    Ok(request)
}
