//! Composes the parts, and is the only one that knows them all: binds, runs, drains.
//!
//! The order of a start: bind everything (a port in use is known before anything else is touched), answer probes, open
//! the log (which may wait for another process), then serve. The order of an end: not ready, and still serving, for the
//! drain delay; take what webhooks arrive on open connections until they are answered; let streams have what was
//! stored, a last checkpoint, and an UNAVAILABLE that makes their clients come back; close the log.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::registry::Registry;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

mod certificates;
mod changes;
mod listening;
mod metrics;
mod reload;
mod running;

use self::{certificates::Certificates, listening::Listening, metrics::Metrics, running::Running};
use crate::{
    callback,
    config::Config,
    event::UnixMicros,
    feed::Feed,
    grpc,
    identity::{self, Identities},
    log::{
        Health, Log,
        embedded::{Embedded, OpenError},
    },
    net::{self, BindError, Limits, Listener, tls::TlsError},
    telemetry::{
        LOG_FAILED, Readiness, STARTING, Scrape, admin,
        otlp::{Otlp, OtlpError},
    },
    webhook,
};

/// Reasons not to be ready, as the probe's answer names them.
const WAITING: &str = "another process uses the data directory";
const DISK_FULL: &str = "the disk is full";
const DRAINING: &str = "draining";
/// Why the relay does not run, or runs no longer.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("{flag}: {source}")]
    Bind { flag: &'static str, source: BindError },
    #[error("{flag}: {source}")]
    Tls { flag: &'static str, source: TlsError },
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    #[error("the log could not be opened: {0}")]
    Thread(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the log has failed: {0}; what was acknowledged is stored, start again once the disk is sound")]
    LogFailed(String),
}

impl RelayError {
    /// True if another configuration would help.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Tls { .. } | Self::Otlp(_) => true,
            Self::Open(error) => error.is_configuration(),
            Self::Bind { .. } | Self::Thread(_) | Self::LogFailed(_) => false,
        }
    }
}

/// A relay whose sockets are bound.
pub struct Relay {
    config: Config,
    public: Listener,
    grpc: Vec<Listener>,
    admin: Listener,
    certificates: Certificates,
    readiness: Readiness,
    began: Instant,
}

impl Relay {
    /// Loads what the configuration names, as a start would.
    ///
    /// # Errors
    /// Names the flag and the file.
    pub fn check(config: &Config) -> Result<(), RelayError> {
        Certificates::load(config).map(drop)
    }

    /// Loads certificates and binds all sockets. Nothing is served yet. The start counts from when it `began`.
    ///
    /// # Errors
    /// Names the flag.
    pub async fn bind(config: Config, began: Instant) -> Result<Self, RelayError> {
        let certificates = Certificates::load(&config)?;
        let bind = async |flag, address: &net::Address| {
            Listener::bind(address, config.grpc_unix_mode).await.map_err(|source| RelayError::Bind { flag, source })
        };
        let public = bind("--public-listen", &config.public_listen).await?;
        let mut grpc = Vec::new();
        for address in &config.grpc_listen {
            grpc.push(bind("--grpc-listen", address).await?);
        }
        let admin = bind("--admin-listen", &net::Address::Tcp(config.admin_listen)).await?;
        for flag in &config.insecure {
            tracing::warn!(flag, "a protection is given up");
        }
        let relay = Self { public, grpc, admin, certificates, readiness: Readiness::not_yet(STARTING), began, config };
        let say = |listener, address: &net::Address| tracing::info!(listener, %address, "listening");
        say("public", relay.public_address());
        relay.grpc_addresses().for_each(|address| say("grpc", address));
        say("admin", relay.admin.local_address());
        Ok(relay)
    }

    #[must_use]
    pub fn public_address(&self) -> &net::Address {
        self.public.local_address()
    }

    pub fn grpc_addresses(&self) -> impl Iterator<Item = &net::Address> {
        self.grpc.iter().map(Listener::local_address)
    }

    /// The certificate made at start, in PEM, if one was.
    #[must_use]
    pub fn self_signed(&self) -> Option<&str> {
        self.certificates.self_signed.as_deref()
    }

    /// Serves until `shutdown`, then drains.
    ///
    /// # Errors
    /// If the log can't be opened, or has failed.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RelayError> {
        let Self { config, public, grpc, admin, certificates, readiness, began } = self;
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let scrape = Scrape::new(registry, readiness.clone(), certificates.shown());
        let (health, health_service) = tonic_health::server::health_reporter();
        grpc::report_health(&health, false).await;
        let probes =
            admin::router(readiness.clone(), scrape.clone()).merge(grpc::health_router(health_service.clone()));
        let probes = Listening::start(vec![(admin, None)], &probes, &Limits::admin());

        let started_at = unix_micros();
        let (options, waiting) = (config.log.clone(), readiness.clone());
        let waits = move || waiting.set(WAITING, true);
        let opening = tokio::task::spawn_blocking(move || Embedded::open_observed(&options, metrics.log, &waits));
        let log: Arc<dyn Log> = tokio::select! {
            opened = opening => Arc::new(opened??),
            () = shutdown.cancelled() => return Ok(()),
        };
        readiness.set(WAITING, false);
        scrape.watch(Arc::clone(&log));
        let otlp = config.otlp.map(|otlp| Otlp::start(&otlp, scrape, &metrics.exports)).transpose()?;
        let feed = Feed::start(Arc::clone(&log), &config.feed, metrics.feed);
        let streams_drain = CancellationToken::new();
        let settings = grpc::Settings {
            endpoints: config.webhook.endpoint_names(),
            started_at,
            max_streams: config.max_streams,
            max_stream_age: config.max_stream_age,
            max_lists: config.max_lists,
            web_origins: config.grpc_web_origins,
            callback_tokens: config.callback.as_ref().map(|callback| callback.tokens.clone()),
        };
        let identities = Identities::start(
            config.identity.as_ref().map(|identity| identity.loaded.clone()),
            certificates.clients.clone(),
            identity::Rate { per_second: config.stream_starts, max_streams: config.max_streams },
            metrics.identity,
        );
        let callers = identities.clone();
        let routes = grpc::router(feed.clone(), settings, metrics.grpc, health_service, callers, streams_drain.clone());
        // A Unix socket is guarded by its permissions, and its clients expect plaintext.
        let tls_of = |address: &net::Address| {
            let tls = certificates.grpc.as_ref().filter(|_| !matches!(address, net::Address::Unix(_)));
            tls.map(|tls| Arc::clone(&tls.config))
        };
        let listeners = grpc.into_iter().map(|listener| (tls_of(listener.local_address()), listener));
        let listeners = listeners.map(|(tls, listener)| (listener, tls)).collect();
        let streams = Listening::start(listeners, &routes, &Limits::grpc());
        let tokens = config.callback.as_ref().map(|callback| callback.tokens.clone());
        let tracer = otlp.as_ref().map(|otlp| webhook::Tracer::new(otlp.tracer()));
        let mut webhooks = config.webhook;
        webhooks.tracer = tracer;
        let intake = Arc::new(webhook::Intake::new(webhooks, Arc::clone(&log), metrics.webhook));
        let callbacks =
            config.callback.map(|callback| callback::Intake::new(callback, Arc::clone(&log), metrics.callback));
        let mut routes = intake.router();
        if let Some(callbacks) = &callbacks {
            routes = routes.merge(callbacks.router());
        }
        let tls = certificates.public.as_ref().map(|tls| Arc::clone(&tls.config));
        let public = Listening::start(vec![(public, tls)], &routes, &config.public_limits);
        let mut reloads = certificates.reloads(&config.public_security, config.grpc_tls.as_ref(), &metrics.reload);
        let log_keys = config.log.keys.clone();
        reloads.extend(changes::of_log_keys(config.secret_files.clone(), log_keys, &metrics.reload));
        reloads.extend(changes::of_secrets(config.secret_files, &intake, tokens, &metrics.reload));
        reloads.extend(changes::of_identities(config.identity, &identities, certificates.clients, &metrics.reload));
        reloads.extend(config.level_file.map(|file| changes::of_level(file, &metrics.reload)));
        let reloading = CancellationToken::new();
        let following = tokio::spawn(reload::follow(reloads, reloading.clone()));

        readiness.set(STARTING, false);
        let reporting = tokio::spawn(report_health(health, readiness.watch()));
        tracing::info!(took = ?began.elapsed(), "ready");
        let failed = serve_until(&shutdown, log.health(), &readiness).await;

        readiness.set(DRAINING, true);
        let running = Running { public, intake, callbacks, streams, streams_drain, identities, feed, log, otlp };
        if let Some(why) = failed {
            running.give_up().await;
            return Err(RelayError::LogFailed(why));
        }
        tracing::info!(delay = ?config.drain_delay, timeout = ?config.drain_timeout, "draining");
        tokio::time::sleep(config.drain_delay).await;
        reloading.cancel();
        let health = running.drain(config.drain_timeout).await;
        // It has ended long ago, unless a file that it reads hangs.
        let _ = timeout_at(Instant::now(), following).await;
        probes.finish(Instant::now()).await;
        reporting.abort();
        if matches!(health, Health::Failed(_)) { Err(RelayError::LogFailed("at its end".into())) } else { Ok(()) }
    }
}

/// Runs until `shutdown`, or until the log has failed, and then says why.
async fn serve_until(
    shutdown: &CancellationToken,
    mut health: watch::Receiver<Health>,
    readiness: &Readiness,
) -> Option<String> {
    loop {
        match &*health.borrow_and_update() {
            Health::Good => readiness.set(DISK_FULL, false),
            Health::Full => readiness.set(DISK_FULL, true),
            Health::Failed(why) => {
                readiness.set(LOG_FAILED, true);
                return Some(why.clone());
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            changed = health.changed() => if changed.is_err() {
                return Some("its writer has ended".into());
            },
        }
    }
}

/// Keeps the gRPC health service in step with readiness.
async fn report_health(health: HealthReporter, mut reasons: watch::Receiver<BTreeSet<&'static str>>) {
    loop {
        let is_ready = reasons.borrow_and_update().is_empty();
        grpc::report_health(&health, is_ready).await;
        if reasons.changed().await.is_err() {
            return;
        }
    }
}

fn unix_micros() -> UnixMicros {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros::try_from(now.as_micros()).unwrap_or(UnixMicros::MAX)
}
