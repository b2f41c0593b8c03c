//! Sends spans, and counts what becomes of them. The queue before it is the SDK's: 2,048 spans, and what is more is dropped.

use std::{fmt, time::Duration};

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter as Exporter},
};

use super::metrics::Signal;

/// An exporter that is watched.
pub struct Counted {
    exporter: SpanExporter,
    signal: Signal,
}

impl Counted {
    pub fn new(exporter: SpanExporter, signal: Signal) -> Self {
        Self { exporter, signal }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exporter.fmt(f)
    }
}

impl Exporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        self.signal.count(result.as_ref().err().map(|error| error as &dyn fmt::Display));
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
