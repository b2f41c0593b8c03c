//! Removes from an encoded event what a plan says. The rest is copied byte for byte, so it is what the plain form has.

use prost::{
    bytes::Buf,
    encoding::{WireType, decode_key, decode_varint},
};

use super::plan::{Fate, Place, Plan};
use crate::event::wire;

/// The fields of `Event` that the log keeps beside the body, with what the envelope says of versions and times. All others
/// but the content go: decode issues, the raw body, the signature, and what a later version adds until it is named here.
pub const KEPT: [u32; 15] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 18];

/// Puts `event`, an encoded `Event`, without what goes.
pub fn put_event(out: &mut Vec<u8>, event: &[u8], plan: &Plan) {
    for field in fields(event) {
        let fate =
            if KEPT.contains(&field.number) { Fate::Stays } else { plan.content(field.number).unwrap_or(Fate::Goes) };
        put_field(out, &field, fate, plan);
    }
}

fn put_field(out: &mut Vec<u8>, field: &Field<'_>, fate: Fate, plan: &Plan) {
    match fate {
        Fate::Stays => out.extend_from_slice(field.whole),
        Fate::Goes => {}
        Fate::Within(place) => {
            if let Some(message) = field.message {
                let start = wire::begin_message(out, field.number);
                put_message(out, message, place, plan);
                wire::end_message(out, start);
            }
        }
    }
}

fn put_message(out: &mut Vec<u8>, message: &[u8], place: Place, plan: &Plan) {
    for field in fields(message) {
        put_field(out, &field, plan.field(place, field.number), plan);
    }
}

/// Puts `event` without the field `number`.
pub fn put_without(out: &mut Vec<u8>, event: &[u8], number: u32) {
    fields(event).filter(|field| field.number != number).for_each(|field| out.extend_from_slice(field.whole));
}

/// One field as it is encoded.
struct Field<'b> {
    number: u32,
    /// With its key.
    whole: &'b [u8],
    /// The content of a length-delimited one.
    message: Option<&'b [u8]>,
}

/// The fields of a message, up to what can't be read: nothing that was encoded here.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let before = bytes;
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        let mut message = None;
        let len = match wire_type {
            WireType::Varint => decode_varint(&mut bytes).map(|_| 0).ok()?,
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => {
                let len = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                message = Some(bytes.get(..len)?);
                len
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        if bytes.len() < len {
            return None;
        }
        bytes.advance(len);
        Some(Field { number, whole: &before[..before.len() - bytes.len()], message })
    })
    .fuse()
}
