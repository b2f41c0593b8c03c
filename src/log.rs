//! The durable log: what was received, once, in one order, for as long as retention keeps it.
//!
//! Promises, for every implementation (checked by the suite in `conformance`):
//! - `append` returns `Ok` only when the record, or the earlier record that it repeats, is on stable storage.
//! - Sequences strictly increase and are never used twice, whatever is removed or restarted.
//! - Within the dedupe window a record with the endpoint, id and body of an earlier one is not stored again; one with
//!   the same endpoint and id and another body is, and names the earlier one. A report by a browser is known for as long
//!   as it is held.
//! - `received_at` never runs backwards in the order of sequences.
//! - A read tells, from the same instant, up to where retention has removed records, so that nobody skips unknowingly.
//! - When `erase` returns, what it erased is gone for good: from every file of the log, and from every read that begins
//!   then. What is left of a record keeps its place, its check, and that a repetition of it is not stored again.
//! - Reports by browsers (records of the source `Widget`) have a quota of their own. The oldest of them are removed to
//!   keep it, and all of them while the disk is full; no other record is ever removed or forgotten for their sake. A read
//!   tells up to where that has happened.
//!
//! The webhooks' intake appends; the feed and the gRPC services read.

#[cfg(test)]
pub mod conformance;
pub mod embedded;
mod metrics;

use tokio::sync::watch;

pub use self::metrics::Metrics;
use crate::event::UnixMicros;
pub use crate::event::{
    cursor::{LogId, Position},
    record::{NewRecord, Record, Reporter},
};

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Stored as a new record.
    Stored { sequence: u64 },
    /// Stored as a new record, beside an earlier one of the same id with another body.
    Conflicting { sequence: u64, conflicts_with: u64 },
    /// The same as an earlier record, which is durable.
    Repeated { sequence: u64 },
}

impl Appended {
    /// Where the record is, or the one that it repeats.
    #[must_use]
    pub fn sequence(self) -> u64 {
        match self {
            Self::Stored { sequence } | Self::Conflicting { sequence, .. } | Self::Repeated { sequence } => sequence,
        }
    }
}

/// Why a record was not stored. The sender has to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("the disk is full")]
    Full,
    #[error("more waits to be written than can be written in time")]
    Busy,
    #[error("the log is closed")]
    Closed,
}

/// Why a read failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the log can't be read: {0}")]
pub struct ReadError(pub String);

/// What was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// How many records.
    pub records: u64,
    /// The sequence up to which all of them are found: that of the head when it began.
    pub through: u64,
}

/// Why what was asked to be erased is not all gone. To ask again goes on where it was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EraseError {
    #[error("the disk is full")]
    Full,
    #[error("another process holds the database, or reads it for long, as a backup does")]
    Busy,
    #[error("the log is closed")]
    Closed,
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Consecutive records.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The last record that retention had removed when this was read.
    pub floor: Position,
    /// The sequence of the last report that had been removed to keep the quota; 0 if none was.
    pub evicted: u64,
    /// In order, without those that are removed.
    pub records: Vec<Record>,
}

/// Where a sequence stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The last record that retention has removed.
    pub floor: Position,
    /// The sequence of the last report that was removed to keep the quota; 0 if none was. Between the floor and this, what
    /// is not held was a report.
    pub evicted: u64,
    /// The check of the record with the sequence asked for: held, or the last one removed. 0 for the sequence 0.
    pub check: Option<u64>,
}

/// When a record was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub sequence: u64,
    pub at: UnixMicros,
}

/// What a log holds, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// None if it holds nothing.
    pub oldest: Option<Received>,
    pub newest: Option<Received>,
    /// What it takes of its storage.
    pub bytes: u64,
    /// What is left there for this process, and what there is in all.
    pub free_bytes: u64,
    pub total_bytes: u64,
}

/// How the log is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Good,
    /// Nothing is stored until there is room; recovers by itself.
    Full,
    /// Nothing is ever stored again by this process, which has to end.
    Failed(String),
}

/// A durable log. See the module for what every implementation promises.
#[tonic::async_trait]
pub trait Log: Send + Sync + 'static {
    /// The log's own id, the same for its life.
    fn id(&self) -> LogId;

    /// What kind of log this is, in a word: "embedded".
    fn backend(&self) -> &'static str;

    /// Stores a record; see the module's promises.
    async fn append(&self, record: NewRecord) -> Result<Appended, AppendError>;

    /// The newest record ever stored; moves after it is durable.
    fn head(&self) -> watch::Receiver<Position>;

    fn health(&self) -> watch::Receiver<Health>;

    /// The records with sequences from `first` to `last`. Bodies over `body_limit` bytes are left out.
    async fn read(&self, first: u64, last: u64, body_limit: u64) -> Result<Slice, ReadError>;

    /// The record with this sequence, whole.
    async fn get(&self, sequence: u64) -> Result<Option<Record>, ReadError>;

    /// The sequence of the newest record with this id at this endpoint.
    async fn find(&self, endpoint: &str, id: &str) -> Result<Option<u64>, ReadError>;

    /// The place before the first record received at or after `since`.
    async fn seek(&self, since: UnixMicros) -> Result<Position, ReadError>;

    /// Where `sequence` stands.
    async fn locate(&self, sequence: u64) -> Result<Located, ReadError>;

    /// What it holds and takes just now.
    async fn stats(&self) -> Result<Stats, ReadError>;
    /// Erases what is held of a user, at one endpoint or at all, up to the head as it is now; see the module's promises. The
    /// records stay as tombstones ([`Record::is_erased`]).
    async fn erase(&self, user_id: &str, endpoint: Option<&str>) -> Result<Erased, EraseError>;

    /// Moves whenever records have become tombstones: whoever keeps what he has read has to read it again.
    fn erasures(&self) -> watch::Receiver<u64>;

    /// Stores what is queued, then lets go of the storage. Appends fail from now on.
    async fn close(&self);
}
