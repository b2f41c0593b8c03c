//! RSA, ECDSA on P-256 and Ed25519, to verify what others have signed.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind,
    crypto::JwtVerifier,
    errors::{ErrorKind, Result},
    signature::{Error, Verifier},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

pub(super) struct PublicKey {
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Rsa(&'static RsaParameters, RsaPublicKeyComponents<Vec<u8>>),
    Point(&'static dyn VerificationAlgorithm, Vec<u8>),
}

impl PublicKey {
    /// # Errors
    /// If the algorithm is none of these, or not the key's.
    pub(super) fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self> {
        let key = match (algorithm, key.family(), key.kind()) {
            (Algorithm::RS256, AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                Key::Rsa(&RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents { n: n.clone(), e: e.clone() })
            }
            (Algorithm::PS256, AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                Key::Rsa(&RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents { n: n.clone(), e: e.clone() })
            }
            (Algorithm::ES256, AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => {
                Key::Point(&ECDSA_P256_SHA256_FIXED, point.clone())
            }
            (Algorithm::EdDSA, AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(point)) => {
                Key::Point(&ED25519, point.clone())
            }
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        Ok(Self { algorithm, key })
    }
}

impl Verifier<Vec<u8>> for PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        match &self.key {
            Key::Rsa(parameters, key) => key.verify(parameters, message, signature),
            Key::Point(algorithm, point) => UnparsedPublicKey::new(*algorithm, point).verify(message, signature),
        }
        .map_err(|_| Error::new())
    }
}

impl JwtVerifier for PublicKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
