//! HTTP/2 frames, made by hand: no library would send these.

/// What every connection begins with: the preface, and settings that change nothing.
pub fn opening() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])[..]].concat()
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that is not to be remembered, its name in small letters. No longer than HPACK has one byte for.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    literal(0x00, name, value)
}

/// A field that the decoder remembers.
pub fn remembered(name: &str, value: &str) -> Vec<u8> {
    literal(0x40, name, value)
}

fn literal(kind: u8, name: &str, value: &str) -> Vec<u8> {
    [&[kind][..], &length(name.len()), name.as_bytes(), &length(value.len()), value.as_bytes()].concat()
}

/// A length, as HPACK writes it in seven bits and more.
fn length(length: usize) -> Vec<u8> {
    let Some(mut rest) = length.checked_sub(127) else { return vec![u8::try_from(length).unwrap()] };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// The head of a POST to the endpoint `smile`, with a signature that could be right.
pub fn post_head() -> Vec<u8> {
    [
        // :method POST and :scheme https, which HPACK knows by number.
        &[0x83, 0x87][..],
        &field(":path", "/webhooks/smile"),
        &field(":authority", "relay"),
        &field("smile-signature", &"0".repeat(128)),
    ]
    .concat()
}
