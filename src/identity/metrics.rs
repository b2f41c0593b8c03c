//! What is counted of identities. Every label comes from a fixed list or from the identities file.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfIssuer {
    issuer: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfIdentity {
    identity: String,
}

#[derive(Clone, Debug, Default)]
pub struct Metrics {
    denials: Family<Reason, Counter>,
    key_refreshes: Family<OfIssuer, Counter>,
    streams: Family<OfIdentity, Gauge>,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "smile_relay_identity_denials",
            "gRPC calls that were refused for who made them, by the reason",
            metrics.denials.clone(),
        );
        registry.register(
            "smile_relay_identity_key_refreshes",
            "Requests for the keys of token issuers: ok, or failed",
            metrics.key_refreshes.clone(),
        );
        registry.register(
            "smile_relay_identity_streams",
            "Open Subscribe streams by identity, where identities are configured",
            metrics.streams.clone(),
        );
        metrics
    }

    pub fn denied(&self, reason: &'static str) {
        self.denials.get_or_create(&Reason { reason }).inc();
    }

    pub(super) fn key_refresh(&self, issuer: &str, result: &'static str) {
        self.key_refreshes.get_or_create(&OfIssuer { issuer: issuer.to_owned(), result }).inc();
    }

    pub(super) fn streams(&self, identity: &str) -> Gauge {
        self.streams.get_or_create_owned(&OfIdentity { identity: identity.to_owned() })
    }

    /// The identity is gone from the file.
    pub(super) fn forget(&self, identity: &str) {
        self.streams.remove(&OfIdentity { identity: identity.to_owned() });
    }
}
