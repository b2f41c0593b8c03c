//! What a redaction leaves of an event, held against a removal that knows nothing of how it is done: field by field, on the
//! message as a client decodes it.

use std::{collections::BTreeSet, sync::LazyLock};

use proptest::prelude::*;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use super::{
    POOL, Tree,
    fields::{places, set, with_every_field},
};
use crate::event::{
    encode::{
        self, Encoded,
        tests::{LOG, json, received, record},
    },
    pb::EventSource,
    record::Record,
    redaction::Redaction,
    schema::names::{CALLBACKS, SPELLINGS},
};

/// A field on the way from the content of an event.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    names: Vec<String>,
    /// The name of a list's elements.
    may_be_left_out: bool,
}

impl Step {
    fn of(field: &FieldDescriptor) -> Self {
        let name = field.json_name().to_owned();
        let message = field.parent_message().name().to_owned();
        let other = SPELLINGS.iter().filter(|(of, _, own)| *of == message && *own == name);
        let may_be_left_out = field.is_list() && ["items", "values"].contains(&name.as_str());
        let other: Vec<String> = other.map(|(_, spelling, _)| (*spelling).to_owned()).collect();
        Self { names: [vec![name], other].concat(), may_be_left_out }
    }
}

/// True if the way ends as the path says.
fn ends_with(way: &[Step], path: &[&str], is_at_end: bool) -> bool {
    let Some((wanted, path_before)) = path.split_last() else { return true };
    let Some((step, before)) = way.split_last() else { return false };
    step.names.iter().any(|name| name == wanted) && ends_with(before, path_before, false)
        || step.may_be_left_out && !is_at_end && ends_with(before, path, false)
}

const VALUES: [&str; 3] = ["Decimal", "JsonText", "Timestamp"];

fn strip(message: &mut DynamicMessage, way: &[Step], paths: &[Vec<&str>]) {
    let fields: Vec<FieldDescriptor> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        let way = [way, &[Step::of(&field)]].concat();
        let is_verbatim = matches!(field.kind(), Kind::Message(m) if m.name() == "JsonText");
        if is_verbatim || paths.iter().any(|path| ends_with(&way, path, true)) {
            message.clear_field(&field);
            continue;
        }
        // Ours, for one value of Smile's.
        if matches!(field.kind(), Kind::Message(m) if VALUES.contains(&m.name())) {
            continue;
        }
        match message.get_field_mut(&field) {
            Value::Message(within) => strip(within, &way, paths),
            Value::List(all) => all.iter_mut().for_each(|value| {
                if let Value::Message(within) = value {
                    strip(within, &way, paths);
                }
            }),
            _ => {}
        }
    }
}

fn event(bytes: &[u8]) -> DynamicMessage {
    DynamicMessage::decode(POOL.get_message_by_name("smilerelay.v1.Event").unwrap(), bytes).unwrap()
}

fn holds(record: &Record, paths: &[String]) -> Result<(), TestCaseError> {
    let whole = encode::whole(LOG, record);
    let redacted = encode::redacted(&whole, &Redaction::new(paths).unwrap());
    let mut expected = event(&whole.plain);
    expected.clear_field_by_name("decode_issues");
    let content = expected.fields().map(|(field, _)| field).find(|field| field.containing_oneof().is_some());
    if let Some(content) = content {
        let paths: Vec<Vec<&str>> = paths.iter().map(|path| path.split('.').collect()).collect();
        let Value::Message(data) = expected.get_field_mut(&content) else { panic!("{content:?}") };
        strip(data, &[], &paths);
    }
    let found = event(&redacted.plain);
    let said = |event: &DynamicMessage| serde_json::to_string(event).unwrap();
    prop_assert!(found == expected, "{paths:?}: {}\nand not: {}", said(&found), said(&expected));
    prop_assert!(redacted.raw.is_empty());
    let mut alone = Vec::new();
    encode::put_message_head(&mut alone, redacted.plain.len());
    alone.extend_from_slice(&redacted.plain);
    prop_assert_eq!(&redacted.alone[..], &alone[..]);
    Ok(())
}

/// All ways from the contents of events to their fields.
fn ways() -> BTreeSet<Vec<Step>> {
    fn add(message: &MessageDescriptor, way: &[Step], all: &mut BTreeSet<Vec<Step>>) {
        for field in message.fields().filter(|field| field.json_name() != "otherPayload") {
            let way = [way, &[Step::of(&field)]].concat();
            match field.kind() {
                Kind::Message(within) if !VALUES.contains(&within.name()) => {
                    add(&within, &way, all);
                }
                _ => {}
            }
            all.insert(way);
        }
    }
    let event = POOL.get_message_by_name("smilerelay.v1.Event").unwrap();
    let contents = event.oneofs().find(|of| of.name() == "data").unwrap();
    let mut all = BTreeSet::new();
    // What a callback that is not known was called with has no fixed shape.
    for content in contents.fields().filter(|field| field.name() != "widget_other") {
        add(content.kind().as_message().unwrap(), &[], &mut all);
    }
    all
}

/// All paths that name a field: every end of every way.
static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut paths = BTreeSet::new();
    for way in ways() {
        for from in 0..way.len() {
            let names = |step: &Step| step.names[0].clone();
            paths.insert(way[from..].iter().map(names).collect::<Vec<_>>().join("."));
            let without = way[from..].iter().enumerate();
            let without = without.filter(|(at, step)| !step.may_be_left_out || from + at == way.len() - 1);
            paths.insert(without.map(|(_, step)| names(step)).collect::<Vec<_>>().join("."));
        }
    }
    paths.retain(|path| path.rsplit('.').next() != Some("userId"));
    paths.into_iter().collect()
});

fn paths() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(&PATHS[..]), 1..5)
}

#[test]
fn every_field_can_be_removed_from_the_samples_and_nothing_else_goes() {
    let mut samples: Vec<(Record, Encoded)> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/samples"))
        .unwrap()
        .map(|sample| received(std::fs::read(sample.unwrap().path()).unwrap()))
        .map(|record| (record.clone(), encode::whole(LOG, &record)))
        .collect();
    samples.sort_by_key(|(_, whole)| whole.plain.len());
    let (mut all, mut removed) = (0, 0);
    // By its own name and by one more; longer paths are the properties' to try.
    for path in PATHS.iter().filter(|path| path.matches('.').count() < 2) {
        all += 1;
        let redaction = Redaction::new(std::slice::from_ref(path)).unwrap();
        let touched = samples.iter().find(|(record, whole)| {
            let is_verbatim = record.type_name == "USER_SESSION_COMPLETED";
            !is_verbatim && encode::redacted(whole, &redaction).plain != whole.plain
        });
        removed += usize::from(touched.is_some());
        let (record, _) = touched.unwrap_or(samples.last().unwrap());
        holds(record, std::slice::from_ref(path)).unwrap();
    }
    // The others have no value in the samples, or stand only in what users give in a session.
    assert!(removed > 300 && removed * 4 > all * 3, "{removed} of {all}");
}

proptest! {
    #[test]
    fn any_value_in_any_field((name, path) in prop::sample::select(places()), value in json(), removed in paths()) {
        let mut data = with_every_field(name);
        set(&mut data, &path, Tree::Verbatim(value));
        holds(&received(format!(r#"{{"id":"x","type":"{name}","data":{}}}"#, data.text())), &removed)?;
    }

    #[test]
    fn any_content(name in prop::sample::select(places()), data in json(), removed in paths()) {
        holds(&received(format!(r#"{{"id":"x","type":"{}","data":{data}}}"#, name.0)), &removed)?;
    }

    #[test]
    fn any_callback(at in 0..=CALLBACKS.len(), arguments in json(), removed in paths()) {
        let name = CALLBACKS.get(at).map_or("onSomethingNew", |callback| callback.name);
        let body = format!(r#"{{"id":"0199-1","name":"{name}","arguments":{arguments},"occurredAt":"2026-11-23T21:34:25Z"}}"#);
        holds(&Record { source: EventSource::Widget, ..record(name, body) }, &removed)?;
    }

    #[test]
    fn any_bytes(name in prop::sample::select(places()), body: Vec<u8>, removed in paths()) {
        holds(&record(name.0, body), &removed)?;
    }
}
