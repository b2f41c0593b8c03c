//! Reads JSON in one pass, value by value, as far as somebody wants to look into it.
//!
//! What is JSON is what RFC 8259 says, with two liberties that `serde_json` takes as well, so that no body is refused for
//! them: names may repeat, and strings may hold lone surrogates (which come as U+FFFD). Numbers keep their digits. Depth
//! costs no stack: what nobody looks into is skipped over, not descended into.

mod number;
mod string;

use std::borrow::Cow;

pub use number::{is_number, whole_number};

/// The kinds of JSON values.
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

/// The text is not JSON, or not the kind of value that it was read as. Whatever was read of it is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

/// A place in a text, before a value. Every method reads one value, and leaves the place behind it.
#[derive(Clone)]
pub struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The kind of the value that is next, by its first character. Reads nothing.
    pub fn kind(&mut self) -> Result<Kind, NotJson> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            _ => Err(NotJson),
        }
    }

    /// An object: calls `each` with every name, in order, repetitions included. `each` reads the value.
    pub fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'t, str>) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.expect(b'{')?;
        if self.eats(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            each(self, name)?;
            if !self.eats(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// An array: calls `each` for every element, in order. `each` reads it.
    pub fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), NotJson>) -> Result<(), NotJson> {
        self.expect(b'[')?;
        if self.eats(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if !self.eats(b',') {
                return self.expect(b']');
            }
        }
    }

    /// A string: what it says, borrowed where it holds no escapes.
    pub fn string(&mut self) -> Result<Cow<'t, str>, NotJson> {
        self.skip_space();
        let start = self.at;
        let is_plain = self.skip_string()?;
        let literal = &self.text[start..self.at];
        if is_plain { Ok(Cow::Borrowed(&literal[1..literal.len() - 1])) } else { string::unescaped(literal) }
    }

    /// Any value: its text, without white space around it.
    pub fn skip(&mut self) -> Result<&'t str, NotJson> {
        self.skip_space();
        let start = self.at;
        // The brackets that have to close what is open.
        let mut closers: Vec<u8> = Vec::new();
        loop {
            self.skip_space();
            match self.peek().ok_or(NotJson)? {
                b'{' => {
                    self.at += 1;
                    if !self.eats(b'}') {
                        self.skip_name()?;
                        closers.push(b'}');
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    if !self.eats(b']') {
                        closers.push(b']');
                        continue;
                    }
                }
                b'"' => {
                    self.skip_string()?;
                }
                b'n' => self.skip_literal("null")?,
                b't' => self.skip_literal("true")?,
                b'f' => self.skip_literal("false")?,
                _ => self.skip_number()?,
            }
            // A value has ended: what follows it?
            loop {
                let Some(&closer) = closers.last() else { return Ok(&self.text[start..self.at]) };
                if self.eats(b',') {
                    if closer == b'}' {
                        self.skip_name()?;
                    }
                    break;
                }
                self.expect(closer)?;
                closers.pop();
            }
        }
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Result<(), NotJson> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(NotJson) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads white space, and `byte` if it is next; false if it is not.
    fn eats(&mut self, byte: u8) -> bool {
        self.skip_space();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.eats(byte) { Ok(()) } else { Err(NotJson) }
    }

    fn skip_name(&mut self) -> Result<(), NotJson> {
        self.skip_space();
        self.skip_string()?;
        self.expect(b':')
    }

    fn skip_literal(&mut self, literal: &str) -> Result<(), NotJson> {
        if !self.text.as_bytes()[self.at..].starts_with(literal.as_bytes()) {
            return Err(NotJson);
        }
        self.at += literal.len();
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), NotJson> {
        self.at += number::length(&self.text.as_bytes()[self.at..]).ok_or(NotJson)?;
        Ok(())
    }

    /// Reads a string; true if it says what it literally holds.
    fn skip_string(&mut self) -> Result<bool, NotJson> {
        let (length, is_plain) = string::length(&self.text.as_bytes()[self.at..]).ok_or(NotJson)?;
        self.at += length;
        Ok(is_plain)
    }
}

/// The one value that `text` is, with nothing but white space around it.
pub fn value(text: &str) -> Result<&str, NotJson> {
    let mut reader = Reader::new(text);
    let value = reader.skip()?;
    reader.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests;
