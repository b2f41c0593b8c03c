//! What every part counts, registered for one scrape.

use prometheus_client::registry::Registry;

use super::reload;
use crate::{
    callback, feed, grpc, identity, log,
    telemetry::otlp::{self, Exports},
    webhook,
};

pub struct Metrics {
    pub webhook: webhook::Metrics,
    pub callback: callback::Metrics,
    pub reload: reload::Metrics,
    pub grpc: grpc::Metrics,
    pub identity: identity::Metrics,
    pub log: log::Metrics,
    pub feed: feed::Metrics,
    pub exports: Exports,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            webhook: webhook::Metrics::register(registry),
            callback: callback::Metrics::register(registry),
            reload: reload::Metrics::register(registry),
            grpc: grpc::Metrics::register(registry),
            identity: identity::Metrics::register(registry),
            log: log::Metrics::register(registry),
            feed: feed::Metrics::register(registry),
            exports: otlp::register(registry),
        }
    }
}
