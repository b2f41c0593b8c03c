//! How many connections each address has, so that nobody takes all places.
//!
//! An IPv4 address counts by itself, IPv6 addresses by their /64. Memory: an entry for each that has a connection now.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::networks::neighbourhood;

pub(super) struct Crowd {
    /// For each; no limit if None.
    most: Option<usize>,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place. Given back when dropped.
pub(super) struct Place<'a> {
    crowd: &'a Crowd,
    of: Option<IpAddr>,
}

impl Crowd {
    pub(super) fn new(most: Option<usize>) -> Self {
        Self { most, held: Mutex::default() }
    }

    /// A place for a connection from this address; None if it has as many as it may have. Those without an address are
    /// not counted.
    pub(super) fn enter(&self, from: Option<IpAddr>) -> Option<Place<'_>> {
        let (Some(most), Some(from)) = (self.most, from.map(neighbourhood)) else {
            return Some(Place { crowd: self, of: None });
        };
        match self.held().entry(from) {
            Entry::Occupied(held) if *held.get() >= most => return None,
            held => *held.or_default() += 1,
        }
        Some(Place { crowd: self, of: Some(from) })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(of) = self.of else { return };
        if let Entry::Occupied(mut held) = self.crowd.held().entry(of) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_places_and_nothing_is_left_of_who_has_gone() {
        let address = |text: &str| Some(text.parse().unwrap());
        let crowd = Crowd::new(Some(2));
        let (a, b) = (crowd.enter(address("192.0.2.1")).unwrap(), crowd.enter(address("::ffff:192.0.2.1")).unwrap());
        assert!(crowd.enter(address("192.0.2.1")).is_none());
        let elsewhere = [crowd.enter(address("192.0.2.2")), crowd.enter(address("2001:db8::1"))];
        let network = crowd.enter(address("2001:db8::2")).unwrap();
        assert!(elsewhere.iter().all(Option::is_some) && crowd.enter(address("2001:db8::3")).is_none());
        drop(a);
        let c = crowd.enter(address("192.0.2.1")).unwrap();
        drop((b, c, elsewhere, network));
        assert!(crowd.held().is_empty());
        let everybody: Vec<_> = (0..100).map(|_| crowd.enter(None)).collect();
        assert!(everybody.iter().all(Option::is_some), "who has no address");
        let limitless = Crowd::new(None);
        let many: Vec<_> = (0..100).map(|_| limitless.enter(address("192.0.2.1"))).collect();
        assert!(many.iter().all(Option::is_some) && limitless.held().is_empty());
    }
}
