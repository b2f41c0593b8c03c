//! The intake as browsers meet it, over a log that is one.

use axum::body::Body;
use http::Method;
use tower::ServiceExt;

use super::*;
use crate::log::embedded::{Embedded, Options};

struct Scene {
    intake: Intake,
    tokens: Tokens,
    log: Arc<dyn Log>,
    _directory: tempfile::TempDir,
}

fn scene(origins: &[&str]) -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(
        Embedded::open(&Options {
            data_dir: directory.path().into(),
            allow_any_filesystem: true,
            lock_timeout: Duration::ZERO,
            retention: None,
            retention_bytes: None,
            report_quota_bytes: 1 << 20,
            dedupe_window: Duration::from_hours(1),
            dedupe_max_entries: 1000,
            queue_bytes: 1 << 20,
            queue_timeout: Duration::from_secs(10),
            keys: Default::default(),
        })
        .unwrap(),
    );
    let keys = Keys::new(vec![Key::new(&[1; 32]).unwrap()]).unwrap();
    let origins = Origins(origins.iter().map(ToString::to_string).collect());
    let tokens = Tokens::new(keys, origins, Duration::from_hours(1));
    let settings = Settings { tokens: tokens.clone(), rate: NonZeroU32::new(5).unwrap(), unstored_bytes: 1 << 20 };
    let intake = Intake::new(settings, Arc::clone(&log), Metrics::default());
    Scene { intake, tokens, log, _directory: directory }
}

impl Scene {
    fn token(&self, user: &str) -> String {
        self.tokens.issue(TokenRequest { user: user.into(), ..TokenRequest::default() }).unwrap().token
    }

    async fn call(&self, method: Method, path: &str, origin: Option<&str>, body: String) -> (u16, HeaderMap, String) {
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let request = request.body(Body::from(body)).unwrap();
        let (head, body) = self.intake.router().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, String::from_utf8_lossy(&body).into_owned())
    }

    async fn report(&self, origin: Option<&str>, body: String) -> (u16, HeaderMap, String) {
        self.call(Method::POST, "/callbacks/v1/events", origin, body).await
    }

    async fn ids(&self) -> Vec<String> {
        let records = self.log.read(0, u64::MAX, u64::MAX).await.unwrap().records;
        records.into_iter().map(|record| record.id).collect()
    }
}

fn id(n: u32) -> String {
    format!("0199c1c4-0000-7000-8000-{n:012}")
}

fn batch(token: &str, callbacks: &[(u32, &str)]) -> String {
    let callbacks: Vec<String> = callbacks
        .iter()
        .map(|(n, arguments)| format!(r#"{{"id":"{}","name":"onAccountCreated","arguments":{arguments}}}"#, id(*n)))
        .collect();
    format!(r#"{{"token":"{token}","callbacks":[{}]}}"#, callbacks.join(","))
}

const APP: Option<&str> = Some("https://app.example");

#[tokio::test]
async fn a_batch_is_stored_once_under_its_user() {
    let scene = scene(&["https://app.example"]);
    let (one, other) = (scene.token("u-1"), scene.token("u-2"));
    for _ in 0..2 {
        let (status, headers, _) = scene.report(APP, batch(&one, &[(1, "[]"), (2, "[]")])).await;
        assert_eq!((status, &headers["access-control-allow-origin"]), (200, &HeaderValue::from_static(APP.unwrap())));
    }
    // The same id of another user is another callback.
    assert_eq!(scene.report(None, batch(&other, &[(1, "[]")])).await.0, 200);
    assert_eq!(scene.ids().await, [format!("u-1/{}", id(1)), format!("u-1/{}", id(2)), format!("u-2/{}", id(1))]);
}

#[tokio::test]
async fn a_forged_user_is_refused_with_the_whole_batch() {
    let scene = scene(&[]);
    let forged = batch(&scene.token("u-1"), &[(1, r#"[{"userId":"u-1"}]"#), (2, r#"[{"userId":"u-2"}]"#)]);
    let (status, _, body) = scene.report(None, forged).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["error"]["code"], &body["error"]["ids"]),
        (403, &"wrong_user".into(), &vec![id(2)].into())
    );
    assert!(scene.ids().await.is_empty());
}

#[tokio::test]
async fn only_origins_that_are_allowed_report_and_read() {
    let scene = scene(&["https://app.example", "null"]);
    let narrow = TokenRequest { user: "u".into(), origins: vec!["null".into()], ..TokenRequest::default() };
    let narrow = scene.tokens.issue(narrow).unwrap().token;
    for (token, origin, expected) in [
        (scene.token("u"), "https://app.example", 200),
        (scene.token("u"), "null", 200),
        (scene.token("u"), "https://evil.example", 403),
        (narrow.clone(), "null", 200),
        (narrow, "https://app.example", 403),
        ("x.y.z".into(), "https://app.example", 401),
        ("x.y.z".into(), "https://evil.example", 401),
    ] {
        let (status, headers, _) = scene.report(Some(origin), batch(&token, &[(1, "[]")])).await;
        assert_eq!(status, expected, "{origin}");
        let may_read = headers.get("access-control-allow-origin").is_some_and(|allowed| allowed == origin);
        assert!(may_read, "{origin} {expected}: a page may read how it was refused");
        assert_eq!(headers["vary"], "Origin");
    }
    for (origin, is_allowed) in [("https://app.example", true), ("null", true), ("https://evil.example", false)] {
        let (status, headers, _) =
            scene.call(Method::OPTIONS, "/callbacks/v1/events", Some(origin), String::new()).await;
        assert_eq!(status, 204);
        assert_eq!(headers.get("access-control-allow-origin").is_some(), is_allowed, "{origin}");
        assert_eq!(headers.get("access-control-allow-methods").is_some(), is_allowed, "{origin}");
    }
}

#[tokio::test]
async fn floods_and_what_is_too_large_are_refused() {
    let scene = scene(&[]);
    let token = scene.token("u");
    let fifty: Vec<(u32, &str)> = (0..50).map(|n| (n, "[]")).collect();
    assert_eq!(scene.report(None, batch(&token, &fifty)).await.0, 200);
    let (status, headers, _) = scene.report(None, batch(&token, &fifty)).await;
    assert_eq!(status, 429);
    assert!(headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    let large = format!("[\"{}\"]", "x".repeat(BODY_BYTES));
    assert_eq!(scene.report(None, batch(&scene.token("u"), &[(1, &large)])).await.0, 413);
    assert_eq!(scene.report(None, "{}".into()).await.0, 400);
    let (status, headers, _) = scene.call(Method::PUT, "/callbacks/v1/events", None, String::new()).await;
    assert_eq!((status, &headers["allow"]), (405, &HeaderValue::from_static("POST, OPTIONS")));
}

#[tokio::test]
async fn the_bridge_is_served_and_cached() {
    let scene = scene(&[]);
    for path in ["/callbacks/v1/bridge.js", "/callbacks/v1/bridge.global.js"] {
        let (status, headers, body) = scene.call(Method::GET, path, None, String::new()).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (200, &HeaderValue::from_static("text/javascript; charset=utf-8"))
        );
        assert!(body.contains("relayCallbacks"));
        let again = http::Request::builder().uri(path).header("if-none-match", &headers["etag"]);
        let again = scene.intake.router().oneshot(again.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(again.status(), 304);
        let gzipped = http::Request::builder().uri(path).header("accept-encoding", "br, gzip;q=0.8");
        let gzipped = scene.intake.router().oneshot(gzipped.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(gzipped.headers()["content-encoding"], "gzip");
        let gzipped = gzipped.into_body().collect().await.unwrap().to_bytes();
        assert!(gzipped.len() < 4096, "{path}: {} bytes", gzipped.len());
    }
}

#[tokio::test]
async fn what_is_not_stored_yet_takes_no_more_than_its_room() {
    let mut scene = scene(&[]);
    let settings =
        Settings { tokens: scene.tokens.clone(), rate: NonZeroU32::new(5).unwrap(), unstored_bytes: 12 << 10 };
    scene.intake = Intake::new(settings, Arc::clone(&scene.log), Metrics::default());
    let token = scene.token("u");
    let report = async |n| scene.report(None, batch(&token, &[(n, "[]")])).await.0;
    // A body that never ends: of 5,000 bytes it takes 8 KiB, of 3,000 it takes 4 KiB.
    let begin = |bytes| {
        let begun = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b' '; bytes]))]);
        let body = Body::from_stream(futures_util::StreamExt::chain(begun, futures_util::stream::pending()));
        let request = http::Request::post("/callbacks/v1/events").body(body).unwrap();
        Box::pin(scene.intake.router().oneshot(request))
    };
    let mut first = begin(5_000);
    assert!(futures_util::poll!(&mut first).is_pending());
    assert_eq!(report(1).await, 200);
    let mut second = begin(3_000);
    assert!(futures_util::poll!(&mut second).is_pending());
    assert_eq!(report(2).await, 503);
    drop(second);
    assert_eq!(report(2).await, 200);
}
