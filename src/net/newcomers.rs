//! Connections that have not asked for anything yet. When all places are taken, the oldest of them gives way to the next
//! that comes: so nobody keeps others out by connecting and saying nothing.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use tokio_util::sync::CancellationToken;

use super::connection::Activity;

pub(super) struct Newcomers {
    /// The oldest first. Some of them have gone, or have asked meanwhile.
    queue: VecDeque<(Weak<Activity>, CancellationToken)>,
    /// Connections at a time.
    most: usize,
}

impl Newcomers {
    pub(super) fn new(most: usize) -> Self {
        Self { queue: VecDeque::new(), most }
    }

    /// A connection that `end` ends has come.
    pub(super) fn add(&mut self, activity: &Arc<Activity>, end: CancellationToken) {
        if self.queue.len() > self.most + self.most / 4 {
            self.queue.retain(|(activity, _)| is_new(activity));
        }
        self.queue.push_back((Arc::downgrade(activity), end));
    }

    /// Ends the oldest that has not asked for anything. False if there is none.
    pub(super) fn give_way(&mut self) -> bool {
        while let Some((activity, end)) = self.queue.pop_front() {
            if is_new(&activity) {
                end.cancel();
                return true;
            }
        }
        false
    }
}

/// Whether the connection is there, and nothing has been asked over it.
fn is_new(activity: &Weak<Activity>) -> bool {
    activity.upgrade().is_some_and(|activity| activity.started() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_nobody_is_kept_who_has_gone() {
        let mut newcomers = Newcomers::new(4);
        let connection = || (Arc::new(Activity::default()), CancellationToken::new());
        let all = [connection(), connection(), connection()];
        let (gone, token) = connection();
        newcomers.add(&gone, token.clone());
        drop(gone);
        all.iter().for_each(|(activity, end)| newcomers.add(activity, end.clone()));
        for (_, end) in &all {
            assert!(!end.is_cancelled());
            assert!(newcomers.give_way());
            assert!(end.is_cancelled());
        }
        assert!(!newcomers.give_way() && !token.is_cancelled());
        for _ in 0..1_000 {
            let (activity, end) = connection();
            newcomers.add(&activity, end);
        }
        assert!(newcomers.queue.len() <= 6, "{}", newcomers.queue.len());
    }
}
