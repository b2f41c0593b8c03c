//! Scalars, of the kind that is expected or another.

use std::borrow::Cow;

use super::Decoder;
use crate::event::{
    issues::Expected,
    json::{Kind, NotJson, Reader, is_number, whole_number},
};

impl<'t> Decoder<'t, '_> {
    /// The text of a scalar: what a string says, a number's digits as sent. Said for all but strings.
    pub fn text(&mut self, reader: &mut Reader<'t>, expected: Expected) -> Result<Option<Cow<'t, str>>, NotJson> {
        let found = reader.kind()?;
        if found == Kind::String {
            return reader.string().map(Some);
        }
        let text = reader.skip()?;
        self.issues.unexpected(expected, found, text);
        Ok(matches!(found, Kind::Number | Kind::Boolean).then_some(Cow::Borrowed(text)))
    }

    /// True and false, also as text or as 1 and 0.
    pub(super) fn boolean(&mut self, reader: &mut Reader<'t>) -> Result<Option<bool>, NotJson> {
        let (found, text) = scalar(reader)?;
        let said = match (found, text.trim()) {
            (Kind::Boolean, _) => return Ok(Some(text == "true")),
            (Kind::String, said) if said.eq_ignore_ascii_case("true") => Some(true),
            (Kind::String, said) if said.eq_ignore_ascii_case("false") => Some(false),
            (Kind::Number, "1") => Some(true),
            (Kind::Number, "0") => Some(false),
            _ => None,
        };
        self.issues.unexpected(Expected::Boolean, found, &text);
        Ok(said)
    }

    /// A whole number, however it is written.
    pub(super) fn count(&mut self, reader: &mut Reader<'t>) -> Result<Option<i32>, NotJson> {
        let (found, text) = scalar(reader)?;
        let number = text.trim();
        let count = match found {
            Kind::Number => whole_number(number),
            Kind::String if is_number(number) => whole_number(number),
            _ => None,
        };
        if found != Kind::Number || count.is_none() {
            self.issues.unexpected(Expected::Integer, found, &text);
        }
        Ok(count)
    }

    /// A number by its text, all digits kept.
    pub(super) fn decimal(&mut self, reader: &mut Reader<'t>) -> Result<Option<Cow<'t, str>>, NotJson> {
        let (found, text) = scalar(reader)?;
        if found == Kind::Number {
            return Ok(Some(text));
        }
        self.issues.unexpected(Expected::Number, found, &text);
        let number = text.trim();
        Ok((found == Kind::String && is_number(number)).then(|| Cow::Owned(number.to_owned())))
    }
}

/// The kind of a value and, if it is a string, what it says, else its text.
pub fn scalar<'t>(reader: &mut Reader<'t>) -> Result<(Kind, Cow<'t, str>), NotJson> {
    let found = reader.kind()?;
    let text = if found == Kind::String { reader.string()? } else { Cow::Borrowed(reader.skip()?) };
    Ok((found, text))
}
