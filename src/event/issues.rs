//! Collects what does not fit while a body is decoded. Bounded, and never repeats what may be personal.

use serde_json::value::RawValue;

use super::{
    json::Kind,
    pb::{DecodeIssue, DecodeProblem},
};

/// How many issues an event lists.
const LISTED: usize = 64;
/// How long a pointer may get, in bytes.
const POINTER_BYTES: usize = 512;
/// How much of a time, number or boolean is repeated, in bytes.
const FOUND_TEXT_BYTES: usize = 64;

/// The issues of one event, and where in the body the decoder stands.
#[derive(Default)]
pub struct Issues {
    pub found: Vec<DecodeIssue>,
    place: String,
}

impl Issues {
    /// Runs `inside` one level deeper, at the member or element `name`.
    pub fn at<T>(&mut self, name: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.place.len();
        self.place.push('/');
        for c in name.chars() {
            match c {
                '~' => self.place.push_str("~0"),
                '/' => self.place.push_str("~1"),
                c => self.place.push(c),
            }
        }
        let result = inside(self);
        self.place.truncate(outer);
        result
    }

    /// `value` is not what is expected here. Its text is repeated where it can't be personal: numbers and booleans.
    pub fn unexpected(&mut self, expected: &str, value: &RawValue) {
        let kind = Kind::of(value);
        let text = if matches!(kind, Kind::Number | Kind::Boolean) { value.get() } else { "" };
        self.add(DecodeProblem::UnexpectedValue, expected, kind.name(), text);
    }

    /// `text` stands where a time is expected, and is none that can be read.
    pub fn unreadable_time(&mut self, text: &str) {
        self.add(DecodeProblem::UnexpectedValue, "RFC 3339 time", Kind::String.name(), text);
    }

    /// A problem with nothing of the body to repeat.
    pub fn note(&mut self, problem: DecodeProblem, expected: &str, found: &str) {
        self.add(problem, expected, found, "");
    }

    fn add(&mut self, problem: DecodeProblem, expected: &str, found: &str, found_text: &str) {
        if self.found.len() < LISTED {
            self.found.push(DecodeIssue {
                pointer: shortened(&self.place, POINTER_BYTES).to_owned(),
                problem: problem.into(),
                expected: expected.to_owned(),
                found: found.to_owned(),
                found_text: shortened(found_text, FOUND_TEXT_BYTES).to_owned(),
            });
        }
    }
}

fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
