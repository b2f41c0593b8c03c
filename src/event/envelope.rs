//! The little that the log needs to know of a body when it is received: its id, its type and its user.
//!
//! Total: any bytes have an envelope. A body without a usable id gets one from its hash, so that a resend of it is
//! still the same event.

use std::borrow::Cow;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{
    coding,
    json::{Kind, each_member, string},
};

/// Ids, type names and user ids longer than this, in bytes, are not used as such. Smile's have some 50.
pub const NAME_BYTES: usize = 512;

/// What the log keeps beside the body, in columns of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub id: String,
    /// Empty if there is none.
    pub type_name: String,
    /// Empty if there is none.
    pub user_id: String,
}

impl Envelope {
    /// Reads the envelope of any body, in any content coding.
    #[must_use]
    pub fn of(body: &[u8], content_encoding: &str) -> Self {
        let plain = coding::undone(body, content_encoding).unwrap_or(Cow::Borrowed(body));
        let text = text(&plain);
        let (mut id, mut type_name, mut data) = (None, None, None);
        let is_object = each_member(&text, |name, value| match name.as_ref() {
            "id" => id = usable(value),
            "type" => type_name = usable(value),
            "data" => data = Some(value),
            _ => {}
        })
        .is_ok();
        // What was seen before an object turned out to be broken is not to be trusted.
        if !is_object {
            (id, type_name, data) = (None, None, None);
        }
        Self {
            id: id.unwrap_or_else(|| hash_id(body)),
            type_name: type_name.unwrap_or_default(),
            user_id: data.and_then(user_of).unwrap_or_default(),
        }
    }
}

/// The body as text: without a byte order mark, and with U+FFFD for what is not UTF-8.
pub fn text(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body))
}

/// True if `value` can serve as a name: a string that is neither empty nor overlong.
pub fn is_usable(value: &RawValue) -> bool {
    usable(value).is_some()
}

fn usable(value: &RawValue) -> Option<String> {
    string(value).filter(|s| !s.is_empty() && s.len() <= NAME_BYTES).map(Cow::into_owned)
}

/// `data.userId`, else `data.session.userId`. A number is taken by its digits.
fn user_of(data: &RawValue) -> Option<String> {
    let (mut user, mut session) = (None, None);
    each_member(data.get(), |name, value| match name.as_ref() {
        "userId" => user = user_id(value),
        "session" => session = Some(value),
        _ => {}
    })
    .ok()?;
    user.or_else(|| {
        let mut user = None;
        each_member(session?.get(), |name, value| {
            if name == "userId" {
                user = user_id(value);
            }
        })
        .ok()?;
        user
    })
}

fn user_id(value: &RawValue) -> Option<String> {
    match Kind::of(value) {
        Kind::Number => Some(value.get().to_owned()).filter(|digits| digits.len() <= NAME_BYTES),
        _ => usable(value),
    }
}

fn hash_id(body: &[u8]) -> String {
    format!("sha256-{}", hex::encode(Sha256::digest(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(body: &str) -> (String, String, String) {
        let e = Envelope::of(body.as_bytes(), "");
        (e.id, e.type_name, e.user_id)
    }

    #[test]
    fn reads_what_smile_sends() {
        let body =
            r#"{"id":"et-1","version":1,"type":"USER_CREATED","data":{"userId":"u-1","session":{"userId":"u-2"}}}"#;
        assert_eq!(envelope(body), ("et-1".into(), "USER_CREATED".into(), "u-1".into()));
        let session = r#"{"id":"et-1","type":"USER_SESSION_RESET","data":{"session":{"userId":"u-2"}}}"#;
        assert_eq!(envelope(session).2, "u-2");
        assert_eq!(envelope("\u{feff}{\"id\":\"a\"}\n").0, "a", "a byte order mark and a newline are no obstacle");
    }

    #[test]
    fn makes_an_id_from_the_hash_where_there_is_none_to_use() {
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(NAME_BYTES + 1));
        for body in ["", "null", "[]", "{", r#"{"id":""}"#, r#"{"id":null}"#, r#"{"id":7}"#, r#"{"id":"a""#, &long] {
            let (id, ..) = envelope(body);
            assert_eq!(id, format!("sha256-{}", hex::encode(Sha256::digest(body))), "{body:?}");
        }
    }

    #[test]
    fn the_last_of_several_ids_counts_and_escapes_are_read() {
        assert_eq!(envelope(r#"{"id":"a","id":"b\u00e9\ud800"}"#).0, "bé\u{fffd}\u{fffd}\u{fffd}");
    }
}
