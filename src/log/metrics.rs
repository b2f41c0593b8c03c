//! What a log counts while it writes. All else that there is to know of it is asked for when it is wanted (`Log::stats`).

use std::time::Duration;

use prometheus_client::{
    metrics::histogram::{Histogram, exponential_buckets},
    registry::Registry,
};

/// The metrics of groups of records that become durable with one fsync.
#[derive(Clone, Debug)]
pub struct Metrics {
    events: Histogram,
    seconds: Histogram,
}

impl Default for Metrics {
    /// Counts, and shows it to nobody.
    fn default() -> Self {
        Self {
            // From one to the most that a group holds.
            events: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            // From a quarter of a millisecond to 8 seconds.
            seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
        }
    }
}

impl Metrics {
    /// Registers them under their whole names, so `registry` has no prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "smile_relay_log_commit_events",
            "Events that one commit, with its one fsync, has made durable",
            metrics.events.clone(),
        );
        registry.register(
            "smile_relay_log_commit_seconds",
            "How long such a commit took, from its first insert to the end of its fsync",
            metrics.seconds.clone(),
        );
        metrics
    }

    /// A group with so many new records is durable.
    pub(super) fn committed(&self, events: usize, took: Duration) {
        #[allow(clippy::cast_precision_loss, reason = "a group holds some thousand at most")]
        self.events.observe(events as f64);
        self.seconds.observe(took.as_secs_f64());
    }
}
