//! Changes a JSON text in place.
//!
//! Promises: everything but the changed value stays as it was, byte for byte: the order of members, white space, the
//! digits of numbers. What cannot be changed as asked is an error that names the place.

use std::{borrow::Cow, fmt, ops::Range, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A value to put at a place: `data.providers.0=alon_ph`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Names of members, or indexes of elements.
    path: Vec<String>,
    /// As JSON.
    value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("expected PATH=VALUE, such as data.userId=u-1")]
    Syntax,
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("{place} is neither an object nor an array, so there is no {place}.{step}")]
    Scalar { place: String, step: String },
    #[error("{place} is an array of {len}: {step} is no index of it, and only {len} would add to it")]
    Index { place: String, step: String, len: usize },
}

impl FromStr for Setting {
    type Err = EditError;

    fn from_str(text: &str) -> Result<Self, EditError> {
        let (path, value) = text.split_once('=').ok_or(EditError::Syntax)?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(EditError::Syntax);
        }
        let is_json = serde_json::from_str::<&RawValue>(value).is_ok();
        let value = if is_json { value.to_owned() } else { quoted(value) };
        Ok(Self { path, value })
    }
}

impl Setting {
    /// A string for a member of the outermost object.
    #[must_use]
    pub fn text(name: &str, value: &str) -> Self {
        Self { path: vec![name.to_owned()], value: quoted(value) }
    }

    /// True if this sets the outermost object's member `name`.
    #[must_use]
    pub fn is_of(&self, name: &str) -> bool {
        self.path == [name]
    }

    /// Makes the change.
    ///
    /// # Errors
    /// If the text is not a JSON object, or has no such place and none can be made.
    pub fn apply(&self, json: &mut String) -> Result<(), EditError> {
        if !json.trim_start().starts_with('{') {
            return Err(EditError::NotAnObject);
        }
        let whole: &RawValue = serde_json::from_str(json).map_err(|_| EditError::NotAnObject)?;
        let (at, text) = self.change(json, whole)?;
        json.replace_range(at, &text);
        Ok(())
    }

    /// Which bytes of `json` to replace, and by what.
    fn change<'a>(&self, json: &'a str, whole: &'a RawValue) -> Result<(Range<usize>, String), EditError> {
        let mut at = whole;
        for (depth, step) in self.path.iter().enumerate() {
            let place = || if depth == 0 { "the body".to_owned() } else { self.path[..depth].join(".") };
            let rest = &self.path[depth + 1..];
            let (found, last, added) = match at.get().as_bytes()[0] {
                b'{' => {
                    let Members(members) = read(at)?;
                    let found = members.iter().rev().find(|(name, _)| name == step).map(|(_, value)| *value);
                    let last = members.last().map(|(_, value)| *value);
                    (found, last, format!("{}:{}", quoted(step), self.made(rest)))
                }
                b'[' => {
                    let elements: Vec<&RawValue> = read(at)?;
                    let len = elements.len();
                    let index = step.parse::<usize>().ok().filter(|index| *index <= len);
                    let index = index.ok_or_else(|| EditError::Index { place: place(), step: step.clone(), len })?;
                    (elements.get(index).copied(), elements.last().copied(), self.made(rest))
                }
                // Null is how Smile writes that there is nothing: something can be made in its place.
                b'n' => return Ok((range(json, at), self.made(&self.path[depth..]))),
                _ => return Err(EditError::Scalar { place: place(), step: step.clone() }),
            };
            match (found, last) {
                (Some(found), _) => at = found,
                (None, Some(last)) => {
                    let end = range(json, last).end;
                    return Ok((end..end, format!(",{added}")));
                }
                (None, None) => {
                    let start = range(json, at).start + 1;
                    return Ok((start..start, added));
                }
            }
        }
        Ok((range(json, at), self.value.clone()))
    }

    /// The value within the objects and arrays that the steps to it ask for.
    fn made(&self, steps: &[String]) -> String {
        steps.iter().rev().fold(self.value.clone(), |value, step| match step.as_str() {
            "0" => format!("[{value}]"),
            _ => format!("{{{}:{value}}}", quoted(step)),
        })
    }
}

/// A JSON text without the white space between its parts.
#[must_use]
pub fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        let keep = in_string || !c.is_ascii_whitespace();
        in_string ^= *c == '"' && !escaped;
        escaped = in_string && *c == '\\' && !escaped;
        keep
    };
    json.chars().filter(keep).collect()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, EditError> {
    serde_json::from_str(value.get()).map_err(|_| EditError::NotAnObject)
}

/// Where in `json` a value of it stands.
fn range(json: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - json.as_ptr().addr();
    start..start + value.get().len()
}

/// The members of an object in their order, also those of equal names.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    members.push((Cow::Owned(name), map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(json: &str, setting: &str) -> Result<String, EditError> {
        let mut json = json.to_owned();
        setting.parse::<Setting>()?.apply(&mut json).map(|()| json)
    }

    #[test]
    fn a_value_is_replaced_and_all_else_stays_as_it_was() {
        let json = "{ \"a\" : 1.50,\n \"b\":{\"c\" : [1, {\"d\":true}]}, \"é\\u0041\":\"x\" }\n";
        for (setting, old, new) in [
            ("a=2", "1.50", "2"),
            ("a=two", "1.50", "\"two\""),
            ("b.c.0=null", "[1,", "[null,"),
            ("b.c.1.d={\"e\": 1.0}", "true", "{\"e\": 1.0}"),
            ("b=", "{\"c\" : [1, {\"d\":true}]}", "\"\""),
            ("éA=say \"hi\"", "\"x\"", "\"say \\\"hi\\\"\""),
        ] {
            assert_eq!(set(json, setting).unwrap(), json.replacen(old, new, 1), "{setting}");
        }
    }

    #[test]
    fn what_is_missing_is_made() {
        for (json, setting, result) in [
            ("{}", "a=1", r#"{"a":1}"#),
            ("{ }", "a.b.c=x", r#"{"a":{"b":{"c":"x"}} }"#),
            (r#"{"a":1 }"#, "b=2", r#"{"a":1,"b":2 }"#),
            (r#"{"a":null}"#, "a.b=1", r#"{"a":{"b":1}}"#),
            (r#"{"a":[]}"#, "a.0=1", r#"{"a":[1]}"#),
            (r#"{"a":[1]}"#, "a.1.b=2", r#"{"a":[1,{"b":2}]}"#),
            ("{}", "a.0.b=1", r#"{"a":[{"b":1}]}"#),
        ] {
            assert_eq!(set(json, setting).unwrap(), result, "{setting}");
        }
    }

    #[test]
    fn of_equal_names_the_last_counts() {
        assert_eq!(set(r#"{"a":1,"a":2}"#, "a=3").unwrap(), r#"{"a":1,"a":3}"#);
    }

    #[test]
    fn what_cannot_be_is_said() {
        assert_eq!(set("{}", "a").unwrap_err(), EditError::Syntax);
        assert_eq!(set("{}", "=1").unwrap_err(), EditError::Syntax);
        assert_eq!(set("{}", "a..b=1").unwrap_err(), EditError::Syntax);
        for json in ["", "[]", "1", "null", "{", "{} x"] {
            assert_eq!(set(json, "a=1").unwrap_err(), EditError::NotAnObject, "{json}");
        }
        let said = set(r#"{"a":"x"}"#, "a.b=1").unwrap_err().to_string();
        assert_eq!(said, "a is neither an object nor an array, so there is no a.b");
        for step in ["2", "x", "-1"] {
            assert!(matches!(set(r#"{"a":[1]}"#, &format!("a.{step}=1")), Err(EditError::Index { len: 1, .. })));
        }
    }

    #[test]
    fn compact_keeps_everything_but_white_space_between_parts() {
        assert_eq!(compact("{ \"a b\" :\n\t[1.50, \" \\\\\" , \"\\\" c\"] }\n"), r#"{"a b":[1.50," \\","\" c"]}"#);
        for (_, sample) in crate::cli::samples::SAMPLES {
            let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
            assert_eq!(value(&compact(sample)), value(sample));
        }
    }
}
