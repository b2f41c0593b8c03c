//! What an event is: the received form, its typed protobuf view, its place in the log, and which subscribers want it.
//!
//! Everything here is a pure function of its input: no I/O, no clock, no configuration. Nothing here fails on any
//! input: what can't be understood is said in the event's `decode_issues`.

mod coding;
#[cfg(test)]
mod contract;
pub mod cursor;
pub mod encode;
pub mod envelope;
pub mod filter;
mod issues;
mod json;
pub mod problems;
pub mod record;
pub mod redaction;
mod schema;
mod transcode;
pub mod widget;
mod wire;

/// The generated types and client of `proto/smilerelay/v1`.
#[allow(clippy::pedantic, missing_docs, unused_qualifications, reason = "generated code")]
pub mod pb {
    tonic::include_proto!("smilerelay.v1");

    /// All of `proto/` with its imports, as an encoded `google.protobuf.FileDescriptorSet`.
    pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("smilerelay");
}

/// One kind of clock reading everywhere: microseconds since 1970-01-01T00:00:00Z.
pub type UnixMicros = i64;

/// The protobuf form of an instant.
#[must_use]
pub fn timestamp(at: UnixMicros) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.div_euclid(1_000_000),
        nanos: i32::try_from(at.rem_euclid(1_000_000) * 1_000).unwrap_or(0),
    }
}
