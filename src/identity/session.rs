//! A caller that was let in, for as long as its call goes on.
//!
//! Promises: [`Session::is_over`] and [`Session::over`] tell when the call has to end: what the caller has proved has expired,
//! or a file has changed so that it would not be let in any more, or with other grants. All else that changes is not noticed.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Denial, Grants, Identities,
    table::{Identity, Proof},
    usage::Place,
};
use crate::net::Peer;

/// A call that would go on for longer ends then, and begins anew.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// A caller. Clones are the same one.
#[derive(Clone)]
pub struct Session {
    pub(super) identities: Identities,
    pub(super) peer: Peer,
    pub(super) connection: u64,
    pub(super) who: Who,
}

#[derive(Clone)]
pub(super) enum Who {
    /// Identities are not configured.
    Anybody(Arc<Grants>),
    Known {
        identity: Arc<Identity>,
        proof: Proof,
        until: Option<Instant>,
        changes: watch::Receiver<u64>,
    },
}

impl Session {
    /// Somebody with these grants.
    #[cfg(test)]
    pub fn with(grants: Grants) -> Self {
        let rate = super::Rate { per_second: std::num::NonZeroU32::MIN, max_streams: 1 };
        let identities = Identities::start(None, None, rate, super::Metrics::default());
        Self { identities, peer: Peer::default(), connection: 0, who: Who::Anybody(Arc::new(grants)) }
    }

    #[must_use]
    pub fn grants(&self) -> &Grants {
        match &self.who {
            Who::Anybody(grants) => grants,
            Who::Known { identity, .. } => &identity.grants,
        }
    }

    /// The identity's name in the file; empty while none are configured.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.who {
            Who::Anybody(_) => "",
            Who::Known { identity, .. } => &identity.name,
        }
    }

    /// The same for the log.
    #[must_use]
    pub fn name_or_none(&self) -> String {
        if self.name().is_empty() { "(none)".to_owned() } else { self.name().to_owned() }
    }

    /// Counts and logs that something was not granted; what the caller is told is for the service to say.
    pub fn deny(&self, call: &str, denial: &Denial) {
        self.identities.note(denial, call, self.peer);
    }

    /// A denial for the lack of a grant.
    #[must_use]
    pub fn lacks(&self, grant: &'static str) -> Denial {
        Denial::NotGranted { identity: self.name_or_none(), grant }
    }

    /// Counts a stream that is to be opened.
    ///
    /// # Errors
    /// If there were too many of this caller: when to come again.
    pub fn start_stream(&self) -> Result<(), Duration> {
        match &self.who {
            Who::Anybody(_) => self.identities.start_on(self.connection),
            Who::Known { identity, .. } => identity.usage.start(),
        }
    }

    /// A place for a stream, to be kept for as long as it is open.
    ///
    /// # Errors
    /// If the identity has as many open as it may: how many.
    pub fn take_place(&self) -> Result<Option<Place>, usize> {
        let Who::Known { identity, .. } = &self.who else { return Ok(None) };
        let most = identity.grants.max_streams.unwrap_or(usize::MAX);
        identity.usage.take_place(most).map(Some).ok_or(most)
    }

    /// Whether the call has to end.
    pub fn is_over(&mut self) -> bool {
        let Who::Known { proof, until, changes, .. } = &mut self.who else { return false };
        // The clock on the wall as well: it goes on while a machine sleeps.
        if until.is_some_and(|until| Instant::now() >= until)
            || proof.until().is_some_and(|until| SystemTime::now() >= until)
        {
            return true;
        }
        // An error: the relay is at its end, and says so itself.
        if !changes.has_changed().unwrap_or(false) {
            return false;
        }
        changes.mark_unchanged();
        !self.still_holds()
    }

    /// Comes back when the call has to end.
    pub async fn over(&mut self) {
        loop {
            let Who::Known { until, changes, .. } = &mut self.who else { return std::future::pending().await };
            let expired = async {
                match until {
                    Some(until) => sleep_until(*until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = expired => return,
                changed = changes.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
            }
            if !self.still_holds() {
                return;
            }
        }
    }

    /// Whether the caller would be let in now as it was then.
    fn still_holds(&self) -> bool {
        let Who::Known { identity, proof, .. } = &self.who else { return true };
        let now = self.identities.resolve(proof);
        now.is_ok_and(|now| now.name == identity.name && now.grants == identity.grants)
    }
}

/// The moment of a clock on the wall, on the one that never jumps.
pub(super) fn deadline(until: SystemTime) -> Instant {
    let left = until.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now() + left.min(LONGEST)
}
