//! Collects what does not fit while a body is decoded. Bounded, and never repeats what may be personal.

use std::{borrow::Cow, fmt::Write as _};

use super::{
    json::Kind,
    pb::{DecodeIssue, DecodeProblem},
};

/// How many issues an event lists.
pub const LISTED: usize = 64;
/// How long a pointer may get, in bytes.
const POINTER_BYTES: usize = 512;
/// How much of a time, number or boolean is repeated, in bytes.
const FOUND_TEXT_BYTES: usize = 64;

/// What this version expects at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    String,
    /// What the log can use as an id or a type's name.
    Name,
    Boolean,
    Integer,
    Number,
    Time,
    Object,
    List,
    /// A list, or an object with a list and a cursor.
    Page,
}

impl Expected {
    fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Name => "string of 1 to 512 bytes",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Time => "RFC 3339 time",
            Self::Object => "object",
            Self::List => "array",
            Self::Page => "object or array",
        }
    }

    /// True where what is found instead is safe to repeat. Where a string is expected, a number is somebody's phone
    /// number or id.
    fn may_be_repeated(self) -> bool {
        matches!(self, Self::Boolean | Self::Integer | Self::Number | Self::Time)
    }
}

/// The issues of one event, and where in the body the decoder stands.
#[derive(Default)]
pub struct Issues<'t> {
    pub found: Vec<DecodeIssue>,
    /// The members and elements that lead there; made a pointer only for those who ask.
    place: Vec<Step<'t>>,
}

enum Step<'t> {
    Member(Cow<'t, str>),
    Element(usize),
}

impl<'t> Issues<'t> {
    /// From here on the decoder stands at the member `name` of where it stood.
    pub fn enter(&mut self, name: Cow<'t, str>) {
        self.place.push(Step::Member(name));
    }

    /// From here on the decoder stands at the first element of where it stood.
    pub fn enter_elements(&mut self) {
        self.place.push(Step::Element(0));
    }

    /// From here on the decoder stands at the next element.
    pub fn next_element(&mut self) {
        if let Some(Step::Element(at)) = self.place.last_mut() {
            *at += 1;
        }
    }

    /// From here on the decoder stands where it stood before it entered.
    pub fn leave(&mut self) {
        self.place.pop();
    }

    /// What is here is not what is expected: a value of the kind `found`, which for a scalar says `text`.
    pub fn unexpected(&mut self, expected: Expected, found: Kind, text: &str) {
        let is_scalar = !matches!(found, Kind::Array | Kind::Object | Kind::Null);
        let text = if expected.may_be_repeated() && is_scalar { text } else { "" };
        self.add(DecodeProblem::UnexpectedValue, expected.name(), found.name(), text);
    }

    /// A problem with nothing of the body to repeat.
    pub fn note(&mut self, problem: DecodeProblem, expected: &str, found: &str) {
        self.add(problem, expected, found, "");
    }

    /// As `note`, of the member `name` of where the decoder stands.
    pub fn note_member(&mut self, name: Cow<'t, str>, problem: DecodeProblem, expected: &str, found: &str) {
        self.enter(name);
        self.note(problem, expected, found);
        self.leave();
    }

    fn add(&mut self, problem: DecodeProblem, expected: &str, found: &str, found_text: &str) {
        if self.found.len() < LISTED {
            self.found.push(DecodeIssue {
                pointer: shortened(&self.pointer(), POINTER_BYTES).to_owned(),
                problem: problem.into(),
                expected: expected.to_owned(),
                found: found.to_owned(),
                found_text: shortened(found_text, FOUND_TEXT_BYTES).to_owned(),
            });
        }
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.place {
            pointer.push('/');
            match step {
                Step::Member(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
                Step::Element(at) => write!(pointer, "{at}").expect("a String takes all"),
            }
        }
        pointer
    }
}

fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
