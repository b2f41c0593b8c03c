//! What the feed counts: the events, as they come, that did not fit what this version knows.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Content, Page};
use crate::event::problems;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    problem: String,
}

/// The feed's metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// In the order of [`problems::ALL`].
    issues: Arc<[Counter; problems::ALL.len()]>,
    /// Events up to this sequence are counted, or were there before this process was.
    counted_through: Arc<AtomicU64>,
}

impl Metrics {
    /// Registers them under their whole names, so `registry` has no prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let family = Family::<Labels, Counter>::default();
        let counter = |problem| family.get_or_create_owned(&Labels { problem: problems::name(problem) });
        let issues = Arc::new(problems::ALL.map(counter));
        registry.register(
            "smile_relay_decode_issues",
            "Events with decode issues, once for each kind of problem that they list, as they are decoded for the first \
             stream: of up to 64 KiB, and while there are streams",
            family,
        );
        Self { issues, counted_through: Arc::default() }
    }

    /// What is there by now came before.
    pub(super) fn starts_after(&self, sequence: u64) {
        self.counted_through.store(sequence, Relaxed);
    }

    /// The tail's follower has read `page`, or more of it.
    pub(super) fn read(&self, page: &Page) {
        let counted = self.counted_through.fetch_max(page.through, Relaxed);
        let first = page.entries.partition_point(|entry| entry.at.sequence <= counted);
        for entry in &page.entries[first..] {
            let Content::Small { encoded, .. } = &entry.content else { continue };
            for problem in problems::of_event(&encoded.plain) {
                if let Some(at) = problems::ALL.iter().position(|known| *known == problem) {
                    self.issues[at].inc();
                }
            }
        }
    }
}
