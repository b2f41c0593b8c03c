//! What the intake counts. The labels are the endpoints that are configured, the outcomes there are and the types that are
//! known: no request adds any.

use std::{collections::HashMap, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use super::{outcome::Outcome, signature::Secret};
use crate::event::encode;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    endpoint: String,
    /// Empty for what was not stored, of which nothing is believed.
    r#type: &'static str,
    result: &'static str,
}

/// The type of those that are not known.
const OTHER: &str = "other";

/// What becomes of webhooks that are in the log, in the order of their counters.
const IN_LOG: [Outcome; 3] = [Outcome::Stored, Outcome::Duplicate, Outcome::Conflict];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SecretLabels {
    endpoint: String,
    secret: String,
}

/// The intake's metrics, registered.
#[derive(Clone, Debug)]
pub struct Metrics {
    webhooks: Family<OutcomeLabels, Counter>,
    bytes: Family<EndpointLabels, Counter>,
    secrets: Family<SecretLabels, Counter>,
    time_to_durable: Histogram,
}

impl Metrics {
    /// Registers them under their whole names, so `registry` has no prefix.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            webhooks: Family::default(),
            bytes: Family::default(),
            secrets: Family::default(),
            // From half a millisecond to 16 seconds.
            time_to_durable: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
        };
        // The library adds `_total` to counters.
        registry.register(
            "smile_relay_webhooks",
            "Webhooks by what became of them; those that are in the log by their types as well, if these are known, else other",
            metrics.webhooks.clone(),
        );
        registry.register("smile_relay_webhook_bytes", "Bytes of verified bodies", metrics.bytes.clone());
        registry.register(
            "smile_relay_webhook_secret_uses",
            "Webhooks by the secret that verified them, by a name made from it: an old one that stays as it is can go",
            metrics.secrets.clone(),
        );
        registry.register(
            "smile_relay_time_to_durable_seconds",
            "From a webhook's head to its event on stable storage",
            metrics.time_to_durable.clone(),
        );
        metrics
    }

    /// Those of one endpoint, looked up once.
    pub(super) fn of(&self, endpoint: &str) -> EndpointMetrics {
        let counter = |r#type, outcome: Outcome| {
            let labels = OutcomeLabels { endpoint: endpoint.to_owned(), r#type, result: outcome.name() };
            self.webhooks.get_or_create_owned(&labels)
        };
        let by_type = |name| (name, IN_LOG.map(|outcome| counter(name, outcome)));
        let refused = Outcome::ALL.into_iter().filter(|outcome| !IN_LOG.contains(outcome));
        EndpointMetrics {
            refused: refused.map(|outcome| (outcome as usize, counter("", outcome))).collect(),
            types: encode::webhook_types().map(by_type).collect(),
            other: by_type(OTHER).1,
            endpoint: endpoint.to_owned(),
            secrets: self.secrets.clone(),
            bytes: self.bytes.get_or_create_owned(&EndpointLabels { endpoint: endpoint.to_owned() }),
            time_to_durable: self.time_to_durable.clone(),
        }
    }
}

/// The counters of one type, in the order of [`IN_LOG`].
type ByType = [Counter; IN_LOG.len()];

pub(super) struct EndpointMetrics {
    endpoint: String,
    secrets: Family<SecretLabels, Counter>,
    /// Of the outcomes that are not in [`IN_LOG`], by their numbers.
    refused: HashMap<usize, Counter>,
    types: HashMap<&'static str, ByType>,
    other: ByType,
    bytes: Counter,
    time_to_durable: Histogram,
}

impl EndpointMetrics {
    fn of_secret(&self, secret: &Secret) -> SecretLabels {
        SecretLabels { endpoint: self.endpoint.clone(), secret: secret.id().to_owned() }
    }

    /// The counters of these secrets, in their order.
    pub(super) fn uses(&self, secrets: &[Secret]) -> Arc<[Counter]> {
        secrets.iter().map(|secret| self.secrets.get_or_create_owned(&self.of_secret(secret))).collect()
    }

    /// The secret is there no longer.
    pub(super) fn forget(&self, secret: &Secret) {
        self.secrets.remove(&self.of_secret(secret));
    }

    /// Of the type only what is in the log is counted.
    pub(super) fn count(&self, type_name: &str, outcome: Outcome) {
        let counter = match IN_LOG.iter().position(|known| *known == outcome) {
            Some(at) => Some(&self.types.get(type_name).unwrap_or(&self.other)[at]),
            None => self.refused.get(&(outcome as usize)),
        };
        counter.expect("each outcome has its counter").inc();
    }

    pub(super) fn verified(&self, bytes: usize) {
        self.bytes.inc_by(bytes as u64);
    }

    pub(super) fn durable_after(&self, time: Duration) {
        self.time_to_durable.observe(time.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_under_their_names() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry).of("smile");
        for (times, outcome) in Outcome::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| metrics.count("USER_CREATED", outcome));
        }
        metrics.count("SOMETHING_NEW", Outcome::Stored);
        metrics.verified(7);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"smile_relay_webhooks_total{endpoint="smile",type="USER_CREATED",result="duplicate"} 1"#,
            r#"smile_relay_webhooks_total{endpoint="smile",type="TASK_STARTED",result="stored"} 0"#,
            r#"smile_relay_webhooks_total{endpoint="smile",type="other",result="stored"} 1"#,
            r#"smile_relay_webhooks_total{endpoint="smile",type="",result="bad_signature"} 3"#,
            r#"smile_relay_webhooks_total{endpoint="smile",type="",result="unavailable"} 19"#,
            r#"smile_relay_webhook_bytes_total{endpoint="smile"} 7"#,
            "smile_relay_time_to_durable_seconds_count 0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
