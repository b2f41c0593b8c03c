//! What `proto/` says of events, as tables that decoding runs on. The proto is the only definition: a new field or
//! event type is added there, and needs a line here only where Smile spells one name in two ways.

use std::{collections::HashMap, sync::LazyLock};

use prost_reflect::{Cardinality, DescriptorPool, Kind as ProtoKind, MessageDescriptor};

use super::pb;

/// Second spellings that Smile uses: message, the name in JSON, the field's own name in JSON.
const SPELLINGS: &[(&str, &str, &str)] = &[
    ("smilerelay.v1.TaskFinished", "dataPoints", "datapoints"),
    ("smilerelay.v1.AccountSyncTaskFinished", "dataPoints", "datapoints"),
];

/// The tables, made once.
pub static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::new);

pub struct Schema {
    /// By the name that Smile sends: USER_CREATED.
    pub types: HashMap<String, EventType>,
    pub messages: Vec<Message>,
}

/// A known event type.
pub struct EventType {
    pub number: i32,
    /// The field of `Event.data` and its message; None for a type whose content is not typed in this version.
    pub data: Option<(u32, usize)>,
}

pub struct Message {
    pub fields: Vec<Field>,
    /// JSON names, second spellings included, with the index in `fields`; sorted for binary search.
    names: Vec<(String, usize)>,
    /// For messages that stand for a JSON list: the field that holds its elements.
    pub list: Option<usize>,
}

pub struct Field {
    pub number: u32,
    /// As in JSON, without second spellings.
    pub name: String,
    pub repeated: bool,
    pub kind: Kind,
}

#[derive(Clone, Copy)]
pub enum Kind {
    String,
    Bool,
    /// A whole number that counts something.
    Count,
    Timestamp,
    /// A number of any other sort, by its exact text.
    Decimal,
    /// Any value, verbatim.
    Json,
    /// Index in `Schema::messages`.
    Message(usize),
}

impl Message {
    pub fn field(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok().map(|at| self.names[at].1)
    }
}

impl Schema {
    fn new() -> Self {
        let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).expect("the build made it");
        let event = pool.get_message_by_name("smilerelay.v1.Event").expect("in event.proto");
        let numbers = pool.get_enum_by_name("smilerelay.v1.EventType").expect("in event.proto");
        let mut made = Self { types: HashMap::new(), messages: Vec::new() };
        let mut known = HashMap::new();
        for value in numbers.values().filter(|value| value.number() != 0) {
            let name = value.name().trim_start_matches("EVENT_TYPE_");
            let data = event.get_field_by_name(&name.to_lowercase()).map(|field| {
                let message = field.kind().as_message().expect("every field of Event.data is one").clone();
                (field.number(), made.message(&message, &mut known))
            });
            made.types.insert(name.to_owned(), EventType { number: value.number(), data });
        }
        made
    }

    /// Adds a message and those within it, each once, also where they contain themselves.
    fn message(&mut self, message: &MessageDescriptor, known: &mut HashMap<String, usize>) -> usize {
        if let Some(&at) = known.get(message.full_name()) {
            return at;
        }
        let at = self.messages.len();
        known.insert(message.full_name().to_owned(), at);
        self.messages.push(Message { fields: Vec::new(), names: Vec::new(), list: None });
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
                    ProtoKind::Message(m) if m.full_name() == "google.protobuf.Timestamp" => Kind::Timestamp,
                    ProtoKind::Message(m) if m.full_name() == "smilerelay.v1.Decimal" => Kind::Decimal,
                    ProtoKind::Message(m) if m.full_name() == "smilerelay.v1.JsonText" => Kind::Json,
                    ProtoKind::Message(m) => Kind::Message(self.message(&m, known)),
                    other => panic!("{}: a field of Smile's can't be of the kind {other:?}", field.full_name()),
                },
            })
            .collect();
        let position = |name: &str| fields.iter().position(|field| field.name == name);
        let second = SPELLINGS.iter().filter(|(of, ..)| *of == message.full_name());
        let mut names: Vec<(String, usize)> = second
            .map(|(_, spelling, name)| ((*spelling).to_owned(), position(name).expect("SPELLINGS name real fields")))
            .chain(fields.iter().enumerate().map(|(at, field)| (field.name.clone(), at)))
            .collect();
        names.sort();
        let list = position("values").filter(|&at| fields[at].repeated);
        self.messages[at] = Message { fields, names, list };
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_proto_is_known_and_every_content_has_its_type() {
        assert_eq!(SCHEMA.types.len(), 37);
        let user_created = &SCHEMA.types["USER_CREATED"];
        assert_eq!((user_created.number, user_created.data.map(|(field, _)| field)), (1, Some(100)));
        let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
        let event = pool.get_message_by_name("smilerelay.v1.Event").unwrap();
        let contents = event.oneofs().find(|o| o.name() == "data").unwrap();
        for field in contents.fields() {
            let known = &SCHEMA.types[&field.name().to_uppercase()];
            assert_eq!(known.data.map(|(number, _)| number), Some(field.number()));
            assert_eq!(field.number(), 99 + known.number.cast_unsigned(), "{}", field.name());
        }
    }
}
