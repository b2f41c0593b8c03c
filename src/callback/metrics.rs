//! What the intake of callbacks counts. The labels are the outcomes there are: no request adds any.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::outcome::Outcome;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    result: &'static str,
}

/// What becomes of callbacks that are read.
const CALLBACKS: [&str; 4] = ["stored", "duplicate", "conflict", "wrong_user"];

/// The metrics, registered.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    reports: Family<Labels, Counter>,
    callbacks: Family<Labels, Counter>,
}

impl Metrics {
    /// Registers them under their whole names, so `registry` has no prefix.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // All are there from the start, as 0.
        let create = |family: &Family<Labels, Counter>, result| drop(family.get_or_create(&Labels { result }));
        for result in Outcome::NAMES {
            create(&metrics.reports, result);
        }
        for result in CALLBACKS {
            create(&metrics.callbacks, result);
        }
        // The library adds `_total` to counters.
        registry.register(
            "smile_relay_callback_reports",
            "Batches of callbacks by what became of them",
            metrics.reports.clone(),
        );
        registry.register(
            "smile_relay_callbacks",
            "Callbacks by what became of them: stored, duplicate, conflict, wrong_user",
            metrics.callbacks.clone(),
        );
        metrics
    }

    pub(super) fn report(&self, outcome: &Outcome) {
        self.reports.get_or_create(&Labels { result: outcome.name() }).inc();
        if let Outcome::WrongUser(ids) = outcome {
            self.callbacks(outcome.name(), ids.len());
        }
    }

    pub(super) fn callbacks(&self, result: &'static str, count: usize) {
        self.callbacks.get_or_create(&Labels { result }).inc_by(count as u64);
    }
}
