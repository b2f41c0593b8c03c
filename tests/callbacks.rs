//! The Wink Widget's callbacks, as any sender of HTTP can report them, and as subscribers get them.

mod support;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::Sha256;
use smile_relay::event::pb::{
    CreateCallbackTokenRequest, CreateCallbackTokenResponse, Event, EventFilter, EventKey, EventSource, EventType,
    GetEventRequest, ListEventsRequest, SubscribeRequest, callback_token_service_client::CallbackTokenServiceClient,
    event::Data, get_event_request, list_events_request,
};
use support::{
    PATIENCE, Place, Relay,
    client::{Reader, Sender, body},
    eventually,
    stream::{after, assert_same, from_earliest, seconds, sequences, to_the_end, with_short_heartbeat},
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

const ORIGIN: &str = "https://app.example.com";
const KEY: [u8; 32] = *b"a key for tests, 32 bytes of it.";

/// A place with a key, and the flags that name it.
fn place() -> (Place, Vec<String>) {
    let place = Place::default();
    place_key(&place, "key", KEY);
    let flags = vec![flag_of(&place, "key"), format!("--callback-origin={ORIGIN}")];
    (place, flags)
}

fn place_key(place: &Place, name: &str, key: [u8; 32]) {
    std::fs::write(place.path().join(name), key).unwrap();
}

fn flag_of(place: &Place, name: &str) -> String {
    format!("--callback-key-file={}", place.path().join(name).display())
}

fn start(place: &Place, flags: &[String], more: &[&str]) -> Relay {
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    place.start(&flags)
}

async fn ask(relay: &Relay, request: CreateCallbackTokenRequest) -> Result<CreateCallbackTokenResponse, Status> {
    let channel = Channel::from_shared(format!("http://{}", relay.grpc)).unwrap().connect().await.unwrap();
    let answer = CallbackTokenServiceClient::new(channel).create_callback_token(request).await?;
    Ok(answer.into_inner())
}

async fn token(relay: &Relay, user: &str) -> String {
    ask(relay, CreateCallbackTokenRequest { user_id: user.into(), ..Default::default() }).await.unwrap().token
}

fn id(n: usize) -> String {
    format!("0199c1c4-0000-7000-8000-{n:012}")
}

fn callback(n: usize, name: &str, arguments: Value) -> Value {
    json!({"id": id(n), "name": name, "arguments": arguments, "occurredAt": "2026-11-23T10:00:00.5Z"})
}

/// As a browser sends it from a page of this origin.
async fn report(sender: &Sender, origin: &str, token: &str, callbacks: Vec<Value>) -> Response<Bytes> {
    let body = json!({"token": token, "callbacks": callbacks}).to_string();
    send(sender, Method::POST, &[("origin", origin), ("content-type", "text/plain;charset=UTF-8")], body).await
}

async fn send(sender: &Sender, method: Method, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(format!("{}/callbacks/v1/events", sender.base()));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    sender.request(request.body(Full::new(body.into())).unwrap()).await
}

/// The answer's status and what its error is called.
fn said(answer: &Response<Bytes>) -> (u16, String) {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

fn of_sources(sources: &[EventSource], request: SubscribeRequest) -> SubscribeRequest {
    let sources = sources.iter().map(|source| (*source).into()).collect();
    SubscribeRequest { filter: Some(EventFilter { sources, ..Default::default() }), ..request }
}

const BOTH: &[EventSource] = &[EventSource::Webhook, EventSource::Widget];

async fn read(relay: &Relay, request: SubscribeRequest) -> (Reader, Vec<Event>) {
    let mut reader = Reader::open(&mut relay.grpc().await, to_the_end(request)).await.unwrap();
    let (events, end) = reader.rest().await;
    assert_eq!(end.code(), Code::Ok, "{end:?}");
    (reader, events)
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_stand_in_one_order_with_webhooks_for_those_who_name_them() {
    let (place, flags) = place();
    let relay = start(&place, &flags, &[]);
    let sender = Sender::new(&relay);
    let mut live = Reader::open(&mut relay.grpc().await, of_sources(BOTH, from_earliest())).await.unwrap();
    let request = CreateCallbackTokenRequest {
        user_id: "tenantId-1".into(),
        session_label: "order 7".into(),
        time_to_live: Some(seconds(60)),
        allowed_origins: vec![ORIGIN.into()],
    };
    let token = ask(&relay, request).await.unwrap().token;
    assert_eq!(sender.send(body("a")).await, 200);
    let account = json!([{"accountId": "a-1", "userId": "tenantId-1", "providerId": "p-1"}]);
    let batch = vec![callback(1, "onAccountConnected", account.clone()), callback(2, "onClose", json!(["exit"]))];
    for _ in 0..2 {
        // The second time nothing is new.
        assert_eq!(report(&sender, ORIGIN, &token, batch.clone()).await.status(), 200);
    }
    assert_eq!(sender.send(body("b")).await, 200);
    let events = live.take(4).await;
    assert_eq!(sequences(&events), [1, 2, 3, 4]);
    let connected = &events[1];
    assert_eq!((connected.source(), connected.r#type()), (EventSource::Widget, EventType::WidgetAccountConnected));
    assert_eq!((connected.id.as_str(), connected.endpoint.as_str()), (&*format!("tenantId-1/{}", id(1)), "callbacks"));
    assert_eq!((connected.type_name.as_str(), connected.user_id.as_str()), ("onAccountConnected", "tenantId-1"));
    assert!(matches!(&connected.data, Some(Data::WidgetAccountConnected(data)) if data.account_id == "a-1"));
    let how = connected.report.as_ref().unwrap();
    assert_eq!((how.id.as_str(), how.origin.as_str(), how.session_label.as_str()), (&*id(1), ORIGIN, "order 7"));
    assert_eq!(how.occurred_at.unwrap().nanos, 500_000_000);
    assert!(matches!(&events[2].data, Some(Data::WidgetClose(data)) if data.reason == "exit"));

    // Who does not name the source gets webhooks alone; who names it alone, callbacks alone, with their bytes.
    let (_, webhooks) = read(&relay, from_earliest()).await;
    assert_eq!(sequences(&webhooks), [1, 4]);
    let raw = SubscribeRequest { include_raw_body: true, ..of_sources(&[EventSource::Widget], from_earliest()) };
    let (_, callbacks) = read(&relay, raw).await;
    assert_eq!(sequences(&callbacks), [2, 3]);
    assert_eq!(callbacks[0].raw_body, batch[0].to_string());
    assert_eq!(callbacks[0].signature, "");
    let key = EventKey { endpoint: "callbacks".into(), id: connected.id.clone() };
    let found = GetEventRequest { event: Some(get_event_request::Event::Key(key)), ..Default::default() };
    let found = relay.grpc().await.get_event(found).await.unwrap().into_inner().event.unwrap();
    assert_eq!(&found, connected);

    // They are as durable as webhooks.
    relay.kill();
    let relay = start(&place, &flags, &[]);
    let (_, again) = read(&relay, of_sources(BOTH, from_earliest())).await;
    assert_same(&again, &events, "after a kill");
    assert_eq!(report(&Sender::new(&relay), ORIGIN, &token, batch).await.status(), 200);
    assert_eq!(relay.metric(r#"smile_relay_callbacks_total{result="duplicate"}"#), 2.0);
}

/// A token of any header and claims, signed with any key.
fn forged(header: &Value, claims: &Value, key: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&signed).finalize().into_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// What a token says: its header and its claims.
fn parts(token: &str) -> [Value; 2] {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [(); 2].map(|()| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_good_are_refused() {
    let (place, flags) = place();
    let relay = start(&place, &flags, &[]);
    let sender = Sender::new(&relay);
    let good = token(&relay, "u").await;
    let [header, claims] = parts(&good);
    let with = |value: &Value, name: &str, set: Value| {
        let mut value = value.clone();
        value[name] = set;
        value
    };
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    for (what, token, code) in [
        ("another key", forged(&header, &claims, b"another key"), "bad_token"),
        ("alg none", forged(&with(&header, "alg", json!("none")), &claims, &KEY), "bad_token"),
        ("no signature", unsigned, "bad_token"),
        ("another user", forged(&header, &with(&claims, "sub", json!("v")), b"guess"), "bad_token"),
        ("another audience", forged(&header, &with(&claims, "aud", json!("x")), &KEY), "bad_token"),
        ("past its time", forged(&header, &with(&claims, "exp", json!(1_700_000_000)), &KEY), "token_expired"),
        ("time as text", forged(&header, &with(&claims, "exp", json!("9999999999")), &KEY), "bad_token"),
        ("no token", String::new(), "bad_token"),
    ] {
        let answer = report(&sender, ORIGIN, &token, vec![callback(1, "onClose", json!([]))]).await;
        assert_eq!(said(&answer), (401, code.to_owned()), "{what}");
        assert_eq!(answer.headers()["access-control-allow-origin"], ORIGIN, "{what}: the page has to know");
    }
    assert_eq!(report(&sender, ORIGIN, &good, vec![callback(1, "onClose", json!([]))]).await.status(), 200);

    // A new key signs, the old one still verifies; then it is taken away.
    drop(relay);
    place_key(&place, "new", [7; 32]);
    let rotated = [flag_of(&place, "new"), flags[0].clone(), flags[1].clone()];
    let relay = start(&place, &rotated, &[]);
    let sender = Sender::new(&relay);
    assert_eq!(report(&sender, ORIGIN, &good, vec![callback(2, "onClose", json!([]))]).await.status(), 200);
    let new = token(&relay, "u").await;
    assert_ne!(parts(&new)[0]["kid"], header["kid"]);
    drop(relay);
    let relay = start(&place, &[rotated[0].clone(), flags[1].clone()], &[]);
    let sender = Sender::new(&relay);
    let answer = report(&sender, ORIGIN, &good, vec![callback(3, "onClose", json!([]))]).await;
    assert_eq!(said(&answer), (401, "bad_token".to_owned()));
    assert_eq!(report(&sender, ORIGIN, &new, vec![callback(3, "onClose", json!([]))]).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_can_not_report() {
    let (place, flags) = place();
    let relay = start(&place, &flags, &["--callback-origin=null"]);
    let sender = Sender::new(&relay);
    let narrow =
        CreateCallbackTokenRequest { user_id: "u".into(), allowed_origins: vec!["null".into()], ..Default::default() };
    let narrow = ask(&relay, narrow).await.unwrap().token;
    let wide = token(&relay, "u").await;
    for (token, origin, status) in [
        (&wide, ORIGIN, 200),
        (&wide, "null", 200),
        (&narrow, "null", 200),
        (&narrow, ORIGIN, 403),
        (&wide, "https://evil.example", 403),
        (&wide, "https://app.example.com.evil.example", 403),
    ] {
        let answer = report(&sender, origin, token, vec![callback(1, "onClose", json!([]))]).await;
        assert_eq!(answer.status(), status, "{origin}");
        assert_eq!(answer.headers()["access-control-allow-origin"], origin, "it may read that it is refused");
        assert_eq!(answer.headers()["vary"], "Origin");
        assert!(answer.headers().get("access-control-allow-credentials").is_none());
        // What the browser asks before a request that is not as simple as the bridge's.
        let asks = [("origin", origin), ("access-control-request-method", "POST")];
        let preflight = send(&sender, Method::OPTIONS, &asks, "").await;
        let named = !origin.contains("evil");
        assert_eq!(preflight.status(), 204);
        assert_eq!(preflight.headers().get("access-control-allow-methods").is_some(), named, "{origin}");
        assert_eq!(preflight.headers().get("access-control-allow-origin").is_some(), named, "{origin}");
    }
    // A native application has no origin; its token is what counts.
    let body = json!({"token": narrow, "callbacks": [callback(9, "onClose", json!([]))]}).to_string();
    assert_eq!(send(&sender, Method::POST, &[], body).await.status(), 200);
    let refused = r#"smile_relay_callback_reports_total{result="origin_not_allowed"}"#;
    assert_eq!(relay.metric(refused), 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_whole_and_bounded() {
    let (place, flags) = place();
    let relay = start(&place, &flags, &["--callback-rate=5"]);
    let sender = Sender::new(&relay);
    let batch = |count: usize| (0..count).map(|n| callback(n, "onClose", json!([]))).collect::<Vec<_>>();
    let one = token(&relay, "u").await;
    for (count, expected) in [(0, (400, "malformed")), (51, (400, "malformed")), (50, (200, ""))] {
        let answer = report(&sender, ORIGIN, &one, batch(count)).await;
        let (status, code) = said(&answer);
        assert_eq!((status, code.as_str()), expected, "{count}");
    }
    // The token has reported enough for now; others have not.
    let limited = report(&sender, ORIGIN, &one, batch(50)).await;
    assert_eq!(said(&limited), (429, "rate_limited".to_owned()));
    assert!(limited.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 1);
    assert_eq!(limited.headers()["access-control-expose-headers"], "Retry-After");
    let other = token(&relay, "u").await;
    // Nothing is stored of a batch with one that is forged, and it is said which.
    let forged = vec![callback(60, "onClose", json!([])), callback(61, "onNews", json!([{"userId": "v"}]))];
    let answer = report(&sender, ORIGIN, &other, forged).await;
    assert_eq!(said(&answer), (403, "wrong_user".to_owned()));
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(answer["error"]["ids"], json!([id(61)]));
    assert_eq!(relay.metric(r#"smile_relay_callbacks_total{result="wrong_user"}"#), 1.0);
    let large = vec![callback(62, "onUploadsCreated", json!(["x".repeat(64 << 10)]))];
    assert_eq!(said(&report(&sender, ORIGIN, &other, large).await), (413, "too_large".to_owned()));
    assert_eq!(said(&send(&sender, Method::POST, &[], "no JSON").await), (400, "malformed".to_owned()));
    assert_eq!(said(&send(&sender, Method::PUT, &[], "").await), (405, "method_not_allowed".to_owned()));
    // The same id with other arguments is kept as well, and says so; that of another user is another callback.
    assert_eq!(report(&sender, ORIGIN, &other, vec![callback(0, "onClose", json!(["exit"]))]).await.status(), 200);
    let third = token(&relay, "v").await;
    assert_eq!(report(&sender, ORIGIN, &third, vec![callback(0, "onClose", json!([]))]).await.status(), 200);
    let (_, events) = read(&relay, of_sources(&[EventSource::Widget], from_earliest())).await;
    assert_eq!(events.len(), 52);
    assert_eq!((events[50].conflicts_with, events[51].conflicts_with), (1, 0));
    // A webhook with the id of a callback is an event of its own.
    assert_eq!(sender.send(body(&format!("u/{}", id(0)))).await, 200);
    assert_eq!(relay.webhooks("stored"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_there_are_no_callbacks() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    assert_eq!(said(&send(&sender, Method::POST, &[], "{}").await), (404, "not_found".to_owned()));
    let error =
        ask(&relay, CreateCallbackTokenRequest { user_id: "u".into(), ..Default::default() }).await.unwrap_err();
    let reason = error.get_error_details().error_info().map(|info| info.reason.clone());
    assert_eq!((error.code(), reason.as_deref()), (Code::FailedPrecondition, Some("CALLBACKS_OFF")));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_tokens_are_checked() {
    let (place, flags) = place();
    let relay = start(&place, &flags, &["--callback-token-ttl=10m"]);
    let usual = || CreateCallbackTokenRequest { user_id: "u".into(), ..Default::default() };
    for (field, request) in [
        ("user_id", CreateCallbackTokenRequest { user_id: String::new(), ..usual() }),
        ("time_to_live", CreateCallbackTokenRequest { time_to_live: Some(seconds(601)), ..usual() }),
        ("time_to_live", CreateCallbackTokenRequest { time_to_live: Some(seconds(-1)), ..usual() }),
        ("allowed_origins", CreateCallbackTokenRequest { allowed_origins: vec!["*".into()], ..usual() }),
        (
            "allowed_origins",
            CreateCallbackTokenRequest { allowed_origins: vec!["https://b.example".into()], ..usual() },
        ),
        ("session_label", CreateCallbackTokenRequest { session_label: "x".repeat(129), ..usual() }),
    ] {
        let error = ask(&relay, request).await.unwrap_err();
        let details = error.get_error_details();
        let fields: Vec<&str> =
            details.bad_request().unwrap().field_violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!((error.code(), fields), (Code::InvalidArgument, vec![field]));
    }
    let issued = ask(&relay, usual()).await.unwrap();
    let lasts = issued.expires_at.unwrap().seconds - parts(&issued.token)[1]["iat"].as_i64().unwrap();
    assert_eq!(lasts, 600, "the default is no longer than what is allowed");
}

/// Takes all of a list, page by page.
async fn listed(relay: &Relay, sources: &[EventSource]) -> (Vec<Event>, u64) {
    let (mut events, mut token, mut removed) = (Vec::new(), String::new(), 0);
    loop {
        let request = ListEventsRequest {
            filter: of_sources(sources, SubscribeRequest::default()).filter,
            page_size: 7,
            page_token: token,
            start: Some(list_events_request::Start::Position(1)),
            ..Default::default()
        };
        let page = tokio::time::timeout(PATIENCE, async { relay.grpc().await.list_events(request).await });
        let page = page.await.expect("a page in time").unwrap().into_inner();
        events.extend(page.events);
        removed = removed.max(page.callbacks_removed_through);
        token = page.next_page_token;
        if token.is_empty() {
            return (events, removed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_callbacks_removes_callbacks_alone_and_says_so() {
    let (place, flags) = place();
    let relay = start(&place, &flags, &["--callback-quota=100kB", "--callback-rate=10000", "--dedupe-max-entries=50"]);
    let sender = Sender::new(&relay);
    let token = token(&relay, "u").await;
    // Follows from the beginning, so that it has a cursor at every event.
    let mut follower = Reader::open(&mut relay.grpc().await, of_sources(BOTH, from_earliest())).await.unwrap();
    let (mut all, mut webhooks) = (Vec::new(), Vec::new());
    for round in 0..40 {
        assert_eq!(sender.send(body(&format!("w-{round}"))).await, 200);
        // Ends of pages of the feed (128 events) are among these, and whole pages of callbacks.
        let count = if round == 20 { 300 } else { 9 };
        for batch in (0..count).collect::<Vec<_>>().chunks(50) {
            let callbacks = batch
                .iter()
                .map(|n| callback(1000 * round + n, "onUploadsCreated", json!([{"uploads": "x".repeat(900)}])));
            assert_eq!(report(&sender, ORIGIN, &token, callbacks.collect()).await.status(), 200);
        }
        let events = follower.take(1 + count).await;
        webhooks.push(events[0].clone());
        all.extend(events);
    }
    assert!(all.iter().filter(|event| event.source() == EventSource::Webhook).count() == 40);
    let ask = |query: &str| {
        let log = rusqlite::Connection::open(place.data_dir().join("events.db")).unwrap();
        log.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let taken = "SELECT sum(bytes) FROM reports JOIN events USING (sequence)";
    eventually("the quota is kept", || (ask(taken) <= 100_000).then_some(()));
    // A restart, so that nothing of what is removed is left in a cache, and nothing more is removed.
    drop(relay);
    let relay = start(&place, &flags, &["--callback-quota=100kB"]);
    let held = usize::try_from(ask("SELECT count(*) FROM events WHERE source = 2")).unwrap();
    assert!(held > 20, "{held} are left");

    let expected: Vec<Event> = {
        let kept = all.iter().rev().filter(|event| event.source() == EventSource::Widget).take(held);
        let oldest_kept = kept.last().unwrap().sequence;
        let is_held = |event: &&Event| event.source() == EventSource::Webhook || event.sequence >= oldest_kept;
        all.iter().filter(is_held).cloned().collect()
    };
    let removed = all.iter().rev().find(|event| !expected.contains(event)).unwrap().sequence;

    let (reader, events) = read(&relay, of_sources(BOTH, from_earliest())).await;
    assert_same(&sequences(&events), &sequences(&expected), "with callbacks");
    assert_eq!(reader.first.callbacks_removed_through, removed, "it is told at once");
    let (reader, events) = read(&relay, from_earliest()).await;
    assert_same(&sequences(&events), &sequences(&webhooks), "webhooks");
    assert_eq!(reader.checkpoint.callbacks_removed_through, 0, "who wants no callbacks misses none");
    let (events, told) = listed(&relay, BOTH).await;
    assert_same(&sequences(&events), &sequences(&expected), "listed");
    assert_eq!(told, removed);
    // Every cursor that was ever emitted is still a place, also that of a callback that is gone.
    for (at, seen) in all.iter().enumerate() {
        if at % 5 > 0 && seen.source() == EventSource::Widget {
            continue;
        }
        for sources in [BOTH, &[EventSource::Webhook]] {
            let (reader, events) = read(&relay, of_sources(sources, after(&seen.cursor))).await;
            let follows: Vec<u64> = expected
                .iter()
                .filter(|event| event.sequence > seen.sequence && sources.contains(&event.source()))
                .map(|event| event.sequence)
                .collect();
            assert_same(&sequences(&events), &follows, &format!("after {}", seen.sequence));
            // The last checkpoint's cursor, at the end, is one as well.
            let (_, none) = read(&relay, of_sources(sources, after(&reader.checkpoint.cursor))).await;
            assert!(none.is_empty(), "after the end");
        }
    }
    // No webhook was forgotten for them: its repetition is known.
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(body("w-0")).await, 200);
    assert_eq!(relay.webhooks("duplicate"), 1);
    // By itself it is no event any more.
    let gone = all.iter().find(|event| event.sequence < removed && event.source() == EventSource::Widget).unwrap();
    let request =
        GetEventRequest { event: Some(get_event_request::Event::Sequence(gone.sequence)), ..Default::default() };
    let error = relay.grpc().await.get_event(request).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_falls_behind_is_told_before_it_passes_over_removed_callbacks() {
    let (place, flags) = place();
    // A cache that holds next to nothing, so that what was removed is read again from the log.
    let more = ["--callback-quota=100kB", "--callback-rate=10000", "--feed-cache=64KiB"];
    let relay = start(&place, &flags, &more);
    let sender = Sender::new(&relay);
    let token = token(&relay, "u").await;
    let request = with_short_heartbeat(of_sources(BOTH, SubscribeRequest::default()));
    // Its windows are full at once, and it does not read.
    let mut client = relay.grpc_with_windows(65_535, 65_535).await;
    let mut stalled = Reader::open(&mut client, request).await.unwrap();
    assert_eq!(stalled.first.callbacks_removed_through, 0);
    const ROUNDS: usize = 60;
    for round in 0..ROUNDS {
        assert_eq!(sender.send(body(&format!("w-{round}"))).await, 200);
        let callbacks =
            (0..20).map(|n| callback(100 * round + n, "onUploadsCreated", json!([{"uploads": "x".repeat(900)}])));
        assert_eq!(report(&sender, ORIGIN, &token, callbacks.collect()).await.status(), 200);
    }
    let (mut last, mut told, mut webhooks, mut missing) = (0, 0, 0, 0);
    while webhooks < ROUNDS || last < 21 * ROUNDS as u64 {
        let message = stalled.message().await.unwrap().expect("the stream goes on");
        for event in message.events {
            assert!(
                event.sequence == last + 1 || event.sequence - 1 <= told,
                "from {last} to {}, told {told}",
                event.sequence
            );
            missing += event.sequence - last - 1;
            last = event.sequence;
            webhooks += usize::from(event.source() == EventSource::Webhook);
        }
        if let Some(checkpoint) = message.checkpoint {
            assert!(checkpoint.callbacks_removed_through >= told, "it does not go back");
            told = checkpoint.callbacks_removed_through;
        }
    }
    assert!(missing > 100 && told > 100, "{missing} are missing, {told} was told");
}
