//! Strings of JSON: where they end, and what they say.

use std::{borrow::Cow, fmt};

use serde::de::{Deserializer, Error, Visitor};

use super::NotJson;

/// The length of the string that `bytes` begin with, quotes included, and whether it holds no escapes.
pub fn length(bytes: &[u8]) -> Option<(usize, bool)> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let (mut at, mut is_plain) = (1, true);
    loop {
        at += plain_length(&bytes[at..]);
        match bytes.get(at)? {
            b'"' => return Some((at + 1, is_plain)),
            b'\\' => at += escape_length(&bytes[at..])?,
            // A control character, which only an escape may stand for.
            _ => return None,
        }
        is_plain = false;
    }
}

/// How many of `bytes` stand for themselves. Looks at eight at a time: most of a body is inside strings.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // Exact up to the first byte that is found, which is all that is asked of it.
    let below = |word: u64, byte: u8| word.wrapping_sub(ONES * u64::from(byte)) & !word & HIGH;
    let mut at = 0;
    while let Some(Ok(eight)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(eight);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = quote | backslash | below(word, 0x20);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).unwrap_or(rest.len())
}

fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' if bytes.get(2..6)?.iter().all(u8::is_ascii_hexdigit) => Some(6),
        _ => None,
    }
}

/// What a string with escapes says. `literal` has its quotes.
pub fn unescaped(literal: &str) -> Result<Cow<'_, str>, NotJson> {
    // Asked for as bytes, since only so lone surrogates are let through.
    serde_json::Deserializer::from_str(literal).deserialize_bytes(Lossy).map(Cow::Owned).map_err(|_| NotJson)
}

struct Lossy;

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}
