//! Promise 2: whatever is signed is kept, and streamed as it came.

mod support;

use std::process::Command;

use bytes::Bytes;
use smile_relay::event::pb::{DecodeProblem, Event, EventSource, EventType};
use support::{
    Place,
    client::{Sender, body, everything, sign},
    program::finish,
    stream::issues,
    wire::{Wire, head},
};

struct Odd {
    case: &'static str,
    body: Vec<u8>,
    /// The id, where Smile's can be used; else the relay makes one.
    id: Option<String>,
    type_name: &'static str,
    /// Pointers and problems, in the order of the pointers.
    issues: Vec<(&'static str, DecodeProblem)>,
}

fn odd(
    case: &'static str,
    body: impl Into<Vec<u8>>,
    id: Option<&str>,
    type_name: &'static str,
    issues: &[(&'static str, DecodeProblem)],
) -> Odd {
    Odd { case, body: body.into(), id: id.map(str::to_owned), type_name, issues: issues.to_vec() }
}

fn oddities() -> Vec<Odd> {
    use DecodeProblem::{DuplicateField, MissingField, NotJson, NotUtf8, UnexpectedValue, UnknownField};
    const NO_ID: &[(&str, DecodeProblem)] = &[("/id", UnexpectedValue)];
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let wrapped =
        |id: &str, type_name: &str, data: &str| format!(r#"{{"id":"{id}","type":"{type_name}","data":{data}}}"#);
    let long = "x".repeat(600);
    let fits = "y".repeat(512);
    vec![
        odd("as usual", body("usual"), Some("usual"), "ACCOUNT_CONNECTED", &[]),
        odd("empty", "", None, "", &[("", NotJson)]),
        odd("one space", " ", None, "", &[("", NotJson)]),
        odd("a zero byte", "\0", None, "", &[("", NotJson)]),
        odd("not JSON", "<event id=\"1\"/>", None, "", &[("", NotJson)]),
        odd("a form", "id=et-1&type=USER_CREATED", None, "", &[("", NotJson)]),
        odd("cut off", r#"{"id":"cut","type":"USER_CREATED","da"#, None, "", &[("", NotJson)]),
        odd("more after it", r#"{"id":"more"}{"id":"again"}"#, None, "", &[("", NotJson)]),
        odd("null", "null", None, "", &[("", NotJson)]),
        odd("an array", r#"[{"id":"et-1","type":"USER_CREATED"}]"#, None, "", &[("", NotJson)]),
        odd("a string", r#""et-1""#, None, "", &[("", NotJson)]),
        odd("an empty object", "{}", None, "", &[("/id", MissingField), ("/type", MissingField)]),
        odd(
            "a byte order mark",
            [b"\xEF\xBB\xBF", body("marked").as_bytes()].concat(),
            Some("marked"),
            "ACCOUNT_CONNECTED",
            &[],
        ),
        odd("UTF-16", b"\xFF\xFE{\0\"\0i\0d\0\"\0".to_vec(), None, "", &[("", NotJson), ("", NotUtf8)]),
        odd(
            "invalid UTF-8 in a value",
            [br#"{"id":"utf8","type":"TASK_STARTED","data":{"userId":""#, &b"\xFF\xC3\x28"[..], br#""}}"#].concat(),
            Some("utf8"),
            "TASK_STARTED",
            &[("", NotUtf8)],
        ),
        odd("invalid UTF-8 alone", b"\xFF\xFE\xFD".to_vec(), None, "", &[("", NotJson), ("", NotUtf8)]),
        odd("lone surrogate", r#"{"id":"sur\ud800","type":"T"}"#, Some("sur\u{fffd}\u{fffd}\u{fffd}"), "T", &[]),
        odd("unknown type", wrapped("unknown", "SOMETHING_NEW", r#"{"a":[1]}"#), Some("unknown"), "SOMETHING_NEW", &[]),
        odd("type in lower case", wrapped("lower", "user_created", "{}"), Some("lower"), "user_created", &[]),
        odd("type a number", r#"{"id":"typed","type":7}"#, Some("typed"), "", &[("/type", UnexpectedValue)]),
        odd("type null", r#"{"id":"untyped","type":null}"#, Some("untyped"), "", &[("/type", UnexpectedValue)]),
        odd("type missing", r#"{"id":"no-type"}"#, Some("no-type"), "", &[("/type", MissingField)]),
        odd("id null", r#"{"id":null,"type":"USER_CREATED"}"#, None, "USER_CREATED", NO_ID),
        odd("id a number", r#"{"id":42,"type":"USER_CREATED"}"#, None, "USER_CREATED", NO_ID),
        odd("id empty", r#"{"id":"","type":"USER_CREATED"}"#, None, "USER_CREATED", NO_ID),
        odd("id an object", r#"{"id":{"id":"a"},"type":"USER_CREATED"}"#, None, "USER_CREATED", NO_ID),
        odd("id missing", r#"{"type":"USER_CREATED"}"#, None, "USER_CREATED", &[("/id", MissingField)]),
        odd("id of 600 bytes", wrapped(&long, "USER_CREATED", "{}"), None, "USER_CREATED", NO_ID),
        odd("id of 512 bytes", wrapped(&fits, "USER_CREATED", "{}"), Some(&fits), "USER_CREATED", &[]),
        odd("id twice", r#"{"id":"one","id":"two","type":"T"}"#, Some("two"), "T", &[("/id", DuplicateField)]),
        odd("data null", wrapped("null-data", "USER_CREATED", "null"), Some("null-data"), "USER_CREATED", &[]),
        odd("data missing", r#"{"id":"no-data","type":"USER_CREATED"}"#, Some("no-data"), "USER_CREATED", &[]),
        odd(
            "data an array",
            wrapped("array-data", "USER_CREATED", "[1]"),
            Some("array-data"),
            "USER_CREATED",
            &[("/data", UnexpectedValue)],
        ),
        odd(
            "fields of other kinds",
            wrapped("kinds", "ACCOUNT_CONNECTED", r#"{"userId":{"a":1},"providers":true,"news":1}"#),
            Some("kinds"),
            "ACCOUNT_CONNECTED",
            &[("/data/news", UnknownField), ("/data/providers", UnexpectedValue), ("/data/userId", UnexpectedValue)],
        ),
        odd(
            "no time",
            r#"{"id":"time","type":"USER_CREATED","createdAt":"yesterday"}"#,
            Some("time"),
            "USER_CREATED",
            &[("/createdAt", UnexpectedValue)],
        ),
        odd(
            "a number without end",
            format!(r#"{{"id":"number","type":"T","version":1{}}}"#, "0".repeat(5000)),
            Some("number"),
            "T",
            &[],
        ),
        odd("100,000 levels", deep(100_000), None, "", &[("", NotJson)]),
        odd("100,000 levels, not closed", "[".repeat(100_000), None, "", &[("", NotJson)]),
        odd(
            "100,000 levels of an unknown type",
            wrapped("deep", "SOMETHING_NEW", &deep(100_000)),
            Some("deep"),
            "SOMETHING_NEW",
            &[],
        ),
        odd(
            "100,000 levels in a known field",
            wrapped("deep-known", "ACCOUNT_CONNECTED", &format!(r#"{{"providers":{}}}"#, deep(100_000))),
            Some("deep-known"),
            "ACCOUNT_CONNECTED",
            &[("/data/providers/0", UnexpectedValue)],
        ),
        odd(
            "100,000 levels of objects",
            wrapped("deep-objects", "USER_CREATED", &format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000))),
            Some("deep-objects"),
            "USER_CREATED",
            &[("/data/a", UnknownField)],
        ),
    ]
}

/// The id that the relay makes for a body that has none to use.
fn made_id(body: &[u8]) -> String {
    let hash = finish(Command::new("openssl").args(["dgst", "-sha256"]), body).ok();
    format!("sha256-{}", hash.stdout().trim().rsplit(' ').next().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_signed_is_kept_and_streamed_as_it_came() {
    let place = Place::default();
    let relay = place.start(&[]);
    let odd = oddities();
    for (n, odd) in odd.iter().enumerate() {
        let body = Bytes::from(odd.body.clone());
        let status =
            if n % 2 == 0 { Sender::new(&relay).send(body).await } else { Sender::http2(&relay).send(body).await };
        assert_eq!(status, 200, "{}", odd.case);
    }
    // Each is what it is when it comes again.
    let sender = Sender::new(&relay);
    for odd in &odd {
        let body = Bytes::from(odd.body.clone());
        let answer = sender.post("/webhooks/smile", Some(&sign(&body)), body).await;
        assert_eq!(answer.body(), r#"{"status":"duplicate"}"#, "{}", odd.case);
    }
    let check = |events: &[Event]| {
        assert_eq!(events.len(), odd.len());
        for (odd, event) in odd.iter().zip(events) {
            let case = odd.case;
            assert!(event.raw_body == odd.body, "{case}: {:?}", event.raw_body);
            assert_eq!(event.signature, sign(&odd.body), "{case}");
            assert_eq!(event.id, odd.id.clone().unwrap_or_else(|| made_id(&odd.body)), "{case}");
            assert_eq!(event.type_name, odd.type_name, "{case}");
            assert_eq!(event.source(), EventSource::Webhook, "{case}");
            assert_eq!(issues(event), odd.issues, "{case}: {:?}", event.decode_issues);
            assert_eq!((event.endpoint.as_str(), event.conflicts_with), ("smile", 0), "{case}");
        }
        let usual = &events[0];
        assert_eq!((usual.r#type(), usual.user_id.as_str()), (EventType::AccountConnected, "u-1"));
        assert!(usual.data.is_some() && usual.created_at.is_some());
    };
    check(&everything(&relay).await);
    // A restart changes nothing of it.
    assert!(relay.stop().success());
    check(&everything(&place.start(&[])).await);
}

#[tokio::test]
async fn the_largest_body_is_kept_and_streamed_and_one_byte_more_is_not() {
    const LIMIT: usize = 16 << 20;
    let place = Place::default();
    let relay = place.start(&[]);
    let largest = Bytes::from(support::client::large_body("et-largest", LIMIT));
    let noise: Bytes = (0..LIMIT).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let over = Bytes::from(support::client::large_body("et-over", LIMIT + 1));
    assert_eq!((largest.len(), over.len()), (LIMIT, LIMIT + 1));
    assert_eq!(Sender::new(&relay).send(largest.clone()).await, 200);
    assert_eq!(Sender::http2(&relay).send(noise.clone()).await, 200);
    let mut connection = Wire::connect(&relay).await;
    let signature = format!("Smile-Signature: {}", sign(&over));
    connection.send(head(&[&signature, &format!("Content-Length: {}", over.len())])).await;
    assert_eq!(connection.answer().await.status, 413);
    let events = everything(&relay).await;
    assert_eq!(events.len(), 2);
    assert!(events[0].raw_body == largest && events[1].raw_body == noise);
    assert_eq!(
        (events[0].id.as_str(), issues(&events[0])),
        ("et-largest", vec![("/padding", DecodeProblem::UnknownField)])
    );
    assert_eq!(
        (events[1].id.clone(), issues(&events[1])),
        (made_id(&noise), vec![("", DecodeProblem::NotJson), ("", DecodeProblem::NotUtf8)])
    );
}
