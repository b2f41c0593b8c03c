//! The little that the log needs to know of a body when it is received: its id, its type and its user.
//!
//! Total: any bytes have an envelope. A body without a usable id gets one from its hash, so that a resend of it is
//! still the same event.

use std::borrow::Cow;

use faster_hex::hex_string;
use sha2::{Digest, Sha256};

use super::{
    coding,
    json::{Kind, NotJson, Reader},
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
        // What was seen before an object turned out to be broken is not to be trusted.
        let Seen { id, type_name, user_id } = seen(&text).unwrap_or_default();
        Self {
            id: id.unwrap_or_else(|| hash_id(body)),
            type_name: type_name.unwrap_or_default(),
            user_id: user_id.unwrap_or_default(),
        }
    }
}

#[derive(Default)]
struct Seen {
    id: Option<String>,
    type_name: Option<String>,
    user_id: Option<String>,
}

fn seen(text: &str) -> Result<Seen, NotJson> {
    let mut seen = Seen::default();
    let mut reader = Reader::new(text);
    reader.members(|reader, name| {
        match name.as_ref() {
            "id" => seen.id = usable(reader)?.map(Cow::into_owned),
            "type" => seen.type_name = usable(reader)?.map(Cow::into_owned),
            "data" => seen.user_id = user_of(reader)?,
            _ => drop(reader.skip()?),
        }
        Ok(())
    })?;
    reader.end()?;
    Ok(seen)
}

/// The body as text: without a byte order mark, and with U+FFFD for what is not UTF-8.
pub fn text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    // Nearly all are UTF-8, and to look for that alone is cheaper.
    std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
}

/// Reads a value; it, if it can serve as a name: a string that is neither empty nor overlong.
pub fn usable<'t>(reader: &mut Reader<'t>) -> Result<Option<Cow<'t, str>>, NotJson> {
    if reader.kind()? != Kind::String {
        return reader.skip().map(|_| None);
    }
    Ok(Some(reader.string()?).filter(|s| !s.is_empty() && s.len() <= NAME_BYTES))
}

/// Reads `data`: its `userId`, else its `session.userId`. A number is taken by its digits.
fn user_of(reader: &mut Reader<'_>) -> Result<Option<String>, NotJson> {
    let (mut user, mut of_session) = (None, None);
    each_if_object(reader, |reader, name| {
        match name {
            "userId" => user = user_id(reader)?,
            "session" => {
                of_session = None;
                each_if_object(reader, |reader, name| {
                    match name {
                        "userId" => of_session = user_id(reader)?,
                        _ => drop(reader.skip()?),
                    }
                    Ok(())
                })?;
            }
            _ => drop(reader.skip()?),
        }
        Ok(())
    })?;
    Ok(user.or(of_session))
}

fn each_if_object(
    reader: &mut Reader<'_>,
    mut each: impl FnMut(&mut Reader<'_>, &str) -> Result<(), NotJson>,
) -> Result<(), NotJson> {
    if reader.kind()? != Kind::Object {
        return reader.skip().map(drop);
    }
    reader.members(|reader, name| each(reader, &name))
}

fn user_id(reader: &mut Reader<'_>) -> Result<Option<String>, NotJson> {
    if reader.kind()? != Kind::Number {
        return Ok(usable(reader)?.map(Cow::into_owned));
    }
    Ok(Some(reader.skip()?.to_owned()).filter(|digits| digits.len() <= NAME_BYTES))
}

fn hash_id(body: &[u8]) -> String {
    format!("sha256-{}", hex_string(&Sha256::digest(body)))
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
            assert_eq!(id, format!("sha256-{}", hex_string(&Sha256::digest(body))), "{body:?}");
        }
    }

    #[test]
    fn the_last_of_several_ids_counts_and_escapes_are_read() {
        assert_eq!(envelope(r#"{"id":"a","id":"b\u00e9\ud800"}"#).0, "bé\u{fffd}\u{fffd}\u{fffd}");
    }
}
