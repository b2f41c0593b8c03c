//! The gRPC interface: requests in, the parts' answers out, errors mapped.
//!
//! `RelayService` is served by hand (`relay_service`), as its answers are bytes that many streams share, cut into
//! pieces that a stalled stream does not hold on to. The others are served as generated; health and reflection are tonic's own. Browsers get all of it by
//! gRPC-Web, if their origin is named (`web`).
//!
//! No call reaches a service before it is known who makes it, and that it is granted (`authorization`). What of the log
//! somebody sees is narrowed in the calls themselves (`access`).

mod access;
mod administration;
mod authorization;
mod callback_tokens;
mod consumers;
mod frame;
mod health;
mod large;
mod read;
mod redacted;
mod relay_service;
mod reply;
mod start;
mod status;
mod subscribe;
mod web;

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::{
    pb::health_server::{Health, HealthServer},
    server::HealthReporter,
};

use self::{
    administration::Administration, callback_tokens::CallbackTokens, consumers::Consumers, health::HealthService,
};
use crate::{
    callback::Tokens,
    event::{
        UnixMicros,
        pb::{
            self,
            administration_service_server::{self, AdministrationServiceServer},
            callback_token_service_server::{self, CallbackTokenServiceServer},
        },
    },
    feed::Feed,
    identity::Identities,
};

/// The full name of the service, as health checks name it.
pub const SERVICE: &str = "smilerelay.v1.RelayService";
/// That of the service of tokens.
const TOKEN_SERVICE: &str = callback_token_service_server::SERVICE_NAME;
/// That of the service of administrators.
const ADMINISTRATION_SERVICE: &str = administration_service_server::SERVICE_NAME;

/// What the gRPC services have to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names of the configured endpoints.
    pub endpoints: Vec<String>,
    pub started_at: UnixMicros,
    /// Streams that may be open at once.
    pub max_streams: usize,
    /// Streams end at this age, give or take a tenth, so that their clients spread anew.
    pub max_stream_age: Option<Duration>,
    /// Origins whose pages may call by gRPC-Web. Empty: it is off.
    pub web_origins: Vec<HeaderValue>,
    /// Pages of events that are made or sent at once, each with some MiB of its own.
    pub max_lists: usize,
    /// What makes tokens for browsers. None: callbacks are off.
    pub callback_tokens: Option<Tokens>,
}

/// What is counted here.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    streams: Gauge,
    delivered_bytes: Counter,
    consumers: Consumers,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self { consumers: Consumers::register(registry), ..Self::default() };
        registry.register("smile_relay_streams", "Open Subscribe streams", metrics.streams.clone());
        registry.register(
            "smile_relay_delivered_bytes",
            "Bytes of messages put on streams",
            metrics.delivered_bytes.clone(),
        );
        metrics
    }
}

/// What all requests share.
#[derive(Clone)]
struct Shared {
    feed: Feed,
    settings: Arc<Settings>,
    metrics: Metrics,
    /// Places for streams.
    streams: Arc<Semaphore>,
    /// Turns for answers that hold on to what they send: pages of events.
    answers: Arc<Semaphore>,
    /// Cancelled when streams have to end.
    drain: CancellationToken,
}

/// The services as an HTTP router, for those whom `identities` let in. Streams end with UNAVAILABLE when `drain` is cancelled.
pub fn router(
    feed: Feed,
    settings: Settings,
    metrics: Metrics,
    health: HealthServer<impl Health>,
    identities: Identities,
    drain: CancellationToken,
) -> axum::Router {
    let web_origins = settings.web_origins.clone();
    let services = services(feed, settings, metrics, health, drain);
    web::router(authorization::router(services, identities), web_origins)
}

/// The services for a caller whose [`identity::Session`](crate::identity::Session) is among the request's extensions.
fn services(
    feed: Feed,
    settings: Settings,
    metrics: Metrics,
    health: HealthServer<impl Health>,
    drain: CancellationToken,
) -> axum::Router {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // So that tools can show the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let streams = Arc::new(Semaphore::new(settings.max_streams));
    let answers = Arc::new(Semaphore::new(settings.max_lists));
    metrics.consumers.follow(feed.log().head());
    let callback_tokens = CallbackTokens(settings.callback_tokens.clone());
    let administration = Administration(feed.clone());
    let shared = Shared { feed, settings: Arc::new(settings), metrics, streams, answers, drain };
    Routes::new(HealthService::new(health))
        .add_service(reflection().build_v1().expect("the build made them"))
        .add_service(reflection().build_v1alpha().expect("the build made them"))
        .add_service(relay_service::RelayService::new(shared))
        .add_service(CallbackTokenServiceServer::new(callback_tokens))
        .add_service(AdministrationServiceServer::new(administration))
        .prepare()
        .into_axum_router()
}

/// The health service alone, for a listener of probes.
pub fn health_router(health: HealthServer<impl Health>) -> axum::Router {
    Routes::new(HealthService::new(health)).prepare().into_axum_router()
}

/// Says to health checks whether the services are ready.
pub async fn report_health(health: &HealthReporter, ready: bool) {
    let status = if ready { tonic_health::ServingStatus::Serving } else { tonic_health::ServingStatus::NotServing };
    for name in ["", SERVICE, TOKEN_SERVICE, ADMINISTRATION_SERVICE] {
        health.set_service_status(name, status).await;
    }
}
