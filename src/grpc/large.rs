//! A message with one large event, sent slice by slice.
//!
//! Between slices nothing of the event is held: a stream that stalls half-way leaves it to the feed's cache, which
//! drops it when there is need and encodes it again, to the same bytes, when the stream goes on. So a thousand stalled
//! streams and a large event don't add up.

use bytes::Bytes;
use tonic::Status;

use super::{frame, start, status};
use crate::feed::{Feed, Part, Size};

/// What is queued at once for a stream.
const SLICE: usize = 32 << 10;

/// The rest of a message under way.
pub struct LargeMessage {
    sequence: u64,
    /// The lengths of the event's parts, and of what is sent of them.
    plain: usize,
    raw: usize,
    whole: usize,
    sent: usize,
}

impl LargeMessage {
    /// The message's first bytes, and the rest of it.
    pub fn begin(sequence: u64, size: &Size, include_raw: bool) -> (Bytes, Self) {
        let whole = size.plain + if include_raw { size.raw } else { 0 };
        (frame::head_of_one_event(whole), Self { sequence, plain: size.plain, raw: size.raw, whole, sent: 0 })
    }

    /// The next bytes; None at the end.
    ///
    /// # Errors
    /// If the event can't be read any more. The message stays incomplete then.
    pub async fn next(&mut self, feed: &Feed) -> Result<Option<Bytes>, Status> {
        if self.sent == self.whole {
            return Ok(None);
        }
        let (part, len, offset) = if self.sent < self.plain {
            (Part::Plain, self.plain, self.sent)
        } else {
            (Part::Raw, self.raw, self.sent - self.plain)
        };
        let part = load(feed, self.sequence, part, len).await?;
        let slice = &part[offset..part.len().min(offset + SLICE)];
        self.sent += slice.len();
        // A copy: a slice of the shared bytes would keep all of them alive for as long as it is queued.
        Ok(Some(Bytes::copy_from_slice(slice)))
    }
}

/// A part of a large event, which was found to be so long.
///
/// # Errors
/// If it is so no longer, or can't be read.
pub async fn load(feed: &Feed, sequence: u64, part: Part, len: usize) -> Result<Bytes, Status> {
    match feed.large(sequence, part).await {
        Ok(Some(part)) if part.len() == len => Ok(part),
        // Nothing else changes an event.
        Ok(Some(_)) => Err(status::event_erased()),
        Ok(None) => Err(status::cursor_expired(&start::ends(feed).await?)),
        Err(error) => Err(status::log_unavailable(&error)),
    }
}
