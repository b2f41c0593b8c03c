//! Where a request starts: checks cursors against the log, row by row of the table of codes.

use prost_types::Timestamp;
use tonic::Status;

use super::status::{self, Ends};
use crate::{
    event::{
        UnixMicros,
        cursor::{self, CursorError},
        filter::Violation,
        pb::StartPosition,
    },
    feed::Feed,
    log::Position,
};

/// A start as requests of all kinds name it.
pub enum Start {
    After(String),
    At(i32),
    Since(Timestamp),
}

/// The place at which `start` begins.
pub async fn resolve(feed: &Feed, start: Start) -> Result<Position, Status> {
    match start {
        Start::After(text) => after(feed, "after_cursor", &text).await,
        Start::At(number) => match StartPosition::try_from(number) {
            Ok(StartPosition::Unspecified | StartPosition::Latest) => Ok(latest(feed)),
            Ok(StartPosition::Earliest) => earliest(feed).await,
            Err(_) => {
                let violation = Violation::new("position", format!("{number} is no position known to this version"));
                Err(status::invalid(vec![violation]))
            }
        },
        Start::Since(at) => match micros(&at) {
            Some(at) => feed.log().seek(at).await.map_err(|e| status::log_unavailable(&e)),
            None => Err(status::invalid(vec![Violation::new("received_since", "it is not a valid timestamp")])),
        },
    }
}

/// The place after the newest event.
pub fn latest(feed: &Feed) -> Position {
    *feed.log().head().borrow()
}

/// The place before the oldest event held.
pub async fn earliest(feed: &Feed) -> Result<Position, Status> {
    feed.log().locate(0).await.map(|located| located.floor).map_err(|e| status::log_unavailable(&e))
}

/// The place that a cursor names, if the log still has what follows it and is the log that it was made for.
pub async fn after(feed: &Feed, field: &str, text: &str) -> Result<Position, Status> {
    let at = match cursor::decode(feed.log().id(), text) {
        Ok(at) => at,
        Err(e @ CursorError::Unreadable) => {
            return Err(status::invalid(vec![Violation::new(field, e.to_string())]));
        }
        Err(CursorError::ForeignLog) => return Err(status::cursor_foreign_log(&ends(feed).await?)),
    };
    if at.sequence > latest(feed).sequence {
        return Err(status::cursor_ahead(&ends(feed).await?));
    }
    let located = feed.log().locate(at.sequence).await.map_err(|e| status::log_unavailable(&e))?;
    if at.sequence < located.floor.sequence {
        return Err(status::cursor_expired(&ends(feed).await?));
    }
    // Of a report that was removed to keep the quota nothing is left to compare with.
    let is_removed_report = located.check.is_none() && at.sequence <= located.evicted;
    if located.check != Some(at.check) && !is_removed_report {
        return Err(status::cursor_diverged(&ends(feed).await?));
    }
    Ok(at)
}

/// Both ends of the log, as cursors.
pub async fn ends(feed: &Feed) -> Result<Ends, Status> {
    let id = feed.log().id();
    Ok(Ends {
        earliest_cursor: cursor::encode(id, earliest(feed).await?),
        latest_cursor: cursor::encode(id, latest(feed)),
    })
}

/// Rounded up: nothing from before the instant is meant.
fn micros(at: &Timestamp) -> Option<UnixMicros> {
    let nanos = u32::try_from(at.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    at.seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos.div_ceil(1_000)))
}
