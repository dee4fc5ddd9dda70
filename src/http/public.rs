//! What TCP shows: health and metrics, and where everything else is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde_json::json;

use super::backend::Backend;
use super::problem::{ProblemDetails, tidy};
use super::readiness;

/// Prometheus' text format.
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Health and metrics: also part of the socket's API.
pub fn health(backend: Arc<dyn Backend>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(backend)
}

/// All that TCP has.
pub fn router(backend: Arc<dyn Backend>) -> Router {
    Router::new()
        .route("/", get(pointer))
        .with_state(Arc::clone(&backend))
        .merge(health(backend))
        .fallback(elsewhere)
        .layer(middleware::from_fn(tidy))
}

async fn pointer(State(backend): State<Arc<dyn Backend>>) -> Response {
    let snapshot = Arc::clone(&backend.snapshot().borrow());
    Json(json!({
        "name": "db4sci",
        "version": env!("CARGO_PKG_VERSION"),
        "mode": snapshot.mode,
        "health": "/healthz",
        "ready": "/readyz",
        "metrics": "/metrics",
        "api": "on the unix socket of this host, under /api/v1",
    }))
    .into_response()
}

async fn healthz() -> Response {
    Json(json!({"alive": true})).into_response()
}

async fn readyz(State(backend): State<Arc<dyn Backend>>) -> Response {
    let missing = readiness::missing(&backend.snapshot().borrow());
    let status = if missing.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({"ready": missing.is_empty(), "reasons": missing});
    (status, Json(body)).into_response()
}

async fn metrics(State(backend): State<Arc<dyn Backend>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TEXT)], backend.metrics()).into_response()
}

async fn elsewhere(uri: axum::http::Uri) -> ProblemDetails {
    ProblemDetails::new(
        StatusCode::NOT_FOUND,
        format!(
            "{}: not here; this port has /healthz, /readyz and /metrics, the API is on the unix \
             socket; nothing was changed",
            uri.path()
        ),
    )
}
