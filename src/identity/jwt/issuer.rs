//! An issuer of tokens with the keys that it has, which are kept up to date in the background.
//!
//! Promises: what can't be had leaves the last good keys in force; that is logged and counted. A token with a key that is not
//! known makes the keys be asked for at once, but never again before [`REST`] has passed: whoever makes up key ids costs one
//! request each.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    JwtError, Verified,
    fetch::{self, FetchError},
    keys::{Fingerprint, Keys},
    verify,
};
use crate::identity::{
    file::{IssuerSettings, KeySource},
    metrics::Metrics,
};

/// Between two requests for keys, however many tokens ask for one.
const REST: Duration = Duration::from_secs(10);
/// After a failure; doubled up to the second value while it lasts.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often a file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// An issuer. Its task runs until it is stopped.
pub struct Issuer {
    name: String,
    pub settings: IssuerSettings,
    /// None: there were none yet.
    keys: RwLock<Option<Arc<Keys>>>,
    /// Asks for keys before it is time.
    wanted: Notify,
    /// They were asked for a moment ago, and are not asked for now.
    rests: AtomicBool,
    /// Counts how often keys were asked for, with whatever result.
    attempts: watch::Sender<u64>,
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Bad(JwtError),
    /// The issuer's keys could never be had so far.
    NoKeys,
}

impl Issuer {
    pub fn new(name: &str, settings: IssuerSettings) -> Self {
        Self {
            name: name.to_owned(),
            settings,
            keys: RwLock::new(None),
            wanted: Notify::new(),
            rests: AtomicBool::new(false),
            attempts: watch::Sender::new(0),
        }
    }

    /// Looks at a token; waits for new keys if it names one that is not known.
    pub async fn verify(&self, token: &str) -> Result<Verified, Refusal> {
        let mut attempts = self.attempts.subscribe();
        match self.try_verify(token) {
            Err(Refusal::NoKeys | Refusal::Bad(JwtError::UnknownKey)) if !self.rests.load(Relaxed) => {
                self.wanted.notify_one();
                // Either way the keys are looked at once more.
                let _ = timeout(fetch::TIMEOUT, attempts.changed()).await;
                self.try_verify(token)
            }
            result => result,
        }
    }

    fn try_verify(&self, token: &str) -> Result<Verified, Refusal> {
        let keys = self.keys().ok_or(Refusal::NoKeys)?;
        verify(token, &self.settings, &keys).map_err(Refusal::Bad)
    }

    /// Whether this key still is the issuer's.
    pub fn has(&self, key: &Fingerprint) -> bool {
        self.keys().is_some_and(|keys| keys.has(key))
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True if these are others than before.
    fn take(&self, keys: Keys) -> bool {
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|known| known.same_as(&keys)) {
            return false;
        }
        *known = Some(Arc::new(keys));
        true
    }

    /// Keeps the keys up to date until `stop`; calls `changed` when there are others.
    pub async fn keep(self: Arc<Self>, metrics: Metrics, stop: CancellationToken, changed: impl Fn() + Send) {
        let mut retry = RETRY.0;
        // Of a file only what is new is said: it is looked at all the time.
        let mut said: Option<String> = None;
        loop {
            let asked = Instant::now();
            self.rests.store(true, Relaxed);
            let result = tokio::select! {
                () = stop.cancelled() => return,
                result = fetch::keys(&self.settings.keys) => result,
            };
            let is_good = result.is_ok();
            self.learn(result, &metrics, &mut said, &changed);
            self.attempts.send_modify(|attempts| *attempts += 1);
            let (rest, next) = match &self.settings.keys {
                KeySource::File(_) => (LOOK, LOOK),
                KeySource::Url { refresh, .. } if is_good => {
                    retry = RETRY.0;
                    (REST.min(*refresh), *refresh)
                }
                KeySource::Url { refresh, .. } => {
                    let pause = retry.min(*refresh);
                    retry = (retry * 2).min(RETRY.1);
                    (pause, pause)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(asked + rest) => {}
            }
            self.rests.store(false, Relaxed);
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(asked + next) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    fn learn(
        &self,
        result: Result<Keys, FetchError>,
        metrics: &Metrics,
        said: &mut Option<String>,
        changed: &impl Fn(),
    ) {
        let is_file = matches!(self.settings.keys, KeySource::File(_));
        match result {
            Ok(keys) => {
                let are_new = self.take(keys);
                if are_new || !is_file {
                    metrics.key_refresh(&self.name, "ok");
                }
                if are_new {
                    tracing::info!(issuer = self.name, "its keys are in force");
                    changed();
                }
                *said = None;
            }
            Err(error) => {
                let error = error.to_string();
                let is_new = said.as_ref() != Some(&error);
                if is_new || !is_file {
                    metrics.key_refresh(&self.name, "failed");
                }
                if is_new {
                    tracing::error!(
                        issuer = self.name,
                        error,
                        "its keys can't be had; the last good ones stay in force"
                    );
                }
                *said = Some(error);
            }
        }
    }
}
