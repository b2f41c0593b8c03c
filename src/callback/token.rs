//! Tokens for browsers: JWTs that this relay signs and reads itself.
//!
//! A token says for which user callbacks may be reported, from which origins, and until when. Nothing of it is kept here:
//! it ends when it expires, or when its key is taken from the configuration.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use faster_hex::hex_string;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Origins;
use crate::{event::filter::Violation, jws, net::is_origin};

const ISSUER: &str = "smile-relay";
const AUDIENCE: &str = "smile-relay/callbacks";
/// What a key has at least: as many bytes as the signature.
const KEY_BYTES: usize = 32;
/// How long a token is good if nothing else is said: as long as Smile's own link tokens.
const DEFAULT_TTL: Duration = Duration::from_hours(5);

/// What a request for a token may hold.
const USER_BYTES: usize = 256;
const ORIGINS: usize = 20;
const LABEL_BYTES: usize = 128;

/// A key that signs tokens.
#[derive(Clone)]
pub struct Key {
    /// What tokens call it: made from it, so that it needs no name in the configuration.
    id: String,
    sign: EncodingKey,
    verify: DecodingKey,
}

/// A key that others could guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is shorter than {KEY_BYTES} bytes; make one with `openssl rand -hex 32`")]
pub struct KeyError;

impl Key {
    /// # Errors
    /// If it is too short.
    pub fn new(key: &[u8]) -> Result<Self, KeyError> {
        if key.len() < KEY_BYTES {
            return Err(KeyError);
        }
        let id = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        let id = id.chain_update(b"smile-relay key id").finalize().into_bytes();
        Ok(Self {
            id: hex_string(&id[..8]),
            sign: EncodingKey::from_secret(key),
            verify: DecodingKey::from_secret(key),
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The first signs, all verify. Never empty.
#[derive(Clone, Debug)]
pub struct Keys {
    first: Key,
    others: Vec<Key>,
}

impl Keys {
    /// None if there is no key.
    #[must_use]
    pub fn new(keys: Vec<Key>) -> Option<Self> {
        let mut keys = keys.into_iter();
        Some(Self { first: keys.next()?, others: keys.collect() })
    }

    fn find(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.first).chain(&self.others).find(|key| key.id == id)
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// The user.
    pub sub: String,
    iat: u64,
    exp: u64,
    /// Tells tokens apart that say the same.
    pub jti: String,
    /// From where it may be used; empty: from where the configuration says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// The application's label.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
}

/// Why a token is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It was good once.
    Expired,
    /// This relay has not signed it, or not with a key that it still has.
    Bad,
}

/// What somebody wants of a token.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    pub user: String,
    /// None: the default.
    pub ttl: Option<Duration>,
    pub origins: Vec<String>,
    pub session: String,
}

/// A token, and when it expires, in seconds since 1970.
#[derive(Clone, Debug)]
pub struct Issued {
    pub token: String,
    pub expires_at: u64,
}

/// Makes and reads tokens. Clones share their keys.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Replaced as a whole.
    keys: Arc<RwLock<Keys>>,
    pub origins: Origins,
    /// The longest that a token may be good.
    pub longest_ttl: Duration,
}

impl Tokens {
    #[must_use]
    pub fn new(keys: Keys, origins: Origins, longest_ttl: Duration) -> Self {
        Self { keys: Arc::new(RwLock::new(keys)), origins, longest_ttl }
    }

    /// From now on these keys sign and verify, and no others.
    pub fn replace_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// Names each field that can't be followed.
    pub fn issue(&self, request: TokenRequest) -> Result<Issued, Vec<Violation>> {
        let TokenRequest { user, ttl, origins, session } = request;
        let mut violations = Vec::new();
        let mut refuse = |field: &str, why: String| violations.push(Violation::new(field, why));
        if user.is_empty() || user.len() > USER_BYTES {
            refuse("user_id", format!("it has to be of 1 to {USER_BYTES} bytes"));
        }
        if session.len() > LABEL_BYTES {
            refuse("session_label", format!("at most {LABEL_BYTES} bytes are allowed"));
        }
        let ttl = ttl.unwrap_or(DEFAULT_TTL.min(self.longest_ttl));
        if ttl < Duration::from_secs(1) || ttl > self.longest_ttl {
            refuse("time_to_live", format!("it has to be from 1 s to {:?} (--callback-token-ttl)", self.longest_ttl));
        }
        if origins.len() > ORIGINS {
            refuse("allowed_origins", format!("at most {ORIGINS} are allowed"));
        }
        for origin in origins.iter().take(ORIGINS) {
            if !is_origin(origin) {
                refuse("allowed_origins", "write each as browsers do: https://app.example.com, or null".into());
            } else if !self.origins.may_ask(origin) {
                refuse("allowed_origins", "one is not among the relay's own (--callback-origin)".into());
            }
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        let now = unix_seconds();
        let expires_at = now + ttl.as_secs();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            iat: now,
            exp: expires_at,
            jti: hex_string(&rand::random::<[u8; 12]>()),
            origins,
            session,
        };
        jws::install();
        let Key { id, sign, .. } = self.keys().first.clone();
        let header = Header { kid: Some(id), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &claims, &sign).expect("claims are JSON, and keys sign");
        Ok(Issued { token, expires_at })
    }

    /// Reads a token.
    ///
    /// # Errors
    /// If it is not good, or no longer.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        jws::install();
        let kid = decode_header(token).ok().and_then(|header| header.kid).ok_or(TokenError::Bad)?;
        let key = self.keys().find(&kid).cloned().ok_or(TokenError::Bad)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        // Looked at below, so that one that was good can be told from one that never was.
        validation.validate_exp = false;
        let claims: Claims = decode(token, &key.verify, &validation).map_err(|_| TokenError::Bad)?.claims;
        if claims.exp <= unix_seconds() { Err(TokenError::Expired) } else { Ok(claims) }
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
