//! Traces and metrics for an OpenTelemetry collector, over gRPC, if an endpoint is configured.
//!
//! Promises: a collector that is away, slow or full costs nothing but a warning a minute, and what it did not take is lost;
//! what waits to be sent is bounded; at the end what is there is sent for as long as there is time, and no longer. The metrics are those of
//! the admin listener, read from the same place.
//!
//! `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_METRIC_EXPORT_INTERVAL` and `OTEL_BSP_*`
//! mean what they mean elsewhere. The endpoint's own variable does not count: that something leaves the process is to be said
//! to this program, and is not to come from a variable that is meant for another.

mod convert;
mod metrics;
mod spans;

use std::time::{Duration, SystemTime};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use prometheus_client::registry::Registry;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

pub use self::metrics::Exports;
use self::metrics::Pusher;
use super::Scrape;

/// How long a collector may take to be reached, and to take what it is sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
const SERVICE_NAME: &str = "smile-relay";

/// What has to be known to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub endpoint: String,
    /// Of the webhooks that come without a trace context, the part that is traced.
    pub sample: f64,
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("--otlp-endpoint: {0}")]
    Endpoint(#[from] tonic::transport::Error),
    #[error("--otlp-endpoint: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Sends until it is finished.
pub struct Otlp {
    spans: SdkTracerProvider,
    pushing: JoinHandle<()>,
    stop: CancellationToken,
}

impl Otlp {
    /// Starts to send. Connects when there is something to send. Needs a runtime.
    ///
    /// # Errors
    /// If the endpoint can't be one.
    pub fn start(settings: &Settings, scrape: Scrape, exports: &Exports) -> Result<Self, OtlpError> {
        let channel = channel(&settings.endpoint)?;
        let resource = resource();
        let exporter = SpanExporter::builder().with_tonic().with_channel(channel.clone()).build()?;
        let spans = SdkTracerProvider::builder()
            .with_batch_exporter(spans::Counted::new(exporter, exports.of("traces")))
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample))))
            .with_resource(resource.clone())
            .build();
        let stop = CancellationToken::new();
        let pusher = Pusher::new(channel, resource, scrape, exports.of("metrics"));
        Ok(Self { spans, pushing: tokio::spawn(pusher.run(stop.clone())), stop })
    }

    /// Makes spans that are sent.
    #[must_use]
    pub fn tracer(&self) -> SdkTracer {
        self.spans.tracer(SERVICE_NAME)
    }

    /// Sends what is there until `deadline`, and gives up what is left then.
    pub async fn finish(self, deadline: Instant) {
        self.stop.cancel();
        let left = deadline.saturating_duration_since(Instant::now());
        let spans = self.spans;
        // Blocks; should it not come back in time, nobody waits for it.
        let flushed = tokio::task::spawn_blocking(move || spans.shutdown_with_timeout(left));
        let pushing = self.pushing.abort_handle();
        if timeout_at(deadline, async { tokio::join!(flushed, self.pushing) }).await.is_err() {
            pushing.abort();
        }
    }
}

/// The counters of what is sent.
#[must_use]
pub fn register(registry: &mut Registry) -> Exports {
    Exports::register(registry)
}

fn channel(endpoint: &str) -> Result<Channel, OtlpError> {
    let mut to = Endpoint::from_shared(endpoint.to_owned())?.connect_timeout(CONNECT_TIMEOUT).timeout(EXPORT_TIMEOUT);
    if endpoint.starts_with("https:") {
        to = to.tls_config(ClientTlsConfig::new().with_enabled_roots())?;
    }
    Ok(to.connect_lazy())
}

/// Who sends: as the environment says, else by our own name.
fn resource() -> Resource {
    let said = Resource::builder().build();
    let is_named = said.get(&"service.name".into()).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    if is_named { resource.build() } else { resource.with_service_name(SERVICE_NAME).build() }
}

/// Nanoseconds since 1970.
fn unix_nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
