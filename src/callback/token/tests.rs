//! Tokens that are good, and all the ways in which they are not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

fn key(fill: u8) -> Key {
    Key::new(&[fill; 32]).unwrap()
}

fn tokens(keys: &[u8], origins: &[&str]) -> Tokens {
    let keys = Keys::new(keys.iter().map(|fill| key(*fill)).collect()).unwrap();
    Tokens::new(keys, Origins(origins.iter().map(ToString::to_string).collect()), Duration::from_hours(12))
}

fn request(user: &str) -> TokenRequest {
    TokenRequest { user: user.to_owned(), ..TokenRequest::default() }
}

/// A token of any header and claims, signed with the key of this byte.
fn forged(header: &Value, claims: &Value, fill: u8) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(&[fill; 32]).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.chain_update(&signed).finalize().into_bytes()))
}

fn claims() -> Value {
    let exp = unix_seconds() + 60;
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "u", "iat": 0, "exp": exp, "jti": "j"})
}

#[test]
fn a_token_says_what_was_asked_for() {
    let tokens = tokens(&[1], &["https://a.example", "null"]);
    let issued = tokens
        .issue(TokenRequest {
            user: "tenantId-1".into(),
            ttl: Some(Duration::from_mins(1)),
            origins: vec!["null".into()],
            session: "s".into(),
        })
        .unwrap();
    assert!(issued.expires_at.abs_diff(unix_seconds() + 60) <= 1);
    let claims = tokens.verify(&issued.token).unwrap();
    assert_eq!((claims.sub.as_str(), claims.session.as_str()), ("tenantId-1", "s"));
    assert_eq!((claims.origins, claims.exp), (vec!["null".to_owned()], issued.expires_at));
    let (one, other) = (tokens.issue(request("u")).unwrap(), tokens.issue(request("u")).unwrap());
    assert_ne!(one.token, other.token);
    assert!(one.expires_at.abs_diff(unix_seconds() + 5 * 3600) <= 1);
}

#[test]
fn keys_are_rotated_and_revoked() {
    let old = tokens(&[1], &[]).issue(request("u")).unwrap().token;
    assert!(tokens(&[2, 1], &[]).verify(&old).is_ok());
    assert_eq!(tokens(&[2], &[]).verify(&old), Err(TokenError::Bad));
    let new = tokens(&[2, 1], &[]).issue(request("u")).unwrap().token;
    assert!(tokens(&[2], &[]).verify(&new).is_ok());
    assert_eq!(tokens(&[1], &[]).verify(&new), Err(TokenError::Bad));
    // While it runs, for all who hold them.
    let running = tokens(&[1], &[]);
    running.clone().replace_keys(Keys::new(vec![key(2)]).unwrap());
    assert!(running.verify(&new).is_ok());
    assert_eq!(running.verify(&old), Err(TokenError::Bad));
}

#[test]
fn what_was_not_signed_here_is_bad() {
    let tokens = tokens(&[1], &[]);
    let kid = key(1).id;
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": kid});
    assert!(tokens.verify(&forged(&header, &claims(), 1)).is_ok(), "the test signs as it should");
    assert_eq!(tokens.verify(&forged(&header, &claims(), 2)), Err(TokenError::Bad), "another key");
    for header in [
        json!({"alg": "none", "kid": kid}),
        json!({"alg": "HS512", "kid": kid}),
        json!({"alg": "RS256", "kid": kid}),
        json!({"alg": "HS256"}),
        json!({"alg": "HS256", "kid": "0000000000000000"}),
    ] {
        assert_eq!(tokens.verify(&forged(&header, &claims(), 1)), Err(TokenError::Bad), "{header}");
    }
    let good = forged(&header, &claims(), 1);
    let (signed, _) = good.rsplit_once('.').unwrap();
    for token in
        [String::new(), "a.b.c".into(), signed.into(), format!("{signed}."), format!("{good}A"), "x".repeat(9_000)]
    {
        assert_eq!(tokens.verify(&token), Err(TokenError::Bad), "{token:.80}");
    }
}

#[test]
fn claims_are_needed_and_are_of_their_kind() {
    let tokens = tokens(&[1], &[]);
    let header = json!({"alg": "HS256", "kid": key(1).id});
    for (claim, value) in [
        ("iss", json!("another")),
        ("aud", json!("another")),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("99999999999")),
        ("jti", Value::Null),
    ] {
        let mut claims = claims();
        claims[claim] = value.clone();
        assert_eq!(tokens.verify(&forged(&header, &claims, 1)), Err(TokenError::Bad), "{claim} {value}");
        claims.as_object_mut().unwrap().remove(claim);
        assert_eq!(tokens.verify(&forged(&header, &claims, 1)), Err(TokenError::Bad), "without {claim}");
    }
    let mut expired = claims();
    expired["exp"] = json!(unix_seconds());
    assert_eq!(tokens.verify(&forged(&header, &expired, 1)), Err(TokenError::Expired));
    assert_eq!(tokens.verify(&forged(&header, &expired, 2)), Err(TokenError::Bad), "expired, and never good");
}

#[test]
fn requests_that_can_not_be_followed_are_named() {
    let tokens = tokens(&[1], &["https://a.example"]);
    let fields = |request: TokenRequest| -> Vec<String> {
        tokens.issue(request).unwrap_err().into_iter().map(|violation| violation.field).collect()
    };
    assert_eq!(fields(request("")), ["user_id"]);
    assert_eq!(fields(request(&"u".repeat(257))), ["user_id"]);
    for ttl in [Duration::ZERO, Duration::from_millis(999), Duration::from_hours(12) + Duration::from_millis(1)] {
        assert_eq!(fields(TokenRequest { ttl: Some(ttl), ..request("u") }), ["time_to_live"], "{ttl:?}");
    }
    for origin in ["", "*", "https://a.example/", "https://b.example", "null"] {
        assert_eq!(fields(TokenRequest { origins: vec![origin.into()], ..request("u") }), ["allowed_origins"]);
    }
    let many = vec!["https://a.example".to_owned(); 21];
    assert_eq!(fields(TokenRequest { origins: many, ..request("u") }), ["allowed_origins"]);
    assert_eq!(fields(TokenRequest { session: "s".repeat(129), ..request("u") }), ["session_label"]);
    let of_ten_minutes = Tokens { longest_ttl: Duration::from_mins(10), ..tokens.clone() };
    let issued = of_ten_minutes.issue(request("u")).unwrap();
    assert!(issued.expires_at <= unix_seconds() + 600, "the default is no longer than what is allowed");
}

#[test]
fn a_key_is_long_and_not_shown() {
    assert_eq!(Key::new(&[7; 31]).unwrap_err(), KeyError);
    let key = Key::new(b"a key that nobody should ever see, right?").unwrap();
    assert!(!format!("{key:?}").contains("nobody"));
}
