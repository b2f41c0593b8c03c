//! Turns the JSON of a body into protobuf's wire format, driven by the tables of the proto. No Rust value of the
//! message is built on the way.
//!
//! Tolerant by rule: null is absence, the last of several equal names counts, a scalar of another kind is taken by its
//! text where a string is expected, and what can't be taken is left out and said. One odd field never costs the others.

use std::{borrow::Cow, ops::RangeInclusive};

use prost_types::Timestamp;
use serde_json::value::RawValue;

use super::{
    issues::Issues,
    json::{self, Kind, each_element, each_member},
    pb::DecodeProblem,
    schema::{self, Field, Message, SCHEMA},
    wire::{put_bytes, put_message, put_timestamp, put_varint},
};

/// Puts field `number` with the message `message` made of `value`, which is expected to be an object, or what stands
/// for one. Left out if it is neither.
pub fn put_content(out: &mut Vec<u8>, number: u32, message: usize, value: &RawValue, issues: &mut Issues) {
    let message = &SCHEMA.messages[message];
    match (Kind::of(value), message.list) {
        (Kind::Object, None) => put_message(out, number, |out| put_members(out, message, value, issues)),
        (Kind::Array, Some(list)) => {
            put_message(out, number, |out| put_field(out, &message.fields[list], value, issues));
        }
        // A bare value where a list of such values is expected.
        (Kind::String | Kind::Number, Some(list)) => {
            put_message(out, number, |out| put_element(out, &message.fields[list], value, issues));
        }
        (_, Some(_)) => issues.unexpected("array", value),
        (_, None) => issues.unexpected("object", value),
    }
}

fn put_members(out: &mut Vec<u8>, message: &Message, value: &RawValue, issues: &mut Issues) {
    let mut values: Vec<Option<(Cow<'_, str>, &RawValue)>> = vec![None; message.fields.len()];
    let walked = each_member(value.get(), |name, value| {
        let Some(field) = message.field(&name) else {
            return issues.at(&name, |issues| issues.note(DecodeProblem::UnknownField, "", Kind::of(value).name()));
        };
        if let Some((earlier, _)) = &values[field] {
            issues.at(&name, |issues| issues.note(DecodeProblem::DuplicateField, "", Kind::of(value).name()));
            // Null under one spelling says nothing of what is sent under the other.
            if Kind::of(value) == Kind::Null && *earlier != name {
                return;
            }
        }
        values[field] = Some((name, value));
    });
    debug_assert!(walked.is_ok(), "a raw value is well formed");
    for (field, value) in message.fields.iter().zip(values) {
        if let Some((name, value)) = value.filter(|(_, value)| Kind::of(value) != Kind::Null) {
            issues.at(&name, |issues| put_field(out, field, value, issues));
        }
    }
}

fn put_field(out: &mut Vec<u8>, field: &Field, value: &RawValue, issues: &mut Issues) {
    if !field.repeated {
        return put_element(out, field, value, issues);
    }
    if Kind::of(value) != Kind::Array {
        return issues.unexpected("array", value);
    }
    let mut at = 0;
    let walked = each_element(value.get(), |element| {
        issues.at(&at.to_string(), |issues| put_element(out, field, element, issues));
        at += 1;
    });
    debug_assert!(walked.is_ok(), "a raw value is well formed");
}

fn put_element(out: &mut Vec<u8>, field: &Field, value: &RawValue, issues: &mut Issues) {
    match field.kind {
        schema::Kind::String => {
            if let Some(text) = scalar_text("string", value, issues) {
                put_bytes(out, field.number, text.as_bytes());
            }
        }
        schema::Kind::Bool => match value.get() {
            "true" => put_varint(out, field.number, 1),
            "false" => put_varint(out, field.number, 0),
            _ => issues.unexpected("boolean", value),
        },
        schema::Kind::Timestamp => {
            if let Some(at) = time(value, issues) {
                put_timestamp(out, field.number, &at);
            }
        }
        schema::Kind::Count => match value.get().parse::<i32>() {
            Ok(count) => put_varint(out, field.number, i64::from(count).cast_unsigned()),
            Err(_) => issues.unexpected("integer", value),
        },
        schema::Kind::Decimal if Kind::of(value) == Kind::Number => {
            put_message(out, field.number, |out| put_bytes(out, 1, value.get().as_bytes()));
        }
        schema::Kind::Decimal => issues.unexpected("number", value),
        schema::Kind::Json => put_message(out, field.number, |out| put_bytes(out, 1, value.get().as_bytes())),
        schema::Kind::Message(message) => put_content(out, field.number, message, value, issues),
    }
}

/// The text of a scalar: a string's content, a number's digits as sent. An issue is noted for all but strings.
pub fn scalar_text<'v>(expected: &str, value: &'v RawValue, issues: &mut Issues) -> Option<Cow<'v, str>> {
    match Kind::of(value) {
        Kind::String => json::string(value),
        Kind::Number | Kind::Boolean => {
            issues.unexpected(expected, value);
            Some(Cow::Borrowed(value.get()))
        }
        Kind::Null | Kind::Array | Kind::Object => {
            issues.unexpected(expected, value);
            None
        }
    }
}

/// The years 1 to 9999: protobuf allows no others, and clients refuse them or fail.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// An instant as Smile writes it: RFC 3339, read as UTC where it names no zone.
pub fn time(value: &RawValue, issues: &mut Issues) -> Option<Timestamp> {
    let Some(text) = json::string(value) else {
        issues.unexpected("RFC 3339 time", value);
        return None;
    };
    let at = text.trim().parse().ok().filter(|at: &Timestamp| SECONDS.contains(&at.seconds));
    if at.is_none() {
        issues.unreadable_time(&text);
    }
    at
}

#[cfg(test)]
mod tests;
