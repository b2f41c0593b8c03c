//! Follows the log's tail: reads and encodes what is new, once, and tells all streams in one go.
//!
//! Reads nothing while there is no stream.

use std::{sync::Arc, time::Duration};

use super::{Feed, Page, profile::PLAIN};
use crate::log::{Position, ReadError};

/// The follower reads all of what is new if it is at most as many pages; else it leaves those before the last one to
/// whoever wants them.
const PAGES_BEHIND: u64 = 16;
/// A log that can't be read is tried again after this time.
const RETRY: Duration = Duration::from_secs(1);

/// The end of the log.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// The newest event.
    pub head: Position,
    /// The page that holds the newest event, if it has been read.
    pub page: Option<Arc<Page>>,
    /// Why it has not been read.
    pub unreadable: Option<ReadError>,
    /// What was erased up to this count of the log's erasures is gone from the feed.
    pub erasures: u64,
}

pub async fn follow(feed: Feed) {
    let mut head = feed.log.head();
    let mut page: Option<Arc<Page>> = None;
    let mut unreadable = None;
    let mut erasures = feed.log.erasures();
    let mut erased = *erasures.borrow_and_update();
    loop {
        tokio::select! {
            () = feed.stop.cancelled() => return,
            changed = head.changed() => if changed.is_err() { return },
            changed = erasures.changed() => if changed.is_err() { return },
            () = feed.wake.notified() => {}
            () = tokio::time::sleep(RETRY), if unreadable.is_some() => {}
        }
        let erasures = *erasures.borrow_and_update();
        if erasures != erased {
            // Here, as nobody else puts into the caches what was read before.
            (page, erased) = (None, erasures);
            feed.pages.clear(erasures);
            feed.large.clear(erasures);
        }
        let at = *head.borrow_and_update();
        if feed.tail.receiver_count() > 0 {
            match advance(&feed, page.as_ref(), at, erasures).await {
                Ok(read) => (page, unreadable) = (read, None),
                Err(error) => {
                    tracing::error!(%error, "the tail of the log can't be read");
                    unreadable = Some(error);
                }
            }
        }
        feed.tail.send_replace(Tail { head: at, page: page.clone(), unreadable: unreadable.clone(), erasures });
    }
}

/// The page of the newest event, `at`, on from the page read last, after so many erasures.
async fn advance(
    feed: &Feed,
    last: Option<&Arc<Page>>,
    at: Position,
    erasures: u64,
) -> Result<Option<Arc<Page>>, ReadError> {
    if at.sequence == 0 {
        return Ok(None);
    }
    let newest = Page::number_of(at.sequence);
    let mut number = last.map_or(newest, |last| last.number);
    if newest - number > PAGES_BEHIND {
        number = newest;
    }
    let mut page = last.filter(|last| last.number == number).cloned();
    loop {
        if page.as_ref().is_none_or(|page| page.number != number || page.through < at.sequence && !page.is_complete()) {
            let before = page.as_deref().filter(|page| page.number == number);
            let read = Arc::new(Page::load(&feed.log, number, before, at.sequence, feed.large_body).await?);
            feed.metrics.read(&read);
            if read.is_complete() {
                feed.pages.put(erasures, (PLAIN, number), Arc::clone(&read));
            }
            page = Some(read);
        }
        if number == newest {
            return Ok(page);
        }
        number += 1;
    }
}
