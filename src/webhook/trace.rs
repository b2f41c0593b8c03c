//! The trace of a webhook, if tracing is on: one span, from the request's head to its event on stable storage.
//!
//! Promises: only what is verified has a span, so that strangers can't fill anybody's tracing back end, and a context that
//! came with it is continued, as it is Smile's then. Nothing of a body is in a span but the event's id and type. With
//! tracing off nothing of this is run.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{Span as _, SpanKind, Tracer as _},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{SdkTracer, Span},
};

use super::outcome::Outcome;
use crate::log::{AppendError, Appended};

/// Makes the spans of one endpoint's webhooks.
#[derive(Clone, Debug)]
pub struct Tracer(SdkTracer);

/// What a webhook's span is made of, known before its body is read.
pub(super) struct Parent(Context);

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        // Of several the standard says that none is to be trusted.
        let mut values = self.0.get_all(key).iter();
        values.next().filter(|_| values.next().is_none())?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

impl Tracer {
    #[must_use]
    pub fn new(tracer: SdkTracer) -> Self {
        Self(tracer)
    }

    /// The context that a request names, if it names a valid one.
    #[allow(clippy::unused_self, reason = "only with a tracer is there anything to be parent of")]
    pub(super) fn parent(&self, headers: &HeaderMap) -> Parent {
        Parent(TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers)))
    }

    /// The span of a webhook that began so long ago.
    pub(super) fn begin(
        &self,
        parent: &Parent,
        ago: Duration,
        endpoint: &str,
        id: &str,
        type_name: &str,
    ) -> WebhookSpan {
        let now = SystemTime::now();
        let span = self
            .0
            .span_builder("webhook")
            .with_kind(SpanKind::Server)
            .with_start_time(now.checked_sub(ago).unwrap_or(now))
            .with_attributes([
                KeyValue::new("smile_relay.endpoint", endpoint.to_owned()),
                KeyValue::new("smile_relay.event.id", id.to_owned()),
                KeyValue::new("smile_relay.event.type", type_name.to_owned()),
            ])
            .start_with_context(&self.0, &parent.0);
        WebhookSpan(span)
    }
}

/// Ends when it is dropped.
pub(super) struct WebhookSpan(Span);

impl WebhookSpan {
    /// Its context in the form of W3C's `traceparent`, for those who go on with the event.
    pub(super) fn traceparent(&self) -> String {
        let context = self.0.span_context();
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
    }

    /// What became of the webhook.
    pub(super) fn end(mut self, appended: Result<Appended, AppendError>, outcome: Outcome) {
        self.0.set_attribute(KeyValue::new("smile_relay.result", outcome.name()));
        match appended {
            Ok(appended) => {
                let sequence = i64::try_from(appended.sequence()).unwrap_or(i64::MAX);
                self.0.set_attribute(KeyValue::new("smile_relay.event.sequence", sequence));
            }
            Err(error) => self.0.set_status(opentelemetry::trace::Status::error(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

    use super::*;

    fn traceparent(sampler: Sampler, headers: &[(&'static str, &str)]) -> String {
        let provider = SdkTracerProvider::builder().with_sampler(Sampler::ParentBased(Box::new(sampler))).build();
        let tracer = Tracer::new(provider.tracer("tests"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        tracer.begin(&tracer.parent(&map), Duration::ZERO, "smile", "et-1", "USER_CREATED").traceparent()
    }

    #[test]
    fn a_valid_context_is_continued_and_no_other() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let continued = traceparent(Sampler::AlwaysOff, &[("traceparent", given)]);
        assert!(continued.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{continued}");
        assert!(continued.ends_with("-01") && !continued.contains("00f067aa0ba902b7"), "{continued}");
        for headers in [
            &[][..],
            &[("traceparent", "")],
            &[("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")],
            &[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7")],
            &[("traceparent", given), ("traceparent", given)],
        ] {
            let made = traceparent(Sampler::AlwaysOff, headers);
            assert!(made.len() == 55 && !made.contains("4bf92f35") && made.ends_with("-00"), "{headers:?}: {made}");
            assert!(!made.contains("-0000000000000000-"), "{made}");
            assert!(traceparent(Sampler::AlwaysOn, headers).ends_with("-01"));
        }
    }
}
