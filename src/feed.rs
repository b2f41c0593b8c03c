//! The encoded, shared view of the log.
//!
//! Promises:
//! - An event is decoded and encoded once, however many streams want it, as long as it stays in the cache; a page that
//!   is missing is loaded once for all who wait for it.
//! - Streams from which something is removed share their form of the events as well: it is made of the plain one, once for
//!   each redaction in use, of which there are at most [`PROFILES_MOST`](crate::event::redaction::PROFILES_MOST).
//! - A subscriber is never pushed to: it asks for what follows its position, and waits for the tail to move when there
//!   is nothing. One that does not ask costs nothing here.
//! - Memory is bounded: pages and large events are kept in caches of a fixed number of bytes, and few are made at a time.
//! - What was erased is gone from here when `erase` returns.
//! - Nobody skips unknowingly: a page says what retention had removed when it was read.
//!
//! The log is divided into pages of [`PAGE_EVENTS`] sequences. The last, unfinished page travels with the news that the
//! tail has moved, so that a live subscriber finds what it waits for without asking anybody.

mod cache;
mod metrics;
mod page;
mod profile;
mod tail;
mod turns;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    cache::Cache,
    profile::{PLAIN, Profile, ProfileId, Profiles},
    turns::Turns,
};
pub use self::{
    metrics::Metrics,
    page::{Content, Entry, LEAST_EVENT_BYTES, PAGE_EVENTS, Page, Part, Size},
    profile::TooManyRedactions,
    tail::Tail,
};
use crate::{
    event::{
        encode::{self, Encoded},
        redaction::Redaction,
    },
    log::{EraseError, Erased, Log, Position, ReadError},
};

/// What the feed has to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of encoded pages to keep.
    pub page_cache_bytes: usize,
    /// Bytes of large encoded events to keep.
    pub large_cache_bytes: usize,
}

/// The feed, as somebody may see it. Cheap to clone; ends with `close`.
#[derive(Clone)]
pub struct Feed {
    log: Arc<dyn Log>,
    /// Complete pages, by number.
    pages: Cache<(ProfileId, u64), Page>,
    /// Parts of large events, by sequence.
    large: Cache<(ProfileId, Part, u64), Option<Bytes>>,
    /// Events with larger bodies are no part of a page.
    large_body: u64,
    turns: Turns,
    /// The tail, published by its follower. Its receivers are the streams.
    tail: Arc<watch::Sender<Tail>>,
    /// Wakes the follower for the first stream after a time without any.
    wake: Arc<Notify>,
    tasks: TaskTracker,
    stop: CancellationToken,
    metrics: Metrics,
    profiles: Arc<Profiles>,
    /// What is removed of what this hands out; None: nothing.
    profile: Option<Arc<Profile>>,
}

impl Feed {
    /// Starts to follow the log. Needs a runtime.
    #[must_use]
    pub fn start(log: Arc<dyn Log>, settings: &Settings, metrics: Metrics) -> Self {
        let tasks = TaskTracker::new();
        let head = *log.head().borrow();
        metrics.starts_after(head.sequence);
        let feed = Self {
            pages: Cache::new(settings.page_cache_bytes, tasks.clone()),
            large: Cache::new(settings.large_cache_bytes, tasks.clone()),
            large_body: page::large_body(settings.page_cache_bytes),
            turns: Turns::new(),
            tail: Arc::new(watch::Sender::new(Tail { head, page: None, unreadable: None, erasures: 0 })),
            wake: Arc::default(),
            stop: CancellationToken::new(),
            metrics,
            profiles: Arc::default(),
            profile: None,
            tasks,
            log,
        };
        feed.tasks.spawn(tail::follow(feed.clone()));
        feed
    }

    /// The log that this is a view of.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// This feed as those see it from whom `redaction` keeps something. That is in use for as long as the result is held.
    ///
    /// # Errors
    /// If too many others are.
    pub fn seen_through(&self, redaction: &Redaction) -> Result<Self, TooManyRedactions> {
        let profile = if redaction.is_none() { None } else { Some(self.profiles.of(redaction)?) };
        Ok(Self { profile, ..self.clone() })
    }

    fn plain(&self) -> Self {
        Self { profile: None, ..self.clone() }
    }

    /// The tail, as it is and as it moves. Held by every stream for as long as it lasts.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Tail> {
        if let Some(profile) = &self.profile {
            return profile.watch(&self.plain());
        }
        let tail = self.tail.subscribe();
        self.wake.notify_one();
        tail
    }

    /// The page with the events after `position`, of which there are some.
    ///
    /// # Errors
    /// If the log can't be read.
    pub async fn page_after(
        &self,
        position: Position,
        tail: &mut watch::Receiver<Tail>,
    ) -> Result<Arc<Page>, ReadError> {
        let number = Page::number_of(position.sequence + 1);
        loop {
            {
                let tail = tail.borrow_and_update();
                let has_more = |page: &&Arc<Page>| page.number == number && page.through > position.sequence;
                if let Some(page) = tail.page.as_ref().filter(has_more) {
                    return Ok(Arc::clone(page));
                }
                if number < Page::number_of(tail.head.sequence) {
                    break;
                }
                if let Some(error) = &tail.unreadable {
                    return Err(error.clone());
                }
            }
            // The follower is about to publish this very page.
            if tail.changed().await.is_err() {
                return Err(ReadError("the relay ends".into()));
            }
        }
        self.complete_page(number).await
    }

    async fn complete_page(&self, number: u64) -> Result<Arc<Page>, ReadError> {
        let Some(profile) = self.profile.clone() else { return self.complete_plain_page(number).await };
        let (feed, id) = (self.plain(), profile.id);
        let load = async move {
            let _turn = feed.turns.redaction().await?;
            let plain = feed.complete_plain_page(number).await?;
            profile.page(&plain, None).await
        };
        self.pages.get((id, number), load).await
    }

    async fn complete_plain_page(&self, number: u64) -> Result<Arc<Page>, ReadError> {
        let feed = self.plain();
        let load = async move {
            let _turn = feed.turns.page().await?;
            Page::load(&feed.log, number, None, u64::MAX, feed.large_body).await
        };
        self.pages.get((PLAIN, number), load).await
    }

    /// A part of a large event. What something is removed from has no raw one.
    ///
    /// # Errors
    /// If the log can't be read. `Ok(None)` if the log holds no such event any more.
    pub async fn large(&self, sequence: u64, part: Part) -> Result<Option<Bytes>, ReadError> {
        let loaded = match (&self.profile, part) {
            (None, _) => self.large_unredacted(sequence, part).await?,
            (Some(_), Part::Raw) => return Ok(None),
            (Some(profile), Part::Plain) => {
                let (feed, redaction) = (self.clone(), profile.redaction.clone());
                let load = async move {
                    let redacting = feed.turns.redaction().await?;
                    let Some(plain) = feed.large_unredacted(sequence, Part::Plain).await?.as_ref().clone() else {
                        return Ok(None);
                    };
                    let turn = feed.turns.large().await?;
                    let encode = move || {
                        let _turns = (redacting, turn);
                        encode::redacted(&Encoded { plain, ..Encoded::default() }, &redaction).plain
                    };
                    tokio::task::spawn_blocking(encode).await.map(Some).map_err(|e| ReadError(e.to_string()))
                };
                self.large.get((profile.id, part, sequence), load).await?
            }
        };
        Ok(loaded.as_ref().clone())
    }

    async fn large_unredacted(&self, sequence: u64, part: Part) -> Result<Arc<Option<Bytes>>, ReadError> {
        let (log, turns) = (Arc::clone(&self.log), self.turns.clone());
        let load = async move {
            let _turn = turns.large().await?;
            let Some(record) = log.get(sequence).await? else {
                return Ok(None);
            };
            let id = log.id();
            let encode = move || match part {
                Part::Plain => encode::plain(id, &record).0,
                Part::Raw => encode::raw(&record),
            };
            tokio::task::spawn_blocking(encode).await.map(Some).map_err(|e| ReadError(e.to_string()))
        };
        self.large.get((PLAIN, part, sequence), load).await
    }

    /// How large the event of `entry` is, and its stub: for a large event found out when first asked for.
    ///
    /// # Errors
    /// If the log can't be read. `Ok(None)` if the log holds no such event any more.
    pub async fn size(&self, entry: &Entry) -> Result<Option<Size>, ReadError> {
        match &entry.content {
            Content::Small { size, .. } => Ok(Some(size.clone())),
            Content::Large(large) => {
                if let Some(size) = large.size() {
                    return Ok(Some(size.clone()));
                }
                let Some(plain) = self.large(entry.at.sequence, Part::Plain).await? else { return Ok(None) };
                Ok(Some(large.found(self.log.id(), plain.len(), self.profile.is_none()).clone()))
            }
        }
    }

    /// Erases what is held of a user, as [`Log::erase`] does, and drops what is encoded of it. What was handed to a stream
    /// before is on its way.
    ///
    /// # Errors
    /// If not all is gone; to ask again goes on where it was.
    pub async fn erase(&self, user_id: &str, endpoint: Option<&str>) -> Result<Erased, EraseError> {
        let erased = self.log.erase(user_id, endpoint).await;
        let through = *self.log.erasures().borrow();
        // Each fails only if the feed has ended, with all that it held.
        let _ = self.tail.subscribe().wait_for(|tail| tail.erasures >= through).await;
        for profile in self.profiles.all() {
            let _ = profile.watch(&self.plain()).wait_for(|tail| tail.erasures >= through).await;
        }
        erased
    }

    /// Ends the follower and waits for all loading to end.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
pub mod tests;
