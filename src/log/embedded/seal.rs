//! Encrypts a body for the disk, and decrypts it.
//!
//! AES-256-GCM under a key of each record's own: derived by HMAC-SHA256 from the key in the file and 12 random bytes, with 12
//! more for the nonce. Two records would have to draw the same 24 bytes, so that no key has to be changed for the number of
//! records, nor for a log that is restored from a copy and uses its sequences again. What is authenticated beside the body
//! is where it stands: the log, the sequence, the record's check. So no body can be put in another's place unnoticed.
//!
//! A sealed body is the key's id (8 bytes), the random bytes (24), the encrypted body, and its tag (16).

use bytes::Bytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::{
    LogId, Position,
    keys::{Key, KeyId, Keyring},
};

const ID: usize = 8;
const SEED: usize = 12;
const HEAD: usize = ID + SEED + NONCE_LEN;
const TAG: usize = 16;
/// What a sealed body takes more than the body.
pub const OVERHEAD: usize = HEAD + TAG;

/// Why a body can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the body of #{sequence} is encrypted with the key {key}, which is none of --encryption-key-file")]
    NoKey { sequence: u64, key: KeyId },
    #[error(
        "the body of #{sequence} is not what was encrypted: the log was changed from outside, or the disk is damaged"
    )]
    Damaged { sequence: u64 },
}

/// The sealed form of the body of the record at `at`.
pub fn seal(key: &Key, log: LogId, at: Position, body: &[u8]) -> Vec<u8> {
    let mut random = [0; SEED + NONCE_LEN];
    rand::fill(&mut random);
    let mut sealed = Vec::with_capacity(body.len() + OVERHEAD);
    sealed.extend_from_slice(&key.id().0);
    sealed.extend_from_slice(&random);
    sealed.extend_from_slice(body);
    let (cipher, nonce) = cipher(key, &random);
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(context(log, at)), &mut sealed[HEAD..]);
    sealed.extend_from_slice(tag.expect("bodies are far below the 64 GiB that AES-GCM takes").as_ref());
    sealed
}

/// The body that was sealed for the record at `at`.
pub fn open(keys: &Keyring, log: LogId, at: Position, sealed: &[u8]) -> Result<Bytes, SealError> {
    let damaged = SealError::Damaged { sequence: at.sequence };
    let (id, rest) = sealed.split_first_chunk::<ID>().ok_or(damaged)?;
    let (random, rest) = rest.split_first_chunk::<{ SEED + NONCE_LEN }>().ok_or(damaged)?;
    let key = keys.get(KeyId(*id)).ok_or(SealError::NoKey { sequence: at.sequence, key: KeyId(*id) })?;
    let (cipher, nonce) = cipher(&key, random);
    let mut body = rest.to_vec();
    let length = cipher.open_in_place(nonce, Aad::from(context(log, at)), &mut body).map_err(|_| damaged)?.len();
    body.truncate(length);
    Ok(body.into())
}

fn cipher(key: &Key, random: &[u8; SEED + NONCE_LEN]) -> (LessSafeKey, Nonce) {
    let (seed, nonce) = random.split_at(SEED);
    let mut context = *b"smile-relay body............";
    context[16..].copy_from_slice(seed);
    let own = key.derive(&context);
    let own = UnboundKey::new(&AES_256_GCM, own.as_ref()).expect("it has the 32 bytes of such a key");
    let nonce = Nonce::try_assume_unique_for_key(nonce).expect("it has the 12 bytes of a nonce");
    (LessSafeKey::new(own), nonce)
}

fn context(log: LogId, at: Position) -> [u8; 32] {
    let mut context = [0; 32];
    context[..16].copy_from_slice(&log.0);
    context[16..24].copy_from_slice(&at.sequence.to_be_bytes());
    context[24..].copy_from_slice(&at.check.to_be_bytes());
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId([3; 16]);
    const AT: Position = Position { sequence: 7, check: 9 };

    fn key(digit: &str) -> Key {
        Key::from_hex(digit.repeat(64).as_bytes()).unwrap()
    }

    #[test]
    fn a_body_comes_back_at_its_own_place_alone() {
        let keys = Keyring::new(vec![key("b"), key("a")]);
        for body in [&b""[..], b"x", &[7; 100_000]] {
            let sealed = seal(&key("a"), LOG, AT, body);
            assert_eq!(sealed.len(), body.len() + OVERHEAD);
            assert_eq!(open(&keys, LOG, AT, &sealed).unwrap(), body);
            assert!(seal(&key("a"), LOG, AT, body) != sealed, "drawn anew each time");
            let damaged = Err(SealError::Damaged { sequence: AT.sequence });
            assert_eq!(open(&keys, LogId([4; 16]), AT, &sealed), damaged);
            assert_eq!(open(&keys, LOG, Position { check: 8, ..AT }, &sealed), damaged);
            let moved = Position { sequence: 8, ..AT };
            assert_eq!(open(&keys, LOG, moved, &sealed), Err(SealError::Damaged { sequence: 8 }));
        }
    }

    #[test]
    fn what_was_changed_or_has_no_key_is_told() {
        let keys = Keyring::new(vec![key("a")]);
        let sealed = seal(&key("a"), LOG, AT, b"a body");
        for at in ID..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&keys, LOG, AT, &changed), Err(SealError::Damaged { sequence: 7 }), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(open(&keys, LOG, AT, &sealed[..length]).is_err(), "{length} bytes");
        }
        let other = seal(&key("b"), LOG, AT, b"a body");
        assert_eq!(open(&keys, LOG, AT, &other), Err(SealError::NoKey { sequence: 7, key: key("b").id() }));
    }
}
