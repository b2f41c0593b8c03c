//! The parts while they work, and the order in which they end.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::listening::Listening;
use crate::{
    callback,
    feed::Feed,
    identity::Identities,
    log::{Health, Log},
    telemetry::otlp::Otlp,
    webhook,
};

/// Of the drain timeout, what webhooks under way may take; the rest is for the streams.
const PUBLIC_SHARE: f64 = 0.6;
/// What the log and the admin listener are left with at least, whatever the streams took.
const LAST_STEPS: Duration = Duration::from_secs(1);
/// What the collector of traces and metrics gets at most to take the last of them.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub struct Running {
    pub public: Listening,
    pub intake: Arc<webhook::Intake>,
    pub callbacks: Option<callback::Intake>,
    pub streams: Listening,
    /// Cancelled to have streams end.
    pub streams_drain: CancellationToken,
    pub identities: Identities,
    pub feed: Feed,
    pub log: Arc<dyn Log>,
    pub otlp: Option<Otlp>,
}

impl Running {
    /// The log has failed. Nothing can be stored any more, so nothing is worth finishing but the word of it.
    pub async fn give_up(self) {
        if let Some(otlp) = self.otlp {
            otlp.finish(Instant::now() + LAST_STEPS).await;
        }
    }

    /// Ends what comes in, then what goes out, then the log, within `timeout` and its last steps. Returns how the log was.
    pub async fn drain(self, timeout: Duration) -> Health {
        let begun = Instant::now();
        let end = begun + timeout.saturating_sub(LAST_STEPS);
        self.public.finish(begun + timeout.mul_f64(PUBLIC_SHARE)).await;
        // Nobody waits for what is left then; Smile and the browsers send it again.
        let _ = timeout_at(end, self.intake.finish()).await;
        if let Some(callbacks) = self.callbacks {
            let _ = timeout_at(end, callbacks.finish()).await;
        }
        self.streams_drain.cancel();
        self.streams.finish(end).await;
        self.identities.close().await;
        self.feed.close().await;
        if timeout_at(Instant::now().max(end) + LAST_STEPS, self.log.close()).await.is_err() {
            tracing::warn!("the log is held up and was not closed; what was acknowledged is stored");
        }
        if let Some(otlp) = self.otlp {
            let now = Instant::now();
            otlp.finish((now + LAST_WORDS).min(now.max(end) + LAST_STEPS)).await;
        }
        self.log.health().borrow().clone()
    }
}
