//! Smile's signature: HMAC-SHA512 over the body's bytes as they came, in hex, in the header `Smile-Signature`.
//!
//! Nothing here looks into a body. Comparison takes the same time whatever is wrong, and every secret is tried.

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use sha2::Sha512;

pub const SIGNATURE_BYTES: usize = 64;
pub static HEADER: HeaderName = HeaderName::from_static("smile-signature");

type HmacSha512 = Hmac<Sha512>;

/// A secret that Smile signs with, ready for use and unreadable, and overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret {
    mac: HmacSha512,
    id: Arc<str>,
}

/// A secret without a byte: anybody could sign with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret is empty; give the one that the webhook was registered with at Smile")]
pub struct EmptySecret;

impl Secret {
    /// # Errors
    /// If it is empty.
    pub fn new(secret: &[u8]) -> Result<Self, EmptySecret> {
        if secret.is_empty() {
            return Err(EmptySecret);
        }
        let mac = HmacSha512::new_from_slice(secret).expect("HMAC takes keys of any length");
        let id = mac.clone().chain_update(b"smile-relay secret id").finalize().into_bytes();
        Ok(Self { mac, id: faster_hex::hex_string(&id[..4]).into() })
    }

    /// Tells secrets apart without telling what they are: 32 bits of an HMAC that is made with the secret, in hex.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Signs a body as Smile does; the header has the lower-case hex of it.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> [u8; SIGNATURE_BYTES] {
    secret.mac.clone().chain_update(body).finalize().into_bytes().into()
}

/// Reads a signature from its hex, in either case, with or without spaces around it.
#[must_use]
pub fn parse(text: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
    let text: &[u8; 2 * SIGNATURE_BYTES] = text.trim_ascii().try_into().ok()?;
    let mut signature = [0; SIGNATURE_BYTES];
    faster_hex::hex_decode(text, &mut signature).ok()?;
    Some(signature)
}

/// The signature of a request: there has to be exactly one.
pub(super) fn of_request(headers: &HeaderMap) -> Option<[u8; SIGNATURE_BYTES]> {
    let mut found = headers.get_all(&HEADER).iter();
    match (found.next(), found.next()) {
        (Some(only), None) => parse(only.as_bytes()),
        _ => None,
    }
}

/// Verifies a body while it arrives, against several secrets at once.
pub struct Verifier {
    first: HmacSha512,
    /// Apart from the first, as there is seldom more than one and an empty list takes no memory.
    others: Vec<HmacSha512>,
}

impl Verifier {
    /// `None` if there is no secret.
    #[must_use]
    pub fn new(secrets: &[Secret]) -> Option<Self> {
        let (first, others) = secrets.split_first()?;
        Some(Self { first: first.mac.clone(), others: others.iter().map(|secret| secret.mac.clone()).collect() })
    }

    /// The next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.first.update(bytes);
        for other in &mut self.others {
            other.update(bytes);
        }
    }

    /// Which of the secrets signed what has come, if any did: its place among them.
    #[must_use]
    pub fn verify(self, signature: &[u8; SIGNATURE_BYTES]) -> Option<usize> {
        let fits = |mac: HmacSha512| mac.verify_slice(signature).is_ok();
        // All of them, without stopping at the one that fits.
        let first = fits(self.first).then_some(0);
        self.others.into_iter().zip(1..).fold(first, |found, (other, at)| {
            let other = fits(other).then_some(at);
            found.or(other)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes()).unwrap()
    }

    fn verify(secrets: &[Secret], signature: &[u8; 64], body: &[u8]) -> bool {
        let mut verifier = Verifier::new(secrets).unwrap();
        body.chunks(3).for_each(|chunk| verifier.update(chunk));
        verifier.verify(signature).is_some()
    }

    #[test]
    fn signs_as_the_standard_says() {
        // RFC 4231, test case 2.
        let expected = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
                        caeab1a34d4a6b4b636e070a38bce737";
        assert_eq!(faster_hex::hex_string(&sign(&secret("Jefe"), b"what do ya want for nothing?")), expected);
    }

    #[test]
    fn any_of_the_secrets_verifies_and_no_other() {
        let secrets = [secret("a"), secret("b"), secret("c")];
        for (at, one) in secrets.iter().enumerate() {
            let mut verifier = Verifier::new(&secrets).unwrap();
            verifier.update(b"a body");
            assert_eq!(verifier.verify(&sign(one, b"a body")), Some(at));
        }
        assert!(!verify(&secrets, &sign(&secret("d"), b"a body"), b"a body"));
        assert!(Verifier::new(&[]).is_none());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let secrets = [secret("s")];
        let body = *br#"{"id":"et-1"}"#;
        let signature = sign(&secrets[0], &body);
        assert!(verify(&secrets, &signature, &body));
        for bit in 0..body.len() * 8 {
            let mut body = body;
            body[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&secrets, &signature, &body));
        }
        for bit in 0..signature.len() * 8 {
            let mut signature = signature;
            signature[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&secrets, &signature, &body));
        }
    }

    #[test]
    fn is_read_in_either_case_and_with_spaces_and_in_no_other_form() {
        let hex = faster_hex::hex_string(&[0xAB; 64]);
        for text in [&hex, &hex.to_uppercase(), &format!("  {hex}\t")] {
            assert_eq!(parse(text.as_bytes()), Some([0xAB; 64]), "{text:?}");
        }
        for text in ["", &hex[1..], &format!("{hex}00"), &format!("0x{}", &hex[2..]), &"g".repeat(128)] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_not_empty_and_not_shown() {
        // Plain numbers, but for what their crates do with the feature `zeroize`.
        assert!(std::mem::needs_drop::<HmacSha512>(), "it is overwritten when it is dropped");
        assert_eq!(Secret::new(b"").unwrap_err(), EmptySecret);
        assert_eq!(format!("{:?}", secret("hush")), "***");
        assert_ne!(secret("hush").id(), secret("hash").id());
    }
}
