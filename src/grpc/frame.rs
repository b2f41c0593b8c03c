//! Builds gRPC messages from events that are encoded already.
//!
//! A gRPC message is a byte that says whether it is compressed (never, here), its length in four bytes, and a protobuf
//! message; here one whose field 1 is a repeated `Event`, or a single one.

use bytes::{BufMut, Bytes, BytesMut};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};

use crate::event::encode::{put_event_head, put_message_head};

/// The flag and the length.
const PREFIX: usize = 5;

/// A message under construction.
pub struct Frame {
    bytes: BytesMut,
}

impl Frame {
    /// An empty message, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut frame = BytesMut::with_capacity(PREFIX + bytes);
        frame.put_bytes(0, PREFIX);
        Self { bytes: frame }
    }

    /// An event, in field 1.
    pub fn push_event(&mut self, plain: &[u8], raw: &[u8]) {
        put_event_head(&mut self.bytes, plain.len() + raw.len());
        self.bytes.put_slice(plain);
        self.bytes.put_slice(raw);
    }

    /// A message, in any field.
    pub fn push_message(&mut self, field: u32, message: &impl Message) {
        prost::encoding::message::encode(field, message, &mut self.bytes);
    }

    pub fn push_str(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            encode_key(field, WireType::LengthDelimited, &mut self.bytes);
            encode_varint(text.len() as u64, &mut self.bytes);
            self.bytes.put_slice(text.as_bytes());
        }
    }

    pub fn push_number(&mut self, field: u32, number: u64) {
        encode_key(field, WireType::Varint, &mut self.bytes);
        encode_varint(number, &mut self.bytes);
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the message so far.
    pub fn len(&self) -> usize {
        self.bytes.len() - PREFIX
    }

    /// The message, ready to be sent.
    pub fn finish(mut self) -> Bytes {
        let len = length(self.len());
        self.bytes[1..PREFIX].copy_from_slice(&len);
        self.bytes.freeze()
    }
}

/// A whole message of any type, ready to be sent.
pub fn of_message(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PREFIX + message.encoded_len());
    bytes.put_u8(0);
    bytes.put_slice(&length(message.encoded_len()));
    message.encode_raw(&mut bytes);
    bytes.freeze()
}

/// What comes before the bytes of an event that is a message's only field.
pub fn head_of_one_event(event_len: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PREFIX + 16);
    put_message_head(&mut bytes, event_len);
    bytes.freeze()
}

/// Bodies are limited far below 4 GiB (see `webhook`), and so are messages.
fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("messages are bounded by the size of a body").to_be_bytes()
}
