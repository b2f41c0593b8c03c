//! What the streams with one redaction share: their form of the events, made of the plain one once for all of them, and
//! only while there are such streams.
//!
//! The plain form pays nothing for it: pages and large events of a profile are kept beside it under a key of their own, and
//! the tail is followed by a task of the profile's own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Feed, Page, Tail};
use crate::{
    event::redaction::{PROFILES_MOST, Redaction},
    log::ReadError,
};

/// Names a profile in the keys of caches; never used twice. The plain form is the first.
pub type ProfileId = u64;
pub const PLAIN: ProfileId = 0;

/// More redactions are in use than the feed keeps forms of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{PROFILES_MOST} different redactions are in use, which is the most")]
pub struct TooManyRedactions;

/// One redaction in force.
pub struct Profile {
    pub id: ProfileId,
    pub redaction: Redaction,
    /// The log's tail in this form. Its receivers are the profile's streams.
    tail: watch::Sender<Tail>,
    /// The tail is being followed.
    is_followed: Mutex<bool>,
}

/// The profiles that are in use, or were and may be again; the last one used is the last.
#[derive(Default)]
pub struct Profiles(Mutex<Known>);

#[derive(Default)]
struct Known {
    profiles: Vec<Arc<Profile>>,
    /// The number of those that there ever were.
    made: ProfileId,
}

impl Profiles {
    /// The profile of `redaction`, which is in use for as long as it is held. It takes the place of one that nobody holds,
    /// if there are too many.
    pub fn of(&self, redaction: &Redaction) -> Result<Arc<Profile>, TooManyRedactions> {
        let mut known = lock(&self.0);
        let profile = if let Some(at) = known.profiles.iter().position(|profile| profile.redaction == *redaction) {
            known.profiles.remove(at)
        } else {
            if known.profiles.len() == PROFILES_MOST {
                // Nobody can come to hold it meanwhile: that takes this lock.
                let idle = known.profiles.iter().position(|profile| Arc::strong_count(profile) == 1);
                known.profiles.remove(idle.ok_or(TooManyRedactions)?);
            }
            known.made += 1;
            Arc::new(Profile {
                id: known.made,
                redaction: redaction.clone(),
                tail: watch::Sender::new(Tail::default()),
                is_followed: Mutex::default(),
            })
        };
        known.profiles.push(Arc::clone(&profile));
        Ok(profile)
    }

    /// All that there are: those that nobody uses still hold the tail as it was.
    pub fn all(&self) -> Vec<Arc<Profile>> {
        lock(&self.0).profiles.clone()
    }
}

impl Profile {
    /// The tail in this form, as it is and as it moves; `feed` is the plain one.
    pub fn watch(self: &Arc<Self>, feed: &Feed) -> watch::Receiver<Tail> {
        let mut is_followed = lock(&self.is_followed);
        let tail = self.tail.subscribe();
        if !*is_followed {
            *is_followed = true;
            feed.tasks.spawn(follow(feed.clone(), Arc::clone(self)));
        }
        tail
    }

    /// True if the profile has no streams, and is followed no longer.
    fn ends(&self) -> bool {
        let mut is_followed = lock(&self.is_followed);
        *is_followed = self.tail.receiver_count() > 0;
        !*is_followed
    }

    /// The page in this form. What is the same in `before`, an earlier plain page with its own form, is taken from there.
    pub async fn page(&self, plain: &Page, before: Option<&Followed>) -> Result<Page, ReadError> {
        let same = before.map_or(0, |before| {
            let pairs = before.plain.entries.iter().zip(&plain.entries);
            pairs.take_while(|(before, now)| Arc::ptr_eq(before, now)).count()
        });
        let (_, new) = plain.entries.split_at(same);
        let bytes = new.iter().map(|entry| entry.bytes()).sum();
        let (new, redaction) = (new.to_vec(), self.redaction.clone());
        let encode = move || -> Vec<_> { new.iter().map(|entry| Arc::new(entry.redacted(&redaction))).collect() };
        let new = super::page::encoded(bytes, encode).await?;
        let entries =
            before.map_or(&[][..], |before| &before.page.entries[..same]).iter().cloned().chain(new).collect();
        Ok(Page { number: plain.number, floor: plain.floor, evicted: plain.evicted, entries, through: plain.through })
    }
}

/// The page of the tail that was made last, and what it was made of.
pub struct Followed {
    plain: Arc<Page>,
    page: Arc<Page>,
}

/// Follows the plain tail for as long as the profile has streams.
async fn follow(feed: Feed, profile: Arc<Profile>) {
    let mut plain = feed.watch();
    let mut last: Option<Followed> = None;
    loop {
        // The first one is told as it is: new streams have seen where the profile stood when its last stream ended.
        let Tail { head, page, mut unreadable, erasures } = plain.borrow_and_update().clone();
        last = match page {
            None => None,
            Some(page) => match profile.page(&page, last.as_ref()).await {
                Ok(made) => Some(Followed { plain: page, page: Arc::new(made) }),
                Err(error) => {
                    unreadable = Some(error);
                    None
                }
            },
        };
        let page = last.as_ref().map(|last| Arc::clone(&last.page));
        if let Some(page) = page.as_ref().filter(|page| page.is_complete()) {
            feed.pages.put(erasures, (profile.id, page.number), Arc::clone(page));
        }
        profile.tail.send_replace(Tail { head, page, unreadable, erasures });
        tokio::select! {
            () = feed.stop.cancelled() => return,
            () = profile.tail.closed() => if profile.ends() { return },
            changed = plain.changed() => if changed.is_err() { return },
        }
    }
}

/// Nothing that runs under these locks can panic half-way.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
