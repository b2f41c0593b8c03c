//! Whether a path names a field that events have, and which one may have been meant if it does not.

use std::collections::BTreeSet;

use crate::event::schema::{Kind, Message, SCHEMA};

/// How many names an error lists.
const LISTED: usize = 40;
/// A name is suggested if it is at least this much like the one that is not known; 1 is the same.
const LIKE: f64 = 0.75;

/// A path that can't be removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedactionError {
    #[error("{path:?} is no path: write names of fields with dots between them, such as payload.identity")]
    Form { path: String },
    #[error("{path}: {place} has no field {name:?}; {instead}")]
    Unknown { path: String, place: String, name: String, instead: String },
    #[error("{path}: {place} is a value by itself, with no fields to name")]
    Scalar { path: String, place: String },
    #[error(
        "{path}: userId can't be removed, as every event says whose it is (Event.user_id), and filters look at that"
    )]
    UserId { path: String },
}

/// # Errors
/// If the path names no field of any event.
pub fn check(path: &str) -> Result<(), RedactionError> {
    let names: Vec<&str> = path.split('.').collect();
    if names.iter().any(|name| name.is_empty() || name.contains(char::is_whitespace)) {
        return Err(RedactionError::Form { path: path.to_owned() });
    }
    if names.last() == Some(&"userId") {
        return Err(RedactionError::UserId { path: path.to_owned() });
    }
    let mut messages: BTreeSet<usize> = (0..SCHEMA.messages.len()).collect();
    for (at, name) in names.iter().enumerate() {
        let place = || if at == 0 { "an event".to_owned() } else { names[..at].join(".") };
        if messages.is_empty() {
            return Err(RedactionError::Scalar { path: path.to_owned(), place: place() });
        }
        let found: Vec<Kind> = messages.iter().filter_map(|&message| field(&SCHEMA.messages[message], name)).collect();
        if found.is_empty() {
            let known = known(&messages);
            return Err(RedactionError::Unknown {
                path: path.to_owned(),
                place: place(),
                name: (*name).to_owned(),
                instead: instead(name, &known, at == 0),
            });
        }
        messages = found.into_iter().filter_map(message).flat_map(with_elements).collect();
    }
    Ok(())
}

fn field(of: &'static Message, name: &str) -> Option<Kind> {
    of.field(name, 0).map(|(at, _)| of.fields[at].kind)
}

fn message(kind: Kind) -> Option<usize> {
    if let Kind::Message(message) = kind { Some(message) } else { None }
}

/// A message, and that of its elements if it is a list whose name for them may be left out.
fn with_elements(message: usize) -> impl Iterator<Item = usize> {
    let list = &SCHEMA.messages[message];
    let elements = list.elements().map(|at| list.fields[at].kind);
    [Some(message), elements.and_then(self::message)].into_iter().flatten()
}

/// The names of the fields of these messages.
fn known(messages: &BTreeSet<usize>) -> BTreeSet<&'static str> {
    messages.iter().flat_map(|&message| SCHEMA.messages[message].names()).collect()
}

fn instead(name: &str, known: &BTreeSet<&'static str>, is_first: bool) -> String {
    let like = |known: &&'static str| (strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase()), *known);
    let nearest = known.iter().map(like).max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(like, _)| *like >= LIKE);
    if let Some((_, nearest)) = nearest {
        return format!("did you mean {nearest:?}?");
    }
    // At the start of a path any field of any message can stand: the content of types is what people begin with.
    let contents = || SCHEMA.types.values().map(|content| content.message).collect();
    let listed = if is_first { self::known(&contents()) } else { known.clone() };
    let more = if listed.len() > LISTED { ", ..." } else { "" };
    format!("there are {}{more}", listed.into_iter().take(LISTED).collect::<Vec<_>>().join(", "))
}
