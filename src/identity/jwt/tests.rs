//! Tokens as an attacker would make them, with real keys: P-256 and Ed25519 by ring, RSA by the `openssl` command.

use std::process::Command;

use hmac::{Hmac, KeyInit, Mac};
use ring::{
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    },
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{keys::KeysError, *};
use crate::identity::file::KeySource;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": "https://issuer", "aud": "smile-relay", "sub": "system:serviceaccount:a:b", "exp": now() + 60})
}

fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    format!("{message}.{}", b64(sign(message.as_bytes())))
}

fn settings() -> IssuerSettings {
    IssuerSettings {
        issuer: "https://issuer".into(),
        audiences: vec!["other".into(), "smile-relay".into()],
        keys: KeySource::File("unused".into()),
    }
}

struct Ec(EcdsaKeyPair);

impl Ec {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap())
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn jwk(&self, id: &str) -> Value {
        let point = self.0.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": b64(&point[1..33]), "y": b64(&point[33..])})
    }

    fn keys(&self) -> Keys {
        keys(&[self.jwk("ec")])
    }

    fn token(&self, claims: &Value) -> String {
        token(&json!({"alg": "ES256", "kid": "ec"}), claims, |message| self.sign(message))
    }
}

fn keys(jwks: &[Value]) -> Keys {
    Keys::parse(json!({"keys": jwks}).to_string().as_bytes()).unwrap()
}

fn rsa_key(bits: &str) -> rsa::KeyPair {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt"])
        .arg(format!("rsa_keygen_bits:{bits}"))
        .output()
        .expect("openssl is there");
    assert!(made.status.success(), "{made:?}");
    let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(&made.stdout).unwrap();
    rsa::KeyPair::from_pkcs8(pkcs8.secret_pkcs8_der()).unwrap()
}

fn rsa_jwk(key: &rsa::KeyPair, algorithm: Option<&str>) -> Value {
    let public = rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
    let mut jwk = json!({"kty": "RSA", "kid": "rsa", "n": b64(public.n), "e": b64(public.e)});
    if let Some(algorithm) = algorithm {
        jwk["alg"] = algorithm.into();
    }
    jwk
}

fn rsa_sign(key: &rsa::KeyPair, how: &'static dyn ring::signature::RsaEncoding, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(how, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

fn check(token: &str, keys: &Keys) -> Result<Verified, JwtError> {
    verify(token, &settings(), keys)
}

#[test]
fn a_good_token_of_each_kind_of_key_is_taken() {
    let ec = Ec::new();
    let good = check(&ec.token(&claims()), &ec.keys()).unwrap();
    assert_eq!(good.subject, "system:serviceaccount:a:b");
    let left = good.until.duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(58) && left <= Duration::from_secs(60) + LEEWAY, "{left:?}");
    assert!(ec.keys().has(&good.key) && !Ec::new().keys().has(&good.key));
    assert_eq!(claimed_issuer(&ec.token(&claims())).as_deref(), Some("https://issuer"));

    let rsa = rsa_key("2048");
    for (algorithm, encoding) in
        [("RS256", &RSA_PKCS1_SHA256 as &'static dyn ring::signature::RsaEncoding), ("PS256", &RSA_PSS_SHA256)]
    {
        let header = json!({"alg": algorithm, "kid": "rsa"});
        let token = token(&header, &claims(), |message| rsa_sign(&rsa, encoding, message));
        assert!(check(&token, &keys(&[rsa_jwk(&rsa, None)])).is_ok(), "{algorithm}");
        assert!(check(&token, &keys(&[rsa_jwk(&rsa, Some(algorithm))])).is_ok(), "{algorithm}");
        let other = if algorithm == "RS256" { "PS256" } else { "RS256" };
        assert_eq!(check(&token, &keys(&[rsa_jwk(&rsa, Some(other))])), Err(JwtError::Algorithm));
    }

    let ed =
        Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref()).unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(ed.public_key())});
    let signed = token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(), |message| ed.sign(message).as_ref().to_vec());
    assert!(check(&signed, &keys(&[jwk])).is_ok());
}

#[test]
fn claims_have_to_be_for_this_relay_and_for_now() {
    let ec = Ec::new();
    let keys = ec.keys();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        check(&ec.token(&claims), &keys).map(drop)
    };
    assert_eq!(with("exp", json!(now() as f64 + 30.5)), Ok(()));
    assert_eq!(with("aud", json!(["x", "other"])), Ok(()));
    assert_eq!(with("nbf", json!(now())), Ok(()));
    for (name, value, error) in [
        ("exp", json!(now() - 10), JwtError::Expired),
        ("exp", json!("never"), JwtError::Malformed),
        ("exp", json!(1.8e19), JwtError::Malformed),
        ("exp", json!(1e300), JwtError::Incomplete),
        ("exp", json!(-1), JwtError::Incomplete),
        ("exp", Value::Null, JwtError::Malformed),
        ("nbf", json!(now() + 60), JwtError::TooEarly),
        ("aud", json!("another"), JwtError::Audience),
        ("aud", json!([]), JwtError::Audience),
        ("aud", Value::Null, JwtError::Incomplete),
        ("iss", json!("https://elsewhere"), JwtError::Issuer),
        ("iss", Value::Null, JwtError::Incomplete),
        ("sub", Value::Null, JwtError::Malformed),
        ("sub", json!(7), JwtError::Malformed),
    ] {
        assert_eq!(with(name, value.clone()), Err(error), "{name}: {value}");
    }
}

#[test]
fn what_was_not_signed_by_a_key_of_the_issuer_is_refused() {
    let (ec, stranger, rsa) = (Ec::new(), Ec::new(), rsa_key("2048"));
    let both = keys(&[ec.jwk("ec"), rsa_jwk(&rsa, None)]);
    let good = ec.token(&claims());
    let signed_by = |header: Value, sign: &dyn Fn(&[u8]) -> Vec<u8>| check(&token(&header, &claims(), sign), &both);
    assert!(check(&good, &both).is_ok());
    assert_eq!(check(&stranger.token(&claims()), &both), Err(JwtError::Signature));
    for (header, error) in [
        (json!({"alg": "ES256", "kid": "unknown"}), JwtError::UnknownKey),
        (json!({"alg": "ES256"}), JwtError::UnknownKey),
        (json!({"alg": "ES256", "kid": "rsa"}), JwtError::Algorithm),
        (json!({"alg": "ES384", "kid": "ec"}), JwtError::Algorithm),
        (json!({"alg": "none", "kid": "ec"}), JwtError::Malformed),
        (json!({"alg": "ES256", "kid": "ec", "crit": ["exp"]}), JwtError::Malformed),
        // A key that the token brings itself.
        (json!({"alg": "ES256", "kid": "mine", "jwk": stranger.jwk("mine")}), JwtError::UnknownKey),
    ] {
        assert_eq!(signed_by(header.clone(), &|message| stranger.sign(message)), Err(error), "{header}");
    }
    // A public key, used as if it were a shared secret.
    let public = rsa_jwk(&rsa, None);
    for secret in [
        public["n"].as_str().unwrap().as_bytes().to_vec(),
        URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap(),
    ] {
        let mac = |message: &[u8]| {
            Hmac::<Sha256>::new_from_slice(&secret).unwrap().chain_update(message).finalize().into_bytes().to_vec()
        };
        assert_eq!(signed_by(json!({"alg": "HS256", "kid": "rsa"}), &mac), Err(JwtError::Algorithm));
    }
    // No signature, and one for other claims.
    let parts: Vec<&str> = good.split('.').collect();
    let mut admin = claims();
    admin["sub"] = "system:serviceaccount:kube-system:admin".into();
    for forged in [
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], b64(admin.to_string()), parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.{}", parts[2]),
        String::new(),
        "..".into(),
    ] {
        assert!(check(&forged, &both).is_err(), "{forged}");
    }
    // Every bit of it counts.
    let mut bytes = good.clone().into_bytes();
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            // The last digit has bits that stand for nothing; the decoder refuses them.
            assert!(check(text, &both).is_err(), "{at}");
        }
        bytes[at] ^= 1;
    }
}

#[test]
fn of_a_key_set_only_what_is_for_signatures_is_used() {
    let ec = Ec::new();
    let parse = |keys: Value| Keys::parse(json!({"keys": keys}).to_string().as_bytes()).map(drop);
    let mut encryption = ec.jwk("e");
    encryption["use"] = "enc".into();
    let short = rsa_jwk(&rsa_key("2048"), None);
    let mut short = short;
    short["n"] = b64([0xff; 128]).into();
    for useless in [
        json!([]),
        json!([encryption]),
        json!([short]),
        json!([{"kty": "oct", "kid": "s", "k": b64("secret")}]),
        json!([{"kty": "new", "kid": "n"}]),
        json!([7]),
    ] {
        assert_eq!(parse(useless.clone()), Err(KeysError::Empty), "{useless}");
    }
    assert_eq!(parse(json!([{"kty": "new"}, ec.jwk("a")])), Ok(()), "what is new costs nothing else");
    assert_eq!(parse(json!(vec![ec.jwk("a"); 101])), Err(KeysError::TooMany));
    assert_eq!(Keys::parse(b"<html>").map(drop), Err(KeysError::Malformed));
    // Without a key id there has to be just one key.
    let signed = token(&json!({"alg": "ES256"}), &claims(), |message| ec.sign(message));
    assert!(check(&signed, &ec.keys()).is_ok());
    let (one, other) = (keys(&[ec.jwk("a"), Ec::new().jwk("b")]), keys(&[ec.jwk("a")]));
    assert!(!one.same_as(&other) && one.same_as(&one.clone()));
}
