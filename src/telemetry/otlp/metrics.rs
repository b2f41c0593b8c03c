//! Sends the metrics at an interval, and counts what becomes of all that is sent.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
    common::v1::InstrumentationScope,
    metrics::v1::{ResourceMetrics, ScopeMetrics},
    resource::v1::Resource as WireResource,
};
use opentelemetry_sdk::Resource;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;
use tonic::{Request, metadata::MetadataMap, transport::Channel};

use super::{SERVICE_NAME, convert, unix_nanos};
use crate::telemetry::Scrape;

/// Between two pushes, if `OTEL_METRIC_EXPORT_INTERVAL` does not say otherwise.
const INTERVAL: Duration = Duration::from_mins(1);
/// A collector that takes nothing is complained of this often.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);

const SIGNALS: [&str; 2] = ["traces", "metrics"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    signal: &'static str,
    result: &'static str,
}

/// What became of batches for the collector.
#[derive(Clone, Debug)]
pub struct Exports {
    exports: Family<Labels, Counter>,
}

impl Exports {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let exports = Family::<Labels, Counter>::default();
        // They are there from the start, as 0.
        for (signal, result) in SIGNALS.into_iter().flat_map(|signal| [(signal, "ok"), (signal, "failed")]) {
            drop(exports.get_or_create(&Labels { signal, result }));
        }
        registry.register(
            "smile_relay_otlp_exports",
            "Batches of traces and metrics that were sent to the OpenTelemetry collector: ok, or failed and given up",
            exports.clone(),
        );
        Self { exports }
    }

    pub(super) fn of(&self, signal: &'static str) -> Signal {
        let counter = |result| self.exports.get_or_create_owned(&Labels { signal, result });
        Signal { name: signal, ok: counter("ok"), failed: counter("failed"), complained: Arc::default() }
    }
}

/// What becomes of one kind of batches.
pub(super) struct Signal {
    name: &'static str,
    ok: Counter,
    failed: Counter,
    complained: Arc<Mutex<Option<Instant>>>,
}

impl Signal {
    /// A batch was taken, or was not.
    pub(super) fn count(&self, error: Option<&dyn fmt::Display>) {
        let Some(error) = error else {
            self.ok.inc();
            return;
        };
        self.failed.inc();
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL) {
            *complained = Some(Instant::now());
            tracing::warn!(signal = self.name, %error, "the OpenTelemetry collector does not take what it is sent");
        }
    }
}

/// Reads and sends all metrics.
pub(super) struct Pusher {
    client: MetricsServiceClient<Channel>,
    headers: MetadataMap,
    resource: WireResource,
    scrape: Scrape,
    signal: Signal,
    started_at: u64,
}

impl Pusher {
    pub(super) fn new(channel: Channel, resource: Resource, scrape: Scrape, signal: Signal) -> Self {
        let attributes =
            resource.iter().map(|(key, value)| convert::attribute(key.as_str(), &value.as_str())).collect();
        Self {
            client: MetricsServiceClient::new(channel),
            headers: std::env::var("OTEL_EXPORTER_OTLP_HEADERS").map(|said| headers(&said)).unwrap_or_default(),
            resource: WireResource { attributes, ..WireResource::default() },
            scrape,
            signal,
            started_at: unix_nanos(SystemTime::now()),
        }
    }

    /// Sends at an interval, and a last time when `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let said = std::env::var("OTEL_METRIC_EXPORT_INTERVAL").ok().and_then(|said| said.parse().ok());
        let interval = said.filter(|millis| *millis > 0).map_or(INTERVAL, Duration::from_millis);
        let mut due = interval_at(Instant::now() + interval, interval);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                _ = due.tick() => false,
                () = stop.cancelled() => true,
            };
            self.push().await;
            if is_last {
                return;
            }
        }
    }

    async fn push(&mut self) {
        let Some(text) = self.scrape.read().await else { return };
        let metrics = convert::of_open_metrics(&text, self.started_at, unix_nanos(SystemTime::now()));
        let scope = InstrumentationScope { name: SERVICE_NAME.to_owned(), ..InstrumentationScope::default() };
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.resource.clone());
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        let mut request = Request::new(ExportMetricsServiceRequest { resource_metrics });
        *request.metadata_mut() = self.headers.clone();
        let result = self.client.export(request).await;
        self.signal.count(result.as_ref().err().map(|error| error as &dyn fmt::Display));
    }
}

/// The headers of `OTEL_EXPORTER_OTLP_HEADERS`: `name=value,name=value`, percent-encoded. What can be none is left out, as
/// the SDK leaves it out of what it sends itself.
fn headers(said: &str) -> MetadataMap {
    let pairs = said.split(',').filter_map(|pair| pair.split_once('='));
    let headers = pairs.filter_map(|(name, value)| {
        let name = name.trim().parse::<http::HeaderName>().ok()?;
        Some((name, http::HeaderValue::from_str(&decoded(value.trim())).ok()?))
    });
    MetadataMap::from_headers(headers.collect())
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_standard_writes_them() {
        let headers = headers("Authorization=Bearer%20a%3Db, x-tenant = one ,nonsense,bad name=1,percent=50%");
        assert_eq!(headers.get("authorization").unwrap(), "Bearer a=b");
        assert_eq!(headers.get("x-tenant").unwrap(), "one");
        assert_eq!(headers.get("percent").unwrap(), "50%");
        assert_eq!(headers.len(), 3);
    }
}
