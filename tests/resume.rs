//! Promise 5: one order, resumable. Resuming from any cursor that was ever emitted gives exactly what follows, whatever
//! the filter, across restarts of either side, while events arrive.
//!
//! What follows is said by a model that is as simple as can be: the whole log as a list, filtered (`support::stream`).

mod support;

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use prost::Message;
use smile_relay::event::pb::{
    Checkpoint, Event, EventFilter, EventSource, EventType, GetRelayInfoResponse, ListEventsRequest, StartPosition,
    SubscribeRequest, list_events_request, relay_service_client::RelayServiceClient, subscribe_request::Start,
};
use support::{
    PATIENCE, Place, Relay, SECRET,
    client::{Reader, Sender, body},
    stream::{
        after, assert_same, everything, from_earliest, info, lets_pass, seconds, sequences, starting, to_the_end,
        with_short_heartbeat,
    },
};
use tokio::sync::watch;
use tonic::{Code, transport::Channel};

type Client = RelayServiceClient<Channel>;

/// Sequences in a page of the feed (`src/feed/page.rs`): the tests cross its boundaries.
const FEED_PAGE: usize = 128;

/// The endpoint and the body of a webhook. Types, users, endpoints and sizes take turns that have no common period; some
/// do not fit into a message with others, and some are no part of the feed's pages.
fn webhook(number: usize) -> (&'static str, String) {
    let type_name = ["ACCOUNT_CONNECTED", "USER_CREATED", "SOMETHING_NEW", "TASK_STARTED", ""][number % 5];
    let user = [r#","userId":"u-1""#, r#","userId":"u-2""#, "", r#","userId":"u-3""#][number % 4];
    let endpoint = if number % 3 == 2 { "other" } else { "smile" };
    let padding = if number % 67 == 40 {
        70_000
    } else if number % 23 == 10 {
        12_000
    } else {
        200
    };
    let login_name = "x".repeat(padding);
    let data = format!(r#"{{"loginName":"{login_name}"{user}}}"#);
    (endpoint, format!(r#"{{"id":"et-{number}","type":"{type_name}","version":1,"data":{data}}}"#))
}

/// Sends and has stored, one after the other.
async fn send(sender: &Sender, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let (endpoint, body) = webhook(number);
        assert_eq!(sender.send_to(endpoint, body).await, 200, "webhook {number}");
    }
}

/// A relay with two endpoints.
fn start(place: &Place) -> Relay {
    let config = place.path().join("relay.toml");
    std::fs::write(&config, format!("[endpoints.other]\nsecrets = [\"{SECRET}\"]\n")).unwrap();
    place.start(&[&format!("--config={}", config.display())])
}

/// Filters of every kind.
fn filters() -> Vec<EventFilter> {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let connected = i32::from(EventType::AccountConnected);
    let started = i32::from(EventType::TaskStarted);
    vec![
        EventFilter::default(),
        EventFilter { types: vec![connected], ..EventFilter::default() },
        EventFilter { type_names: texts(&["SOMETHING_NEW"]), ..EventFilter::default() },
        EventFilter { types: vec![started], type_names: texts(&["USER_CREATED"]), ..EventFilter::default() },
        EventFilter { user_ids: texts(&["u-1", "u-3"]), ..EventFilter::default() },
        EventFilter { endpoints: texts(&["other"]), ..EventFilter::default() },
        EventFilter {
            types: vec![connected, started],
            user_ids: texts(&["u-1", "u-2"]),
            endpoints: texts(&["smile", "nobody"]),
            sources: vec![EventSource::Webhook.into()],
            ..EventFilter::default()
        },
        // Let nothing pass.
        EventFilter { user_ids: texts(&["u-9"]), ..EventFilter::default() },
        EventFilter { sources: vec![EventSource::Widget.into()], ..EventFilter::default() },
    ]
}

fn filtered(filter: &EventFilter, request: SubscribeRequest) -> SubscribeRequest {
    SubscribeRequest { filter: Some(filter.clone()), ..request }
}

/// What makes an event this event.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    sequence: u64,
    cursor: String,
    id: String,
}

fn keys<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Key> {
    let key = |e: &Event| Key { sequence: e.sequence, cursor: e.cursor.clone(), id: e.id.clone() };
    events.into_iter().map(key).collect()
}

/// A cursor, and what is known of its place.
#[derive(Clone, Debug)]
struct Emitted {
    cursor: String,
    /// How it came.
    by: &'static str,
    /// The number of the filter of the request that it came by.
    filter: usize,
    /// The last event that was delivered before it, by sequence.
    delivered: u64,
    /// It is that event's own, so that its place is known also to other filters.
    is_of_event: bool,
}

/// Notes every cursor of a stream. Reads to its end, or to the place that `until` names once it names one.
async fn emitted_by(
    reader: &mut Reader,
    filter: usize,
    until: Option<watch::Receiver<Option<String>>>,
) -> Vec<Emitted> {
    let mut delivered = 0;
    let mut emitted = vec![Emitted {
        cursor: reader.first.cursor.clone(),
        by: "first checkpoint",
        filter,
        delivered,
        is_of_event: false,
    }];
    let is_there = |at: &Checkpoint| until.as_ref().is_some_and(|until| until.borrow().as_ref() == Some(&at.cursor));
    while !is_there(&reader.checkpoint) {
        let Some(message) = reader.message().await.unwrap() else { return emitted };
        for event in message.events {
            delivered = event.sequence;
            emitted.push(Emitted { cursor: event.cursor, by: "event", filter, delivered, is_of_event: true });
        }
        if let Some(checkpoint) = message.checkpoint {
            emitted.push(Emitted {
                cursor: checkpoint.cursor,
                by: "checkpoint",
                filter,
                delivered,
                is_of_event: false,
            });
        }
    }
    emitted
}

/// Notes the cursors of pages, to the end.
async fn emitted_by_pages(client: &mut Client, filters: &[EventFilter], filter: usize) -> Vec<Emitted> {
    let mut emitted = Vec::new();
    let (mut delivered, mut page_token) = (0, String::new());
    loop {
        let request = ListEventsRequest {
            filter: Some(filters[filter].clone()),
            page_size: 7,
            page_token,
            max_event_bytes: 4096,
            ..ListEventsRequest::default()
        };
        let page = client.list_events(request).await.unwrap().into_inner();
        for event in page.events {
            delivered = event.sequence;
            emitted.push(Emitted { cursor: event.cursor, by: "listed event", filter, delivered, is_of_event: true });
        }
        emitted.push(Emitted { cursor: page.end_cursor, by: "page's end", filter, delivered, is_of_event: false });
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return emitted;
        }
    }
}

/// What a stream that resumes after `cursor` delivers to the tail. Large events as stubs: their content is not the
/// matter here.
async fn resumed(mut client: Client, filter: &EventFilter, cursor: &str) -> Vec<Key> {
    let request = SubscribeRequest { max_event_bytes: 4096, ..to_the_end(filtered(filter, after(cursor))) };
    let mut reader = Reader::open(&mut client, request).await.unwrap();
    assert_eq!(reader.first.cursor, cursor, "a stream says from where it goes on");
    let (events, end) = reader.rest().await;
    assert_eq!(end.code(), Code::Ok, "{end:?}");
    keys(&events)
}

/// Resumes from all cursors, and compares with the model. An event's cursor is tried with `others` of the other
/// filters, too; and a checkpoint's without filter, where all that is known is that nothing is left out.
async fn check_all(client: &Client, log: &[Event], filters: &[EventFilter], all: &[Emitted], others: usize) {
    let model: Vec<Vec<Key>> =
        filters.iter().map(|filter| keys(log.iter().filter(|event| lets_pass(filter, event)))).collect();
    let after_sequence = |filter: usize, sequence: u64| {
        let keys = &model[filter];
        &keys[keys.partition_point(|key| key.sequence <= sequence)..]
    };
    let one = |emitted: &Emitted| {
        let (client, emitted) = (client.clone(), emitted.clone());
        async move {
            let Emitted { cursor, by, filter, delivered, is_of_event } = emitted;
            let what = format!("after {delivered} by a {by} of filter {filter}, resumed with");
            let got = resumed(client.clone(), &filters[filter], &cursor).await;
            assert_same(&got, after_sequence(filter, delivered), &format!("{what} the same"));
            if is_of_event {
                for other in (1..=others).map(|step| (filter + step + delivered as usize) % filters.len()) {
                    let got = resumed(client.clone(), &filters[other], &cursor).await;
                    assert_same(&got, after_sequence(other, delivered), &format!("{what} filter {other}"));
                }
            } else {
                let got = resumed(client.clone(), &filters[0], &cursor).await;
                let next = after_sequence(filter, delivered).first().map_or(u64::MAX, |next| next.sequence);
                let from = got.first().map_or(log.len() as u64 + 1, |first| first.sequence);
                assert!(from > delivered && from <= next, "{what} none: from {from}, where {next} was due");
                assert_same(&got, after_sequence(0, from - 1), &format!("{what} none"));
            }
        }
    };
    stream::iter(all.iter().map(one)).buffer_unordered(8).collect::<Vec<()>>().await;
}

/// The list that all else is compared with is itself what was sent, in order.
fn check_log(log: &[Event], sent: usize) {
    assert_same(&sequences(log), &(1..=sent as u64).collect::<Vec<_>>(), "sequences");
    let ids: HashSet<_> = log.iter().map(|event| event.id.clone()).collect();
    let expected: HashSet<_> = (0..sent).map(|number| format!("et-{number}")).collect();
    assert_eq!(ids, expected);
    assert!(log.windows(2).all(|two| micros(&two[0]) <= micros(&two[1])), "times of receipt never run backwards");
}

fn micros(event: &Event) -> i64 {
    let at = event.received_at.unwrap();
    at.seconds * 1_000_000 + i64::from(at.nanos) / 1_000
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cursor_ever_emitted_gives_exactly_what_follows() {
    const STORED: usize = 2 * FEED_PAGE + 20;
    const SENT: usize = 3 * FEED_PAGE + 3;
    let place = Place::default();
    let relay = start(&place);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await;
    let filters = filters();

    // From an empty log.
    let mut all = Vec::new();
    for filter in 0..filters.len() {
        all.extend(emitted_by_pages(&mut client, &filters, filter).await);
        let request = to_the_end(filtered(&filters[filter], from_earliest()));
        all.extend(emitted_by(&mut Reader::open(&mut client, request).await.unwrap(), filter, None).await);
    }

    // By streams that catch up, become live, and stay so while more arrives; and by those that end where they catch up.
    send(&sender, 0..STORED).await;
    let (say_until, until) = watch::channel(None);
    let mut live = Vec::new();
    for filter in 0..filters.len() {
        let request = to_the_end(filtered(&filters[filter], from_earliest()));
        all.extend(emitted_by(&mut Reader::open(&mut client, request).await.unwrap(), filter, None).await);
        all.extend(emitted_by_pages(&mut client, &filters, filter).await);
        let request = with_short_heartbeat(filtered(&filters[filter], from_earliest()));
        let (mut client, until) = (client.clone(), until.clone());
        live.push(tokio::spawn(async move {
            let mut reader = Reader::open(&mut client, request).await.unwrap();
            emitted_by(&mut reader, filter, Some(until)).await
        }));
    }
    send(&sender, STORED..SENT).await;
    say_until.send_replace(Some(info(&mut client).await.latest_cursor));
    for reading in live {
        all.extend(reading.await.unwrap());
    }
    let log = everything(&mut client).await;
    check_log(&log, SENT);
    assert!(log.iter().zip(0..).all(|(event, number)| event.id == format!("et-{number}")), "in the order of sending");

    // The same cursor by several ways is one cursor.
    let mut known = HashSet::new();
    all.retain(|emitted| {
        known.insert((emitted.cursor.clone(), emitted.filter, emitted.delivered, emitted.is_of_event))
    });
    let count = |by: &str| all.iter().filter(|emitted| emitted.by == by).count();
    assert!(count("event") > SENT && count("checkpoint") > filters.len() && count("page's end") > 50, "{}", all.len());
    check_all(&client, &log, &filters, &all, 2).await;

    assert!(relay.stop().success());
    let relay = start(&place);
    let mut client = relay.grpc().await;
    assert_same(&keys(&everything(&mut client).await), &keys(&log), "after a restart");
    check_all(&client, &log, &filters, &all, 0).await;
}

/// Where the relay is, for those who come back to it; None while it is gone.
type Address = watch::Receiver<Option<(Sender, Client)>>;

async fn address(address: &mut Address) -> (Sender, Client) {
    let there = address.wait_for(Option::is_some);
    tokio::time::timeout(PATIENCE, there).await.expect("the relay comes back").unwrap().clone().unwrap()
}

/// Reads as a client does who loses its stream all the time, by its own fault or with the relay: resumes from the last
/// cursor that it has seen, an event's or a checkpoint's, until it stands at the place that `until` names.
async fn read_in_bits(
    mut relay: Address,
    filter: EventFilter,
    until: watch::Receiver<Option<String>>,
    seed: u64,
) -> (Vec<Key>, usize) {
    let mut random = seed | 1;
    let (mut got, mut resumes) = (Vec::new(), 0);
    let mut cursor: Option<String> = None;
    loop {
        let (_, mut client) = address(&mut relay).await;
        let start = cursor.as_deref().map_or_else(from_earliest, after);
        let Ok(mut reader) = Reader::open(&mut client, with_short_heartbeat(filtered(&filter, start))).await else {
            tokio::task::yield_now().await;
            continue;
        };
        resumes += 1;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        for _ in 0..=random % 4 {
            if until.borrow().is_some() && *until.borrow() == cursor {
                return (got, resumes);
            }
            // The relay is gone, or another one is there.
            let Ok(Some(message)) = reader.message().await else { break };
            got.extend(keys(&message.events));
            let last = message.events.last().map(|event| event.cursor.clone());
            cursor = message.checkpoint.map(|checkpoint| checkpoint.cursor).or(last).or(cursor);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_break_off_anywhere_miss_nothing_while_events_arrive_and_the_relay_is_killed() {
    const ROUND: usize = 130;
    let place = Place::default();
    let filters = filters();
    let (moved, relay_at) = watch::channel(None);
    let (say_until, until) = watch::channel(None);
    let reading: Vec<_> = filters
        .iter()
        .zip(1..)
        .map(|(filter, seed)| tokio::spawn(read_in_bits(relay_at.clone(), filter.clone(), until.clone(), seed * 7919)))
        .collect();

    let mut relay = start(&place);
    for round in 0..3 {
        let sender = Sender::new(&relay);
        moved.send_replace(Some((sender.clone(), relay.grpc().await)));
        let numbers = round * ROUND..(round + 1) * ROUND;
        // Half of them one by one; of the other half, many are under way when the relay is killed.
        let (first, second) = (numbers.start..numbers.start + ROUND / 2, numbers.start + ROUND / 2..numbers.end);
        send(&sender, first).await;
        let (killed, mut kill) = tokio::sync::mpsc::channel::<()>(1);
        let under_way = tokio::spawn(async move {
            let sending = second.map(|number| {
                let (sender, killed, at) = (sender.clone(), killed.clone(), number);
                async move {
                    let (endpoint, body) = webhook(at);
                    let answer = sender.try_send_to(endpoint, body).await;
                    // The first answer is the sign.
                    let _ = killed.try_send(());
                    (at, answer)
                }
            });
            stream::iter(sending).buffer_unordered(16).collect::<Vec<_>>().await
        });
        kill.recv().await.unwrap();
        moved.send_replace(None);
        relay.kill();
        let answers = under_way.await.unwrap();
        relay = start(&place);
        // As Smile does: what was not answered with 200 is sent again.
        let sender = Sender::new(&relay);
        for (number, _) in answers.iter().filter(|(_, answer)| *answer != Some(200)) {
            send(&sender, *number..*number + 1).await;
        }
    }
    let mut client = relay.grpc().await;
    moved.send_replace(Some((Sender::new(&relay), client.clone())));
    let log = everything(&mut client).await;
    check_log(&log, 3 * ROUND);
    say_until.send_replace(Some(info(&mut client).await.latest_cursor));
    let mut resumes = 0;
    for (reading, filter) in reading.into_iter().zip(&filters) {
        let (got, times) = reading.await.unwrap();
        let expected = keys(log.iter().filter(|event| lets_pass(filter, event)));
        assert_same(&got, &expected, &format!("{filter:?}, resumed {times} times"));
        resumes += times;
    }
    assert!(resumes > 50, "{resumes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_starts_where_it_is_asked_to() {
    let place = Place::default();
    let relay = start(&place);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await;
    let empty: GetRelayInfoResponse = info(&mut client).await;
    assert_eq!((empty.earliest_sequence, empty.latest_sequence), (1, 0));
    send(&sender, 0..20).await;
    let log = everything(&mut client).await;
    check_log(&log, 20);

    let received_since = |micros: i64, nanos: i32| {
        let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        Start::ReceivedSince(prost_types::Timestamp { seconds, nanos: i32::try_from(micros).unwrap() * 1_000 + nanos })
    };
    let since = |at: i64| log.iter().filter(|event| micros(event) >= at).map(|event| event.sequence).collect();
    let last = micros(&log[19]);
    let all: Vec<u64> = (1..=20).collect();
    let mut cases = vec![
        (None, vec![]),
        (Some(Start::Position(StartPosition::Unspecified.into())), vec![]),
        (Some(Start::Position(StartPosition::Latest.into())), vec![]),
        (Some(Start::Position(StartPosition::Earliest.into())), all.clone()),
        (Some(Start::AfterCursor(empty.latest_cursor.clone())), all.clone()),
        (Some(Start::AfterCursor(empty.earliest_cursor.clone())), all.clone()),
        (Some(Start::AfterCursor(log[6].cursor.clone())), (8..=20).collect()),
        (Some(Start::AfterCursor(log[19].cursor.clone())), vec![]),
        (Some(received_since(0, 0)), all.clone()),
        (Some(received_since(-1_000_000, 0)), all),
        (Some(received_since(last + 1, 0)), vec![]),
        (Some(received_since(last, 1)), vec![]),
        (Some(received_since(last + 86_400_000_000, 0)), vec![]),
    ];
    for event in &log {
        let at = micros(event);
        cases.push((Some(received_since(at, 0)), since(at)));
        cases.push((Some(received_since(at - 1, 0)), since(at - 1)));
        // A part of a microsecond after it is after it.
        cases.push((Some(received_since(at, 1)), since(at + 1)));
    }
    for (start, expected) in cases {
        let request = SubscribeRequest { start: start.clone(), ..SubscribeRequest::default() };
        let (events, end) = Reader::open(&mut client, to_the_end(request)).await.unwrap().rest().await;
        assert_eq!((end.code(), sequences(&events)), (Code::Ok, expected.clone()), "{start:?}");
        // Pages start in the same places, but for the default.
        let start = match start {
            None => continue,
            Some(Start::AfterCursor(cursor)) => list_events_request::Start::AfterCursor(cursor),
            Some(Start::Position(0)) => continue,
            Some(Start::Position(position)) => list_events_request::Start::Position(position),
            Some(Start::ReceivedSince(since)) => list_events_request::Start::ReceivedSince(since),
        };
        let request = ListEventsRequest { start: Some(start), ..ListEventsRequest::default() };
        let page = client.list_events(request).await.unwrap().into_inner();
        assert_eq!(sequences(&page.events), expected, "in a list");
        assert_eq!(page.end_cursor, log[19].cursor);
    }
    let listed = client.list_events(ListEventsRequest::default()).await.unwrap().into_inner();
    assert_eq!(keys(&listed.events), keys(&log), "a list starts with the oldest");

    // Those that start at the end, wherever that is, get what comes from now on.
    let tomorrow = received_since(last + 86_400_000_000, 0);
    let latest = Start::Position(StartPosition::Latest.into());
    let mut readers = Vec::new();
    for request in [SubscribeRequest::default(), starting(latest), starting(tomorrow), after(&log[19].cursor)] {
        readers.push(Reader::open(&mut client, request).await.unwrap());
    }
    send(&sender, 20..23).await;
    for reader in &mut readers {
        assert_eq!(reader.first.cursor, log[19].cursor);
        assert_eq!(sequences(&reader.take(3).await), [21, 22, 23]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stops_when_caught_up_ends_at_what_was_the_tail() {
    let place = Place::default();
    let relay = start(&place);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await;
    for filter in filters() {
        let mut reader = Reader::open(&mut client, to_the_end(filtered(&filter, from_earliest()))).await.unwrap();
        assert!(reader.first.caught_up, "there is nothing");
        assert_eq!(reader.rest().await.1.code(), Code::Ok);
    }
    let mut stored = 0;
    for filter in filters() {
        send(&sender, stored..stored + 40).await;
        stored += 40;
        let tail = info(&mut client).await.latest_cursor;
        let mut reader = Reader::open(&mut client, to_the_end(filtered(&filter, from_earliest()))).await.unwrap();
        // Not read meanwhile; what comes now is not its matter.
        send(&sender, stored..stored + 10).await;
        stored += 10;
        let (events, end) = reader.rest().await;
        assert_eq!(end.code(), Code::Ok, "{end:?}");
        let log = everything(&mut client).await;
        let expected = log[..stored - 10].iter().filter(|event| lets_pass(&filter, event));
        assert_same(&keys(&events), &keys(expected), &format!("{filter:?}"));
        assert_eq!(reader.checkpoint.cursor, tail, "the last thing said is the place that it went to");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_come_in_a_message_while_catching_up_and_one_when_live() {
    const LIMIT: usize = 64 << 10;
    const STORED: usize = 2 * FEED_PAGE + 3;
    for include_raw_body in [false, true] {
        let place = Place::default();
        let relay = start(&place);
        let sender = Sender::new(&relay);
        let mut client = relay.grpc().await;
        send(&sender, 0..STORED).await;
        let request = SubscribeRequest { include_raw_body, ..from_earliest() };
        let mut reader = Reader::open(&mut client, request).await.unwrap();
        assert!(!reader.first.caught_up);
        let (mut messages, mut large, mut events) = (0, 0, 0);
        while !reader.checkpoint.caught_up {
            let message = reader.message().await.unwrap().unwrap();
            let bytes: usize = message.events.iter().map(Message::encoded_len).sum();
            assert!(bytes <= LIMIT || message.events.len() == 1, "{} events of {bytes} bytes", message.events.len());
            messages += usize::from(!message.events.is_empty());
            large += usize::from(bytes > LIMIT);
            events += message.events.len();
        }
        assert_eq!(events, STORED);
        assert_eq!(large, if include_raw_body { 4 } else { 1 }, "the typed view keeps the long name of one type only");
        assert!(messages < STORED / 8, "{messages} messages");
        for number in 1..4 {
            assert_eq!(sender.send(body(&format!("live-{number}"))).await, 200);
            let message = reader.message().await.unwrap().unwrap();
            assert_eq!((message.events.len(), message.checkpoint), (1, None));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_filtered_stream_moves_on() {
    let place = Place::default();
    let relay = start(&place);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await;
    let nothing = EventFilter { user_ids: vec!["u-9".into()], ..EventFilter::default() };
    let mut reader =
        Reader::open(&mut client, with_short_heartbeat(filtered(&nothing, SubscribeRequest::default()))).await.unwrap();
    assert!(reader.first.caught_up);
    let mut before = reader.first.clone();
    for round in 0..2 {
        send(&sender, round * 150..(round + 1) * 150).await;
        let place = info(&mut client).await;
        loop {
            let message = reader.message().await.unwrap().unwrap();
            assert!(message.events.is_empty());
            let checkpoint = message.checkpoint.unwrap();
            assert_eq!(checkpoint.heartbeat_interval, Some(seconds(1)));
            assert_eq!(checkpoint.earliest_cursor, place.earliest_cursor);
            let nanos = |at: &Checkpoint| at.sent_at.map(|at| (at.seconds, at.nanos));
            assert!(nanos(&checkpoint) > nanos(&before), "{checkpoint:?} {before:?}");
            before = checkpoint;
            if before.cursor == place.latest_cursor {
                break;
            }
        }
        assert!(before.caught_up);
    }
    // Also when there is nothing at all to tell.
    let again = reader.message().await.unwrap().unwrap().checkpoint.unwrap();
    assert_eq!((again.cursor, again.caught_up), (before.cursor, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_stream_has_its_checkpoints_too() {
    let place = Place::default();
    let relay = start(&place);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await;
    let mut reader = Reader::open(&mut client, with_short_heartbeat(SubscribeRequest::default())).await.unwrap();
    let mut last = reader.first.cursor.clone();
    let (mut sent, mut checkpoints) = (0, 0);
    while checkpoints < 2 {
        send(&sender, sent..sent + 1).await;
        sent += 1;
        let mut events = 0;
        while events < 1 {
            let message = reader.message().await.unwrap().unwrap();
            last = message.events.last().map_or(last, |event| event.cursor.clone());
            events += message.events.len();
            if let Some(checkpoint) = message.checkpoint {
                assert_eq!(checkpoint.cursor, last, "it stands after the last event before it");
                checkpoints += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heartbeat_is_kept_as_asked_for() {
    let place = Place::default();
    let relay = start(&place);
    let mut client = relay.grpc().await;
    for (asked, kept) in [(None, 15), (Some(1), 1), (Some(15), 15), (Some(300), 300)] {
        let request = SubscribeRequest { heartbeat_interval: asked.map(seconds), ..SubscribeRequest::default() };
        let reader = Reader::open(&mut client, request).await.unwrap();
        assert_eq!(reader.first.heartbeat_interval, Some(seconds(kept)), "{asked:?}");
    }
}
