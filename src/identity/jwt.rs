//! JSON web tokens of others: Kubernetes' service accounts, and any OIDC issuer.
//!
//! Promises: a token counts only if one of the issuer's present keys has signed it, with an algorithm of that key, for one of
//! the issuer's audiences, and it is in force now. What the token itself says of keys (`jku`, `jwk`, `x5u`) is never
//! followed.

pub mod fetch;
pub mod issuer;
pub mod keys;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Header, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;

use self::keys::{Fingerprint, Key, Keys};
use super::file::IssuerSettings;
use crate::jws;

/// The longest token. Those of Kubernetes take about 1 KiB.
pub const TOKEN_BYTES: usize = 8 << 10;
/// By how much clocks may differ.
pub const LEEWAY: Duration = Duration::from_secs(5);

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub subject: String,
    /// It is good until then, with what clocks may differ by.
    pub until: SystemTime,
    /// The key that signed it.
    pub key: Fingerprint,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    #[error("it is no JSON web token")]
    Malformed,
    #[error("its algorithm is none that its key is for")]
    Algorithm,
    #[error("no present key of its issuer has its key id")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is not from the issuer that it names")]
    Issuer,
    #[error("it is not for this relay: none of the issuer's `audiences` is in `aud`")]
    Audience,
    #[error("it has expired")]
    Expired,
    #[error("it is not good yet (nbf)")]
    TooEarly,
    #[error("it lacks one of exp, iss, aud and sub")]
    Incomplete,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Some issuers write it with a fraction.
    exp: f64,
}

/// Whom a token says that it is from. Nothing of this is proved yet.
pub fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Claimed>(&payload).ok().map(|claimed| claimed.iss)
}

/// Looks at a token with the keys that its issuer has now.
pub fn verify(token: &str, settings: &IssuerSettings, keys: &Keys) -> Result<Verified, JwtError> {
    jws::install();
    let header = decode_header(token).map_err(|_| JwtError::Malformed)?;
    // Extensions that one has to understand, and we know none.
    if header.crit.is_some() {
        return Err(JwtError::Malformed);
    }
    let key = find(&header, keys)?;
    let mut validation = Validation::new(header.alg);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&settings.audiences);
    validation.leeway = LEEWAY.as_secs();
    validation.validate_nbf = true;
    let claims: Claims = decode(token, &key.decoding, &validation).map_err(|error| reason(error.kind()))?.claims;
    let exp = Duration::try_from_secs_f64(claims.exp).ok().and_then(|exp| exp.checked_add(LEEWAY));
    let until = exp.and_then(|exp| UNIX_EPOCH.checked_add(exp)).ok_or(JwtError::Malformed)?;
    // The library counts whole seconds; a call would begin that is over.
    if until <= SystemTime::now() {
        return Err(JwtError::Expired);
    }
    Ok(Verified { subject: claims.sub, until, key: key.fingerprint })
}

/// The key that a token names, if it may be used as the token says.
fn find<'k>(header: &Header, keys: &'k Keys) -> Result<&'k Key, JwtError> {
    let key = keys.find(header.kid.as_deref()).ok_or(JwtError::UnknownKey)?;
    if key.algorithms.contains(&header.alg) { Ok(key) } else { Err(JwtError::Algorithm) }
}

fn reason(kind: &ErrorKind) -> JwtError {
    match kind {
        ErrorKind::InvalidSignature => JwtError::Signature,
        ErrorKind::InvalidAlgorithm => JwtError::Algorithm,
        ErrorKind::ExpiredSignature => JwtError::Expired,
        ErrorKind::ImmatureSignature => JwtError::TooEarly,
        ErrorKind::InvalidIssuer => JwtError::Issuer,
        ErrorKind::InvalidAudience => JwtError::Audience,
        ErrorKind::MissingRequiredClaim(_) => JwtError::Incomplete,
        _ => JwtError::Malformed,
    }
}

#[cfg(test)]
mod tests;
