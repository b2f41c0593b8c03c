//! How many callbacks one token may report.
//!
//! Memory is bounded by construction: tokens fall into a fixed number of buckets, by a hash that nobody outside can
//! foresee. Those who share a bucket share its allowance; a reporter that is told to wait comes again.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

const BUCKETS: u64 = 1 << 16;

pub struct Limiter {
    buckets: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
}

impl Limiter {
    /// Ten times as many at once, and a whole batch at least.
    pub fn new(per_second: NonZeroU32) -> Self {
        let at_once = per_second.saturating_mul(const { NonZeroU32::new(10).unwrap() });
        let quota = Quota::per_second(per_second).allow_burst(at_once.max(const { NonZeroU32::new(50).unwrap() }));
        Self { buckets: RateLimiter::keyed(quota), hasher: RandomState::new() }
    }

    /// Counts so many callbacks of a token.
    ///
    /// # Errors
    /// If there were too many: when to come again. They are not counted then.
    pub fn check(&self, token: &str, callbacks: usize) -> Result<(), Duration> {
        let Some(callbacks) = u32::try_from(callbacks).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        let bucket = self.hasher.hash_one(token) % BUCKETS;
        match self.buckets.check_key_n(&bucket, callbacks) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(DefaultClock::default().now())),
            // More than ever fit at once, which a batch is not.
            Err(_) => Err(Duration::from_secs(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_an_allowance() {
        let limiter = Limiter::new(NonZeroU32::MIN);
        assert_eq!(limiter.check("a", 50), Ok(()));
        let wait = limiter.check("a", 10).unwrap_err();
        assert!(wait > Duration::from_secs(8) && wait <= Duration::from_secs(10), "{wait:?}");
        assert_eq!(limiter.check("b", 50), Ok(()));
    }
}
