//! The admin listener's routes. Read-only.
//!
//! - `GET /livez`: 200 while the process can do its work at all, 503 once its log has failed.
//! - `GET /readyz`: 200 when events can be stored and streamed, else 503; what is the matter stands in the body.
//! - `GET /startupz`: 200 as soon as the relay has opened its log and serves, also on a full disk; before that, 503 as of
//!   `/readyz`.
//! - `GET /metrics`: OpenMetrics for those who ask for it, else Prometheus' older text.
//! - `grpc.health.v1`: as on the gRPC listener, in plaintext, for Kubernetes' gRPC probes.

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::IntoResponse,
    routing::get,
};

use super::{LOG_FAILED, Readiness, Scrape, classic};

const OPEN_METRICS: &str = "application/openmetrics-text";

#[derive(Clone)]
struct Shared {
    readiness: Readiness,
    scrape: Scrape,
}

/// The routes.
pub fn router(readiness: Readiness, scrape: Scrape) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/metrics", get(metrics))
        .with_state(Shared { readiness, scrape })
}

async fn livez(State(shared): State<Shared>) -> impl IntoResponse {
    let has_failed = shared.readiness.reasons().contains(LOG_FAILED);
    if has_failed { (StatusCode::SERVICE_UNAVAILABLE, LOG_FAILED) } else { (StatusCode::OK, "alive") }
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.readiness.is_ready() { (StatusCode::OK, "ready".to_owned()) } else { not_ready(&shared.readiness) }
}

async fn startupz(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.readiness.has_started() { (StatusCode::OK, "started".to_owned()) } else { not_ready(&shared.readiness) }
}

fn not_ready(readiness: &Readiness) -> (StatusCode, String) {
    let reasons: Vec<_> = readiness.reasons().into_iter().collect();
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}", reasons.join(", ")))
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> impl IntoResponse {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let is_open = accepted.any(|accept| accept.contains(OPEN_METRICS));
    match shared.scrape.read().await {
        Some(text) if is_open => {
            (StatusCode::OK, [(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        }
        Some(text) => {
            let text = classic::of_open_metrics(&text);
            (StatusCode::OK, [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
        }
        None => (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain")], String::new()),
    }
}
