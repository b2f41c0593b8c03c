//! The keys of an issuer: a JSON web key set, and what of it can be used here.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The largest set, and the most keys of one.
pub const SET_BYTES: usize = 256 << 10;
const MOST: usize = 100;
/// RSA keys that are shorter can be broken.
const RSA_BYTES_LEAST: usize = 256;

/// Tells keys apart, by what they are.
pub type Fingerprint = [u8; 32];

#[derive(Clone)]
pub struct Key {
    id: Option<String>,
    /// What it may be used for: never more than its kind allows.
    pub algorithms: &'static [Algorithm],
    pub decoding: DecodingKey,
    pub fingerprint: Fingerprint,
}

/// Keys that can be used. Never empty.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    #[error("it is no JSON web key set: {{\"keys\": [...]}} was expected")]
    Malformed,
    #[error("it has no key that can be used: for signatures, RSA of 2,048 bits or more, P-256 or Ed25519")]
    Empty,
    #[error("it has more than {MOST} keys")]
    TooMany,
}

impl Keys {
    /// What can't be used here is passed over: sets have keys for other purposes, and of kinds that are new.
    pub fn parse(json: &[u8]) -> Result<Self, KeysError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let Set { keys } = serde_json::from_slice(json).map_err(|_| KeysError::Malformed)?;
        if keys.len() > MOST {
            return Err(KeysError::TooMany);
        }
        let keys: Vec<_> = keys.into_iter().filter_map(key).collect();
        if keys.is_empty() { Err(KeysError::Empty) } else { Ok(Self(keys)) }
    }

    /// The key with this id; without an id, the only one.
    pub fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, self.0.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    pub fn has(&self, fingerprint: &Fingerprint) -> bool {
        self.0.iter().any(|key| key.fingerprint == *fingerprint)
    }

    /// The same keys, whatever their order.
    pub fn same_as(&self, other: &Self) -> bool {
        let sorted = |keys: &Self| {
            let mut keys: Vec<_> = keys.0.iter().map(|key| (key.id.clone(), key.fingerprint)).collect();
            keys.sort();
            keys
        };
        sorted(self) == sorted(other)
    }
}

fn key(value: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|its| *its != PublicKeyUse::Signature) {
        return None;
    }
    let algorithms: &'static [Algorithm] = match (&jwk.algorithm, jwk.common.key_algorithm) {
        (AlgorithmParameters::RSA(_), None) => &[Algorithm::RS256, Algorithm::PS256],
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::RS256)) => &[Algorithm::RS256],
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::PS256)) => &[Algorithm::PS256],
        (AlgorithmParameters::EllipticCurve(its), None | Some(KeyAlgorithm::ES256))
            if its.curve == EllipticCurve::P256 =>
        {
            &[Algorithm::ES256]
        }
        (AlgorithmParameters::OctetKeyPair(its), None | Some(KeyAlgorithm::EdDSA))
            if its.curve == EllipticCurve::Ed25519 =>
        {
            &[Algorithm::EdDSA]
        }
        // Shared secrets are none of an issuer's public keys.
        _ => return None,
    };
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    if let DecodingKeyKind::RsaModulusExponent { n, .. } = decoding.kind()
        && n.iter().skip_while(|byte| **byte == 0).count() < RSA_BYTES_LEAST
    {
        return None;
    }
    let fingerprint = Sha256::digest(serde_json::to_vec(&jwk.algorithm).ok()?).into();
    Some(Key { id: jwk.common.key_id, algorithms, decoding, fingerprint })
}
