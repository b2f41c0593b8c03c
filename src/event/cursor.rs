//! A place in a log, as callers hold it.
//!
//! A cursor names the log, the sequence of the last record before the place, and a check of that very record, so that
//! a log which was restored from a copy and then grew differently is noticed. To callers it is an opaque text; a
//! guard at its end tells one that was damaged or made up from one of another log.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use xxhash_rust::xxh3::xxh3_64;

const VERSION: u8 = 1;
const BYTES: usize = 1 + 8 + 8 + 8 + 3;
/// The length of a cursor's text: six bits a letter.
pub const LETTERS: usize = (BYTES * 8).div_ceil(6);

/// A log's own random id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogId(pub [u8; 16]);

impl LogId {
    fn short(&self) -> &[u8; 8] {
        self.0.first_chunk().expect("it has 16")
    }
}

/// The place after the record with this sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// 0: before everything that the log ever held.
    pub sequence: u64,
    /// What the log computed of that record when it was stored; 0 for the sequence 0.
    pub check: u64,
}

/// A cursor that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    #[error("it is not a cursor, or was damaged")]
    Unreadable,
    #[error("it is of another log")]
    ForeignLog,
}

/// The text of a place in the log `log`.
#[must_use]
pub fn encode(log: LogId, at: Position) -> String {
    encode_letters(log, at).into_iter().map(char::from).collect()
}

/// As [`encode`], without a string.
#[must_use]
pub fn encode_letters(log: LogId, at: Position) -> [u8; LETTERS] {
    let mut bytes = [0; BYTES];
    bytes[0] = VERSION;
    bytes[1..9].copy_from_slice(log.short());
    bytes[9..17].copy_from_slice(&at.sequence.to_be_bytes());
    bytes[17..25].copy_from_slice(&at.check.to_be_bytes());
    let guard = guard(&bytes[..25]);
    bytes[25..].copy_from_slice(&guard);
    let mut letters = [0; LETTERS];
    URL_SAFE_NO_PAD.encode_slice(bytes, &mut letters).expect("there is room for as many letters");
    letters
}

/// The place that `text` names in the log `log`. Whether the log holds that very record is the log's to say.
///
/// # Errors
/// If it is no cursor at all, or one of another log.
pub fn decode(log: LogId, text: &str) -> Result<Position, CursorError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Unreadable)?;
    let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| CursorError::Unreadable)?;
    let (content, found) = bytes.split_at(BYTES - 3);
    if content[0] != VERSION || found != guard(content) {
        return Err(CursorError::Unreadable);
    }
    if content[1..9] != log.short()[..] {
        return Err(CursorError::ForeignLog);
    }
    let number = |at: usize| content[at..at + 8].iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
    Ok(Position { sequence: number(9), check: number(17) })
}

fn guard(content: &[u8]) -> [u8; 3] {
    let [a, b, c, ..] = xxh3_64(content).to_be_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOG: LogId = LogId([7; 16]);

    proptest! {
        #[test]
        fn comes_back_as_it_was(sequence: u64, check: u64) {
            let at = Position { sequence, check };
            let text = encode(LOG, at);
            prop_assert!(text.len() <= 64);
            prop_assert_eq!(decode(LOG, &text), Ok(at));
            prop_assert_eq!(decode(LogId([8; 16]), &text), Err(CursorError::ForeignLog));
        }

        #[test]
        fn any_text_is_answered(text: String) {
            prop_assert_eq!(decode(LOG, &text), Err(CursorError::Unreadable));
        }

        #[test]
        fn a_changed_character_is_noticed(sequence: u64, at in 0usize..37) {
            let mut text = encode(LOG, Position { sequence, check: 1 }).into_bytes();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            prop_assert_eq!(decode(LOG, &String::from_utf8(text).unwrap()), Err(CursorError::Unreadable));
        }
    }
}
