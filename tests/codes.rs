//! The table of codes: every error has the code, the reason and the details that steer a client's retries, row by row.
//!
//! After each end that asks to be retried, the last message was a checkpoint, and resuming from it gives exactly what
//! follows.

mod support;

use std::{fs, path::Path, time::Duration};

use http::uri::PathAndQuery;
use rustix::process::Signal;
use smile_relay::event::pb::{
    Event, EventFilter, EventKey, GetEventRequest, GetRelayInfoRequest, GetRelayInfoResponse, ListEventsRequest,
    SubscribeRequest, get_event_request, list_events_request, relay_service_client::RelayServiceClient,
    subscribe_request::Start,
};
use support::{
    PATIENCE, Place,
    client::{Reader, Sender, body, large_body},
    eventually,
    stream::{Refusal, after, assert_same, everything, from_earliest, info, sequences, starting, to_the_end},
};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_prost::ProstCodec;

type Client = RelayServiceClient<Channel>;

const DOMAIN: &str = "smile-relay";

async fn send(sender: &Sender, ids: impl IntoIterator<Item = String>) {
    for id in ids {
        assert_eq!(sender.send(body(&id)).await, 200, "{id}");
    }
}

fn ids(prefix: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{prefix}-{number}")).collect()
}

/// How a Subscribe is refused.
async fn subscribe_refused(client: &mut Client, request: SubscribeRequest) -> Refusal {
    match Reader::open(client, request).await {
        Ok(reader) => panic!("it was accepted, after {}", reader.first.cursor),
        Err(status) => status.into(),
    }
}

async fn list_refused(client: &mut Client, request: ListEventsRequest) -> Refusal {
    client.list_events(request).await.expect_err("it is refused").into()
}

async fn get_refused(client: &mut Client, event: Option<get_event_request::Event>) -> Refusal {
    client.get_event(GetEventRequest { event, ..GetEventRequest::default() }).await.expect_err("it is refused").into()
}

/// What all calls that take a cursor say to this one.
async fn refusals_of(client: &mut Client, cursor: &str) -> Vec<Refusal> {
    let start = list_events_request::Start::AfterCursor(cursor.to_owned());
    vec![
        subscribe_refused(client, after(cursor)).await,
        subscribe_refused(client, to_the_end(after(cursor))).await,
        list_refused(client, ListEventsRequest { start: Some(start), ..ListEventsRequest::default() }).await,
        list_refused(client, ListEventsRequest { page_token: cursor.to_owned(), ..ListEventsRequest::default() }).await,
        get_refused(client, Some(get_event_request::Event::Cursor(cursor.to_owned()))).await,
    ]
}

/// A final refusal of a cursor, with the ends of the log to choose a new start from.
#[track_caller]
fn assert_cursor_refused(refusal: &Refusal, code: Code, reason: &str, log: &GetRelayInfoResponse) {
    assert_eq!((refusal.code, refusal.reason.as_str(), refusal.domain.as_str()), (code, reason, DOMAIN), "{refusal:?}");
    assert_eq!(refusal.metadata.get("earliest_cursor"), Some(&log.earliest_cursor), "{refusal:?}");
    assert_eq!(refusal.metadata.get("latest_cursor"), Some(&log.latest_cursor), "{refusal:?}");
    assert_eq!(refusal.retry_after, None, "{refusal:?}");
    assert!(refusal.message.contains("choose a new start"), "{refusal:?}");
}

#[track_caller]
fn assert_retryable(refusal: &Refusal, code: Code, reason: &str) {
    assert_eq!((refusal.code, refusal.reason.as_str(), refusal.domain.as_str()), (code, reason, DOMAIN), "{refusal:?}");
    assert!(refusal.retry_after.is_some_and(|delay| delay <= Duration::from_secs(5)), "{refusal:?}");
}

#[track_caller]
fn assert_invalid(refusal: &Refusal, fields: &[&str]) {
    assert_eq!(refusal.code, Code::InvalidArgument, "{refusal:?}");
    assert_eq!(refusal.fields, fields, "{refusal:?}");
    for field in fields {
        assert!(refusal.message.contains(field), "also people learn of it: {refusal:?}");
    }
}

/// A stream's end that asks to be retried: what came, the cursor to go on from, and how it ended.
struct Ended {
    events: Vec<Event>,
    cursor: String,
    refusal: Refusal,
}

/// Reads a stream to an end that asks to be retried.
async fn until_ended(reader: &mut Reader) -> Ended {
    let (mut events, mut last) = (Vec::new(), Some(reader.first.clone()));
    loop {
        match reader.message().await {
            Ok(Some(message)) => {
                events.extend(message.events);
                last = message.checkpoint;
            }
            Ok(None) => panic!("it ended with OK after {} events", events.len()),
            Err(status) => {
                let last = last.unwrap_or_else(|| panic!("the last message was no checkpoint; then {status:?}"));
                return Ended { events, cursor: last.cursor, refusal: status.into() };
            }
        }
    }
}

fn filter(filter: EventFilter) -> SubscribeRequest {
    SubscribeRequest { filter: Some(filter), ..SubscribeRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_subscriber_asks_wrongly_is_named() {
    let place = Place::default();
    let relay = place.start(&[]);
    let mut client = relay.grpc().await;
    let many = || (0..1_001).map(|number| number.to_string()).collect::<Vec<_>>();
    let heartbeat = |seconds, nanos| SubscribeRequest {
        heartbeat_interval: Some(prost_types::Duration { seconds, nanos }),
        ..SubscribeRequest::default()
    };
    let none = EventFilter::default;
    let cases = [
        (after("nonsense"), vec!["after_cursor"]),
        (after(""), vec!["after_cursor"]),
        (after(&"A".repeat(38)), vec!["after_cursor"]),
        (starting(Start::Position(3)), vec!["position"]),
        (starting(Start::Position(-1)), vec!["position"]),
        (starting(Start::ReceivedSince(prost_types::Timestamp { seconds: 0, nanos: -1 })), vec!["received_since"]),
        (
            starting(Start::ReceivedSince(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 })),
            vec!["received_since"],
        ),
        (heartbeat(0, 999_999_999), vec!["heartbeat_interval"]),
        (heartbeat(0, 0), vec!["heartbeat_interval"]),
        (heartbeat(-5, 0), vec!["heartbeat_interval"]),
        (heartbeat(300, 1), vec!["heartbeat_interval"]),
        (SubscribeRequest { max_event_bytes: 4_095, ..SubscribeRequest::default() }, vec!["max_event_bytes"]),
        (SubscribeRequest { consumer: "x".repeat(129), ..SubscribeRequest::default() }, vec!["consumer"]),
        (filter(EventFilter { types: vec![9_999], ..none() }), vec!["filter.types"]),
        (filter(EventFilter { types: vec![0], ..none() }), vec!["filter.types"]),
        (filter(EventFilter { sources: vec![1, 3], ..none() }), vec!["filter.sources"]),
        (filter(EventFilter { sources: vec![0], ..none() }), vec!["filter.sources"]),
        (filter(EventFilter { types: vec![1; 1_001], ..none() }), vec!["filter.types"]),
        (filter(EventFilter { type_names: many(), ..none() }), vec!["filter.type_names"]),
        (filter(EventFilter { user_ids: many(), ..none() }), vec!["filter.user_ids"]),
        (filter(EventFilter { endpoints: many(), ..none() }), vec!["filter.endpoints"]),
        (filter(EventFilter { sources: vec![1; 1_001], ..none() }), vec!["filter.sources"]),
        // All of them at once.
        (
            SubscribeRequest {
                filter: Some(EventFilter { sources: vec![7], user_ids: many(), ..none() }),
                max_event_bytes: 1,
                consumer: "é".repeat(65),
                ..heartbeat(301, 0)
            },
            vec!["heartbeat_interval", "max_event_bytes", "consumer", "filter.user_ids", "filter.sources"],
        ),
    ];
    for (request, fields) in cases {
        assert_invalid(&subscribe_refused(&mut client, request).await, &fields);
    }
    // What is just within the bounds is accepted.
    let within = SubscribeRequest {
        filter: Some(EventFilter { user_ids: many().split_off(1), types: vec![1; 1_000], ..none() }),
        max_event_bytes: 4_096,
        consumer: "é".repeat(64),
        ..heartbeat(300, 0)
    };
    assert!(Reader::open(&mut client, within).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_calls_are_asked_wrongly_is_named() {
    let place = Place::default();
    let relay = place.start(&[]);
    let mut client = relay.grpc().await;
    let list = ListEventsRequest::default;
    let start = |start| ListEventsRequest { start: Some(start), ..list() };
    let cases = [
        (ListEventsRequest { page_size: 1_001, ..list() }, vec!["page_size"]),
        (ListEventsRequest { page_token: "nonsense".into(), ..list() }, vec!["page_token"]),
        (start(list_events_request::Start::AfterCursor("nonsense".into())), vec!["after_cursor"]),
        (start(list_events_request::Start::Position(7)), vec!["position"]),
        (ListEventsRequest { max_event_bytes: 4_095, ..list() }, vec!["max_event_bytes"]),
        (ListEventsRequest { max_event_bytes: (3 << 20) + 1, ..list() }, vec!["max_event_bytes"]),
        (
            ListEventsRequest {
                page_size: u32::MAX,
                filter: Some(EventFilter { types: vec![9_999], ..EventFilter::default() }),
                ..list()
            },
            vec!["page_size", "filter.types"],
        ),
    ];
    for (request, fields) in cases {
        assert_invalid(&list_refused(&mut client, request).await, &fields);
    }
    let within = ListEventsRequest { page_size: 1_000, max_event_bytes: 3 << 20, ..list() };
    assert!(client.list_events(within).await.is_ok());

    let cursor = get_event_request::Event::Cursor("nonsense".into());
    for (event, fields) in [(None, ["event"]), (Some(cursor), ["cursor"])] {
        assert_invalid(&get_refused(&mut client, event).await, &fields);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_there_is_not_found() {
    let place = Place::default();
    let relay = place.start(&[]);
    let mut client = relay.grpc().await;
    let start = info(&mut client).await.earliest_cursor;
    send(&Sender::new(&relay), ids("a", 0..3)).await;
    let key = |endpoint: &str, id: &str| {
        get_event_request::Event::Key(EventKey { endpoint: endpoint.to_owned(), id: id.to_owned() })
    };
    for event in [
        get_event_request::Event::Sequence(0),
        get_event_request::Event::Sequence(4),
        get_event_request::Event::Sequence(u64::MAX),
        get_event_request::Event::Cursor(start),
        key("", "a-3"),
        key("", ""),
        key("other", "a-0"),
    ] {
        let refusal = get_refused(&mut client, Some(event.clone())).await;
        assert_eq!(
            (refusal.code, refusal.reason.as_str(), refusal.domain.as_str(), refusal.retry_after),
            (Code::NotFound, "EVENT_NOT_FOUND", DOMAIN, None),
            "{event:?}: {refusal:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_does_not_exist_is_unimplemented() {
    let place = Place::default();
    let relay = place.start(&[]);
    let channel = Channel::from_shared(format!("http://{}", relay.grpc)).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    for path in ["/smilerelay.v1.RelayService/Publish", "/smilerelay.v9.RelayService/Subscribe", "/nothing"] {
        grpc.ready().await.unwrap();
        let answer: Result<tonic::Response<GetRelayInfoResponse>, Status> = grpc
            .unary(Request::new(GetRelayInfoRequest {}), PathAndQuery::from_static(path), ProstCodec::default())
            .await;
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_log_is_refused() {
    let (here, elsewhere) = (Place::default(), Place::default());
    let (relay, other) = (here.start(&[]), elsewhere.start(&[]));
    let (mut client, mut other_client) = (relay.grpc().await, other.grpc().await);
    // Also an empty log's only cursor is its own.
    let mut cursors = vec![info(&mut other_client).await.latest_cursor];
    for relay in [&relay, &other] {
        send(&Sender::new(relay), ids("a", 0..3)).await;
    }
    cursors.extend(everything(&mut other_client).await.into_iter().map(|event| event.cursor));
    let log = info(&mut client).await;
    for cursor in cursors {
        for refusal in refusals_of(&mut client, &cursor).await {
            assert_cursor_refused(&refusal, Code::FailedPrecondition, "CURSOR_FOREIGN_LOG", &log);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_restored_from_a_copy_is_noticed() {
    let place = Place::default();
    let backup = place.path().join("backup");
    let relay = place.start(&[]);
    send(&Sender::new(&relay), ids("before", 0..5)).await;
    assert!(relay.stop().success());
    copy(&place.data_dir(), &backup);
    let relay = place.start(&[]);
    send(&Sender::new(&relay), ids("lost", 0..5)).await;
    let mut client = relay.grpc().await;
    let known = everything(&mut client).await;
    let checkpoint = info(&mut client).await.latest_cursor;
    assert_eq!((known.len(), &checkpoint), (10, &known[9].cursor));
    assert!(relay.stop().success());

    fs::remove_dir_all(place.data_dir()).unwrap();
    fs::rename(&backup, place.data_dir()).unwrap();
    let relay = place.start(&[]);
    let (sender, mut client) = (Sender::new(&relay), relay.grpc().await);
    for grown in 0..=6 {
        // The restored log grows past the old cursors one by one, with other events.
        let log = info(&mut client).await;
        assert_eq!(log.latest_sequence, 5 + grown);
        for event in &known[5..] {
            let reason = if event.sequence <= log.latest_sequence { "CURSOR_DIVERGED" } else { "CURSOR_AHEAD" };
            for refusal in refusals_of(&mut client, &event.cursor).await {
                assert_cursor_refused(&refusal, Code::FailedPrecondition, reason, &log);
            }
        }
        // What the copy held is what it was.
        let got = Reader::open(&mut client, to_the_end(after(&known[4].cursor))).await.unwrap().rest().await.0;
        assert_eq!(sequences(&got), (6..6 + grown).collect::<Vec<_>>());
        send(&sender, [format!("other-{grown}")]).await;
    }
}

/// Waits until the log's oldest event is one that fits.
async fn until_earliest(client: &mut Client, fits: impl Fn(&GetRelayInfoResponse) -> bool) -> GetRelayInfoResponse {
    let waiting = async {
        loop {
            let log = info(client).await;
            if fits(&log) {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("retention comes")
}

/// What the database takes, without pages that are free.
fn used_bytes(path: &Path) -> i64 {
    let database = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    let used = "SELECT (page_count - freelist_count) * page_size
                FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    database.query_row(used, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_retention_has_passed_has_expired() {
    let place = Place::default();
    let relay = place.start(&[]);
    let (sender, mut client) = (Sender::new(&relay), relay.grpc().await);
    let empty = info(&mut client).await.latest_cursor;
    // Each takes a page of the database.
    sender.send_all((0..400).map(|number| large_body(&format!("a-{number}"), 4_000)), 8).await;
    let cursors: Vec<_> = everything(&mut client).await.into_iter().map(|event| event.cursor).collect();
    assert!(relay.stop().success());

    const LIMIT: i64 = 2 << 20;
    let relay = place.start(&["--retention-bytes=2MiB"]);
    let mut client = relay.grpc().await;
    // Once it fits, nothing changes any more.
    let database = place.data_dir().join("events.db");
    let used =
        eventually("the log takes no more than it may", || Some(used_bytes(&database)).filter(|used| *used <= LIMIT));
    assert!(used > LIMIT * 9 / 10, "no more is removed than has to be: {used}");
    let log = info(&mut client).await;
    assert!((100..200).contains(&log.earliest_sequence) && log.latest_sequence == 400, "{log:?}");
    let floor = usize::try_from(log.earliest_sequence).unwrap() - 2;
    assert_eq!(log.earliest_cursor, cursors[floor], "it is the cursor of the last event that was removed");
    for cursor in [&empty, &cursors[0], &cursors[1], &cursors[floor - 1]] {
        for refusal in refusals_of(&mut client, cursor).await {
            assert_cursor_refused(&refusal, Code::OutOfRange, "CURSOR_EXPIRED", &log);
        }
    }
    // From there on nothing is missing.
    for (at, cursor) in cursors.iter().enumerate().skip(floor) {
        let mut reader = Reader::open(&mut client, to_the_end(after(cursor))).await.unwrap();
        assert_eq!(reader.first.earliest_cursor, log.earliest_cursor);
        let expected: Vec<_> = (at as u64 + 2..=400).collect();
        assert_same(&sequences(&reader.rest().await.0), &expected, "after a cursor that has not expired");
    }
    let all: Vec<_> = (log.earliest_sequence..=400).collect();
    assert_same(&sequences(&everything(&mut client).await), &all, "from the earliest on");
    let refusal = get_refused(&mut client, Some(get_event_request::Event::Sequence(1))).await;
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::NotFound, "EVENT_NOT_FOUND"));
    let refusal = get_refused(&mut client, Some(get_event_request::Event::Cursor(cursors[floor].clone()))).await;
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::NotFound, "EVENT_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_reader_that_retention_overtakes_is_told() {
    let place = Place::default();
    let relay = place.start(&["--retention=1s", "--feed-cache=64KiB"]);
    let sender = Sender::new(&relay);
    let mut watching = relay.grpc().await;
    // Far less than the events take is buffered on the way.
    let mut client = relay.grpc_with_windows(16 << 10, 16 << 10).await;
    let request = SubscribeRequest { include_raw_body: true, ..SubscribeRequest::default() };
    let mut reader = Reader::open(&mut client, request).await.unwrap();
    sender.send_all((0..1_000).map(|number| large_body(&format!("a-{number}"), 2_000)), 16).await;
    let log = until_earliest(&mut watching, |log| log.earliest_sequence == 1_001).await;

    let (mut events, mut last) = (Vec::new(), reader.first.cursor.clone());
    let end = loop {
        match reader.message().await {
            Ok(Some(message)) => {
                last = message.events.last().map_or(last, |event| event.cursor.clone());
                last = message.checkpoint.map_or(last, |checkpoint| checkpoint.cursor);
                events.extend(message.events);
            }
            Ok(None) => panic!("it ended with OK after {} events", events.len()),
            Err(status) => break Refusal::from(status),
        }
    };
    assert_cursor_refused(&end, Code::OutOfRange, "CURSOR_EXPIRED", &log);
    assert!((1..1_000).contains(&events.len()), "{}", events.len());
    assert_same(&sequences(&events), &(1..=events.len() as u64).collect::<Vec<_>>(), "what came before it was told");
    assert_eq!(events.last().map(|event| &event.cursor), Some(&last), "no checkpoint says more than was delivered");
    for refusal in refusals_of(&mut watching, &last).await {
        assert_cursor_refused(&refusal, Code::OutOfRange, "CURSOR_EXPIRED", &log);
    }
    // As it is told to do.
    let mut reader = Reader::open(&mut watching, after(&end.metadata["earliest_cursor"])).await.unwrap();
    send(&sender, ids("b", 0..2)).await;
    assert_eq!(sequences(&reader.take(2).await), [1_001, 1_002]);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_a_relay_that_drains_have_what_was_stored_and_come_back() {
    let place = Place::default();
    let mut relay = place.start(&[]);
    let (sender, mut client) = (Sender::new(&relay), relay.grpc().await);
    let nobody = EventFilter { user_ids: vec!["nobody".into()], ..EventFilter::default() };
    let mut live = Reader::open(&mut client, SubscribeRequest::default()).await.unwrap();
    let mut filtered = Reader::open(&mut client, filter(nobody.clone())).await.unwrap();
    sender.send_all((0..200).map(|number| body(&format!("a-{number}"))), 16).await;
    relay.signal(Signal::TERM);
    let (live, filtered) = (until_ended(&mut live).await, until_ended(&mut filtered).await);
    for ended in [&live, &filtered] {
        assert_retryable(&ended.refusal, Code::Unavailable, "DRAINING");
    }
    assert_same(&sequences(&live.events), &(1..=200).collect::<Vec<_>>(), "all that was acknowledged");
    assert_eq!((filtered.events.len(), &filtered.cursor), (0, &live.events[199].cursor));
    assert!(relay.until_exit().success());

    let relay = place.start(&[]);
    let mut client = relay.grpc().await;
    let mut live = Reader::open(&mut client, after(&live.cursor)).await.unwrap();
    let mut filtered = Reader::open(&mut client, after(&filtered.cursor)).await.unwrap();
    send(&Sender::new(&relay), ids("b", 0..3)).await;
    for reader in [&mut live, &mut filtered] {
        assert_eq!(sequences(&reader.take(3).await), [201, 202, 203]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_far_behind_does_not_hold_up_the_drain() {
    let place = Place::default();
    let mut relay = place.start(&["--drain-timeout=5s"]);
    let (sender, mut client) = (Sender::new(&relay), relay.grpc_with_windows(16 << 10, 16 << 10).await);
    sender.send_all((0..2_500).map(|number| body(&format!("a-{number}"))), 64).await;
    let log = everything(&mut relay.grpc().await).await;
    let mut reader = Reader::open(&mut client, from_earliest()).await.unwrap();
    relay.signal(Signal::TERM);
    let ended = until_ended(&mut reader).await;
    assert_retryable(&ended.refusal, Code::Unavailable, "DRAINING");
    assert_same(&sequences(&ended.events), &(1..=ended.events.len() as u64).collect::<Vec<_>>(), "before the end");
    assert!(relay.until_exit().success());

    let relay = place.start(&[]);
    let mut client = relay.grpc().await;
    let rest = Reader::open(&mut client, to_the_end(after(&ended.cursor))).await.unwrap().rest().await.0;
    let got: Vec<_> = ended.events.into_iter().chain(rest).map(|event| event.id).collect();
    assert_same(&got, &log.into_iter().map(|event| event.id).collect::<Vec<_>>(), "before and after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_reaches_its_age_comes_back() {
    let place = Place::default();
    let relay = place.start(&["--max-stream-age=1s"]);
    let (sender, mut client) = (Sender::new(&relay), relay.grpc().await);
    let (finished, is_finished) = tokio::sync::watch::channel(0_u64);
    let sending = tokio::spawn(async move {
        let mut sent = 0_u64;
        while !finished.is_closed() {
            assert_eq!(sender.send(body(&format!("a-{sent}"))).await, 200);
            sent += 1;
            finished.send_replace(sent);
        }
        sent
    });
    // Events arrive all the time; and a filtered stream has nothing to say.
    let nobody = EventFilter { user_ids: vec!["nobody".into()], ..EventFilter::default() };
    for filter in [EventFilter::default(), nobody] {
        let stored = *is_finished.borrow();
        let at = info(&mut client).await;
        let (mut got, mut cursor, from) = (Vec::new(), at.latest_cursor, at.latest_sequence + 1);
        for _ in 0..2 {
            let request = SubscribeRequest { filter: Some(filter.clone()), ..after(&cursor) };
            let ended = until_ended(&mut Reader::open(&mut client, request).await.unwrap()).await;
            assert_retryable(&ended.refusal, Code::Unavailable, "STREAM_AGE");
            cursor = ended.cursor;
            got.extend(ended.events);
        }
        let rest = to_the_end(after(&cursor));
        let rest = Reader::open(&mut client, rest).await.unwrap().rest().await.0;
        if filter.user_ids.is_empty() {
            assert!(!got.is_empty());
            got.extend(rest);
            let expected: Vec<_> = (from..from + got.len() as u64).collect();
            assert_same(&sequences(&got), &expected, "over two ends");
        } else {
            assert!(got.is_empty());
            let next = rest.first().map_or(u64::MAX, |event| event.sequence);
            assert!(next > stored, "it has moved on: {next}, {stored}");
        }
    }
    drop(is_finished);
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_allowed_are_refused_until_there_is_a_place() {
    let place = Place::default();
    let relay = place.start(&["--max-streams=2"]);
    let mut client = relay.grpc().await;
    let mut streams = Vec::new();
    for round in 0..5 {
        let opening = async {
            while streams.len() < 2 {
                // A place is given back when the relay learns that its stream is gone.
                match Reader::open(&mut client, SubscribeRequest::default()).await {
                    Ok(reader) => streams.push(reader),
                    Err(status) => {
                        assert_retryable(&status.into(), Code::ResourceExhausted, "TOO_MANY_STREAMS");
                        assert!(round > 0, "the first two have their places");
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, opening).await.expect("a place is free");
        for _ in 0..3 {
            let refusal = subscribe_refused(&mut client, from_earliest()).await;
            assert_retryable(&refusal, Code::ResourceExhausted, "TOO_MANY_STREAMS");
            assert!(refusal.message.contains("--max-streams"), "{refusal:?}");
        }
        // Other calls take no place.
        info(&mut client).await;
        client.list_events(ListEventsRequest::default()).await.unwrap();
        streams.pop();
        // What was refused for another reason takes none either.
        for _ in 0..5 {
            let refusal = subscribe_refused(&mut client, after("nonsense")).await;
            assert!([Code::InvalidArgument, Code::ResourceExhausted].contains(&refusal.code), "{refusal:?}");
        }
    }
    // A stream that has ended well has given its place back.
    drop(streams);
    for _ in 0..5 {
        eventually("a place is free", || (relay.metric("smile_relay_streams") == 0.0).then_some(()));
        let mut readers = Vec::new();
        for _ in 0..2 {
            readers.push(Reader::open(&mut client, to_the_end(from_earliest())).await.unwrap());
        }
        for reader in &mut readers {
            assert_eq!(reader.rest().await.1.code(), Code::Ok);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_loses_nobody_an_event() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    send(&sender, ids("small", 0..5)).await;
    assert_eq!(sender.send(large_body("large", 3_000_000)).await, 200);
    let log = everything(&mut relay.grpc().await).await;
    assert!(relay.stop().success());

    // The end of the file, with a part of the large body, can't be read for a while.
    let relay = place.start(&[]);
    let mut client = relay.grpc().await;
    let path = place.data_dir().join("events.db");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let rest = whole.len() - 1_000_000;
    file.set_len(rest as u64).unwrap();
    let request = SubscribeRequest { include_raw_body: true, max_event_bytes: 4 << 20, ..from_earliest() };
    let ended = until_ended(&mut Reader::open(&mut client, request.clone()).await.unwrap()).await;
    assert_retryable(&ended.refusal, Code::Unavailable, "LOG_UNAVAILABLE");
    let refusal = list_refused(&mut client, ListEventsRequest::default()).await;
    assert_retryable(&refusal, Code::Unavailable, "LOG_UNAVAILABLE");
    let refusal = get_refused(&mut client, Some(get_event_request::Event::Sequence(6))).await;
    assert_retryable(&refusal, Code::Unavailable, "LOG_UNAVAILABLE");

    // Then it can be read again.
    std::os::unix::fs::FileExt::write_all_at(&file, &whole[rest..], rest as u64).unwrap();
    let mut client = client.max_decoding_message_size(16 << 20);
    let request = SubscribeRequest { start: after(&ended.cursor).start, ..request };
    let rest = Reader::open(&mut client, to_the_end(request)).await.unwrap().rest().await.0;
    let got: Vec<_> = ended.events.into_iter().chain(rest).map(|event| event.id).collect();
    assert_same(&got, &log.into_iter().map(|event| event.id).collect::<Vec<_>>(), "before and after");
}
