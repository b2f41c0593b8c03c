//! The admin listener's routes. Read-only.
//!
//! - `GET /livez`: 200 while the process can do its work at all, 503 once its log has failed.
//! - `GET /readyz`: 200 when events can be stored and streamed, else 503; what is the matter stands in the body.
//! - `GET /metrics`: Prometheus text.
//! - `grpc.health.v1`: as on the gRPC listener, in plaintext, for Kubernetes' gRPC probes.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::sync::watch;

/// Why the relay is not ready, if it is not.
#[derive(Clone, Debug)]
pub struct Readiness {
    reasons: Arc<watch::Sender<BTreeSet<&'static str>>>,
}

impl Readiness {
    /// Not ready, for one reason.
    #[must_use]
    pub fn not_yet(reason: &'static str) -> Self {
        Self { reasons: Arc::new(watch::Sender::new(BTreeSet::from([reason]))) }
    }

    /// `reason` holds or does not hold.
    pub fn set(&self, reason: &'static str, holds: bool) {
        self.reasons.send_if_modified(|reasons| if holds { reasons.insert(reason) } else { reasons.remove(reason) });
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.reasons.borrow().is_empty()
    }

    /// Tells of changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<BTreeSet<&'static str>> {
        self.reasons.subscribe()
    }
}

/// Said when the log has failed for good.
pub const LOG_FAILED: &str = "the log has failed";

#[derive(Clone)]
struct Shared {
    readiness: Readiness,
    registry: Arc<Registry>,
}

/// The routes.
pub fn router(readiness: Readiness, registry: Registry) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Shared { readiness, registry: Arc::new(registry) })
}

async fn livez(State(shared): State<Shared>) -> impl IntoResponse {
    let has_failed = shared.readiness.reasons.borrow().contains(LOG_FAILED);
    if has_failed { (StatusCode::SERVICE_UNAVAILABLE, LOG_FAILED) } else { (StatusCode::OK, "alive") }
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    let reasons: Vec<_> = shared.readiness.reasons.borrow().iter().copied().collect();
    if reasons.is_empty() {
        (StatusCode::OK, "ready".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}", reasons.join(", ")))
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let mut text = String::new();
    match encode(&mut text, &shared.registry) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(CONTENT_TYPE, content_type)], text)
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain")], String::new()),
    }
}
