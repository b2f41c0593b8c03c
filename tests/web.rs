//! gRPC-Web: for pages of the origins that are named, and for nobody else; and what else may come to a gRPC listener.

mod support;

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, request::Builder};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use prost::Message;
use smile_relay::event::pb::{GetRelayInfoResponse, SubscribeRequest, SubscribeResponse};
use support::{
    PATIENCE, Place, Relay,
    client::{Sender, body},
    program::run,
    stream::{from_earliest, info},
};

const ORIGIN: &str = "https://app.example.com";
const SUBSCRIBE: &str = "/smilerelay.v1.RelayService/Subscribe";
const INFO: &str = "/smilerelay.v1.RelayService/GetRelayInfo";

async fn call(request: Request<Full<Bytes>>, is_http2: bool) -> Response<Incoming> {
    let client = Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http();
    tokio::time::timeout(PATIENCE, client.request(request)).await.expect("an answer").unwrap()
}

fn to(relay: &Relay, path: &str) -> Builder {
    Request::builder().uri(format!("http://{}{path}", relay.grpc))
}

/// A call as browsers make it from a page of `origin`.
fn web(relay: &Relay, path: &str, origin: &str, message: &impl Message) -> Request<Full<Bytes>> {
    let request = to(relay, path).method(Method::POST).header("origin", origin).header("x-grpc-web", "1");
    request.header("content-type", "application/grpc-web+proto").body(framed(message)).unwrap()
}

fn framed(message: &impl Message) -> Full<Bytes> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    bytes.extend(message.encode_to_vec());
    Full::from(bytes)
}

fn preflight(relay: &Relay, origin: &str) -> Request<Full<Bytes>> {
    let request = to(relay, SUBSCRIBE).method(Method::OPTIONS).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "content-type,x-grpc-web").body(Full::default()).unwrap()
}

fn header<'r>(response: &'r Response<Incoming>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// The frames of an answer: a flag (0x80 for the trailers) and what follows it.
struct Frames {
    body: Incoming,
    come: BytesMut,
}

impl Frames {
    fn of(response: Response<Incoming>) -> Self {
        Self { body: response.into_body(), come: BytesMut::new() }
    }

    async fn next(&mut self) -> (u8, Bytes) {
        loop {
            if let Some(length) = self.come.get(1..5) {
                let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
                if self.come.len() >= 5 + length {
                    let flag = self.come.get_u8();
                    self.come.advance(4);
                    return (flag, self.come.split_to(length).freeze());
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("it goes on");
            self.come.extend_from_slice(&frame.expect("more").unwrap().into_data().unwrap());
        }
    }

    async fn message(&mut self) -> SubscribeResponse {
        let (flag, bytes) = self.next().await;
        assert_eq!(flag, 0, "{bytes:?}");
        SubscribeResponse::decode(bytes).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_named_origins_follow_the_stream() {
    let place = Place::default();
    let relay = place.start(&["--grpc-web-origin=https://app.example.com,http://localhost:3000"]);
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(body("a")).await, 200);
    for (origin, is_http2) in [(ORIGIN, false), ("http://localhost:3000", true)] {
        let allowed = call(preflight(&relay, origin), is_http2).await;
        assert_eq!(allowed.status(), StatusCode::OK);
        assert_eq!(header(&allowed, "access-control-allow-origin"), Some(origin));
        assert_eq!(header(&allowed, "access-control-allow-methods"), Some("POST"));
        let headers = header(&allowed, "access-control-allow-headers").unwrap();
        assert!(headers.contains("x-grpc-web") && headers.contains("authorization"), "{headers}");

        let response = call(web(&relay, SUBSCRIBE, origin, &from_earliest()), is_http2).await;
        assert_eq!(header(&response, "access-control-allow-origin"), Some(origin));
        assert_eq!(header(&response, "content-type"), Some("application/grpc-web+proto"));
        let mut frames = Frames::of(response);
        assert!(frames.message().await.checkpoint.is_some(), "a checkpoint comes first");
        assert_eq!(frames.message().await.events[0].id, "a");
    }
    // What comes while they follow, and the end, which a body has to say where trailers can't be read.
    let mut frames = Frames::of(call(web(&relay, SUBSCRIBE, ORIGIN, &SubscribeRequest::default()), false).await);
    frames.message().await;
    assert_eq!(sender.send(body("b")).await, 200);
    assert_eq!(frames.message().await.events[0].id, "b");
    let stopping = tokio::task::spawn_blocking(move || relay.stop());
    let trailers = loop {
        let (flag, bytes) = frames.next().await;
        if flag == 0x80 {
            break String::from_utf8(bytes.to_vec()).unwrap();
        }
    };
    assert!(trailers.contains("grpc-status:14"), "{trailers}");
    assert!(stopping.await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_can_be_read_by_the_page() {
    let place = Place::default();
    let relay = place.start(&["--grpc-web-origin=https://app.example.com"]);
    let faulty = SubscribeRequest { max_event_bytes: 1, ..SubscribeRequest::default() };
    let response = call(web(&relay, SUBSCRIBE, ORIGIN, &faulty), false).await;
    let exposed = header(&response, "access-control-expose-headers").unwrap();
    assert!(["grpc-status", "grpc-message", "grpc-status-details-bin"].iter().all(|name| exposed.contains(name)));
    let status = match header(&response, "grpc-status") {
        Some(status) => status.to_owned(),
        None => String::from_utf8(Frames::of(response).next().await.1.to_vec()).unwrap(),
    };
    assert!(status.trim_start_matches("grpc-status:").starts_with('3'), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_get_nothing() {
    let place = Place::default();
    let relay = place.start(&["--grpc-web-origin=https://app.example.com"]);
    let strangers = [
        "https://evil.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "null",
        "https://APP.example.com",
    ];
    for origin in strangers {
        for is_http2 in [false, true] {
            let refused = call(web(&relay, INFO, origin, &()), is_http2).await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{origin}");
            assert_eq!(header(&refused, "access-control-allow-origin"), None);
            let refused = call(preflight(&relay, origin), is_http2).await;
            assert_eq!(header(&refused, "access-control-allow-origin"), None, "{origin}");
        }
    }
    assert_eq!(relay.metric("smile_relay_streams"), 0.0);
    // A program that speaks gRPC-Web says no origin.
    let mut request = web(&relay, INFO, ORIGIN, &());
    request.headers_mut().remove("origin");
    let (flag, answer) = Frames::of(call(request, false).await).next().await;
    assert_eq!((flag, GetRelayInfoResponse::decode(answer).unwrap().latest_sequence), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_its_token_and_is_asked_for_none_before_its_call() {
    let place = Place::default();
    let made = run(["token", "page"]).ok();
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    write("tokens", &made.stderr);
    write("identities.toml", "[identities.page]\ntokens = [\"page\"]\n");
    let file = |flag: &str, name: &str| format!("--{flag}={}", place.path().join(name).display());
    let flags = [file("identities", "identities.toml"), file("grpc-token-file", "tokens")];
    let relay = place.start(&["--grpc-web-origin=https://app.example.com", &flags[0], &flags[1]]);
    let allowed = call(preflight(&relay, ORIGIN), false).await;
    assert_eq!(header(&allowed, "access-control-allow-origin"), Some(ORIGIN), "browsers send no token with it");
    for (token, is_let_in) in [(None, false), (Some("smr_made-up"), false), (Some(made.stdout().trim()), true)] {
        let mut request = web(&relay, INFO, ORIGIN, &());
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let response = call(request, false).await;
        assert_eq!(header(&response, "access-control-allow-origin"), Some(ORIGIN));
        // A call that fails at once has its status in the headers.
        let status = header(&response, "grpc-status").map(str::to_owned);
        if is_let_in {
            let (flag, answer) = Frames::of(response).next().await;
            assert_eq!((flag, GetRelayInfoResponse::decode(answer).unwrap().latest_sequence), (0, 0));
        } else {
            assert_eq!(status.as_deref(), Some("16"), "{token:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_origin_it_is_off_and_only_grpc_is_spoken() {
    let place = Place::default();
    let relay = place.start(&[]);
    let refused = call(web(&relay, SUBSCRIBE, ORIGIN, &from_earliest()), false).await;
    assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(header(&refused, "access-control-allow-origin"), None);
    let refused = call(preflight(&relay, ORIGIN), false).await;
    assert_eq!(header(&refused, "access-control-allow-origin"), None);
    // What a page could send without being asked, or by a name that its owner points at this machine.
    for content_type in ["text/plain", "application/grpc", "application/x-www-form-urlencoded"] {
        let request = to(&relay, SUBSCRIBE).method(Method::POST).header("content-type", content_type);
        let refused = call(request.body(framed(&from_earliest())).unwrap(), false).await;
        assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
        let told = tokio::time::timeout(Duration::from_secs(10), refused.into_body().collect()).await.expect("an end");
        assert!(told.unwrap().to_bytes().starts_with(b"this listener speaks gRPC"));
    }
    assert_eq!(relay.metric("smile_relay_streams"), 0.0);
    assert_eq!(info(&mut relay.grpc().await).await.latest_sequence, 0, "gRPC is spoken");
}
