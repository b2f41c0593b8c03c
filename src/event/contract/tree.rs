//! JSON whole, numbers by their digits: what two texts say is compared in this form.

use std::collections::BTreeMap;

use prost_reflect::{Kind as ProtoKind, MessageDescriptor};

use crate::event::json::{Kind, NotJson, Reader};

#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
    /// To be written as it is.
    Verbatim(String),
}

impl Tree {
    pub fn parse(text: &str) -> Self {
        Self::read(&mut Reader::new(text)).unwrap_or_else(|NotJson| panic!("no JSON: {text}"))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, NotJson> {
        Ok(match reader.kind()? {
            Kind::Null => reader.skip().map(|_| Self::Null)?,
            Kind::Boolean => Self::Boolean(reader.skip()? == "true"),
            Kind::Number => Self::Number(reader.skip()?.to_owned()),
            Kind::String => Self::Text(reader.string()?.into_owned()),
            Kind::Array => {
                let mut all = Vec::new();
                reader.elements(|reader| {
                    all.push(Self::read(reader)?);
                    Ok(())
                })?;
                Self::List(all)
            }
            Kind::Object => {
                let mut all = BTreeMap::new();
                reader.members(|reader, name| {
                    all.insert(name.into_owned(), Self::read(reader)?);
                    Ok(())
                })?;
                Self::Object(all)
            }
        })
    }

    /// The member of that name; null if there is none.
    pub fn member(&self, name: &str) -> Self {
        match self {
            Self::Object(all) => all.get(name).cloned().unwrap_or(Self::Null),
            _ => Self::Null,
        }
    }

    pub fn text(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Boolean(said) => said.to_string(),
            Self::Number(text) | Self::Verbatim(text) => text.clone(),
            Self::Text(text) => serde_json::to_string(text).unwrap(),
            Self::List(all) => format!("[{}]", all.iter().map(Self::text).collect::<Vec<_>>().join(",")),
            Self::Object(all) => {
                let members = all
                    .iter()
                    .map(|(name, value)| format!("{}:{}", serde_json::to_string(name).unwrap(), value.text()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Without what protobuf does not tell from absence: null members, null elements, and lists without elements.
    pub fn without_nothing(&self) -> Self {
        let is_something = |value: &Self| *value != Self::Null && *value != Self::List(Vec::new());
        match self {
            Self::List(all) => {
                Self::List(all.iter().filter(|value| **value != Self::Null).map(Self::without_nothing).collect())
            }
            Self::Object(all) => {
                let all = all.iter().map(|(name, value)| (name.clone(), value.without_nothing()));
                Self::Object(all.filter(|(_, value)| is_something(value)).collect())
            }
            other => other.clone(),
        }
    }

    /// Proto JSON of a message, with the representations that ARCHITECTURE.md names undone: what Smile's JSON says.
    pub fn as_smile_writes_it(&self, message: &MessageDescriptor) -> Self {
        let Self::Object(all) = self else { return self.clone() };
        match message.name() {
            "Decimal" => {
                let Self::Text(digits) = self.member("value") else { panic!("{self:?}") };
                return Self::Number(digits);
            }
            "JsonText" => {
                let Self::Text(text) = self.member("text") else { panic!("{self:?}") };
                return Self::parse(&text);
            }
            "StringList" => {
                return match self.member("values") {
                    Self::Null => Self::List(Vec::new()),
                    values => values,
                };
            }
            _ => {}
        }
        let mut smile = BTreeMap::new();
        for (name, value) in all {
            let field = message.get_field_by_json_name(name).unwrap_or_else(|| panic!("{name}"));
            let value = match (field.kind(), value) {
                (ProtoKind::Message(inner), Self::List(elements)) => {
                    Self::List(elements.iter().map(|element| element.as_smile_writes_it(&inner)).collect())
                }
                (ProtoKind::Message(inner), value) => value.as_smile_writes_it(&inner),
                (_, value) => value.clone(),
            };
            // Verbatim, beside or instead of the typed one.
            if name == "otherPayload" {
                smile.insert("payload".to_owned(), value);
            } else {
                smile.entry(name.clone()).or_insert(value);
            }
        }
        Self::Object(smile)
    }
}
