//! Cryptography for the library of JSON web tokens, which leaves it to others: HMAC by the crates that check webhooks, for
//! the tokens that this relay signs itself, and public keys by ring, for those that others sign.
//!
//! Promises: nothing but the algorithms below is ever signed or verified, each only with a key of its own kind; so a public
//! key is never taken for a secret, and "none" is no algorithm.

mod hs256;
mod public;

use std::sync::Once;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwkUtils, JwtSigner, JwtVerifier},
    errors::{ErrorKind, Result},
};

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: signer, verifier_factory: verifier, jwk_utils: JwkUtils::new_unimplemented() };

/// Has to be called before anything is signed or verified; again does no harm.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Nobody else in this process installs one.
        let _ = PROVIDER.install_default();
    });
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library's own signature")]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(hs256::Hs256::new(key.try_get_hmac_secret()?))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library's own signature")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(hs256::Hs256::new(key.try_get_hmac_secret()?))),
        other => Ok(Box::new(public::PublicKey::new(*other, key)?)),
    }
}
