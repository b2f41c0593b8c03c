//! Encodes a stored record as a protobuf `Event`: once, for all who will be sent it.
//!
//! The same record always gives the same bytes, so that a large event can be encoded again for the rest of a delivery
//! that stalled half-way.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    coding,
    cursor::{self, LogId, Position},
    envelope,
    issues::Issues,
    json::{Kind, each_member, is_json},
    pb::{DecodeProblem, EventSource, OmittedReason},
    record::Record,
    schema::SCHEMA,
    timestamp, transcode, wire,
};

/// An event as bytes. An encoded `Event` is `plain`, or `plain` followed by `raw`: the fields of a protobuf message may
/// come in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// All fields but the raw body and the signature.
    pub plain: Bytes,
    /// The fields `raw_body` and `signature`.
    pub raw: Bytes,
}

/// Room that is made for the fields at first: those of nearly every event fit.
const PLAIN_BYTES: usize = 4096;

/// Encodes `record` whole.
#[must_use]
pub fn whole(log: LogId, record: &Record) -> Encoded {
    let mut out = Vec::with_capacity(record.body.len().min(PLAIN_BYTES) + 256);
    put_columns(&mut out, log, record);
    put_body(&mut out, record);
    let mut raw = Vec::with_capacity(record.body.len() + record.signature.len() * 2 + 16);
    wire::put_bytes(&mut raw, 13, &record.body);
    if !record.signature.is_empty() {
        wire::put_bytes(&mut raw, 14, hex::encode(&record.signature).as_bytes());
    }
    // Caches count an event by its length: a vector's spare room would be held uncounted.
    Encoded { plain: out.into_boxed_slice().into(), raw: raw.into_boxed_slice().into() }
}

/// Encodes `record` without its content, for whoever does not want as many as `size` bytes.
#[must_use]
pub fn omitted(log: LogId, record: &Record, size: u64) -> Bytes {
    let mut out = Vec::with_capacity(256);
    put_columns(&mut out, log, record);
    wire::put_message(&mut out, 17, |out| {
        wire::put_varint(out, 1, OmittedReason::TooLarge as u64);
        wire::put_varint_unless_zero(out, 2, size);
    });
    out.into_boxed_slice().into()
}

/// The number of a type name in `EventType`; 0 if it is not known.
#[must_use]
pub fn type_number(type_name: &str) -> i32 {
    SCHEMA.types.get(type_name).map_or(0, |known| known.number)
}

/// What is known of a record without its body.
fn put_columns(out: &mut Vec<u8>, log: LogId, record: &Record) {
    let at = Position { sequence: record.sequence, check: record.check };
    wire::put_str_unless_empty(out, 1, &record.id);
    wire::put_varint(out, 2, record.sequence);
    wire::put_bytes(out, 3, cursor::encode(log, at).as_bytes());
    wire::put_varint_unless_zero(out, 4, u64::from(type_number(&record.type_name).cast_unsigned()));
    wire::put_str_unless_empty(out, 5, &record.type_name);
    wire::put_timestamp(out, 8, &timestamp(record.received_at));
    wire::put_varint_unless_zero(out, 9, record.source as u64);
    wire::put_str_unless_empty(out, 10, &record.endpoint);
    wire::put_str_unless_empty(out, 11, &record.user_id);
    wire::put_varint_unless_zero(out, 15, record.conflicts_with);
    wire::put_str_unless_empty(out, 16, &record.traceparent);
}

/// What the body says, and what is the matter with it.
fn put_body(out: &mut Vec<u8>, record: &Record) {
    let mut issues = Issues::default();
    let plain = coding::undone(&record.body, &record.content_encoding).unwrap_or_else(|| {
        issues.note(DecodeProblem::ContentEncoding, "gzip, deflate or none", "another coding, or a broken one");
        Cow::Borrowed(&record.body)
    });
    let text = envelope::text(&plain);
    if matches!(text, Cow::Owned(_)) {
        issues.note(DecodeProblem::NotUtf8, "UTF-8", "other bytes");
    }
    let start = out.len();
    if !put_object(out, record, &text, &mut issues) {
        // Nothing of a broken object is kept: it could be a part of anything.
        out.truncate(start);
        issues.found.retain(|issue| matches!(issue.problem(), DecodeProblem::NotUtf8 | DecodeProblem::ContentEncoding));
        let found = if is_json(&text) { "another value" } else { "invalid JSON" };
        issues.note(DecodeProblem::NotJson, "object", found);
    }
    for issue in &issues.found {
        wire::put_bytes(out, 12, &prost::Message::encode_to_vec(issue));
    }
}

/// Puts what stands in the envelope and under `data`; false if the text is not a JSON object.
fn put_object(out: &mut Vec<u8>, record: &Record, text: &str, issues: &mut Issues) -> bool {
    let names = ["id", "type", "version", "createdAt", "data"];
    let mut found: [Option<&RawValue>; 5] = [None; 5];
    let walked = each_member(text, |name, value| match names.iter().position(|known| *known == name) {
        Some(at) if found[at].replace(value).is_some() => {
            issues.at(&name, |issues| issues.note(DecodeProblem::DuplicateField, "", Kind::of(value).name()));
        }
        Some(_) => {}
        None => issues.at(&name, |issues| issues.note(DecodeProblem::UnknownField, "", Kind::of(value).name())),
    });
    if walked.is_err() {
        return false;
    }
    let [id, type_name, version, created_at, data] = found;
    if record.source == EventSource::Webhook {
        for (name, value) in [("id", id), ("type", type_name)] {
            issues.at(name, |issues| match value {
                None => issues.note(DecodeProblem::MissingField, "string", ""),
                Some(value) if !envelope::is_usable(value) => {
                    issues.unexpected("string of 1 to 512 bytes", value);
                }
                Some(_) => {}
            });
        }
    }
    let set = |value: Option<&'_ RawValue>| value.is_some_and(|value| Kind::of(value) != Kind::Null);
    if let Some(version) = version.filter(|_| set(version)) {
        let text = match Kind::of(version) {
            Kind::Number => Some(Cow::Borrowed(version.get())),
            _ => issues.at("version", |issues| transcode::scalar_text("number", version, issues)),
        };
        wire::put_str_unless_empty(out, 6, &text.unwrap_or_default());
    }
    if let Some(created_at) = created_at.filter(|_| set(created_at))
        && let Some(at) = issues.at("createdAt", |issues| transcode::time(created_at, issues))
    {
        wire::put_timestamp(out, 7, &at);
    }
    let typed = SCHEMA.types.get(&record.type_name).and_then(|known| known.data);
    if let (Some(data), Some((field, message))) = (data.filter(|_| set(data)), typed) {
        issues.at("data", |issues| transcode::put_content(out, field, message, data, issues));
    }
    true
}

#[cfg(test)]
pub mod tests;
