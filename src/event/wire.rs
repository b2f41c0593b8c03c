//! Writes protobuf's wire format field by field, for messages that are never built as Rust values.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

pub fn put_varint(out: &mut Vec<u8>, field: u32, value: u64) {
    encode_key(field, WireType::Varint, out);
    encode_varint(value, out);
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
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

/// A nested message whose length is known only once it is written: written in place, then moved up by its length's
/// bytes.
pub fn put_message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(field, WireType::LengthDelimited, out);
    let start = out.len();
    write(out);
    let len = out.len() - start;
    let mut prefix = Vec::with_capacity(encoded_len_varint(len as u64));
    encode_varint(len as u64, &mut prefix);
    out.splice(start..start, prefix);
}

pub fn put_timestamp(out: &mut Vec<u8>, field: u32, at: &prost_types::Timestamp) {
    put_message(out, field, |out| {
        put_varint_unless_zero(out, 1, at.seconds.cast_unsigned());
        put_varint_unless_zero(out, 2, i64::from(at.nanos).cast_unsigned());
    });
}
