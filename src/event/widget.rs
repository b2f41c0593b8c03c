//! A callback of Smile's Wink Widget, as a browser reports it: one JSON object.
//!
//! `{"id": "...", "name": "onAccountCreated", "arguments": [...], "occurredAt": "...", "argumentsOmitted": true}`
//!
//! The arguments are whatever the reporter was called with. The widget passes one object; Smile's bridges for mobile pass
//! the fields one by one (Android, with objects as JSON in strings), an object with other names (iOS), or a line of
//! prose (Flutter and React Native), which says nothing that could be relied on.

use std::{borrow::Cow, fmt::Write as _};

use super::{
    envelope,
    issues::{Issues, LISTED},
    json::{self, Kind, NotJson, Reader},
    pb::DecodeProblem,
    record::Record,
    schema::{
        EventType,
        names::{CALLBACK_SPELLINGS, CALLBACKS},
    },
    transcode::Decoder,
    wire,
};

/// A report, taken apart.
#[derive(Default)]
pub struct Report<'t> {
    /// What the browser calls it.
    pub id: Option<Cow<'t, str>>,
    /// The callback's name.
    pub name: Option<Cow<'t, str>>,
    /// As JSON.
    arguments: Option<&'t str>,
    /// As JSON.
    occurred_at: Option<&'t str>,
    arguments_omitted: bool,
    /// Members that no version of this had.
    unknown: Vec<(Cow<'t, str>, Kind)>,
}

impl<'t> Report<'t> {
    /// Reads a report.
    ///
    /// # Errors
    /// If it is no JSON object.
    pub fn read(text: &'t str) -> Result<Self, NotJson> {
        let mut report = Self::default();
        let mut reader = Reader::new(text);
        reader.members(|reader, name| {
            match name.as_ref() {
                "id" => report.id = envelope::usable(reader)?,
                "name" => report.name = envelope::usable(reader)?,
                "arguments" => report.arguments = Some(reader.skip()?).filter(|value| *value != "null"),
                "occurredAt" => report.occurred_at = Some(reader.skip()?).filter(|value| *value != "null"),
                "argumentsOmitted" => report.arguments_omitted = reader.skip()? == "true",
                _ => {
                    let kind = reader.kind()?;
                    reader.skip()?;
                    if report.unknown.len() < LISTED {
                        report.unknown.push((name, kind));
                    }
                }
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(report)
    }

    /// The user that the arguments are about, if they say.
    #[must_use]
    pub fn claimed_user(&self) -> Option<String> {
        let fields = self.fields().ok()?;
        let Field { value, .. } = fields.into_iter().rev().find(|field| field.name == "userId")?;
        let mut reader = Reader::new(&value);
        match reader.kind().ok()? {
            Kind::String => reader.string().ok().map(Cow::into_owned).filter(|user| !user.is_empty()),
            Kind::Null => None,
            // Whatever it is, it is no user's id.
            _ => Some(value),
        }
    }

    /// The fields of the callback's message, whatever shape the arguments have.
    fn fields(&self) -> Result<Vec<Field>, NotJson> {
        let name = self.name.as_deref().unwrap_or_default();
        let callback = CALLBACKS.iter().find(|callback| callback.name == name);
        let places = callback.map_or(&[][..], |callback| callback.fields);
        let given = each(self.arguments)?;
        let Some(first) = given.first() else { return Ok(Vec::new()) };
        let unwrapped = unwrapped(first)?;
        if let Some(fields) = members(&unwrapped)? {
            // An upload by itself is an object as well, and may say whose it is.
            let are_places = || fields.iter().all(|field| places.contains(&&*field.name));
            let has_uploads = || fields.iter().any(|field| field.name == "uploads");
            if places.first() != Some(&"uploads") || has_uploads() || are_places() {
                return fields.into_iter().map(Field::settled).collect();
            }
        }
        // A line of prose is no field.
        let is_prose = given.len() == 1 && places.len() > 1 && is_string(&unwrapped);
        if callback.is_none() || is_prose {
            return Ok(Vec::new());
        }
        places.iter().zip(given).map(|(name, value)| Field::new((*name).to_owned(), value).settled()).collect()
    }
}

/// A field of a callback's message.
struct Field {
    name: String,
    /// As JSON.
    value: String,
}

impl Field {
    fn new(name: String, value: &str) -> Self {
        Self { name, value: value.to_owned() }
    }

    /// The value that is meant: bridges make text of nothing, and of objects.
    fn settled(self) -> Result<Self, NotJson> {
        if !is_string(&self.value) {
            return Ok(self);
        }
        let said = Reader::new(&self.value).string()?;
        let value = match (self.name.as_str(), said.as_ref()) {
            (_, "undefined" | "null") => "null".to_owned(),
            ("account" | "archive", _) => unwrapped(&self.value)?.into_owned(),
            // What is free of form stays as it is.
            _ => return Ok(self),
        };
        Ok(Self { value, ..self })
    }
}

/// The arguments, each as JSON.
fn each(arguments: Option<&str>) -> Result<Vec<&str>, NotJson> {
    let Some(arguments) = arguments else { return Ok(Vec::new()) };
    let mut reader = Reader::new(arguments);
    if reader.kind()? != Kind::Array {
        return Ok(vec![arguments]);
    }
    let mut given = Vec::new();
    reader.elements(|reader| {
        given.push(reader.skip()?);
        Ok(())
    })?;
    Ok(given)
}

/// The JSON that a string holds, if it holds an object or an array; else the value itself.
fn unwrapped(value: &str) -> Result<Cow<'_, str>, NotJson> {
    if !is_string(value) {
        return Ok(Cow::Borrowed(value));
    }
    let said = Reader::new(value).string()?;
    let is_json = said.trim_start().starts_with(['{', '[']) && json::value(&said).is_ok();
    Ok(if is_json { Cow::Owned(said.into_owned()) } else { Cow::Borrowed(value) })
}

/// The members of an object, by the names that the callback's fields have; None of any other value.
fn members(value: &str) -> Result<Option<Vec<Field>>, NotJson> {
    let mut reader = Reader::new(value);
    if reader.kind()? != Kind::Object {
        return Ok(None);
    }
    let mut fields = Vec::new();
    reader.members(|reader, name| {
        let spelt = CALLBACK_SPELLINGS.iter().find(|(spelling, _)| *spelling == name);
        let name = spelt.map_or_else(|| name.into_owned(), |(_, own)| (*own).to_owned());
        fields.push(Field::new(name, reader.skip()?));
        Ok(())
    })?;
    Ok(Some(fields))
}

fn is_string(value: &str) -> bool {
    value.starts_with('"')
}

/// Puts what a record's report says, and what is the matter with it.
pub fn put(out: &mut Vec<u8>, record: &Record, known: Option<&EventType>) {
    let text = envelope::text(&record.body);
    let start = out.len();
    if put_report(out, record, known, &text).is_err() {
        out.truncate(start);
        let mut issues = Issues::default();
        issues.note(DecodeProblem::NotJson, "object", "invalid JSON");
        put_issues(out, issues);
    }
}

fn put_report(out: &mut Vec<u8>, record: &Record, known: Option<&EventType>, text: &str) -> Result<(), NotJson> {
    let report = Report::read(text)?;
    let fields = as_object(&report.fields()?);
    let mut decoder = Decoder::new(out);
    let mut occurred_at = None;
    if let Some(value) = report.occurred_at {
        decoder.issues.enter("occurredAt".into());
        occurred_at = decoder.time(&mut Reader::new(value))?;
        decoder.issues.leave();
    }
    wire::put_message(decoder.out, 18, |out| {
        wire::put_str_unless_empty(out, 1, report.id.as_deref().unwrap_or_default());
        if let Some(at) = &occurred_at {
            wire::put_timestamp(out, 2, at);
        }
        wire::put_str_unless_empty(out, 3, &record.reporter.origin);
        wire::put_str_unless_empty(out, 4, &record.reporter.session);
        wire::put_varint_unless_zero(out, 5, report.arguments_omitted.into());
    });
    decoder.issues.enter("arguments".into());
    match known {
        Some(known) => {
            decoder.content(&mut Reader::new(&fields), known.field, known.message)?;
            if let Some(given) = report.arguments.filter(|_| fields == "{}")
                && each(Some(given))?.iter().any(|value| is_string(value))
            {
                decoder.issues.note(DecodeProblem::UnexpectedValue, "object", Kind::String.name());
            }
        }
        None => wire::put_message(decoder.out, OTHER, |out| {
            if let Some(arguments) = report.arguments {
                wire::put_wrapped(out, 1, arguments);
            }
        }),
    }
    decoder.issues.leave();
    for (name, kind) in report.unknown {
        decoder.issues.note_member(name, DecodeProblem::UnknownField, "", kind.name());
    }
    let issues = std::mem::take(&mut decoder.issues);
    put_issues(out, issues);
    Ok(())
}

/// The field of `Event.data` for callbacks that are not known.
pub const OTHER: u32 = 299;

fn put_issues(out: &mut Vec<u8>, issues: Issues<'_>) {
    for issue in issues.found {
        wire::put_bytes(out, 12, &prost::Message::encode_to_vec(&issue));
    }
}

fn as_object(fields: &[Field]) -> String {
    let mut object = "{".to_owned();
    for Field { name, value } in fields {
        let comma = if object.len() > 1 { "," } else { "" };
        let name = serde_json::Value::from(name.as_str());
        write!(object, "{comma}{name}:{value}").expect("a String takes all");
    }
    object.push('}');
    object
}

#[cfg(test)]
mod tests;
