//! Holds decoding against Smile's contract: every field has its place, every sample comes back as it was, and every oddity
//! that is known of Smile's events is understood.

mod fields;
mod oddities;
mod properties;
mod redactions;
mod tree;

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use tree::Tree;

use super::{
    encode::{
        tests::{LOG, decoded, issues, received},
        whole,
    },
    pb,
};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap());

/// The message of a type's content.
fn content_of(type_name: &str) -> MessageDescriptor {
    let event = POOL.get_message_by_name("smilerelay.v1.Event").unwrap();
    let field = event.get_field_by_name(&type_name.to_lowercase()).unwrap();
    field.kind().as_message().unwrap().clone()
}

/// What a service sees that turns the event of a body into proto JSON, and the event's issues.
fn proto_json(body: &str) -> (Tree, Vec<String>) {
    let encoded = whole(LOG, &received(body.to_owned()));
    let event = POOL.get_message_by_name("smilerelay.v1.Event").unwrap();
    let dynamic = DynamicMessage::decode(event, &encoded.plain[..]).unwrap();
    (Tree::parse(&serde_json::to_string(&dynamic).unwrap()), issues(&decoded(&encoded)))
}

/// The content of a body of type `type_name` with `data`, as Smile's JSON again, and the issues.
fn content(type_name: &str, data: &str) -> (Tree, Vec<String>) {
    let (event, issues) = proto_json(&format!(r#"{{"id":"et-1","version":1,"type":"{type_name}","data":{data}}}"#));
    let message = content_of(type_name);
    let name = message.name();
    let field = name[..1].to_lowercase() + &name[1..];
    (event.member(&field).as_smile_writes_it(&message), issues)
}
