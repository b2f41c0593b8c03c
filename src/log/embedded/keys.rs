//! The keys that bodies are encrypted with at rest: the first encrypts, all decrypt.
//!
//! Promises: a key is shown nowhere but by its id, which is made of a MAC and says nothing of it, and its bytes are wiped when
//! it is let go. No key is ever given up that a record in the log still needs: neither at start nor while the relay runs.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use ring::hmac;
use rusqlite::{Connection, params};
use zeroize::Zeroizing;

use super::schema;

/// The bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Tells one key from another. Stands on each record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&faster_hex::hex_string(&self.0))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A key.
pub struct Key {
    id: KeyId,
    secret: Zeroizing<[u8; KEY_BYTES]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.id).finish()
    }
}

/// What is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has to hold 64 hexadecimal digits, as `openssl rand -hex 32` makes them")]
pub struct KeyError;

impl Key {
    /// Reads a key from its 64 hexadecimal digits.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn from_hex(digits: &[u8]) -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        if digits.len() != 2 * KEY_BYTES {
            return Err(KeyError);
        }
        faster_hex::hex_decode(digits, &mut secret[..]).map_err(|_| KeyError)?;
        let mut key = Self { id: KeyId([0; 8]), secret };
        let id = key.derive(b"smile-relay key id");
        key.id = KeyId(*id.as_ref().first_chunk().expect("it has 32"));
        Ok(key)
    }

    pub fn id(&self) -> KeyId {
        self.id
    }

    /// A key of 32 bytes for one use, which `context` names.
    pub fn derive(&self, context: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret[..]), context)
    }
}

/// The keys in force. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    state: Arc<RwLock<State>>,
}

#[derive(Debug, Default)]
struct State {
    keys: Vec<Arc<Key>>,
    /// The keys of which there are records.
    needed: Vec<KeyId>,
}

/// Records are encrypted with a key that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log holds bodies that are encrypted with the key {0}, which is none of those given")]
pub struct MissingKey(pub KeyId);

impl State {
    fn check(keys: &[Arc<Key>], needed: &[KeyId]) -> Result<(), MissingKey> {
        let missing = needed.iter().find(|id| !keys.iter().any(|key| key.id == **id));
        missing.map_or(Ok(()), |id| Err(MissingKey(*id)))
    }
}

impl Keyring {
    #[must_use]
    pub fn new(keys: Vec<Key>) -> Self {
        let keys = keys.into_iter().map(Arc::new).collect();
        Self { state: Arc::new(RwLock::new(State { keys, needed: Vec::new() })) }
    }

    /// Puts other keys in force.
    ///
    /// # Errors
    /// If one is missing that records need; then nothing changes.
    pub fn replace(&self, keys: Vec<Key>) -> Result<(), MissingKey> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<_> = keys.into_iter().map(Arc::new).collect();
        State::check(&keys, &state.needed)?;
        state.keys = keys;
        Ok(())
    }

    /// The key with this id.
    pub(super) fn get(&self, id: KeyId) -> Option<Arc<Key>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.keys.iter().find(|key| key.id == id).cloned()
    }

    /// The key that new records are encrypted with. None: they are not. From now on no other key set is taken without it.
    fn first(&self) -> Option<Arc<Key>> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let first = state.keys.first().cloned()?;
        if !state.needed.contains(&first.id) {
            state.needed.push(first.id);
        }
        Some(first)
    }

    /// Says which keys records need.
    fn require(&self, needed: Vec<KeyId>) -> Result<(), MissingKey> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        State::check(&state.keys, &needed)?;
        state.needed = needed;
        Ok(())
    }
}

/// What the table `keys` holds for the key in use.
const IN_USE: i64 = i64::MAX;

/// The writer's side: which key it uses, and which ones the log needs.
pub struct InUse {
    keys: Keyring,
    /// The key that the table names as the one in use.
    recorded: Option<KeyId>,
}

/// Makes sure that all keys are there that the log needs.
pub fn check(connection: &Connection, keys: &Keyring) -> rusqlite::Result<Result<(), MissingKey>> {
    Ok(keys.require(ids(connection)?))
}

fn ids(connection: &Connection) -> rusqlite::Result<Vec<KeyId>> {
    let mut ids = connection.prepare_cached("SELECT id FROM keys")?;
    ids.query_map([], |row| row.get(0).map(KeyId))?.collect()
}

impl InUse {
    pub fn new(keys: Keyring) -> Self {
        Self { keys, recorded: None }
    }

    /// The key for what is stored next, after the sequence `head`. Part of the transaction that stores it: the table names the
    /// key before there is a record of it.
    pub fn next(&self, connection: &Connection, head: u64) -> rusqlite::Result<Option<Arc<Key>>> {
        let Some(key) = self.keys.first() else { return Ok(None) };
        if self.recorded != Some(key.id) {
            connection
                .prepare_cached("UPDATE keys SET last_sequence = ? WHERE last_sequence = ? AND id <> ?")?
                .execute(params![head.cast_signed(), IN_USE, key.id.0])?;
            connection
                .prepare_cached("INSERT INTO keys VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET last_sequence = ?2")?
                .execute(params![key.id.0, IN_USE])?;
            schema::needs_kinds(connection)?;
        }
        Ok(Some(key))
    }

    /// What `next` has written is durable.
    pub fn committed(&mut self, key: Option<&Key>) {
        self.recorded = key.map(|key| key.id);
    }

    /// Forgets the keys of which retention has removed everything, up to the sequence `floor`.
    pub fn drop_unneeded(&self, connection: &Connection, floor: i64) -> rusqlite::Result<()> {
        let dropped = connection.prepare_cached("DELETE FROM keys WHERE last_sequence <= ?")?.execute([floor])?;
        if dropped > 0 {
            // All of them were there, and these are fewer.
            let _ = self.keys.require(ids(connection)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: &str) -> Key {
        Key::from_hex(digit.repeat(64).as_bytes()).unwrap()
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits_and_nothing_else() {
        assert_eq!(key("a").id(), Key::from_hex("A".repeat(64).as_bytes()).unwrap().id());
        assert_ne!(key("a").id(), key("b").id());
        for wrong in ["", "ab", &"a".repeat(63), &"a".repeat(65), &"g".repeat(64), &" ".repeat(64)] {
            assert_eq!(Key::from_hex(wrong.as_bytes()).err(), Some(KeyError), "{wrong:?}");
        }
        let shown = format!("{:?}", key("a"));
        assert!(!shown.contains("aaaa") && shown.contains(&key("a").id().to_string()), "{shown}");
    }

    #[test]
    fn no_key_is_given_up_that_is_needed() {
        let keyring = Keyring::new(vec![key("a"), key("b")]);
        keyring.require(vec![key("b").id()]).unwrap();
        assert_eq!(keyring.replace(vec![key("c")]), Err(MissingKey(key("b").id())));
        keyring.replace(vec![key("c"), key("b")]).unwrap();
        // Once it is handed out, records of it may be on their way.
        assert_eq!(keyring.first().unwrap().id(), key("c").id());
        assert_eq!(keyring.replace(vec![key("b")]), Err(MissingKey(key("c").id())));
        keyring.replace(vec![key("b"), key("c")]).unwrap();
        assert_eq!(keyring.require(vec![key("a").id()]), Err(MissingKey(key("a").id())));
    }
}
