//! Writes protobuf's wire format field by field, for messages that are never built as Rust values.

use prost::encoding::{WireType, encode_varint, encoded_len_varint};

/// Nearly all keys and lengths take one byte or two, for which prost's own would be called and not inlined.
#[inline]
fn put_small(out: &mut Vec<u8>, value: u64) {
    match value {
        0..0x80 => out.push((value & 0x7F) as u8),
        0x80..0x4000 => out.extend_from_slice(&[(value & 0x7F) as u8 | 0x80, (value >> 7 & 0x7F) as u8]),
        _ => encode_varint(value, out),
    }
}

#[inline]
fn put_key(out: &mut Vec<u8>, field: u32, wire_type: WireType) {
    put_small(out, u64::from(field << 3 | wire_type as u32));
}

#[inline]
pub fn put_varint(out: &mut Vec<u8>, field: u32, value: u64) {
    put_key(out, field, WireType::Varint);
    put_small(out, value);
}

/// Left out when zero, as proto3 has it for fields without presence.
pub fn put_varint_unless_zero(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        put_varint(out, field, value);
    }
}

pub fn put_bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    put_length(out, field, value.len());
    out.extend_from_slice(value);
}

/// Left out when empty, as proto3 has it for fields without presence.
pub fn put_str_unless_empty(out: &mut Vec<u8>, field: u32, value: &str) {
    if !value.is_empty() {
        put_bytes(out, field, value.as_bytes());
    }
}

/// The key and length of a length-delimited field, whose `len` bytes the caller puts next.
pub fn put_length(out: &mut Vec<u8>, field: u32, len: usize) {
    put_key(out, field, WireType::LengthDelimited);
    put_small(out, len as u64);
}

/// Begins a nested message, whose length is known only once it is written. Returns what [`end_message`] asks for.
pub fn begin_message(out: &mut Vec<u8>, field: u32) -> usize {
    put_key(out, field, WireType::LengthDelimited);
    // Room for the length of most messages.
    out.push(0);
    out.len()
}

/// Ends the nested message that began at `start`: writes its length before it, and moves it up if that takes more room.
pub fn end_message(out: &mut Vec<u8>, start: usize) {
    let end = out.len();
    let mut len = (end - start) as u64;
    let more = encoded_len_varint(len) - 1;
    if more > 0 {
        out.resize(end + more, 0);
        out.copy_within(start..end, start + more);
    }
    for byte in &mut out[start - 1..start + more] {
        *byte = (len & 0x7F) as u8 | 0x80;
        len >>= 7;
    }
    out[start - 1 + more] &= 0x7F;
}

pub fn put_message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let start = begin_message(out, field);
    write(out);
    end_message(out, start);
}

pub fn put_timestamp(out: &mut Vec<u8>, field: u32, at: &prost_types::Timestamp) {
    put_message(out, field, |out| {
        put_varint_unless_zero(out, 1, at.seconds.cast_unsigned());
        put_varint_unless_zero(out, 2, i64::from(at.nanos).cast_unsigned());
    });
}

/// Field 1 of a nested message: the whole of our `Decimal` and `JsonText`.
pub fn put_wrapped(out: &mut Vec<u8>, field: u32, value: &str) {
    let len = value.len();
    put_length(out, field, if len == 0 { 0 } else { 1 + encoded_len_varint(len as u64) + len });
    put_str_unless_empty(out, 1, value);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn a_message_has_its_length_whatever_that_takes() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let mut out = vec![7];
            put_message(&mut out, 15, |out| out.resize(out.len() + len, 9));
            let mut expected = vec![7];
            put_bytes(&mut expected, 15, &vec![9; len]);
            assert!(out == expected, "{len}");
        }
    }

    #[test]
    fn what_is_wrapped_is_a_message_of_one_string() {
        for value in ["", "1.50", &"x".repeat(300)] {
            let mut out = Vec::new();
            put_wrapped(&mut out, 3, value);
            let wrapped = crate::event::pb::Decimal { value: value.to_owned() };
            let mut expected = Vec::new();
            put_bytes(&mut expected, 3, &wrapped.encode_to_vec());
            assert_eq!(out, expected);
        }
    }
}
