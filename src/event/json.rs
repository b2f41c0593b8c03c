//! Reads JSON one level at a time, leaving every value as the text it arrived as.
//!
//! Built on `serde_json`'s raw values: a level is scanned, not parsed, so numbers keep their digits, depth costs no
//! stack, and a bad value deep down is found only by whoever looks there. Strings come lossily where they hold lone
//! surrogates.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The kinds of JSON values, by their first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    pub fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'"') => Self::String,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            _ => Self::Number,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// What was wrong with a text that should be an object or an array.
pub type NotJson = serde_json::Error;

/// Calls `each` with every member of the object in `text`, in order, duplicates included.
///
/// # Errors
/// If `text` is not one JSON object with nothing but white space around it. `each` may have been called by then.
pub fn each_member<'t>(text: &'t str, each: impl FnMut(Cow<'t, str>, &'t RawValue)) -> Result<(), NotJson> {
    struct Members<F>(F);
    impl<'t, F: FnMut(Cow<'t, str>, &'t RawValue)> Visitor<'t> for Members<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'t>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key_seed(Text)? {
                (self.0)(name, map.next_value()?);
            }
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Members(each))?;
    json.end()
}

/// Calls `each` with every element of the array in `text`, in order.
///
/// # Errors
/// If `text` is not one JSON array with nothing but white space around it. `each` may have been called by then.
pub fn each_element<'t>(text: &'t str, each: impl FnMut(&'t RawValue)) -> Result<(), NotJson> {
    struct Elements<F>(F);
    impl<'t, F: FnMut(&'t RawValue)> Visitor<'t> for Elements<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'t>>(mut self, mut seq: A) -> Result<(), A::Error> {
            while let Some(element) = seq.next_element()? {
                (self.0)(element);
            }
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_seq(Elements(each))?;
    json.end()
}

/// The string that `value` holds; None if it is none.
pub fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    Text.deserialize(&mut serde_json::Deserializer::from_str(value.get())).ok()
}

/// True if `text` is one JSON value of any kind with nothing but white space around it.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// A string, borrowed where it holds no escapes. Asked for as bytes, since only so lone surrogates are let through.
struct Text;

impl<'t> DeserializeSeed<'t> for Text {
    type Value = Cow<'t, str>;

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_bytes(self)
    }
}

impl<'t> Visitor<'t> for Text {
    type Value = Cow<'t, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'t [u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
    }
}
