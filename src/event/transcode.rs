//! Turns the JSON of a body into protobuf's wire format in one pass, driven by the tables of the proto. No Rust value of
//! the message is built on the way.
//!
//! Tolerant by rule: null is no value wherever it stands, the last of several equal names counts, a scalar of another
//! kind is taken by its text, a bare value stands for a list of it, and what can't be taken is left out and said. One
//! odd field never costs the others.

mod again;
mod scalar;
mod time;

use std::{borrow::Cow, ops::Range};

use super::{
    issues::{Expected, Issues},
    json::{Kind, NotJson, Reader},
    pb::DecodeProblem,
    schema::{self, Field, Message, SCHEMA, Shape},
    wire,
};

/// Writes the fields of messages into `out`, as they are read.
pub struct Decoder<'t, 'o> {
    pub out: &'o mut Vec<u8>,
    pub issues: Issues<'t>,
    /// For every field of the messages that are open, what came of it so far; the innermost message's last.
    seen: Vec<Seen>,
}

/// What came of a field so far.
#[derive(Clone, Default)]
struct Seen {
    /// The name it came by; empty if it did not come.
    name: &'static str,
    /// Where its bytes are in `out`; empty if there are none.
    bytes: Range<usize>,
}

/// A value that is read only when all members are known.
struct Later<'t> {
    field: usize,
    name: Cow<'t, str>,
    text: &'t str,
}

type Read = Result<(), NotJson>;

impl<'t, 'o> Decoder<'t, 'o> {
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, issues: Issues::default(), seen: Vec::with_capacity(32) }
    }

    /// Reads a value that is expected to be an object, or what stands for one, and puts it as field `number` with the
    /// message `message`. Left out if it is neither.
    pub fn content(&mut self, reader: &mut Reader<'t>, number: u32, message: usize) -> Read {
        self.message(reader, number, &SCHEMA.messages[message], false)
    }

    fn message(
        &mut self,
        reader: &mut Reader<'t>,
        number: u32,
        message: &'static Message,
        may_hold_more: bool,
    ) -> Read {
        let found = reader.kind()?;
        let elements = match (message.shape, found) {
            (Shape::Object | Shape::Page(_), Kind::Object) => None,
            (Shape::List(at), Kind::Array | Kind::String | Kind::Number | Kind::Boolean)
            | (Shape::Page(at), Kind::Array) => Some(&message.fields[at]),
            (Shape::Object, _) => return self.left_out(reader, Expected::Object, found),
            (Shape::List(_), _) => return self.left_out(reader, Expected::List, found),
            (Shape::Page(_), _) => return self.left_out(reader, Expected::Page, found),
        };
        let start = wire::begin_message(self.out, number);
        match elements {
            None => self.members(reader, message, may_hold_more)?,
            Some(field) => self.field(reader, field)?,
        }
        wire::end_message(self.out, start);
        Ok(())
    }

    fn members(&mut self, reader: &mut Reader<'t>, message: &'static Message, may_hold_more: bool) -> Read {
        let base = self.seen.len();
        self.seen.resize(base + message.fields.len(), Seen::default());
        let mut later: Option<Later<'t>> = None;
        // Names come in the proto's order, as a rule.
        let mut likely = 0;
        reader.members(|reader, name| {
            let found = reader.kind()?;
            let Some((at, known)) = message.field(&name, likely) else {
                if !may_hold_more {
                    self.issues.note_member(name, DecodeProblem::UnknownField, "", found.name());
                }
                return reader.skip().map(drop);
            };
            likely = at + 1;
            let earlier = self.seen[base + at].clone();
            if !earlier.name.is_empty() {
                self.issues.note_member(name.clone(), DecodeProblem::DuplicateField, "", found.name());
                // Null under one spelling says nothing of what is sent under the other.
                if found == Kind::Null && earlier.name != known {
                    return reader.skip().map(drop);
                }
            }
            self.seen[base + at].name = known;
            let field = &message.fields[at];
            if field.otherwise.is_some() {
                later = Some(Later { field: at, name, text: reader.skip()? });
                return Ok(());
            }
            let start = self.out.len();
            self.issues.enter(name);
            self.field(reader, field)?;
            self.issues.leave();
            self.came(base, at, start, &earlier, field);
            Ok(())
        })?;
        if let Some(later) = later {
            self.later(later, message, base)?;
        }
        self.seen.truncate(base);
        Ok(())
    }

    /// Reads a value that a field may not hold in every case, and puts it where it belongs.
    fn later(&mut self, later: Later<'t>, message: &'static Message, base: usize) -> Read {
        let field = &message.fields[later.field];
        let otherwise = field.otherwise.as_ref().expect("that is why it was left for later");
        let schema::Kind::Message(typed) = field.kind else { return Ok(()) };
        let typed = &SCHEMA.messages[typed];
        let mut reader = Reader::new(later.text);
        if reader.kind()? == Kind::Null {
            return Ok(());
        }
        let (is_typed, is_verbatim) = match &otherwise.told_by {
            Some((sibling, fitting)) => {
                let told = &self.out[self.seen[base + sibling].bytes.clone()];
                let fits = told.is_empty() || told == fitting;
                (fits, !fits)
            }
            None => (reader.kind()? == Kind::Object, holds_more(later.text, typed)?),
        };
        self.issues.enter(later.name);
        if is_typed {
            self.message(&mut reader, field.number, typed, otherwise.told_by.is_none())?;
        }
        if is_verbatim {
            wire::put_wrapped(self.out, message.fields[otherwise.verbatim].number, later.text);
        }
        self.issues.leave();
        Ok(())
    }

    /// Reads the value of a field, and puts it unless it is null.
    fn field(&mut self, reader: &mut Reader<'t>, field: &'static Field) -> Read {
        if !field.repeated {
            return self.element(reader, field);
        }
        match (reader.kind()?, field.kind) {
            (Kind::Array, _) => {}
            // A bare value where a list of such values is expected.
            (Kind::Object, schema::Kind::Message(_)) => return self.element(reader, field),
            (Kind::Object, _) | (Kind::String | Kind::Number | Kind::Boolean, schema::Kind::Message(_)) => {
                let found = reader.kind()?;
                return self.left_out(reader, Expected::List, found);
            }
            _ => return self.element(reader, field),
        }
        self.issues.enter_elements();
        reader.elements(|reader| {
            self.element(reader, field)?;
            self.issues.next_element();
            Ok(())
        })?;
        self.issues.leave();
        Ok(())
    }

    /// Reads one value, and puts it unless it is null.
    fn element(&mut self, reader: &mut Reader<'t>, field: &'static Field) -> Read {
        let found = reader.kind()?;
        if found == Kind::Null {
            return reader.skip().map(drop);
        }
        let number = field.number;
        match field.kind {
            schema::Kind::String => {
                if let Some(text) = self.text(reader, Expected::String)? {
                    wire::put_bytes(self.out, number, text.as_bytes());
                }
            }
            schema::Kind::Bool => {
                if let Some(said) = self.boolean(reader)? {
                    wire::put_varint(self.out, number, said.into());
                }
            }
            schema::Kind::Count => {
                if let Some(count) = self.count(reader)? {
                    wire::put_varint(self.out, number, i64::from(count).cast_unsigned());
                }
            }
            schema::Kind::Decimal => {
                if let Some(text) = self.decimal(reader)? {
                    wire::put_wrapped(self.out, number, &text);
                }
            }
            schema::Kind::Timestamp => {
                if let Some(at) = self.time(reader)? {
                    wire::put_timestamp(self.out, number, &at);
                }
            }
            schema::Kind::Json => wire::put_wrapped(self.out, number, reader.skip()?),
            schema::Kind::Message(message) => self.content(reader, number, message)?,
        }
        Ok(())
    }

    /// Reads past a value that can't be taken, and says so.
    fn left_out(&mut self, reader: &mut Reader<'t>, expected: Expected, found: Kind) -> Read {
        let text = reader.skip()?;
        self.issues.unexpected(expected, found, text);
        Ok(())
    }
}

/// True if the value has members that `message` does not know, or can have none.
fn holds_more(text: &str, message: &'static Message) -> Result<bool, NotJson> {
    let mut reader = Reader::new(text);
    if reader.kind()? != Kind::Object {
        return Ok(true);
    }
    let mut more = false;
    reader.members(|reader, name| {
        more |= message.field(&name, 0).is_none();
        reader.skip().map(drop)
    })?;
    Ok(more)
}

#[cfg(test)]
mod tests;
