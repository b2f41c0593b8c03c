//! A batch: a token, and the callbacks that are reported with it.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::outcome::Outcome;
use crate::event::widget::Report;

/// Callbacks in a batch.
const CALLBACKS: usize = 50;
/// A callback's name, in bytes.
const NAME_BYTES: usize = 64;
/// A UUID as it is written, with its hyphens.
const UUID_BYTES: usize = 36;

#[derive(Deserialize)]
struct Written<'b> {
    #[serde(borrow)]
    token: Cow<'b, str>,
    #[serde(borrow)]
    callbacks: Vec<&'b RawValue>,
}

/// A batch whose callbacks nobody has looked into yet.
pub struct Batch<'b> {
    pub token: Cow<'b, str>,
    body: &'b Bytes,
    callbacks: Vec<&'b RawValue>,
}

pub struct Callback {
    /// A UUID that the browser made, in small letters.
    pub id: String,
    pub name: String,
    /// The user that the arguments are about, if they say.
    pub claimed_user: Option<String>,
    /// Its JSON, byte for byte.
    pub body: Bytes,
}

impl<'b> Batch<'b> {
    /// Reads the body of a request, as far as its token.
    pub fn read(body: &'b Bytes) -> Result<Self, Outcome> {
        let text = std::str::from_utf8(body).map_err(|_| malformed("The body is not UTF-8."))?;
        let Written { token, callbacks } = serde_json::from_str(text)
            .map_err(|_| malformed("The body has to be a JSON object with `token` and `callbacks`."))?;
        if !(1..=CALLBACKS).contains(&callbacks.len()) {
            return Err(malformed("A batch has 1 to 50 callbacks."));
        }
        Ok(Self { token, body, callbacks })
    }

    /// Reads the callbacks, in the order in which they were reported.
    pub fn callbacks(&self) -> Result<Vec<Callback>, Outcome> {
        let read = |callback: &&RawValue| {
            let text = callback.get();
            let report = Report::read(text).map_err(|_| malformed("Each callback has to be a JSON object."))?;
            let id = report.id.as_deref().filter(|id| id.len() == UUID_BYTES).and_then(|id| Uuid::try_parse(id).ok());
            let id = id.ok_or_else(|| malformed("Each callback needs an `id`, which is a UUID."))?;
            let name = report.name.as_deref().filter(|name| name.len() <= NAME_BYTES);
            let name = name.ok_or_else(|| malformed("Each callback needs a `name` of 1 to 64 bytes."))?;
            Ok(Callback {
                id: id.hyphenated().to_string(),
                name: name.to_owned(),
                claimed_user: report.claimed_user(),
                body: self.body.slice_ref(text.as_bytes()),
            })
        };
        self.callbacks.iter().map(read).collect()
    }

    pub fn len(&self) -> usize {
        self.callbacks.len()
    }
}

fn malformed(what: &'static str) -> Outcome {
    Outcome::Malformed(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0199C1C4-7F3B-7000-8000-0123456789ab";

    fn read(body: &str) -> Result<(String, Vec<Callback>), Outcome> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let batch = Batch::read(&body)?;
        Ok((batch.token.to_string(), batch.callbacks()?))
    }

    fn batch(callbacks: &str) -> String {
        format!(r#"{{"token":"t\u0041","callbacks":[{callbacks}],"more":1}}"#)
    }

    #[test]
    fn a_batch_is_read_in_its_order_and_byte_for_byte() {
        let callback = format!(r#"{{ "id":"{ID}", "name":"onClose","arguments":[1.50] }}"#);
        let (token, callbacks) = read(&batch(&format!(" {callback} , {callback}"))).ok().unwrap();
        assert_eq!((token.as_str(), callbacks.len()), ("tA", 2));
        let first = &callbacks[0];
        assert_eq!((first.id.as_str(), first.name.as_str()), (ID.to_lowercase().as_str(), "onClose"));
        assert_eq!(first.body, callback);
    }

    #[test]
    fn what_is_no_batch_is_malformed() {
        let callback = |id: &str, name: &str| format!(r#"{{"id":{id},"name":{name}}}"#);
        let good = callback(&format!("\"{ID}\""), "\"n\"");
        assert!(read(&batch(&good)).is_ok());
        for body in [
            String::new(),
            "[]".into(),
            r#"{"token":"t"}"#.into(),
            r#"{"callbacks":[]}"#.into(),
            r#"{"token":1,"callbacks":[{}]}"#.into(),
            batch(""),
            batch("1"),
            batch("{}"),
            batch(&callback("\"1\"", "\"n\"")),
            batch(&callback(&format!("\"{}\"", ID.replace('-', "")), "\"n\"")),
            batch(&callback(&format!("\"{ID}\""), "\"\"")),
            batch(&callback(&format!("\"{ID}\""), "1")),
            batch(&callback(&format!("\"{ID}\""), &format!("\"{}\"", "x".repeat(65)))),
            batch(&vec![good.as_str(); 51].join(",")),
            format!("{}x", batch(&good)),
        ] {
            assert!(matches!(read(&body), Err(Outcome::Malformed(_))), "{body}");
        }
        assert!(read(&batch(&vec![good.as_str(); 50].join(","))).is_ok());
        assert!(matches!(Batch::read(&Bytes::from_static(b"\"\xff\"")), Err(Outcome::Malformed(_))));
    }
}
