//! What the intake counts. The labels are the endpoints that are configured and the outcomes there are: no request adds
//! any.

use std::{sync::Arc, time::Duration};

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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    endpoint: String,
    result: &'static str,
}

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
        registry.register("smile_relay_webhooks", "Webhooks by what became of them", metrics.webhooks.clone());
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
        EndpointMetrics {
            outcomes: Outcome::ALL.map(|outcome| {
                let labels = OutcomeLabels { endpoint: endpoint.to_owned(), result: outcome.name() };
                self.webhooks.get_or_create_owned(&labels)
            }),
            endpoint: endpoint.to_owned(),
            secrets: self.secrets.clone(),
            bytes: self.bytes.get_or_create_owned(&EndpointLabels { endpoint: endpoint.to_owned() }),
            time_to_durable: self.time_to_durable.clone(),
        }
    }
}

pub(super) struct EndpointMetrics {
    endpoint: String,
    secrets: Family<SecretLabels, Counter>,
    /// In the order of [`Outcome::ALL`].
    outcomes: [Counter; Outcome::ALL.len()],
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

    pub(super) fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].inc();
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
            (0..times).for_each(|_| metrics.count(outcome));
        }
        metrics.verified(7);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"smile_relay_webhooks_total{endpoint="smile",result="stored"} 0"#,
            r#"smile_relay_webhooks_total{endpoint="smile",result="bad_signature"} 3"#,
            r#"smile_relay_webhooks_total{endpoint="smile",result="unavailable"} 19"#,
            r#"smile_relay_webhook_bytes_total{endpoint="smile"} 7"#,
            "smile_relay_time_to_durable_seconds_count 0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
