//! Who sends too many wrong signatures. It only makes a 401 a 429: nothing right is ever refused because of it.
//!
//! Memory is bounded by construction: addresses fall into a fixed number of buckets, by a hash that nobody outside can
//! foresee. Those who share a bucket share its allowance, which does neither any harm.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::net::neighbourhood;

const BUCKETS: u64 = 1 << 14;

pub(super) struct Limiter {
    buckets: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
}

impl Limiter {
    pub(super) fn new(per_second: NonZeroU32, at_once: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(at_once);
        Self { buckets: RateLimiter::keyed(quota), hasher: RandomState::new() }
    }

    /// Counts a wrong signature. True if there were too many from this address.
    pub(super) fn is_too_many(&self, from: Option<IpAddr>) -> bool {
        let bucket = self.hasher.hash_one(from.map(neighbourhood)) % BUCKETS;
        self.buckets.check_key(&bucket).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_address_and_ipv6_by_network() {
        let limiter = Limiter::new(NonZeroU32::MIN, NonZeroU32::new(2).unwrap());
        let wrong = |from: &str| limiter.is_too_many(Some(from.parse().unwrap()));
        assert!(!wrong("192.0.2.1"));
        assert!(!wrong("::ffff:192.0.2.1"));
        assert!(wrong("192.0.2.1"));
        assert!(!wrong("2001:db8::1"));
        assert!(!wrong("2001:db8::2"));
        assert!(wrong("2001:db8::3"));
    }
}
