//! A large event never kills a stream, and nothing of it is lost: it comes as a stub to whoever did not ask for as much,
//! and whole to whoever did. And the calls that fetch single events: by sequence, by cursor, by id.

mod support;

use prost::Message;
use smile_relay::event::pb::{
    Event, EventKey, GetEventRequest, ListEventsRequest, OmittedReason, SubscribeRequest, event::Data,
    get_event_request, list_events_request, relay_service_client::RelayServiceClient,
};
use support::{
    Place, SECRET,
    client::{Reader, Sender, body, large_typed_body, sign},
    stream::{after, everything, from_earliest, info, sequences, to_the_end},
};
use tonic::{Code, transport::Channel};

type Client = RelayServiceClient<Channel>;

const MB: usize = 1_000_000;
/// What a client raises its limits to.
const RAISED: u32 = 32 << 20;

fn raised(request: SubscribeRequest) -> SubscribeRequest {
    SubscribeRequest { max_event_bytes: RAISED, ..request }
}

fn with_raw(request: SubscribeRequest) -> SubscribeRequest {
    SubscribeRequest { include_raw_body: true, ..request }
}

async fn send(sender: &Sender, bodies: impl IntoIterator<Item = String>) {
    for body in bodies {
        assert_eq!(sender.send(body).await, 200);
    }
}

async fn all(client: &mut Client, request: SubscribeRequest) -> Vec<Event> {
    let (events, end) = Reader::open(client, to_the_end(request)).await.unwrap().rest().await;
    assert_eq!(end.code(), Code::Ok, "{end:?}");
    events
}

async fn get(client: &mut Client, event: get_event_request::Event, include_raw_body: bool) -> Event {
    let request = GetEventRequest { event: Some(event), include_raw_body };
    client.get_event(request).await.unwrap().into_inner().event.unwrap()
}

fn by_sequence(sequence: u64) -> get_event_request::Event {
    get_event_request::Event::Sequence(sequence)
}

fn login_name_bytes(event: &Event) -> usize {
    let Some(Data::AccountConnected(data)) = &event.data else { panic!("{}: {:?}", event.id, event.omitted) };
    data.login_name.as_ref().map_or(0, String::len)
}

/// A stub: all that is known of the event but its content.
#[track_caller]
fn assert_omitted(event: &Event, size: usize) {
    let omitted = event.omitted.unwrap_or_else(|| panic!("{} is whole", event.id));
    assert_eq!(omitted.reason(), OmittedReason::TooLarge);
    assert_eq!(omitted.size_bytes, size as u64, "{}", event.id);
    assert!(event.data.is_none() && event.raw_body.is_empty() && event.signature.is_empty());
    assert!(!event.cursor.is_empty() && event.received_at.is_some());
    assert_eq!(
        (event.type_name.as_str(), event.user_id.as_str(), event.endpoint.as_str()),
        ("ACCOUNT_CONNECTED", "u-1", "smile")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_past_an_event_that_its_client_could_not_receive() {
    let place = Place::default();
    let relay = place.start(&[]);
    let (sender, client) = (Sender::new(&relay), relay.grpc().await);
    let mut live = Reader::open(&mut client.clone(), SubscribeRequest::default()).await.unwrap();
    let mut live_raw = Reader::open(&mut client.clone(), with_raw(SubscribeRequest::default())).await.unwrap();
    let large = large_typed_body("large", 6 * MB);
    send(&sender, [body("a"), body("b"), large.clone(), body("c"), body("d")]).await;

    // Its size is that of the event as it is when nothing is left out.
    let mut able = relay.grpc().await.max_decoding_message_size(RAISED as usize);
    let whole = get(&mut able, by_sequence(3), true).await;
    assert!(whole.omitted.is_none() && whole.raw_body == large, "byte for byte");
    assert_eq!(whole.signature, sign(large.as_bytes()));
    assert_eq!(login_name_bytes(&whole), large.len() - large_typed_body("large", 0).len());
    let size = whole.encoded_len();
    let plain = get(&mut able, by_sequence(3), false).await;
    assert_eq!(Event { raw_body: bytes::Bytes::new(), signature: String::new(), ..whole.clone() }, plain);

    let caught_up = all(&mut client.clone(), from_earliest()).await;
    let caught_up_raw = all(&mut client.clone(), with_raw(from_earliest())).await;
    for events in [live.take(5).await, live_raw.take(5).await, caught_up, caught_up_raw] {
        assert_eq!(events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["a", "b", "large", "c", "d"]);
        for event in &events {
            match event.id.as_str() {
                "large" => assert_omitted(event, size),
                _ => assert!(event.omitted.is_none() && event.data.is_some()),
            }
        }
        // Its cursor is as good as any other.
        let rest = all(&mut client.clone(), after(&events[2].cursor)).await;
        assert_eq!(sequences(&rest), [4, 5]);
    }

    // The client itself refuses the whole one, and can ask again.
    let request = GetEventRequest { event: Some(by_sequence(3)), include_raw_body: false };
    let refused = client.clone().get_event(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");

    // Whoever raises both limits gets it in its place.
    let expected = all(&mut able, raised(from_earliest())).await;
    assert_eq!(sequences(&expected), [1, 2, 3, 4, 5]);
    assert_eq!(expected[2], plain);
    assert_eq!(all(&mut able, raised(with_raw(from_earliest()))).await[2], whole);
    // And so does one whose limit is just what it takes.
    for (request, bytes) in [(from_earliest(), plain.encoded_len()), (with_raw(from_earliest()), size)] {
        let bytes = u32::try_from(bytes).unwrap();
        let just = all(&mut able, SubscribeRequest { max_event_bytes: bytes, ..request.clone() }).await;
        assert!(just[2].omitted.is_none());
        let less = all(&mut able, SubscribeRequest { max_event_bytes: bytes - 1, ..request }).await;
        assert_omitted(&less[2], size);
    }
    // One of 2 MB is within the default limit without its raw body, and not with it.
    send(&sender, [large_typed_body("medium", 2 * MB)]).await;
    let event = live.take(1).await.remove(0);
    assert!(event.omitted.is_none() && login_name_bytes(&event) > 19 * MB / 10);
    let event = live_raw.take(1).await.remove(0);
    assert_omitted(&event, get(&mut able, by_sequence(6), true).await.encoded_len());
    // What was sent is counted.
    assert!(relay.metric("smile_relay_delivered_bytes_total") > (3 * 6 * MB) as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_any_size_come_in_order_to_those_who_ask_for_them() {
    let place = Place::default();
    let relay = place.start(&["--feed-cache=1MiB"]);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await.max_decoding_message_size(RAISED as usize);
    let mut live = Reader::open(&mut client, raised(with_raw(SubscribeRequest::default()))).await.unwrap();
    // On both sides of what is part of a page, of a message, of a slice.
    let sizes = [300, 32_000, 65_536, 65_537, 33, 64_000, 70_000, 131_072, MB, 400, 3 * MB, 65_000, 300];
    let bodies: Vec<_> =
        sizes.iter().enumerate().map(|(at, size)| large_typed_body(&format!("e-{at}"), *size)).collect();
    send(&sender, bodies.clone()).await;
    let live = live.take(bodies.len()).await;
    let again = all(&mut client, raised(with_raw(from_earliest()))).await;
    for events in [&live, &again] {
        for (event, body) in events.iter().zip(&bodies) {
            assert_eq!(event.raw_body, *body, "{}", event.id);
            assert_eq!(event.signature, sign(body.as_bytes()));
            assert_eq!(login_name_bytes(event), body.len() - large_typed_body(&event.id, 0).len());
        }
    }
    assert_eq!(live, again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_leaves_large_content_out_and_ends_its_pages_in_time() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await;
    let mut bodies = vec![body("first"), large_typed_body("large", 6 * MB)];
    bodies.extend((0..5).map(|number| large_typed_body(&format!("e-{number}"), MB)));
    bodies.push(body("last"));
    send(&sender, bodies).await;
    let size = get(&mut client.clone().max_decoding_message_size(RAISED as usize), by_sequence(2), true).await;
    for include_raw_body in [false, true] {
        let (mut events, mut pages, mut page_token) = (Vec::new(), 0, String::new());
        loop {
            let request = ListEventsRequest { page_token, include_raw_body, ..ListEventsRequest::default() };
            // The client has the default limit.
            let page = client.list_events(request).await.unwrap().into_inner();
            assert!(page.events.iter().map(Message::encoded_len).sum::<usize>() <= 3 << 20);
            assert_eq!(page.end_cursor, page.events.last().unwrap().cursor);
            pages += 1;
            events.extend(page.events);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(sequences(&events), [1, 2, 3, 4, 5, 6, 7, 8]);
        // Three of 1 MB fit into a page; with their raw bodies, one does.
        assert_eq!(pages, if include_raw_body { 5 } else { 2 });
        assert_omitted(&events[1], size.encoded_len());
        assert!(events.iter().all(|event| event.sequence == 2 || event.omitted.is_none()));
        assert!(events.iter().all(|event| event.sequence == 2 || event.raw_body.is_empty() != include_raw_body));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_is_the_callers_choice() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await;
    send(&sender, [large_typed_body("three", 3_000), large_typed_body("five", 5_000), body("small")]).await;
    let five = get(&mut client, by_sequence(2), true).await.encoded_len();
    let least = SubscribeRequest { max_event_bytes: 4_096, ..from_earliest() };
    let events = all(&mut client, least.clone()).await;
    assert_eq!(sequences(&events), [1, 2, 3]);
    assert!(events[0].omitted.is_none() && events[2].omitted.is_none());
    assert_omitted(&events[1], five);
    // With its raw body, the first is over the limit as well.
    let three = get(&mut client, by_sequence(1), true).await.encoded_len();
    let events = all(&mut client, with_raw(least)).await;
    assert_omitted(&events[0], three);
    assert_omitted(&events[1], five);
    assert!(!events[2].raw_body.is_empty());
    let request = ListEventsRequest { max_event_bytes: 4_096, ..ListEventsRequest::default() };
    let page = client.list_events(request).await.unwrap().into_inner();
    assert_omitted(&page.events[1], five);
    assert!(all(&mut client, from_earliest()).await.iter().all(|event| event.omitted.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_raw_body_is_what_was_sent_byte_for_byte() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await;
    let pretty = body("pretty").replace(',', " ,\r\n\t");
    let bodies: Vec<Vec<u8>> = vec![
        body("plain").into_bytes(),
        pretty.into_bytes(),
        format!("\u{feff}{}\n\n", body("marked")).into_bytes(),
        br#"{"id":"dup","id":"dup","type":"X","n":1.000,"m":1e400}"#.to_vec(),
        b"not JSON at all".to_vec(),
        b"{\"id\":\"broken\xff\xfe\",\"type\":\"Y\"}".to_vec(),
        vec![0, 1, 2, 0xff, 0xfe, 0],
        Vec::new(),
    ];
    for body in &bodies {
        assert_eq!(sender.send(body.clone()).await, 200);
    }
    let plain = everything(&mut client).await;
    let raw = all(&mut client, with_raw(from_earliest())).await;
    let start = list_events_request::Start::AfterCursor(info(&mut client).await.earliest_cursor);
    let request = ListEventsRequest { start: Some(start), include_raw_body: true, ..ListEventsRequest::default() };
    let listed = client.list_events(request).await.unwrap().into_inner().events;
    assert_eq!((plain.len(), raw.len()), (bodies.len(), bodies.len()));
    assert_eq!(listed, raw);
    for ((plain, raw), body) in plain.iter().zip(&raw).zip(&bodies) {
        assert_eq!(raw.raw_body, *body, "{}", raw.id);
        assert_eq!(raw.signature, sign(body));
        let without = Event { raw_body: bytes::Bytes::new(), signature: String::new(), ..raw.clone() };
        assert_eq!(*plain, without, "nothing else differs, and it comes on request only");
        assert_eq!(get(&mut client, by_sequence(raw.sequence), true).await, *raw);
        assert_eq!(get(&mut client, by_sequence(raw.sequence), false).await, *plain);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_found_by_each_of_its_names() {
    let place = Place::default();
    let config = place.path().join("relay.toml");
    let text = format!(
        "[endpoints.zebra]\nsecrets = [\"{SECRET}\"]\n[endpoints.other]\nsecrets = [\"{SECRET}\", \"another-secret\"]\n"
    );
    std::fs::write(&config, text).unwrap();
    let config = format!("--config={}", config.display());
    let relay = place.start(&[&config]);
    let sender = Sender::new(&relay);
    let mut client = relay.grpc().await;
    // The same id, and even the same body, at two endpoints are two events.
    for (endpoint, id) in [("smile", "a"), ("other", "a"), ("smile", "b"), ("zebra", "ä/\"b\"")] {
        assert_eq!(sender.send_to(endpoint, body(&id.replace('"', "\\\""))).await, 200);
    }
    let log = everything(&mut client).await;
    let names = |event: &Event| (event.endpoint.clone(), event.id.clone());
    let name = |endpoint: &str, id: &str| (endpoint.to_owned(), id.to_owned());
    assert_eq!(
        log.iter().map(names).collect::<Vec<_>>(),
        [name("smile", "a"), name("other", "a"), name("smile", "b"), name("zebra", "ä/\"b\"")]
    );
    let key = |endpoint: &str, id: &str| {
        get_event_request::Event::Key(EventKey { endpoint: endpoint.to_owned(), id: id.to_owned() })
    };
    for event in &log {
        for by in [
            by_sequence(event.sequence),
            get_event_request::Event::Cursor(event.cursor.clone()),
            key(&event.endpoint, &event.id),
        ] {
            assert_eq!(get(&mut client, by.clone(), false).await, *event, "{by:?}");
        }
    }
    assert_eq!(get(&mut client, key("", "a"), false).await.sequence, 1, "the default endpoint");

    // Variants: other bytes under one id are kept, each once, and lead back one by one.
    let variants: Vec<_> = ["u-1", "u-2", "u-3"].map(|user| support::client::body_of("v", "USER_CREATED", user)).into();
    for _ in 0..2 {
        send(&sender, variants.clone()).await;
    }
    assert_eq!(everything(&mut client).await.len(), log.len() + variants.len());
    let mut event = get(&mut client, key("smile", "v"), true).await;
    for (at, body) in variants.iter().enumerate().rev() {
        assert_eq!((event.sequence, event.raw_body.as_ref()), (5 + at as u64, body.as_bytes()));
        assert_eq!(event.conflicts_with, if at == 0 { 0 } else { 4 + at as u64 });
        if at > 0 {
            event = get(&mut client, by_sequence(event.conflicts_with), true).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_says_what_it_is_and_what_it_holds() {
    let place = Place::default();
    let config = place.path().join("relay.toml");
    std::fs::write(
        &config,
        format!("[endpoints.zebra]\nsecrets = [\"{SECRET}\"]\n[endpoints.a]\nsecrets = [\"{SECRET}\"]\n"),
    )
    .unwrap();
    let config = format!("--config={}", config.display());
    let relay = place.start(&[&config]);
    let mut client = relay.grpc().await;
    let before = info(&mut client).await;
    assert_eq!(before.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(before.backend, "embedded");
    assert_eq!(before.endpoints, ["a", "smile", "zebra"]);
    assert!(before.log_id.len() == 32 && faster_hex::hex_check(before.log_id.as_bytes()), "{}", before.log_id);
    assert_eq!((before.earliest_sequence, before.latest_sequence), (1, 0));
    assert_eq!(before.earliest_cursor, before.latest_cursor);
    let now = std::time::SystemTime::now().into();
    let seconds = |at: Option<prost_types::Timestamp>| at.map(|at| at.seconds).unwrap();
    assert!((seconds(Some(now)) - 300..=seconds(Some(now))).contains(&seconds(before.started_at)), "{before:?}");

    send(&Sender::new(&relay), [body("a"), body("b")]).await;
    let log = everything(&mut client).await;
    let after = info(&mut client).await;
    assert_eq!((after.earliest_sequence, after.latest_sequence), (1, 2));
    assert_eq!((&after.earliest_cursor, &after.latest_cursor), (&before.earliest_cursor, &log[1].cursor));
    assert_eq!((&after.log_id, after.started_at), (&before.log_id, before.started_at));

    assert!(relay.stop().success());
    let relay = place.start(&[]);
    let again = info(&mut relay.grpc().await).await;
    let nanos = |at: Option<prost_types::Timestamp>| at.map(|at| (at.seconds, at.nanos));
    assert!(nanos(again.started_at) > nanos(after.started_at));
    assert_eq!((&again.log_id, &again.latest_cursor), (&after.log_id, &after.latest_cursor));
    assert_eq!(again.endpoints, ["smile"]);
}
