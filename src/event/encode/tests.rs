//! Whole events, as a client decodes them.

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::event::{
    envelope::Envelope,
    pb::{self, event::Data},
    record::Reporter,
};

pub const LOG: LogId = LogId([5; 16]);

pub fn record(type_name: &str, body: impl Into<Bytes>) -> Record {
    let body = body.into();
    Record {
        sequence: 7,
        received_at: 1_794_787_329_000_001,
        check: 9,
        conflicts_with: 0,
        source: EventSource::Webhook,
        endpoint: "smile".into(),
        id: "et-1".into(),
        type_name: type_name.into(),
        user_id: "u".into(),
        signature: Bytes::from_static(&[0xAB; 64]),
        traceparent: String::new(),
        content_encoding: String::new(),
        reporter: Reporter::default(),
        is_erased: false,
        body_bytes: body.len() as u64,
        body,
    }
}

/// The record as intake would make it of `body`.
pub fn received(body: impl Into<Bytes>) -> Record {
    let body = body.into();
    let Envelope { id, type_name, user_id } = Envelope::of(&body, "");
    Record { id, user_id, ..record(&type_name, body) }
}

pub fn encoded(type_name: &str, body: impl Into<Bytes>) -> Encoded {
    whole(LOG, &record(type_name, body))
}

/// As a client decodes it.
pub fn decoded(encoded: &Encoded) -> pb::Event {
    let bytes = [&encoded.plain[..], &encoded.raw[..]].concat();
    pb::Event::decode(&bytes[..]).expect("an Event")
}

/// The issues as "pointer problem expected/found text".
pub fn issues(event: &pb::Event) -> Vec<String> {
    let text = |issue: &DecodeIssue| {
        let (problem, expected, found) = (issue.problem(), &issue.expected, &issue.found);
        format!("{} {problem:?} {expected}/{found} {}", issue.pointer, issue.found_text).trim_end().to_owned()
    };
    event.decode_issues.iter().map(text).collect()
}

#[test]
fn the_length_of_the_raw_part_is_known_before_it_is_made() {
    let signed = record("USER_CREATED", "x".repeat(300));
    let unsigned = Record { signature: Bytes::new(), ..signed.clone() };
    let empty = record("USER_CREATED", "");
    // As the log gives it.
    let erased = Record { is_erased: true, body_bytes: 0, body: Bytes::new(), ..unsigned.clone() };
    for record in [signed, unsigned, empty, erased] {
        assert_eq!(raw_len(&record), raw(&record).len(), "{record:?}");
    }
}

#[test]
fn every_column_and_every_field_of_the_envelope_is_there() {
    let body = r#"{"id":"et-1","version":1.0,"type":"USER_CREATED","createdAt":"2026-11-16T01:02:09Z","data":{}}"#;
    let record = Record { conflicts_with: 3, traceparent: "00-1-2-3".into(), ..record("USER_CREATED", body) };
    let event = decoded(&whole(LOG, &record));
    let expected = pb::Event {
        id: "et-1".into(),
        sequence: 7,
        cursor: cursor::encode(LOG, Position { sequence: 7, check: 9 }),
        r#type: pb::EventType::UserCreated.into(),
        type_name: "USER_CREATED".into(),
        version: "1.0".into(),
        created_at: Some(prost_types::Timestamp { seconds: 1_794_790_929, nanos: 0 }),
        received_at: Some(prost_types::Timestamp { seconds: 1_794_787_329, nanos: 1_000 }),
        source: EventSource::Webhook.into(),
        endpoint: "smile".into(),
        user_id: "u".into(),
        decode_issues: vec![],
        raw_body: Bytes::from_static(body.as_bytes()),
        signature: "ab".repeat(64),
        conflicts_with: 3,
        traceparent: "00-1-2-3".into(),
        omitted: None,
        report: None,
        data: Some(Data::UserCreated(pb::UserCreated::default())),
    };
    assert_eq!(event, expected);
    let plain = pb::Event::decode(whole(LOG, &record).plain).unwrap();
    assert_eq!(plain, pb::Event { raw_body: Bytes::new(), signature: String::new(), ..expected.clone() });

    let stub = pb::Event::decode(omitted(LOG, &record, 5_000_000)).unwrap();
    let why = pb::Omitted { reason: OmittedReason::TooLarge.into(), size_bytes: 5_000_000 };
    let (raw_body, signature) = (Bytes::new(), String::new());
    let (version, created_at, data) = (String::new(), None, None);
    let expected = pb::Event { omitted: Some(why), raw_body, signature, version, created_at, data, ..expected };
    assert_eq!(stub, expected, "all that is known without the body");
}

#[test]
fn the_samples_are_decoded_with_nothing_left_over() {
    for sample in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/samples")).unwrap() {
        let path = sample.unwrap().path();
        let body = std::fs::read(&path).unwrap();
        let event = decoded(&whole(LOG, &received(body.clone())));
        assert_eq!(event.raw_body, body);
        assert_eq!(format!("{}.json", event.type_name), path.file_name().unwrap().to_str().unwrap());
        assert_ne!(event.r#type, 0, "{}", event.type_name);
        assert_eq!((event.version.as_str(), event.created_at.is_some()), ("1", true), "{}", event.type_name);
        assert_eq!(issues(&event), [""; 0], "{}", event.type_name);
        assert!(event.data.is_some(), "{}", event.type_name);
    }
}

#[test]
fn bodies_that_are_no_event_travel_all_the_same() {
    let cases: [(&[u8], &[&str]); 12] = [
        (b"", &[" NotJson object/invalid JSON"]),
        (b"[]", &[" NotJson object/another value"]),
        (b"null", &[" NotJson object/another value"]),
        (b"\"x\"", &[" NotJson object/another value"]),
        (b"{", &[" NotJson object/invalid JSON"]),
        (br#"{"id":"x","type":"USER_CREATED","#, &[" NotJson object/invalid JSON"]),
        (br#"{"id":"x","type":"USER_CREATED","data":{"userId":"u"]}"#, &[" NotJson object/invalid JSON"]),
        (br#"{"id":"x","type":"T"} x"#, &[" NotJson object/invalid JSON"]),
        (b"{\"id\":\"\x01\",\"type\":\"T\"}", &[" NotJson object/invalid JSON"]),
        (b"\xEF\xBB\xBF\xEF\xBB\xBF{}", &[" NotJson object/invalid JSON"]),
        (b"{\"id\":\"\xFF\",\"type\":\"T\"}", &[" NotUtf8 UTF-8/other bytes"]),
        (b"\xFF{", &[" NotUtf8 UTF-8/other bytes", " NotJson object/invalid JSON"]),
    ];
    for (body, expected) in cases {
        let event = decoded(&whole(LOG, &received(body)));
        assert_eq!(issues(&event), expected, "{:?}", String::from_utf8_lossy(body));
        assert_eq!(event.raw_body, body);
        assert!(event.data.is_none() && !event.id.is_empty());
    }
}

#[test]
fn a_byte_order_mark_and_white_space_are_no_obstacle() {
    let event = decoded(&whole(
        LOG,
        &received(b"\xEF\xBB\xBF \r\n{\"id\":\"x\",\"type\":\"USER_CREATED\",\"data\":{}}\n".to_vec()),
    ));
    assert_eq!((event.id.as_str(), event.type_name.as_str()), ("x", "USER_CREATED"));
    assert_eq!((issues(&event), event.data.is_some()), (vec![], true));
}

#[test]
fn what_is_odd_about_the_envelope_is_said() {
    let long = "x".repeat(600);
    for (body, expected) in [
        ("{}".into(), vec!["/id MissingField string/", "/type MissingField string/"]),
        (
            r#"{"id":null,"type":7,"data":null}"#.into(),
            vec![
                "/id UnexpectedValue string of 1 to 512 bytes/null",
                "/type UnexpectedValue string of 1 to 512 bytes/number",
            ],
        ),
        (
            format!(r#"{{"id":"{long}","type":""}}"#),
            vec![
                "/id UnexpectedValue string of 1 to 512 bytes/string",
                "/type UnexpectedValue string of 1 to 512 bytes/string",
            ],
        ),
        (
            r#"{"id":"a","type":"b","Id":1,"id":"c","version":{}}"#.into(),
            vec!["/Id UnknownField /number", "/id DuplicateField /string", "/version UnexpectedValue number/object"],
        ),
    ] {
        assert_eq!(issues(&decoded(&whole(LOG, &received(body.clone())))), expected, "{body}");
    }
    let version =
        |sent: &str| decoded(&whole(LOG, &received(format!(r#"{{"id":"a","type":"b","version":{sent}}}"#)))).version;
    let sent = ["1", "1.10", "1e400", "\"v2\"", "true", "null", "[1]", "-0"];
    assert_eq!(sent.map(version), ["1", "1.10", "1e400", "v2", "true", "", "", "-0"]);
    let digits = "9".repeat(100_000);
    assert_eq!(version(&digits), digits, "no digit is lost");
    let widget = Record { source: EventSource::Widget, ..received("{}") };
    assert_eq!(issues(&decoded(&whole(LOG, &widget))), [""; 0], "the widget sends neither id nor type");
}

#[test]
fn a_type_that_is_not_known_comes_by_its_name() {
    for name in ["SOMETHING_NEW", "user_created", "UNSPECIFIED", "EVENT_TYPE_USER_CREATED", ""] {
        let event = decoded(&encoded(name, r#"{"id":"x","type":"T","data":{"userId":"u"}}"#));
        assert_eq!((event.r#type, event.type_name.as_str(), event.data.is_none()), (0, name, true));
    }
}

/// What is cached is counted by its length.
#[test]
fn an_encoded_event_takes_no_more_memory_than_its_length() {
    let large = format!(r#"{{"id":"x","type":"TASK_FINISHED","data":{{"payload":"{}"}}}}"#, "x".repeat(1 << 20));
    let Encoded { plain, raw, .. } = encoded("TASK_FINISHED", large);
    for bytes in [plain, raw] {
        let length = bytes.len();
        let capacity = bytes.try_into_mut().expect("nobody else holds it").capacity();
        assert!(capacity <= length + 256, "{capacity} bytes are held for {length}");
    }
}

/// The names that mean something, those of the envelope among them.
fn names() -> Vec<&'static str> {
    let envelope = ["id", "type", "version", "createdAt", "data", "dataPoints", "values"];
    let fields = SCHEMA.messages.iter().flat_map(|message| &message.fields);
    envelope.into_iter().chain(fields.map(|field| field.name.as_str())).collect()
}

/// Any JSON, with the names that mean something among others.
pub fn json() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just("2026-11-16T01:02:09Z".to_owned()),
        "[ -~]{0,8}".prop_map(|text| text.replace(['"', '\\'], "")),
        Just(r"\ud800".to_owned()),
        Just(r"\u0000é".to_owned()),
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?(e[+-]?[0-9]{1,4})?",
        text.prop_map(|text| format!("\"{text}\"")),
    ];
    let name = prop_oneof![prop::sample::select(names()).prop_map(str::to_owned), "[a-z/~]{0,4}",];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec((name.clone(), inner), 0..8).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn holds_for_any_body(record: &Record) -> Result<pb::Event, TestCaseError> {
    let first = whole(LOG, record);
    prop_assert_eq!(&first, &whole(LOG, record), "the same input gives the same bytes");
    let event = decoded(&first);
    prop_assert_eq!(&event.raw_body, &record.body);
    prop_assert_eq!(&event.type_name, &record.type_name);
    prop_assert!(event.decode_issues.len() <= 64);
    for issue in &event.decode_issues {
        prop_assert!(issue.problem() != DecodeProblem::Unspecified);
        prop_assert!(issue.pointer.len() <= 512 && issue.found_text.len() <= 64);
    }
    let length = u32::try_from(first.alone.len() - 5).unwrap();
    prop_assert_eq!(&first.alone[..5], [&[0][..], &length.to_be_bytes()].concat());
    let message = pb::SubscribeResponse::decode(&first.alone[5..]).unwrap();
    prop_assert_eq!(message.events, [pb::Event::decode(&first.plain[..]).unwrap()]);
    let stub = pb::Event::decode(omitted(LOG, record, 1)).unwrap();
    prop_assert_eq!((stub.id, stub.data), (record.id.clone(), None));
    Ok(event)
}

proptest! {
    #[test]
    fn any_bytes_are_an_event(body: Vec<u8>) {
        holds_for_any_body(&received(body))?;
    }

    #[test]
    fn any_damage_to_a_body_leaves_an_event(at in 0usize..400, with: u8, cut in 0usize..400) {
        let mut body = include_bytes!("../../../samples/USER_CREATED.json").to_vec();
        let length = body.len();
        body[at % length] = with;
        body.truncate(length - cut % length / 2 * (cut % 2));
        holds_for_any_body(&received(body))?;
    }

    #[test]
    fn any_json_in_any_field_is_an_event(
        name in prop::sample::select(SCHEMA.types.keys().cloned().collect::<std::collections::BTreeSet<_>>()
            .into_iter().collect::<Vec<_>>()),
        data in json(),
    ) {
        let body = format!(r#"{{"id":"x","type":"{name}","data":{data}}}"#);
        let event = holds_for_any_body(&received(body))?;
        prop_assert_eq!(event.data.is_some(), data.starts_with('{'), "{}", data);
    }

    #[test]
    fn any_json_is_an_event(body in json()) {
        let event = holds_for_any_body(&received(body.clone()))?;
        let not_json = event.decode_issues.iter().any(|issue| issue.problem() == DecodeProblem::NotJson);
        prop_assert_eq!(not_json, !body.starts_with('{'));
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&body)
            && let Some(user) = value.pointer("/data/userId").and_then(|user| user.as_str())
        {
            prop_assert!(user.is_empty() || event.user_id == user);
        }
    }

    #[test]
    fn any_text_is_a_time_or_none(text: String, digits in "[0-9T:Z.+ -]{0,30}") {
        for text in [text, digits] {
            let body = serde_json::json!({ "id": "x", "type": "T", "createdAt": text }).to_string();
            let event = holds_for_any_body(&received(body))?;
            if let Some(at) = event.created_at {
                prop_assert!((-62_135_596_800..=253_402_300_799).contains(&at.seconds));
                prop_assert!((0..1_000_000_000).contains(&at.nanos));
            }
        }
    }
}

#[test]
fn the_names_of_all_types_are_those_of_the_tables() {
    let mut names: Vec<_> = webhook_types().collect();
    let mut known: Vec<_> = SCHEMA.types.keys().map(String::as_str).collect();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
    assert!(!names.is_empty());
}
