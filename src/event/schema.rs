//! What `proto/` says of events, as tables that decoding runs on. The proto is the only definition: a new field or
//! event type is added there, and needs a line in [`names`] only where Smile's names are not one to one with it.

pub mod names;

use std::{collections::HashMap, sync::LazyLock};

use names::{CALLBACKS, OTHERWISE, SPELLINGS, When};
use prost_reflect::{Cardinality, DescriptorPool, Kind as ProtoKind, MessageDescriptor};

use super::{
    pb::{self, EventSource},
    wire,
};

/// The tables, made once.
pub static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::new);

pub struct Schema {
    /// The types of webhooks, by the name that Smile sends: USER_CREATED.
    pub types: HashMap<String, EventType>,
    /// The callbacks of the widget, by their names there: onClose.
    callbacks: HashMap<String, EventType>,
    pub messages: Vec<Message>,
}

/// A known event type, or callback.
pub struct EventType {
    pub number: i32,
    /// The field of `Event.data`.
    pub field: u32,
    /// That field's message.
    pub message: usize,
}

pub struct Message {
    pub shape: Shape,
    pub fields: Vec<Field>,
    /// JSON names, second spellings included, with the index in `fields`; sorted for binary search.
    names: Vec<(String, usize)>,
}

/// What stands for a message in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Object,
    /// An array: the elements of this field.
    List(usize),
    /// An object, or only the array that is its member of this field.
    Page(usize),
}

pub struct Field {
    pub number: u32,
    /// As in JSON, without second spellings.
    pub name: String,
    pub repeated: bool,
    pub kind: Kind,
    pub otherwise: Option<Otherwise>,
    /// JSON has no name for it.
    is_ours: bool,
}

#[derive(Clone, Copy)]
pub enum Kind {
    String,
    /// True, false, or not said.
    Bool,
    /// A whole number that counts something.
    Count,
    /// A number of any other sort, by its exact text.
    Decimal,
    Timestamp,
    /// Any value, verbatim.
    Json,
    /// Index in `Schema::messages`.
    Message(usize),
}

/// Where a value goes that its field does not hold, or not all of.
pub struct Otherwise {
    /// Index of the field that takes it verbatim.
    pub verbatim: usize,
    /// Index of the sibling that tells, and the sibling's field as it is encoded if the value fits. None: the value's
    /// members tell.
    pub told_by: Option<(usize, Vec<u8>)>,
}

impl Message {
    /// The index of the field that JSON calls `name`, and that name; looked for at `likely` first.
    pub fn field(&'static self, name: &str, likely: usize) -> Option<(usize, &'static str)> {
        if let Some(field) = self.fields.get(likely)
            && field.name == name
            && !field.is_ours
        {
            return Some((likely, &field.name));
        }
        let at = self.names.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some((self.names[at].1, &self.names[at].0))
    }

    /// All names that JSON has for the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| name.as_str())
    }

    /// The index of the field with the elements, of a list whose name for them JSON may leave out.
    pub fn elements(&self) -> Option<usize> {
        match self.shape {
            Shape::List(at) | Shape::Page(at) => Some(at),
            Shape::Object => None,
        }
    }
}

impl Schema {
    fn new() -> Self {
        let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).expect("the build made it");
        let event = pool.get_message_by_name("smilerelay.v1.Event").expect("in event.proto");
        let numbers = pool.get_enum_by_name("smilerelay.v1.EventType").expect("in event.proto");
        let mut made = Self { types: HashMap::new(), callbacks: HashMap::new(), messages: Vec::new() };
        let mut known = HashMap::new();
        for value in numbers.values().filter(|value| value.number() != 0) {
            let name = value.name().trim_start_matches("EVENT_TYPE_");
            let field = event.get_field_by_name(&name.to_lowercase()).expect("every type has its field in Event.data");
            let message = field.kind().as_message().expect("every field of Event.data is one").clone();
            let message = made.message(&message, &mut known);
            let event_type = EventType { number: value.number(), field: field.number(), message };
            match CALLBACKS.iter().find(|callback| callback.event_type == name) {
                Some(callback) => made.callbacks.insert(callback.name.to_owned(), event_type),
                None => made.types.insert(name.to_owned(), event_type),
            };
        }
        made
    }

    /// What is known of the events of this name from this source.
    pub fn event_type(&self, source: EventSource, name: &str) -> Option<&EventType> {
        match source {
            EventSource::Widget => self.callbacks.get(name),
            EventSource::Webhook | EventSource::Unspecified => self.types.get(name),
        }
    }

    /// The content of all types, callbacks among them.
    pub fn contents(&self) -> impl Iterator<Item = &EventType> {
        self.types.values().chain(self.callbacks.values())
    }

    /// Adds a message and those within it, each once, also where they contain themselves.
    fn message(&mut self, message: &MessageDescriptor, known: &mut HashMap<String, usize>) -> usize {
        if let Some(&at) = known.get(message.full_name()) {
            return at;
        }
        let at = self.messages.len();
        known.insert(message.full_name().to_owned(), at);
        self.messages.push(Message { shape: Shape::Object, fields: Vec::new(), names: Vec::new() });
        let fields: Vec<Field> = message
            .fields()
            .map(|field| Field {
                number: field.number(),
                name: field.json_name().to_owned(),
                repeated: field.cardinality() == Cardinality::Repeated,
                kind: match field.kind() {
                    ProtoKind::String => Kind::String,
                    ProtoKind::Bool => Kind::Bool,
                    ProtoKind::Int32 => Kind::Count,
                    ProtoKind::Message(m) => match m.full_name() {
                        "google.protobuf.Timestamp" => Kind::Timestamp,
                        "smilerelay.v1.Decimal" => Kind::Decimal,
                        "smilerelay.v1.JsonText" => Kind::Json,
                        _ => Kind::Message(self.message(&m, known)),
                    },
                    other => panic!("{}: a field of Smile's can't be of the kind {other:?}", field.full_name()),
                },
                otherwise: None,
                is_ours: false,
            })
            .collect();
        self.messages[at] = Message::new(message.name(), fields);
        at
    }
}

impl Message {
    fn new(name: &str, mut fields: Vec<Field>) -> Self {
        let position = |fields: &[Field], of: &str| fields.iter().position(|field| field.name == of);
        let real = |fields: &[Field], of: &str| position(fields, of).unwrap_or_else(|| panic!("{name} has no {of}"));
        for rule in OTHERWISE.iter().filter(|rule| rule.message == name) {
            let told_by = match rule.when {
                When::HoldsMore => None,
                When::Member(member, value) => {
                    let at = real(&fields, member);
                    let mut encoded = Vec::new();
                    wire::put_bytes(&mut encoded, fields[at].number, value.as_bytes());
                    Some((at, encoded))
                }
            };
            let (at, verbatim) = (real(&fields, rule.field), real(&fields, rule.verbatim));
            fields[at].otherwise = Some(Otherwise { verbatim, told_by });
            fields[verbatim].is_ours = true;
        }
        let mut made = Self { shape: Shape::Object, fields, names: Vec::new() };
        let second = SPELLINGS.iter().filter(|(message, ..)| *message == name);
        let mut names: Vec<(String, usize)> =
            second.map(|(_, spelling, own)| ((*spelling).to_owned(), real(&made.fields, own))).collect();
        let own = made.fields.iter().enumerate().filter(|(_, field)| !field.is_ours);
        names.extend(own.map(|(at, field)| (field.name.clone(), at)));
        names.sort();
        made.names = names;
        let repeated = |of: &str| position(&made.fields, of).filter(|&at| made.fields[at].repeated);
        made.shape = match (repeated("values"), repeated("items")) {
            (Some(at), _) => Shape::List(at),
            (None, Some(at)) => Shape::Page(at),
            (None, None) => Shape::Object,
        };
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_proto_has_its_content() {
        assert_eq!((SCHEMA.types.len(), SCHEMA.callbacks.len()), (37, 9));
        for (name, known) in SCHEMA.types.iter().chain(&SCHEMA.callbacks) {
            assert_eq!(known.field, 99 + known.number.cast_unsigned(), "{name}");
        }
        let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
        let event = pool.get_message_by_name("smilerelay.v1.Event").unwrap();
        let contents = event.oneofs().find(|o| o.name() == "data").unwrap();
        // And one for callbacks that are not known.
        assert_eq!(contents.fields().count(), 37 + 9 + 1);
    }

    #[test]
    fn every_field_of_a_callback_has_its_place() {
        for callback in CALLBACKS {
            let message = &SCHEMA.messages[SCHEMA.callbacks[callback.name].message];
            let mut fields: Vec<&str> = message.fields.iter().map(|field| field.name.as_str()).collect();
            let mut places = callback.fields.to_vec();
            fields.sort_unstable();
            places.sort_unstable();
            assert_eq!(fields, places, "{}", callback.name);
        }
    }

    #[test]
    fn every_line_of_the_tables_is_about_a_message_that_is_reached() {
        let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
        let about = SPELLINGS.iter().map(|line| line.0).chain(OTHERWISE.iter().map(|rule| rule.message));
        for message in about {
            assert!(pool.get_message_by_name(&format!("smilerelay.v1.{message}")).is_some(), "{message}");
        }
        let spelt = SCHEMA.messages.iter().map(|message| message.names.len()).sum::<usize>();
        let fields = SCHEMA.messages.iter().map(|message| message.fields.len()).sum::<usize>();
        assert_eq!(spelt + OTHERWISE.len(), fields + SPELLINGS.len());
    }
}
