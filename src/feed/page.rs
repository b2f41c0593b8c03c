//! A page: consecutive events, encoded, with what filters look at.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::cache::Weigh;
use crate::{
    event::{
        encode::{self, Encoded},
        filter::Traits,
        record::Record,
        redaction::Redaction,
    },
    log::{Log, LogId, Position, ReadError},
};

/// Sequences in a page.
pub const PAGE_EVENTS: u64 = 128;
/// Events with bodies over as many bytes are no part of a page, but loaded when wanted, whatever room there is. So a page
/// takes at most some 17 MB.
const LARGE_BODY_MOST: u64 = 64 << 10;
/// The least that a request may set as max_event_bytes. Events within it need no stub.
pub const LEAST_EVENT_BYTES: usize = 4096;
/// Pages whose bodies take more bytes than this are encoded off the runtime's threads (some 300 us).
const ENCODED_INLINE: usize = 64 << 10;
/// What an entry takes besides its bytes.
const ENTRY_BYTES: usize = 256;

/// The largest body that is part of a page, with so many bytes for keeping pages: the bodies of a page take a quarter of
/// them at most. In the smallest caches they take more: bodies of 4 KiB are never large.
pub fn large_body(cache_bytes: usize) -> u64 {
    (cache_bytes as u64 / 4 / PAGE_EVENTS).clamp(LEAST_EVENT_BYTES as u64, LARGE_BODY_MOST)
}

/// The events with sequences from `number * PAGE_EVENTS + 1` on.
#[derive(Debug)]
pub struct Page {
    pub number: u64,
    /// The last record that retention had removed when this was read: whoever stands before it has missed something.
    pub floor: Position,
    /// The sequence of the last report that had been removed to keep the quota: whoever stands before it and wants reports
    /// may have missed some.
    pub evicted: u64,
    /// In order.
    pub entries: Vec<Arc<Entry>>,
    /// All events up to this sequence are here, if they were not removed.
    pub through: u64,
}

/// One event.
#[derive(Debug)]
pub struct Entry {
    pub at: Position,
    pub traits: Traits,
    pub content: Content,
}

#[derive(Debug)]
pub enum Content {
    /// The event is here.
    Small { encoded: Encoded, size: Size },
    /// The event has to be loaded.
    Large(Large),
}

/// What is known of a large event before it is loaded.
#[derive(Clone, Debug)]
pub struct Large {
    /// The record without its body, of which the stub is made.
    record: Box<Record>,
    /// How large the event is, once somebody has asked.
    size: OnceLock<Size>,
}

/// The parts in which a large event is loaded; see [`Encoded`]. Hardly anybody wants the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Plain,
    Raw,
}

/// How large an encoded event is, in bytes.
#[derive(Clone, Debug)]
pub struct Size {
    pub plain: usize,
    pub raw: usize,
    /// The event without its content, for whoever does not want as much. None if there is no such limit.
    pub stub: Option<Bytes>,
}

impl Page {
    /// The number of the page with the event of this sequence, which is not 0.
    pub fn number_of(sequence: u64) -> u64 {
        sequence.saturating_sub(1) / PAGE_EVENTS
    }

    pub fn last_sequence(number: u64) -> u64 {
        (number + 1) * PAGE_EVENTS
    }

    pub fn is_complete(&self) -> bool {
        self.through == Self::last_sequence(self.number)
    }

    /// The entries after `position`, up to the sequence `until`.
    pub fn after(&self, position: Position, until: u64) -> &[Arc<Entry>] {
        let place = |sequence: u64| self.entries.partition_point(|entry| entry.at.sequence <= sequence);
        &self.entries[place(position.sequence)..place(until.max(position.sequence))]
    }

    /// The place after all that this page has up to the sequence `until`, for who stands at `position` and has had that.
    /// Further than the last entry where reports were removed; a cursor to there needs no check.
    pub fn past(&self, position: Position, until: u64) -> Position {
        let sequence = self.through.min(until);
        if sequence > position.sequence { Position { sequence, check: 0 } } else { position }
    }

    /// Reads page `number` up to `through`, on from `before`, an earlier state of it. Bodies over `large_body` are left out.
    pub async fn load(
        log: &Arc<dyn Log>,
        number: u64,
        before: Option<&Self>,
        through: u64,
        large_body: u64,
    ) -> Result<Self, ReadError> {
        let through = through.min(Self::last_sequence(number));
        let first = before.map_or(number * PAGE_EVENTS + 1, |before| before.through + 1);
        let slice = log.read(first, through, large_body).await?;
        let id = log.id();
        let bytes: usize = slice.records.iter().map(|record| record.body.len()).sum();
        let entry = move |record| Arc::new(Entry::new(id, record, large_body));
        let encode = move || -> Vec<_> { slice.records.into_iter().map(entry).collect() };
        let read = encoded(bytes, encode).await?;
        // If retention has removed some of what was to be read now, what was read before it is of no use to anybody.
        let before = before.filter(|before| slice.floor.sequence <= before.through);
        let floor = before.map_or(slice.floor, |before| before.floor);
        // What was read before is complete to where it was read.
        let evicted = before.filter(|before| slice.evicted <= before.through).map_or(slice.evicted, |b| b.evicted);
        let entries = before.map_or(&[][..], |before| &before.entries).iter().cloned().chain(read).collect();
        Ok(Self { number, floor, evicted, entries, through })
    }
}

/// What `encode` makes of so many bytes, off the runtime's threads if they are many.
pub async fn encoded<T: Send + 'static>(
    bytes: usize,
    encode: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ReadError> {
    if bytes <= ENCODED_INLINE {
        return Ok(encode());
    }
    tokio::task::spawn_blocking(encode).await.map_err(|e| ReadError(e.to_string()))
}

impl Entry {
    fn new(log: LogId, record: Record, large_body: u64) -> Self {
        let at = Position { sequence: record.sequence, check: record.check };
        let traits = Traits::of(&record);
        if record.body_bytes > large_body {
            let large = Large { record: Box::new(record), size: OnceLock::new() };
            return Self { at, traits, content: Content::Large(large) };
        }
        let encoded = encode::whole(log, &record);
        let size = Size::of(log, &record, encoded.plain.len(), encoded.raw.len());
        Self { at, traits, content: Content::Small { encoded, size } }
    }

    /// The same event without what `redaction` removes.
    #[must_use]
    pub fn redacted(&self, redaction: &Redaction) -> Self {
        let content = match &self.content {
            Content::Small { encoded, size } => {
                let encoded = encode::redacted(encoded, redaction);
                let plain = encoded.plain.len();
                let stub = size.stub.as_ref().filter(|_| plain > LEAST_EVENT_BYTES);
                let stub = stub.map(|stub| encode::omitted_again(stub, plain as u64));
                Content::Small { encoded, size: Size { plain, raw: 0, stub } }
            }
            Content::Large(large) => Content::Large(Large { record: large.record.clone(), size: OnceLock::new() }),
        };
        Self { at: self.at, traits: self.traits.clone(), content }
    }

    /// What the event takes of memory, in a page.
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Small { encoded, .. } => ENTRY_BYTES + encoded.plain.len() + encoded.raw.len(),
            Content::Large(_) => 2 * ENTRY_BYTES,
        }
    }
}

impl Large {
    /// How large the event is, if that was found out before.
    pub fn size(&self) -> Option<&Size> {
        self.size.get()
    }

    /// How large the event is whose plain part takes so many bytes, and whose raw one is left out or not.
    pub fn found(&self, log: LogId, plain: usize, has_raw: bool) -> &Size {
        let raw = if has_raw { encode::raw_len(&self.record) } else { 0 };
        self.size.get_or_init(|| Size::of(log, &self.record, plain, raw))
    }
}

impl Size {
    fn of(log: LogId, record: &Record, plain: usize, raw: usize) -> Self {
        let stub = (plain + raw > LEAST_EVENT_BYTES).then(|| encode::omitted(log, record, (plain + raw) as u64));
        Self { plain, raw, stub }
    }
}

impl Weigh for Page {
    fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.bytes()).sum::<usize>() + ENTRY_BYTES
    }
}

/// A part of a large event; None if there is no such event any more.
impl Weigh for Option<Bytes> {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.as_ref().map_or(0, Bytes::len)
    }
}
