//! The received form of an event: what the log keeps of it.

use bytes::Bytes;

use super::{UnixMicros, pb::EventSource};

/// What is received: all but what the log itself adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    pub source: EventSource,
    pub endpoint: String,
    pub id: String,
    /// Empty if there is none.
    pub type_name: String,
    /// Empty if there is none.
    pub user_id: String,
    /// The verified HMAC-SHA512, 64 bytes; empty for what is not signed.
    pub signature: Bytes,
    /// W3C trace context of what the relay did with the delivery; empty if tracing is off.
    pub traceparent: String,
    /// The Content-Encoding of the delivery, which the signature does not cover; empty if there is none.
    pub content_encoding: String,
    /// Who reported it; empty for what is signed.
    pub reporter: Reporter,
    /// Byte for byte as received.
    pub body: Bytes,
}

/// Where a report by a browser comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reporter {
    /// Of the page, as the browser wrote it; empty if none was sent.
    pub origin: String,
    /// The application's label; empty if there is none.
    pub session: String,
}

/// What is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub sequence: u64,
    pub received_at: UnixMicros,
    /// Identifies this very record in cursors.
    pub check: u64,
    /// The sequence of an earlier record of the same endpoint and id with another body; 0 if there is none.
    pub conflicts_with: u64,
    pub source: EventSource,
    pub endpoint: String,
    pub id: String,
    pub type_name: String,
    pub user_id: String,
    pub signature: Bytes,
    pub traceparent: String,
    pub content_encoding: String,
    pub reporter: Reporter,
    /// Its content was erased: what is left is what cursors, the order and the ids need.
    pub is_erased: bool,
    /// Empty where a read was asked to leave large bodies out; see `body_bytes`.
    pub body: Bytes,
    /// The length of the stored body.
    pub body_bytes: u64,
}
