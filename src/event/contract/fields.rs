//! Every field of the contract has its place in the proto, and what is sent in it is found there.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::{Tree, content, content_of};
use crate::event::schema::SCHEMA;

/// Type, path under "data", and the kind that the documentation names.
fn contract() -> Vec<[&'static str; 3]> {
    let lines =
        include_str!("../../../tests/fixtures/contract-fields.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(' ').collect::<Vec<_>>().try_into().expect(line)).collect()
}

/// What may be sent and is not in the documentation of the webhooks, by the end of its path.
const UNDOCUMENTED: [&str; 9] = [
    // Of the REST API's items.
    ".metadata.",
    // Of the *_UPDATED types that say what was updated in the other way.
    "updatedIds[]",
    "updatedFrom",
    "updatedTo",
    // Verbatim, by names of ours.
    "otherPayload",
    // Of the record's other flavour, of older documentation, or of examples.
    "result.payMark",
    "result.gender",
    "result.maritalStatus",
    "requestMeta.nss",
];

/// All paths of a message down to what is no message of Smile's, as the contract writes them.
fn paths(message: &MessageDescriptor, of: &str, all: &mut BTreeMap<String, FieldDescriptor>) {
    for field in message.fields() {
        let path = format!("{of}{}{}", field.json_name(), if field.is_list() { "[]" } else { "" });
        match field.kind() {
            Kind::Message(inner) if inner.name() == "StringList" => {
                all.insert(format!("{path}[]"), inner.get_field(1).unwrap());
            }
            Kind::Message(inner) if !matches!(inner.name(), "Decimal" | "JsonText" | "Timestamp") => {
                paths(&inner, &format!("{path}."), all);
            }
            _ => drop(all.insert(path, field)),
        }
    }
}

fn kind_of(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(inner) => inner.name().to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[test]
fn every_field_of_the_contract_has_its_place() {
    let contract = contract();
    let types: BTreeSet<&str> = contract.iter().map(|[name, ..]| *name).collect();
    assert_eq!(types, SCHEMA.types.keys().map(String::as_str).collect());
    assert_eq!(contract.len(), 1011);
    for name in types {
        let mut places = BTreeMap::new();
        paths(&content_of(name), "", &mut places);
        for [_, path, kind] in contract.iter().filter(|[of, ..]| *of == name) {
            let place = places.remove(*path).unwrap_or_else(|| panic!("{name}: {path} has no place"));
            let fits: &[&str] = match *kind {
                "string" | "date" => &["string"],
                "date-time" => &["Timestamp"],
                "boolean" => &["bool"],
                "integer" => &["int32"],
                // Counts are numbers to some of Smile's documents.
                "number" => &["Decimal", "int32"],
                "object" => &["JsonText"],
                other => panic!("{other}"),
            };
            assert!(fits.contains(&kind_of(&place).as_str()), "{name}: {path} is {kind}, and {} here", kind_of(&place));
            let has_presence = place.supports_presence() || place.is_list();
            assert!(has_presence, "{name}: {path} can't be told from an empty one");
        }
        let more = places.keys().find(|path| {
            let path = format!(".{path}");
            !UNDOCUMENTED.iter().any(|known| path.ends_with(known) || known.ends_with('.') && path.contains(known))
        });
        assert_eq!(more, None, "{name} has a field that is not in the contract");
    }
}

/// A body's data with every field of the contract set, each to another value.
pub fn with_every_field(name: &str) -> Tree {
    let mut places = BTreeMap::new();
    paths(&content_of(name), "", &mut places);
    let mut data = Tree::Object(BTreeMap::new());
    for (at, [_, path, kind]) in contract().into_iter().filter(|[of, ..]| *of == name).enumerate() {
        let value = match kind {
            _ if path == "recordType" => Tree::Text("SOCIAL_SECURITY".into()),
            "string" | "date" => Tree::Text(format!("{kind} {at}")),
            "date-time" => Tree::Text(format!("2026-11-16T{:02}:{:02}:07Z", at / 60 % 24, at % 60)),
            "boolean" => Tree::Boolean(at % 2 == 0),
            "number" if kind_of(&places[path]) == "Decimal" => Tree::Number(format!("-{at}.5000")),
            "integer" | "number" => Tree::Number(at.to_string()),
            "object" => Tree::Object([("question".to_owned(), Tree::Number(format!("{at}.10")))].into()),
            other => panic!("{other}"),
        };
        set(&mut data, path, value);
    }
    data
}

/// Sets a value at a path, in the first element of every array.
pub fn set(tree: &mut Tree, path: &str, value: Tree) {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let Tree::Object(members) = tree else { panic!("{path}: {tree:?}") };
    let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let mut at = members.entry(name.to_owned()).or_insert(Tree::Null);
    if is_list {
        if *at == Tree::Null {
            *at = Tree::List(vec![Tree::Null]);
        }
        let Tree::List(elements) = at else { panic!("{path}") };
        if elements.is_empty() {
            elements.push(Tree::Null);
        }
        at = &mut elements[0];
    }
    if rest.is_empty() {
        *at = value;
        return;
    }
    if *at == Tree::Null {
        *at = Tree::Object(BTreeMap::new());
    }
    set(at, rest, value);
}

#[test]
fn every_field_of_every_type_is_found_again() {
    for name in SCHEMA.types.keys() {
        let data = with_every_field(name);
        let (found, issues) = content(name, &data.text());
        assert_eq!(issues, [""; 0], "{name}");
        assert_eq!(found, data, "{name}");
    }
}

/// Types with the paths of all their fields, and of all that these are part of.
pub fn places() -> Vec<(&'static str, String)> {
    let mut places = BTreeSet::new();
    for [name, path, _] in contract() {
        let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            places.insert((name, path[..end].to_owned()));
            places.insert((name, path[..end].trim_end_matches("[]").to_owned()));
        }
    }
    places.into_iter().collect()
}

#[test]
fn every_field_of_every_type_may_be_null() {
    for (name, path) in places() {
        let mut data = Tree::Object(BTreeMap::new());
        set(&mut data, &path, Tree::Null);
        let (found, issues) = content(name, &data.text());
        assert_eq!(issues, [""; 0], "{name}: {path}");
        assert_eq!(found.without_nothing(), data.without_nothing(), "{name}: {path}");
    }
}

#[test]
fn the_samples_say_the_same_as_proto_json() {
    for sample in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/samples")).unwrap() {
        let body = std::fs::read_to_string(sample.unwrap().path()).unwrap();
        let body = Tree::parse(&body);
        let Tree::Text(name) = body.member("type") else { panic!("{body:?}") };
        let data = body.member("data");
        let (found, issues) = content(&name, &data.text());
        assert_eq!(issues, [""; 0], "{name}");
        // The second spelling comes as the first.
        let data = Tree::parse(&data.text().replace("dataPoints", "datapoints"));
        assert_eq!(found.without_nothing(), data.without_nothing(), "{name}");
    }
}
