//! Whether the relay is ready, and why not: for probes, for the health service, and as a metric.

use std::{collections::BTreeSet, fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use tokio::sync::watch;

/// Said until events can be stored and streamed for the first time.
pub const STARTING: &str = "starting";
/// Said when the log has failed for good.
pub const LOG_FAILED: &str = "the log has failed";

/// Why the relay is not ready, if it is not.
#[derive(Clone, Debug)]
pub struct Readiness {
    reasons: Arc<watch::Sender<BTreeSet<&'static str>>>,
}

impl Readiness {
    /// Not ready, for one reason.
    #[must_use]
    pub fn not_yet(reason: &'static str) -> Self {
        Self { reasons: Arc::new(watch::Sender::new(BTreeSet::from([reason]))) }
    }

    /// `reason` holds or does not hold.
    pub fn set(&self, reason: &'static str, holds: bool) {
        self.reasons.send_if_modified(|reasons| if holds { reasons.insert(reason) } else { reasons.remove(reason) });
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.reasons.borrow().is_empty()
    }

    /// Whether events can be streamed, and stored as soon as there is room: what else is in the way, a restart does not cure.
    #[must_use]
    pub fn has_started(&self) -> bool {
        let reasons = self.reasons.borrow();
        !reasons.contains(STARTING) && !reasons.contains(LOG_FAILED)
    }

    /// Tells of changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<BTreeSet<&'static str>> {
        self.reasons.subscribe()
    }

    /// The reasons as they are.
    pub(super) fn reasons(&self) -> BTreeSet<&'static str> {
        self.reasons.borrow().clone()
    }
}

impl Collector for Readiness {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let reasons = self.reasons();
        let ready = encoder.encode_descriptor(
            "smile_relay_ready",
            "1 if the relay is ready, as /readyz says it, else 0.",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(i64::from(reasons.is_empty())).encode(ready)?;
        let mut not_ready = encoder.encode_descriptor(
            "smile_relay_not_ready",
            "1 for each reason why the relay is not ready.",
            None,
            MetricType::Gauge,
        )?;
        for reason in reasons {
            ConstGauge::new(1).encode(not_ready.encode_family(&[("reason", reason)])?)?;
        }
        Ok(())
    }
}
