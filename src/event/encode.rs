//! Encodes a stored record as a protobuf `Event`: once, for all who will be sent it.
//!
//! The same record always gives the same bytes, so that a large event can be encoded again for the rest of a delivery
//! that stalled half-way.

use std::{borrow::Cow, mem, ops::Range};

use bytes::{BufMut, Bytes};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::{
    coding,
    cursor::{self, LogId, Position},
    envelope,
    issues::{Expected, Issues, LISTED},
    json::{self, Kind, NotJson, Reader},
    pb::{self, DecodeIssue, DecodeProblem, EventSource, OmittedReason},
    record::Record,
    redaction::{self, Redaction},
    schema::{EventType, SCHEMA, names::CALLBACKS},
    timestamp,
    transcode::Decoder,
    widget, wire,
};

/// An event as bytes. An encoded `Event` is `plain`, or `plain` followed by `raw`: the fields of a protobuf message may
/// come in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// All fields but the raw body and the signature.
    pub plain: Bytes,
    /// The fields `raw_body` and `signature`.
    pub raw: Bytes,
    /// `plain` as the only event of a gRPC message, ready to be sent: what live streams share.
    pub alone: Bytes,
}

/// What comes before an event that is a gRPC message's only field: the flag and the length of the message, the key and
/// the length of the event.
pub fn put_message_head(out: &mut impl BufMut, event_len: usize) {
    out.put_u8(0);
    // Bodies are limited far below 4 GiB (see `webhook`), and so are messages.
    let len = u32::try_from(1 + encoded_len_varint(event_len as u64) + event_len);
    out.put_u32(len.expect("messages are bounded by the size of a body"));
    put_event_head(out, event_len);
}

/// What comes before an event that is one of several of a message: the key and the length.
pub fn put_event_head(out: &mut impl BufMut, event_len: usize) {
    encode_key(1, WireType::LengthDelimited, out);
    encode_varint(event_len as u64, out);
}

/// What such a head takes at most.
const HEAD_ROOM: usize = 5 + 1 + 5;

/// Encodes `record` whole.
#[must_use]
pub fn whole(log: LogId, record: &Record) -> Encoded {
    let (plain, alone) = plain(log, record);
    Encoded { plain, raw: raw(record), alone }
}

/// The parts `plain` and `alone` of `record`, which share their bytes.
#[must_use]
pub fn plain(log: LogId, record: &Record) -> (Bytes, Bytes) {
    // What is typed is hardly ever longer than its JSON. To grow a large vector takes as much memory again.
    let mut out = Vec::with_capacity(record.body.len() + 256);
    out.resize(HEAD_ROOM, 0);
    let known = SCHEMA.event_type(record.source, &record.type_name);
    put_columns(&mut out, log, record, known);
    if record.is_erased {
        put_omitted(&mut out, OmittedReason::Erased, 0);
    } else if record.source == EventSource::Widget {
        widget::put(&mut out, record, known);
    } else {
        put_body(&mut out, record, known);
    }
    with_head(out)
}

/// The part `raw` of `record`.
#[must_use]
pub fn raw(record: &Record) -> Bytes {
    let mut raw = Vec::with_capacity(raw_len(record));
    if !record.is_erased {
        wire::put_bytes(&mut raw, 13, &record.body);
    }
    let digits = 2 * record.signature.len();
    if digits > 0 {
        wire::put_length(&mut raw, 14, digits);
        let start = raw.len();
        raw.resize(start + digits, 0);
        faster_hex::hex_encode(&record.signature, &mut raw[start..]).expect("there is room for as many digits");
    }
    raw.into_boxed_slice().into()
}

/// How long the part `raw` of `record` is, whose body may have been left out.
#[must_use]
pub fn raw_len(record: &Record) -> usize {
    let length = |len: usize| 1 + encoded_len_varint(len as u64) + len;
    let body = usize::try_from(record.body_bytes).expect("SQLite's values are shorter than 2 GiB");
    let body = if record.is_erased { 0 } else { length(body) };
    body + if record.signature.is_empty() { 0 } else { length(2 * record.signature.len()) }
}

/// An event that was written after room for its head: the event, and that with the head.
fn with_head(mut out: Vec<u8>) -> (Bytes, Bytes) {
    let plain = out.len() - HEAD_ROOM;
    let head = HEAD_ROOM - (5 + 1 + encoded_len_varint(plain as u64));
    put_message_head(&mut &mut out[head..HEAD_ROOM], plain);
    // Caches count an event by its length: a vector's spare room would be held uncounted.
    let alone = Bytes::from(out.into_boxed_slice()).split_off(head);
    (alone.slice(HEAD_ROOM - head..), alone)
}

/// The same event for those who may not see all of it: without what `redaction` names, and without what could hold that in
/// any other form (see [`redaction`](super::redaction)). The rest is as in `whole`, byte for byte.
#[must_use]
pub fn redacted(whole: &Encoded, redaction: &Redaction) -> Encoded {
    let mut out = Vec::with_capacity(HEAD_ROOM + whole.plain.len());
    out.resize(HEAD_ROOM, 0);
    redaction.put(&mut out, &whole.plain);
    if out[HEAD_ROOM..] == whole.plain {
        // Nothing of it had to go: the bytes are there already.
        return Encoded { raw: Bytes::new(), ..whole.clone() };
    }
    let (plain, alone) = with_head(out);
    Encoded { plain, raw: Bytes::new(), alone }
}

/// Encodes `record` without its content, for whoever does not want as many as `size` bytes.
#[must_use]
pub fn omitted(log: LogId, record: &Record, size: u64) -> Bytes {
    let mut out = Vec::with_capacity(256);
    put_columns(&mut out, log, record, SCHEMA.event_type(record.source, &record.type_name));
    put_omitted(&mut out, OmittedReason::TooLarge, size);
    out.into_boxed_slice().into()
}

/// What [`omitted`] gives, `stub`, of an event that has another size in another form.
#[must_use]
pub fn omitted_again(stub: &Bytes, size: u64) -> Bytes {
    let mut out = Vec::with_capacity(stub.len());
    redaction::put_without(&mut out, stub, OMITTED);
    put_omitted(&mut out, OmittedReason::TooLarge, size);
    out.into_boxed_slice().into()
}

/// The field `Event.omitted`.
const OMITTED: u32 = 17;

fn put_omitted(out: &mut Vec<u8>, reason: OmittedReason, size: u64) {
    wire::put_message(out, OMITTED, |out| {
        wire::put_varint(out, 1, reason as u64);
        wire::put_varint_unless_zero(out, 2, size);
    });
}

/// The number of a type name in `EventType`; 0 if it is not known.
#[must_use]
pub fn type_number(source: EventSource, type_name: &str) -> i32 {
    SCHEMA.event_type(source, type_name).map_or(0, |known| known.number)
}

/// The names of all types of webhooks that are known. Does without the tables, which take some time to make.
pub fn webhook_types() -> impl Iterator<Item = &'static str> {
    let is_callback = |name: &str| CALLBACKS.iter().any(|callback| callback.event_type == name);
    let names = (1..=LAST_TYPE).filter_map(|number| pb::EventType::try_from(number).ok());
    let names = names.filter_map(|known| known.as_str_name().strip_prefix("EVENT_TYPE_"));
    names.filter(move |name| !is_callback(name))
}

/// No number in `EventType` is larger.
const LAST_TYPE: i32 = 999;

/// What is known of a record without its body.
fn put_columns(out: &mut Vec<u8>, log: LogId, record: &Record, known: Option<&EventType>) {
    let at = Position { sequence: record.sequence, check: record.check };
    wire::put_str_unless_empty(out, 1, &record.id);
    wire::put_varint(out, 2, record.sequence);
    wire::put_bytes(out, 3, &cursor::encode_letters(log, at));
    wire::put_varint_unless_zero(out, 4, known.map_or(0, |known| u64::from(known.number.cast_unsigned())));
    wire::put_str_unless_empty(out, 5, &record.type_name);
    wire::put_timestamp(out, 8, &timestamp(record.received_at));
    wire::put_varint_unless_zero(out, 9, record.source as u64);
    wire::put_str_unless_empty(out, 10, &record.endpoint);
    wire::put_str_unless_empty(out, 11, &record.user_id);
    wire::put_varint_unless_zero(out, 15, record.conflicts_with);
    wire::put_str_unless_empty(out, 16, &record.traceparent);
}

/// What the body says, and what is the matter with it.
fn put_body(out: &mut Vec<u8>, record: &Record, known: Option<&EventType>) {
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
    let mut found = issues.found;
    if let Ok(more) = put_object(out, known, &text) {
        found.extend(more);
        found.truncate(LISTED);
    } else {
        // Nothing of a broken object is kept: it could be a part of anything.
        out.truncate(start);
        let mut issues = Issues::default();
        let kind = if json::value(&text).is_ok() { "another value" } else { "invalid JSON" };
        issues.note(DecodeProblem::NotJson, "object", kind);
        found.extend(issues.found);
    }
    for issue in &found {
        wire::put_bytes(out, 12, &prost::Message::encode_to_vec(issue));
    }
}

/// Puts what stands in the envelope and under `data`. Returns what is the matter, the envelope's part first.
fn put_object(out: &mut Vec<u8>, content: Option<&EventType>, text: &str) -> Result<Vec<DecodeIssue>, NotJson> {
    let mut values: [Option<&str>; 4] = [None; 4];
    let mut data: Option<Range<usize>> = None;
    let mut envelope = Issues::default();
    let mut decoder = Decoder::new(out);
    let mut reader = Reader::new(text);
    reader.members(|reader, name| {
        let found = reader.kind()?;
        let member = MEMBERS.iter().position(|known| *known == name);
        let is_again = member.map_or(data.is_some() && name == "data", |at| values[at].is_some());
        if is_again {
            envelope.note_member(name.clone(), DecodeProblem::DuplicateField, "", found.name());
        }
        if let Some(at) = member {
            values[at] = Some(reader.skip()?);
        } else if name == "data" {
            if let Some(earlier) = data.take() {
                decoder.out.truncate(earlier.start);
            }
            let start = decoder.out.len();
            decoder.issues.enter(name);
            match content {
                Some(content) if found != Kind::Null => decoder.content(reader, content.field, content.message)?,
                _ => drop(reader.skip()?),
            }
            decoder.issues.leave();
            data = Some(start..decoder.out.len());
        } else {
            envelope.note_member(name, DecodeProblem::UnknownField, "", found.name());
            reader.skip()?;
        }
        Ok(())
    })?;
    reader.end()?;
    let of_data = mem::replace(&mut decoder.issues.found, envelope.found);
    decoder.put_envelope(values)?;
    let mut issues = decoder.issues.found;
    issues.extend(of_data);
    Ok(issues)
}

/// The members of the envelope beside `data`.
const MEMBERS: [&str; 4] = ["id", "type", "version", "createdAt"];

impl<'t> Decoder<'t, '_> {
    fn put_envelope(&mut self, values: [Option<&'t str>; 4]) -> Result<(), NotJson> {
        for (name, value) in MEMBERS.into_iter().zip(values) {
            self.issues.enter(Cow::Borrowed(name));
            self.put_member(name, value)?;
            self.issues.leave();
        }
        Ok(())
    }

    fn put_member(&mut self, name: &str, value: Option<&'t str>) -> Result<(), NotJson> {
        let Some(value) = value else {
            if matches!(name, "id" | "type") {
                self.issues.note(DecodeProblem::MissingField, "string", "");
            }
            return Ok(());
        };
        let mut reader = Reader::new(value);
        let found = reader.kind()?;
        match (name, found) {
            ("id" | "type", _) => {
                if envelope::usable(&mut reader)?.is_none() {
                    self.issues.unexpected(Expected::Name, found, value);
                }
            }
            (_, Kind::Null) => {}
            ("version", Kind::Number) => wire::put_bytes(self.out, 6, value.as_bytes()),
            ("version", _) => {
                let text = self.text(&mut reader, Expected::Number)?;
                wire::put_str_unless_empty(self.out, 6, &text.unwrap_or_default());
            }
            _ => {
                if let Some(at) = self.time(&mut reader)? {
                    wire::put_timestamp(self.out, 7, &at);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub mod tests;
