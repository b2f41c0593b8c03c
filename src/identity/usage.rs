//! What an identity uses: streams that are open, and how often it opens one.
//!
//! Promises: an identity that opens streams in a loop, or too many, is told to wait; no other one notices. While no
//! identities are configured, a connection counts as one. Memory is bounded: there are as many identities as the file has,
//! and connections fall into a fixed number of buckets, by a hash that nobody outside can foresee.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use prometheus_client::metrics::gauge::Gauge;

const BUCKETS: u64 = 1 << 14;

/// How often streams may be opened: so many a second, and ten times as many at once; or as many as may be open, if that is
/// more, so that all can come back after a restart.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub max_streams: usize,
}

impl Rate {
    fn quota(self) -> Quota {
        let all = u32::try_from(self.max_streams).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        let ten = self.per_second.saturating_mul(const { NonZeroU32::new(10).unwrap() });
        Quota::per_second(self.per_second).allow_burst(ten.max(all))
    }
}

/// What one identity uses. Kept while its name is in the file.
pub struct Usage {
    streams: AtomicUsize,
    gauge: Gauge,
    starts: DefaultDirectRateLimiter,
}

impl Usage {
    pub fn new(rate: Rate, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self { streams: AtomicUsize::new(0), gauge, starts: RateLimiter::direct(rate.quota()) })
    }

    /// # Errors
    /// If there were too many: when to come again.
    pub fn start(&self) -> Result<(), Duration> {
        self.starts.check().map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
    }

    /// A place for a stream, unless `most` have one.
    pub fn take_place(self: &Arc<Self>, most: usize) -> Option<Place> {
        let more = |open| (open < most).then_some(open + 1);
        self.streams.fetch_update(Relaxed, Relaxed, more).ok()?;
        self.gauge.inc();
        Some(Place(Arc::clone(self)))
    }
}

/// Counts an open stream for as long as it lives.
pub struct Place(Arc<Usage>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
        self.0.gauge.dec();
    }
}

/// Connections of callers without an identity.
pub struct Connections {
    starts: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
}

impl Connections {
    pub fn new(rate: Rate) -> Self {
        Self { starts: RateLimiter::keyed(rate.quota()), hasher: RandomState::new() }
    }

    /// # Errors
    /// If there were too many: when to come again.
    pub fn start(&self, connection: u64) -> Result<(), Duration> {
        let bucket = self.hasher.hash_one(connection) % BUCKETS;
        let checked = self.starts.check_key(&bucket);
        checked.map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_and_places_have_their_limits() {
        let rate = Rate { per_second: NonZeroU32::MIN, max_streams: 12 };
        let usage = Usage::new(rate, Gauge::default());
        assert!((0..12).all(|_| usage.start().is_ok()));
        assert!(usage.start().unwrap_err() <= Duration::from_secs(1));
        let places: Vec<_> = (0..2).map(|_| usage.take_place(2)).collect();
        assert!(places.iter().all(Option::is_some) && usage.take_place(2).is_none());
        assert_eq!(usage.gauge.get(), 2);
        drop(places);
        assert!(usage.gauge.get() == 0 && usage.take_place(2).is_some());

        let connections = Connections::new(rate);
        assert!((0..12).all(|_| connections.start(1).is_ok()));
        assert!(connections.start(1).is_err());
        assert!(connections.start(2).is_ok(), "another one");
    }
}
