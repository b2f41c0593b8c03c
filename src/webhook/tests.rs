//! The intake as its router answers, over a real log.

use std::{num::NonZeroU32, time::Duration};

use axum::body::Body;
use faster_hex::hex_string;
use futures_util::{FutureExt, StreamExt, stream};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use tower::ServiceExt;

use super::*;
use crate::{
    log::embedded::{Embedded, Options},
    net::network,
};

const BODY: &[u8] = br#"{"id":"et-1","type":"USER_CREATED","data":{"userId":"u-1"}}"#;
const KIB: usize = 1024;
const LIMIT: usize = 1024 * KIB;

struct Rig {
    intake: Intake,
    log: Arc<Embedded>,
    registry: Registry,
    _directory: tempfile::TempDir,
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes()).unwrap()
}

fn settings() -> Settings {
    let endpoints = vec![
        Endpoint::new("smile", vec![secret("one"), secret("two")], Networks::default()).unwrap(),
        Endpoint::new("fenced", vec![secret("one")], Networks::from_iter(network("192.0.2.0/24"))).unwrap(),
    ];
    let mut settings = Settings::new(endpoints, LIMIT, 8 * LIMIT).unwrap();
    settings.wrong_at_once = NonZeroU32::MAX;
    settings
}

fn rig(settings: Settings) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        data_dir: directory.path().to_owned(),
        allow_any_filesystem: true,
        lock_timeout: Duration::ZERO,
        retention: None,
        retention_bytes: None,
        report_quota_bytes: 1 << 20,
        dedupe_window: Duration::from_hours(1),
        dedupe_max_entries: 1000,
        queue_bytes: 8 * LIMIT,
        queue_timeout: Duration::from_secs(10),
        keys: Default::default(),
    };
    let log = Arc::new(Embedded::open(&options).unwrap());
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let intake = Intake::new(settings, Arc::clone(&log) as Arc<dyn Log>, metrics);
    Rig { intake, log, registry, _directory: directory }
}

impl Rig {
    async fn ask(&self, request: Request) -> (StatusCode, String) {
        let response = self.intake.router().oneshot(request).await.unwrap();
        let status = response.status();
        assert_eq!(response.headers()["content-type"], "application/json");
        let waits = status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(response.headers().contains_key("retry-after"), waits, "{status}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn status(&self, request: Request) -> StatusCode {
        self.ask(request).await.0
    }

    fn stored(&self) -> u64 {
        self.log.head().borrow().sequence
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

fn post_to(path: &str, signature: &[u8], body: impl Into<Body>) -> Request {
    Request::post(path).header("Smile-Signature", signature).body(body.into()).unwrap()
}

fn hex_of(secret_text: &str, body: &[u8]) -> String {
    hex_string(&signature::sign(&secret(secret_text), body))
}

fn signed(body: &[u8]) -> Request {
    post_to("/webhooks/smile", hex_of("one", body).as_bytes(), body.to_vec())
}

/// A body in pieces, without a known length.
fn pieces(body: &[u8], size: usize) -> Body {
    let pieces: Vec<_> =
        body.chunks(size).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    Body::from_stream(stream::iter(pieces))
}

#[tokio::test]
async fn stores_exactly_what_came_once() {
    let rig = rig(settings());
    assert_eq!(rig.ask(signed(BODY)).await, (StatusCode::OK, r#"{"status":"stored"}"#.into()));
    assert_eq!(rig.ask(signed(BODY)).await, (StatusCode::OK, r#"{"status":"duplicate"}"#.into()));
    let other = br#"{"id":"et-1"}"#;
    assert_eq!(rig.status(signed(other)).await, StatusCode::OK);
    assert_eq!(rig.stored(), 2);
    let record = rig.log.get(1).await.unwrap().unwrap();
    assert_eq!(record.body, BODY);
    assert_eq!(record.signature, signature::sign(&secret("one"), BODY).as_slice());
    assert_eq!((record.endpoint.as_str(), record.id.as_str()), ("smile", "et-1"));
    assert_eq!((record.type_name.as_str(), record.user_id.as_str()), ("USER_CREATED", "u-1"));
    assert_eq!(rig.log.get(2).await.unwrap().unwrap().conflicts_with, 1);
    let metrics = rig.metrics();
    for result in ["stored", "duplicate", "conflict"] {
        let line = format!(r#"result="{result}"}} 1"#);
        assert!(metrics.contains(&line), "{line}");
    }
    let bytes = format!(r#"smile_relay_webhook_bytes_total{{endpoint="smile"}} {}"#, BODY.len() * 2 + other.len());
    assert!(metrics.contains(&bytes));
    assert!(metrics.contains("smile_relay_time_to_durable_seconds_count 3"));
}

#[tokio::test]
async fn takes_whatever_is_signed() {
    let rig = rig(settings());
    let large = vec![b'x'; LIMIT];
    for body in [&b""[..], b"\xff\xfe", b"{", b"\xef\xbb\xbf{}\n", &large] {
        assert_eq!(rig.status(signed(body)).await, StatusCode::OK);
    }
    assert_eq!(rig.stored(), 5);
    let mut encoded = signed(BODY);
    encoded.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    encoded.headers_mut().insert("content-type", "nonsense".parse().unwrap());
    assert_eq!(rig.status(encoded).await, StatusCode::OK, "verified over the bytes of the wire, never unpacked");
}

#[tokio::test]
async fn a_signature_has_one_form_in_either_case_with_spaces_around() {
    let rig = rig(settings());
    let hex = hex_of("one", BODY);
    let ask = async |signature: &str| rig.ask(post_to("/webhooks/smile", signature.as_bytes(), BODY)).await;
    for form in [&hex, &hex.to_uppercase(), &format!(" {hex}\t ")] {
        assert_eq!(ask(form).await.0, StatusCode::OK, "{form:?}");
    }
    let (status, refused) = ask(&hex_of("three", BODY)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    for form in ["", "x", &hex[..126], &format!("{hex}00"), &format!("{hex},{hex}"), &format!("sha512={hex}")] {
        assert_eq!(ask(form).await, (StatusCode::UNAUTHORIZED, refused.clone()), "{form:?}");
    }
    let none = Request::post("/webhooks/smile").body(Body::from(BODY)).unwrap();
    assert_eq!(rig.ask(none).await, (StatusCode::UNAUTHORIZED, refused.clone()));
    let mut twice = signed(BODY);
    twice.headers_mut().append("smile-signature", hex.parse().unwrap());
    assert_eq!(rig.ask(twice).await, (StatusCode::UNAUTHORIZED, refused));
    assert_eq!(rig.stored(), 1);
}

#[tokio::test]
async fn no_flipped_bit_passes() {
    let rig = rig(settings());
    let good = signature::sign(&secret("two"), BODY);
    for bit in 0..BODY.len() * 8 {
        let mut body = BODY.to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        let request = post_to("/webhooks/smile", hex_string(&good).as_bytes(), body);
        assert_eq!(rig.status(request).await, StatusCode::UNAUTHORIZED);
    }
    for bit in 0..good.len() * 8 {
        let mut signature = good;
        signature[bit / 8] ^= 1 << (bit % 8);
        let request = post_to("/webhooks/smile", hex_string(&signature).as_bytes(), BODY);
        assert_eq!(rig.status(request).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(rig.stored(), 0);
}

#[tokio::test]
async fn each_endpoint_has_its_secrets_and_they_can_be_replaced() {
    let rig = rig(settings());
    let ask = async |secret: &str, body: &'static [u8]| {
        rig.status(post_to("/webhooks/smile", hex_of(secret, body).as_bytes(), body)).await
    };
    assert_eq!(ask("one", b"1").await, StatusCode::OK);
    assert_eq!(ask("two", b"2").await, StatusCode::OK);
    let endpoint = |name: &str| Endpoint::new(name, vec![secret("three"), secret("two")], Networks::default()).unwrap();
    rig.intake.replace_secrets(endpoint("smile")).unwrap();
    assert_eq!(ask("one", b"3").await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("three", b"4").await, StatusCode::OK);
    assert!(rig.intake.replace_secrets(endpoint("other")).is_err());
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &rig.registry).unwrap();
    let uses = |name: &str| format!("secret_uses_total{{endpoint=\"smile\",secret=\"{}\"}}", secret(name).id());
    assert!(metrics.contains(&format!("{} 1", uses("three"))), "{metrics}");
    assert!(metrics.contains(&format!("{} 1", uses("two"))), "kept, with what it has counted: {metrics}");
    assert!(!metrics.contains(&uses("one")), "gone: {metrics}");
}

#[tokio::test]
async fn says_what_is_not_there_and_repeats_nothing() {
    let rig = rig(settings());
    for path in ["/webhooks/unheard-of", "/webhooks/", "/webhooks/smile/", "/webhooks/SMILE", "/unheard-of"] {
        let (status, answer) = rig.ask(post_to(path, hex_of("one", BODY).as_bytes(), BODY)).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(answer.starts_with(r#"{"error":{"code":"not_found","message":""#), "{answer}");
        assert!(!answer.contains("unheard-of"));
    }
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS, Method::from_bytes(b"BREW").unwrap()] {
        let mut request = signed(BODY);
        *request.method_mut() = method;
        let response = rig.intake.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers().get_all("allow").iter().collect::<Vec<_>>(), ["POST"]);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.is_empty() || body.starts_with(br#"{"error":{"code":"method_not_allowed""#));
    }
    assert_eq!(rig.stored(), 0);
}

#[tokio::test]
async fn a_fenced_endpoint_takes_calls_from_its_peers_only() {
    let rig = rig(settings());
    let ask = async |from: Option<&str>| {
        let mut request = post_to("/webhooks/fenced", hex_of("one", BODY).as_bytes(), BODY);
        request.extensions_mut().insert(Client(from.map(|address| address.parse().unwrap())));
        rig.status(request).await
    };
    assert_eq!(ask(Some("192.0.2.7")).await, StatusCode::OK);
    assert_eq!(ask(Some("::ffff:192.0.2.7")).await, StatusCode::OK);
    assert_eq!(ask(Some("192.0.3.7")).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(Some("2001:db8::1")).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(None).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn bodies_in_pieces_are_put_together() {
    let rig = rig(settings());
    let body: Vec<u8> = (0..LIMIT).map(|at| (at % 251) as u8).collect();
    for (count, size, piece) in [(1, 10, 3), (2, 5 * KIB, 1000), (3, 65 * KIB, 16 * KIB), (4, LIMIT, 50_000)] {
        let body = &body[..size];
        let request = post_to("/webhooks/smile", hex_of("one", body).as_bytes(), pieces(body, piece));
        assert_eq!(rig.status(request).await, StatusCode::OK);
        assert_eq!(rig.log.get(count).await.unwrap().unwrap().body, body);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_as_soon_as_that_is_clear() {
    let rig = rig(settings());
    let body = vec![0; LIMIT + 1];
    assert_eq!(rig.status(signed(&body)).await, StatusCode::PAYLOAD_TOO_LARGE);
    // One that never ends is refused before it does.
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 10_000])));
    let request = post_to("/webhooks/smile", hex_of("one", b"").as_bytes(), Body::from_stream(endless));
    assert_eq!(rig.status(request).await, StatusCode::PAYLOAD_TOO_LARGE);
    // A bad signature's form is told before a bad size, and nothing is read.
    let unread = stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> { panic!("read") });
    assert_eq!(
        rig.status(post_to("/webhooks/smile", b"no", Body::from_stream(unread))).await,
        StatusCode::UNAUTHORIZED
    );
}

fn impatient() -> Settings {
    let mut settings = settings();
    settings.pace = Pace {
        idle: Duration::from_millis(200),
        total: Duration::from_secs(1),
        grace: Duration::from_millis(300),
        bytes_per_second: 1000,
        ..Pace::default()
    };
    settings
}

#[tokio::test]
async fn a_body_that_stalls_or_crawls_is_given_up() {
    let rig = rig(impatient());
    let ask = async |body: Body| {
        let began = Instant::now();
        let status = rig.status(post_to("/webhooks/smile", hex_of("one", b"").as_bytes(), body)).await;
        (status, began.elapsed())
    };
    let stalled = pieces(b"12345", 1).into_data_stream().chain(stream::pending());
    let (status, after) = ask(Body::from_stream(stalled)).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert!((Duration::from_millis(190)..Duration::from_secs(2)).contains(&after), "{after:?}");
    let crawling = |bytes: &'static [u8]| {
        Body::from_stream(
            stream::repeat(bytes)
                .then(async |bytes| {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Ok::<_, std::io::Error>(Bytes::from_static(bytes))
                })
                .boxed(),
        )
    };
    let (status, after) = ask(crawling(b"1")).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert!((Duration::from_millis(290)..Duration::from_millis(900)).contains(&after), "{after:?}");
    let (status, after) = ask(crawling(&[0; 200])).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "fast enough, and too long");
    assert!((Duration::from_millis(990)..Duration::from_secs(3)).contains(&after), "{after:?}");
    let broken = stream::iter([Ok(Bytes::from_static(b"1")), Err(std::io::Error::other("lost"))]);
    assert_eq!(ask(Body::from_stream(broken)).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn dribblers_give_way_to_those_who_wait_for_room() {
    let mut settings = settings();
    settings.pace.pressed_grace = Duration::from_millis(300);
    settings.room_timeout = Duration::from_secs(5);
    let rig = rig(settings);
    // The small part holds 32 of these.
    let dribble = || {
        let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(&[0; 64 * KIB]))]).chain(stream::pending());
        rig.status(post_to("/webhooks/smile", hex_of("nobody", b"").as_bytes(), Body::from_stream(body)))
    };
    let dribblers = futures_util::future::join_all((0..32).map(|_| dribble()));
    let honest = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let began = Instant::now();
        assert_eq!(rig.status(signed(BODY)).await, StatusCode::OK);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    };
    let evicted = tokio::select! {
        () = honest => true,
        _ = dribblers => false,
    };
    assert!(evicted);
}

#[tokio::test]
async fn too_many_wrong_signatures_are_told_so_and_right_ones_never() {
    let mut settings = settings();
    settings.wrong_at_once = NonZeroU32::new(3).unwrap();
    let rig = rig(settings);
    let wrong = || rig.status(post_to("/webhooks/smile", b"none", BODY));
    for _ in 0..3 {
        assert_eq!(wrong().await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(wrong().await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(rig.status(signed(BODY)).await, StatusCode::OK);
    let mut elsewhere = post_to("/webhooks/smile", b"none", BODY);
    elsewhere.extensions_mut().insert(Client(Some([192, 0, 2, 1].into())));
    assert_eq!(rig.status(elsewhere).await, StatusCode::UNAUTHORIZED);
    assert!(rig.metrics().contains(r#"{endpoint="smile",type="",result="limited"} 1"#));
}

#[tokio::test]
async fn a_verified_body_outlives_its_sender() {
    let rig = rig(settings());
    let body = vec![b'x'; 300 * KIB];
    let mut request = Box::pin(rig.intake.router().oneshot(signed(&body)));
    // Its envelope is being read on another thread: it is verified, and not yet the log's.
    assert!((&mut request).now_or_never().is_none());
    drop(request);
    rig.intake.finish().await;
    assert_eq!(rig.stored(), 1);
    assert!(rig.metrics().contains(r#"{endpoint="smile",type="other",result="stored"} 1"#));
}

#[tokio::test]
async fn what_can_not_be_stored_is_to_be_sent_again() {
    let rig = rig(settings());
    rig.log.close().await;
    assert_eq!(rig.status(signed(BODY)).await, StatusCode::SERVICE_UNAVAILABLE);
}
