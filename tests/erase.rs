//! A user who is erased while webhooks arrive and streams are open: nothing of them is left in the files of the log, nor in
//! any answer; everything else is as it was, and every cursor still leads to what follows it.

mod support;

use std::{
    collections::HashSet,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use smile_relay::event::pb::{
    CreateCallbackTokenRequest, EraseUserRequest, Event, EventFilter, EventKey, EventSource, GetEventRequest,
    ListEventsRequest, OmittedReason, SubscribeRequest, administration_service_client::AdministrationServiceClient,
    callback_token_service_client::CallbackTokenServiceClient, get_event_request, get_event_request::Event::Sequence,
};
use support::{
    Place, Relay,
    client::{Follower, Reader, Sender},
    command, eventually,
    program::{Finished, finish, run},
    stream::{Refusal, after, from_earliest, sequences, to_the_end},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};

/// In every field of hers that there is; so it is what `grep` looks for.
const ANN: &str = "tenantId-ann-0815";
const OTHERS: [&str; 3] = ["tenantId-bob", "tenantId-cleo", "tenantId-dan"];
const ORIGIN: &str = "https://ann-0815.example.com";
/// A part of all that is hers.
const MARK: &str = "ann-0815";

fn body(id: &str, user: &str, bytes: usize) -> String {
    let data = json!({"userId": user, "accountId": format!("a-{user}"), "loginName": format!("{user} ").repeat(bytes / 20 + 1)});
    json!({"id": id, "version": 1, "type": "ACCOUNT_CONNECTED", "createdAt": "2026-11-23T10:00:00Z", "data": data})
        .to_string()
}

/// Of all sizes: in a page, in overflow pages, and beyond what the feed keeps in its pages.
fn size(n: usize) -> usize {
    [100, 900, 5_000, 30_000, 100_000][n % 5]
}

fn is_in_files(place: &Place, text: &str) -> bool {
    let grep = Command::new("grep").args(["-rqaF", "--", text]).arg(place.data_dir()).status().unwrap();
    match grep.code() {
        Some(code @ 0..=1) => code == 0,
        other => panic!("grep ended with {other:?}"),
    }
}

fn erase(relay: &Relay, user: &str) -> Finished {
    run(["events", "erase", "--user", user, "--address", &format!("http://{}", relay.grpc)])
}

/// Everything with the raw bodies, callbacks as well.
fn all(start: SubscribeRequest) -> SubscribeRequest {
    let sources = vec![EventSource::Webhook.into(), EventSource::Widget.into()];
    let filter = Some(EventFilter { sources, ..EventFilter::default() });
    SubscribeRequest { filter, include_raw_body: true, max_event_bytes: 64 << 20, ..start }
}

async fn read(relay: &Relay, request: SubscribeRequest) -> Vec<Event> {
    let mut client = relay.grpc().await.max_decoding_message_size(80 << 20);
    let (events, end) = Reader::open(&mut client, to_the_end(request)).await.unwrap().rest().await;
    assert_eq!(end.code(), Code::Ok, "{end:?}");
    events
}

async fn get(relay: &Relay, event: get_event_request::Event) -> Event {
    let mut client = relay.grpc().await.max_decoding_message_size(80 << 20);
    let request = GetEventRequest { event: Some(event), include_raw_body: true };
    client.get_event(request).await.unwrap().into_inner().event.unwrap()
}

async fn report(relay: &Relay, sender: &Sender, user: &str, n: usize) {
    let channel = Channel::from_shared(format!("http://{}", relay.grpc)).unwrap().connect().await.unwrap();
    let request = CreateCallbackTokenRequest {
        user_id: user.into(),
        session_label: format!("session of {user}"),
        ..CreateCallbackTokenRequest::default()
    };
    let token =
        CallbackTokenServiceClient::new(channel).create_callback_token(request).await.unwrap().into_inner().token;
    let callback = json!({"id": format!("0199c1c4-0000-7000-8000-{n:012}"), "name": "onAccountCreated",
        "arguments": [{"accountId": format!("a-{user}"), "userId": user, "providerId": "p"}],
        "occurredAt": "2026-11-23T10:00:00Z"});
    let body = json!({"token": token, "callbacks": [callback]}).to_string();
    let request = http::Request::post(format!("{}/callbacks/v1/events", sender.base())).header("origin", ORIGIN);
    let request = request.header("content-type", "text/plain").body(http_body_util::Full::new(body.into())).unwrap();
    assert_eq!(sender.request(request).await.status(), 200);
}

/// A tombstone says where it stands, what it was, and that it is erased; nothing else.
#[track_caller]
fn assert_tombstone(event: &Event, before: &Event) {
    let expected = Event {
        id: if before.id.contains(MARK) { String::new() } else { before.id.clone() },
        sequence: before.sequence,
        cursor: before.cursor.clone(),
        r#type: before.r#type,
        type_name: before.type_name.clone(),
        received_at: before.received_at,
        source: before.source,
        endpoint: before.endpoint.clone(),
        conflicts_with: before.conflicts_with,
        omitted: event.omitted,
        ..Event::default()
    };
    assert_eq!(event, &expected);
    let omitted = event.omitted.expect("it says so");
    assert_eq!((omitted.reason(), omitted.size_bytes), (OmittedReason::Erased, 0));
}

fn callbacks(place: &Place) -> Vec<String> {
    std::fs::write(place.path().join("key"), b"a key for tests, 32 bytes of it.").unwrap();
    vec![format!("--callback-key-file={}", place.path().join("key").display()), format!("--callback-origin={ORIGIN}")]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_user_is_left_and_everything_else_is_as_it_was() {
    for encrypted in [false, true] {
        let place = Place::default();
        let mut flags = callbacks(&place);
        if encrypted {
            std::fs::write(place.path().join("log-key"), "7f".repeat(32)).unwrap();
            flags.push(format!("--encryption-key-file={}", place.path().join("log-key").display()));
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let relay = place.start(&flags);
        let sender = Sender::new(&relay);
        // A backlog, of which retention's and the cache's pages are full.
        let backlog = (0..400).map(|n| {
            let user = if n % 4 == 0 { ANN } else { OTHERS[n % 3] };
            body(&format!("et-{n}"), user, size(n))
        });
        sender.send_all(backlog, 8).await;
        for n in 0..6 {
            report(&relay, &sender, if n % 2 == 0 { ANN } else { OTHERS[0] }, n).await;
        }
        let before = read(&relay, all(from_earliest())).await;
        let hers: Vec<&Event> = before.iter().filter(|event| event.user_id == ANN).collect();
        assert_eq!(hers.len(), 103);
        assert!(is_in_files(&place, MARK));

        // Others' webhooks arrive all the while, and two streams are open.
        let stop = CancellationToken::new();
        let sent = Arc::new(AtomicUsize::new(0));
        let loading: Vec<_> = OTHERS
            .iter()
            .map(|user| {
                let (sender, stop, sent) = (sender.clone(), stop.clone(), Arc::clone(&sent));
                tokio::spawn(async move {
                    for n in 0.. {
                        assert_eq!(sender.send(body(&format!("et-{user}-{n}"), user, size(n))).await, 200);
                        sent.fetch_add(1, Ordering::Relaxed);
                        if stop.is_cancelled() {
                            return n + 1;
                        }
                    }
                    unreachable!("it ends when it is stopped")
                })
            })
            .collect();
        let mut follower = Follower::default();
        let live = Reader::open(&mut relay.grpc().await, follower.request()).await.unwrap();
        let following = tokio::spawn(async move {
            follower.follow(live).await;
            follower
        });
        eventually("some arrive", || (sent.load(Ordering::Relaxed) > 30).then_some(()));
        let so_far = sent.load(Ordering::Relaxed);
        let said = tokio::task::block_in_place(|| erase(&relay, ANN)).ok();
        assert!(said.stdout().starts_with("103 events erased, of all up to #"), "{said:?}");
        assert!(!is_in_files(&place, MARK), "something is left in the files");
        eventually("more arrive", || (sent.load(Ordering::Relaxed) > so_far + 30).then_some(()));
        stop.cancel();
        let mut arrived = 0;
        for loading in loading {
            arrived += loading.await.unwrap();
        }

        // Every answer.
        let later = read(&relay, all(from_earliest())).await;
        assert_eq!(sequences(&later), (1..=406 + arrived as u64).collect::<Vec<_>>());
        for (was, is) in before.iter().zip(&later) {
            if was.user_id == ANN {
                assert_tombstone(is, was);
                assert_tombstone(&get(&relay, Sequence(was.sequence)).await, was);
            } else {
                assert_eq!(was, is);
            }
        }
        for was in hers.iter().step_by(9) {
            assert_tombstone(&get(&relay, get_event_request::Event::Cursor(was.cursor.clone())).await, was);
            let key = EventKey { endpoint: was.endpoint.clone(), id: was.id.clone() };
            assert_tombstone(&get(&relay, get_event_request::Event::Key(key)).await, was);
            let rest = read(&relay, all(after(&was.cursor))).await;
            assert_eq!(rest, later[usize::try_from(was.sequence).unwrap()..], "after #{}", was.sequence);
        }
        let filter = EventFilter {
            user_ids: vec![ANN.into()],
            sources: vec![EventSource::Webhook.into(), EventSource::Widget.into()],
            ..EventFilter::default()
        };
        let by_user =
            ListEventsRequest { filter: Some(filter), include_raw_body: true, ..ListEventsRequest::default() };
        assert!(relay.grpc().await.list_events(by_user).await.unwrap().into_inner().events.is_empty());
        let mut page = ListEventsRequest { include_raw_body: true, page_size: 50, ..ListEventsRequest::default() };
        let mut listed = Vec::new();
        loop {
            let answer = relay.grpc().await.list_events(page.clone()).await.unwrap().into_inner();
            listed.extend(answer.events);
            if answer.next_page_token.is_empty() {
                break;
            }
            page.page_token = answer.next_page_token;
        }
        let webhooks = later.iter().filter(|event| event.source() == EventSource::Webhook);
        assert!(listed.iter().eq(webhooks), "the list is another than the stream");
        assert!(!format!("{listed:?}{later:?}").contains(MARK));
        assert!(!relay.log().contains(MARK), "the relay's own log lines name the user");

        // A repetition by Smile stays one, and a stream that was open missed nothing.
        assert_eq!(sender.send(body("et-4", ANN, size(4))).await, 200);
        assert_eq!(relay.webhooks("repeated"), 1);
        assert!(!is_in_files(&place, MARK));
        assert!(relay.stop().success());
        let follower = following.await.unwrap();
        let seen: HashSet<u64> = follower.events.iter().map(|event| event.sequence).collect();
        assert_eq!(seen.len(), 400 + arrived);
        let relay = place.start(&flags);
        assert_eq!(read(&relay, all(from_earliest())).await, later, "after a restart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_cut_short_by_kill_9_is_finished_by_the_next() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    sender
        .send_all((0..800).map(|n| body(&format!("et-{n}"), if n % 2 == 0 { ANN } else { OTHERS[0] }, 700)), 32)
        .await;
    // Who reads the log for long keeps the last step from its end.
    let reading = rusqlite::Connection::open(place.data_dir().join("events.db")).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
    let address = format!("http://{}", relay.grpc);
    let mut erasing = command()
        .args(["events", "erase", "--user", ANN, "--address", &address])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let watching = rusqlite::Connection::open(place.data_dir().join("events.db")).unwrap();
    let erased = || -> i64 {
        watching.query_row("SELECT count(*) FROM events WHERE source <= 0", [], |row| row.get(0)).unwrap()
    };
    eventually("it is at it", || (erased() > 0).then_some(()));
    relay.kill();
    assert!(!erasing.wait().unwrap().success());
    reading.execute_batch("COMMIT").unwrap();
    drop((reading, watching));
    assert!(is_in_files(&place, MARK));

    let relay = place.start(&[]);
    erase(&relay, ANN).ok();
    assert!(!is_in_files(&place, MARK));
    let events = read(&relay, all(from_earliest())).await;
    assert_eq!(events.len(), 800);
    let (erased, kept): (Vec<&Event>, Vec<&Event>) = events.iter().partition(|event| event.omitted.is_some());
    assert_eq!((erased.len(), kept.len()), (400, 400));
    assert!(kept.iter().all(|event| event.user_id == OTHERS[0] && !event.raw_body.is_empty()));
    let said = erase(&relay, ANN).ok();
    assert_eq!(said.stdout(), "0 events erased, of all up to #800\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_the_midst_of_an_erased_event_ends_and_comes_back_to_the_tombstone() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(body("et-first", OTHERS[0], 100)).await, 200);
    assert_eq!(sender.send(body("et-large", ANN, 6 << 20)).await, 200);
    assert_eq!(sender.send(body("et-last", OTHERS[0], 100)).await, 200);
    let mut client = relay.grpc_with_windows(65_535, 65_535).await.max_decoding_message_size(80 << 20);
    let mut reader = Reader::open(&mut client, all(from_earliest())).await.unwrap();
    let first = reader.next().await.unwrap().unwrap();
    // Counted when its first bytes are sent; then it waits for a reader.
    eventually("it has begun", || (relay.metric("smile_relay_delivered_events_total") >= 2.0).then_some(()));
    let request = EraseUserRequest { user_id: ANN.into(), endpoint: String::new() };
    let channel = Channel::from_shared(format!("http://{}", relay.grpc)).unwrap().connect().await.unwrap();
    let erased = AdministrationServiceClient::new(channel).erase_user(request).await.unwrap().into_inner();
    assert_eq!((erased.events_erased, erased.erased_through), (1, 3));
    let (rest, end) = reader.rest().await;
    assert!(rest.is_empty(), "an event that is erased came whole");
    let refusal = Refusal::from(end);
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::Unavailable, "EVENT_ERASED"));
    assert_eq!(refusal.retry_after, Some(Duration::ZERO));
    let events = read(&relay, all(after(&first.cursor))).await;
    assert_eq!(sequences(&events), [2, 3]);
    assert_eq!(events[0].omitted.unwrap().reason(), OmittedReason::Erased);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_erased_is_told() {
    let place = Place::default();
    let relay = place.start(&[]);
    for user in [String::new(), "x".repeat(513)] {
        let channel = Channel::from_shared(format!("http://{}", relay.grpc)).unwrap().connect().await.unwrap();
        let request = EraseUserRequest { user_id: user, endpoint: String::new() };
        let refusal = AdministrationServiceClient::new(channel).erase_user(request).await.unwrap_err();
        let refusal = Refusal::from(refusal);
        assert_eq!((refusal.code, refusal.fields), (Code::InvalidArgument, vec!["user_id".to_owned()]));
    }
    // Another endpoint's, and a user that nobody knows.
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(body("et-1", ANN, 10)).await, 200);
    let address = format!("http://{}", relay.grpc);
    let mut elsewhere = command();
    elsewhere.args(["events", "erase", "--user", ANN, "--endpoint", "partner", "--address", &address]);
    assert_eq!(finish(&mut elsewhere, b"").ok().stdout(), "0 events erased, of all up to #1\n");
    assert!(is_in_files(&place, MARK));
    let unreachable = run(["events", "erase", "--user", ANN, "--address", "http://127.0.0.1:1"]);
    assert_eq!(unreachable.code, Some(1));
    assert!(unreachable.error().contains("cannot reach the relay"), "{unreachable:?}");
}
