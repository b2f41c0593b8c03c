//! All samples, through every call, to somebody from whom values are kept: none of their bytes may be there.

use http::Request;
use http_body_util::BodyExt;
use prost::Message;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    event::pb::{
        GetEventRequest, GetEventResponse, ListEventsRequest, ListEventsResponse, StartPosition, SubscribeRequest,
        SubscribeResponse, subscribe_request,
    },
    event::redaction::Redaction,
    feed::tests::{Filled, redaction, task_finished},
    grpc::{Metrics, SERVICE, Settings},
    identity::{Grants, Session},
};

/// The answer to a call: its messages, and the status.
struct Answer {
    bytes: Vec<u8>,
    code: String,
}

impl Answer {
    fn messages<M: Message + Default>(&self) -> Vec<M> {
        let (mut rest, mut all) = (&self.bytes[..], Vec::new());
        while !rest.is_empty() {
            let len = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
            all.push(M::decode(&rest[5..5 + len]).unwrap());
            rest = &rest[5 + len..];
        }
        all
    }

    fn has(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

async fn call(router: &axum::Router, call: &str, request: &impl Message, redaction: &Redaction) -> Answer {
    let body = super::super::frame::of_message(request);
    let mut request = Request::post(format!("/{SERVICE}/{call}")).body(axum::body::Body::from(body)).unwrap();
    *request.version_mut() = http::Version::HTTP_2;
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let grants = Grants { redaction: redaction.clone(), ..Grants::without_identities(true) };
    request.extensions_mut().insert(Session::with(grants));
    let response = router.clone().oneshot(request).await.unwrap();
    let at_once = response.headers().get("grpc-status").cloned();
    let body = response.into_body().collect().await.unwrap();
    let code = at_once.or_else(|| body.trailers().and_then(|trailers| trailers.get("grpc-status").cloned()));
    let code = code.unwrap().to_str().unwrap().to_owned();
    Answer { bytes: body.to_bytes().to_vec(), code }
}

fn router(filled: &Filled) -> axum::Router {
    let settings = Settings {
        endpoints: vec!["smile".into()],
        started_at: 0,
        max_streams: 10,
        max_stream_age: None,
        max_lists: 1,
        web_origins: Vec::new(),
        callback_tokens: None,
    };
    let (_, health) = tonic_health::server::health_reporter();
    super::super::services(filled.feed.clone(), settings, Metrics::default(), health, CancellationToken::new())
}

fn everything(include_raw_body: bool) -> SubscribeRequest {
    SubscribeRequest {
        start: Some(subscribe_request::Start::Position(StartPosition::Earliest.into())),
        stop_when_caught_up: true,
        include_raw_body,
        ..SubscribeRequest::default()
    }
}

/// What is removed: fields, and values of theirs in the samples.
const REMOVED: [&str; 4] = ["identity", "result", "requestMeta", "loginName"];
const VALUES: [&str; 5] = ["Isagani", "isagani.aragon@example.com", "1994-06-12", "+639000000123", "Ada Secret"];

#[tokio::test]
async fn no_call_gives_away_what_is_removed() {
    let filled = Filled::start();
    let mut stored = 0;
    for sample in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/samples")).unwrap() {
        filled.store(&std::fs::read_to_string(sample.unwrap().path()).unwrap()).await;
        stored += 1;
    }
    // One that is a part of no page, and one that is sent slice by slice.
    for (id, more) in [(1, 70_000), (2, 300_000)] {
        filled.store(&task_finished(id, more)).await;
        stored += 1;
    }
    let router = router(&filled);
    for (redaction, is_redacted) in [(redaction(&REMOVED), true), (Redaction::default(), false)] {
        let streamed = call(&router, "Subscribe", &everything(false), &redaction).await;
        let events = streamed.messages::<SubscribeResponse>().into_iter().flat_map(|message| message.events);
        assert_eq!((streamed.code.as_str(), events.count()), ("0", stored));
        let listed = call(&router, "ListEvents", &ListEventsRequest::default(), &redaction).await;
        assert_eq!((listed.code.as_str(), listed.messages::<ListEventsResponse>()[0].events.len()), ("0", stored));
        let mut got = Vec::new();
        for sequence in 1..=stored as u64 {
            use crate::event::pb::get_event_request::Event::Sequence;
            let request = GetEventRequest { event: Some(Sequence(sequence)), include_raw_body: false };
            let answer = call(&router, "GetEvent", &request, &redaction).await;
            let event = answer.messages::<GetEventResponse>().remove(0).event.unwrap();
            assert_eq!((answer.code.as_str(), event.sequence), ("0", sequence));
            assert!(event.data.is_some(), "{}", event.type_name);
            got.extend(answer.bytes);
        }
        let got = Answer { bytes: got, code: String::new() };
        for answer in [&streamed, &listed, &got] {
            for value in VALUES {
                assert_eq!(answer.has(value), !is_redacted, "{value}");
            }
            assert!(answer.has("Northlight Ceramics, Inc."), "the rest is there");
        }
    }
    filled.close().await;
}

#[tokio::test]
async fn raw_bodies_are_refused_to_whoever_is_redacted() {
    let filled = Filled::start();
    filled.store(&task_finished(1, 0)).await;
    let router = router(&filled);
    let (redaction, none) = (redaction(&["fullName"]), Redaction::default());
    let list = ListEventsRequest { include_raw_body: true, ..ListEventsRequest::default() };
    let get = GetEventRequest {
        event: Some(crate::event::pb::get_event_request::Event::Sequence(1)),
        include_raw_body: true,
    };
    for (code, redaction) in [("7", &redaction), ("0", &none)] {
        let answers = [
            call(&router, "Subscribe", &everything(true), redaction).await,
            call(&router, "ListEvents", &list, redaction).await,
            call(&router, "GetEvent", &get, redaction).await,
        ];
        for answer in answers {
            assert_eq!((answer.code.as_str(), answer.has("Ada Secret")), (code, code == "0"));
        }
    }
    filled.close().await;
}
