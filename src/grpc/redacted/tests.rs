//! All samples, through every call, to somebody from whom values are kept: none of their bytes may be there.

use http_body_util::BodyExt;
use prost::Message;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::{
    event::pb::{GetEventResponse, ListEventsResponse, StartPosition, SubscribeResponse, subscribe_request},
    feed::tests::{Filled, redaction, task_finished},
    grpc::{Metrics, SERVICE, Settings, relay_service::RelayService},
    identity::{self, Identities},
    net::Peer,
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

async fn call(service: &RelayService, call: &str, request: &impl Message, redaction: &Redaction) -> Answer {
    let body = super::super::frame::of_message(request);
    let mut request =
        Request::post(format!("/{SERVICE}/{call}")).body(Body::new(http_body_util::Full::new(body))).unwrap();
    let rate = identity::Rate { per_second: std::num::NonZeroU32::MIN, max_streams: 10 };
    let identities = Identities::start(None, None, rate, identity::Metrics::default());
    // Somebody who may do everything: that something is kept from them has to do by itself.
    let session = identities.recognise(request.headers(), Peer::default(), None).await.unwrap();
    request.extensions_mut().insert(session);
    request.extensions_mut().insert(redaction.clone());
    let response = service.clone().oneshot(request).await.unwrap();
    let at_once = response.headers().get("grpc-status").cloned();
    let body = response.into_body().collect().await.unwrap();
    let code = at_once.or_else(|| body.trailers().and_then(|trailers| trailers.get("grpc-status").cloned()));
    let code = code.unwrap().to_str().unwrap().to_owned();
    Answer { bytes: body.to_bytes().to_vec(), code }
}

fn service(filled: &Filled) -> RelayService {
    let settings = Settings {
        endpoints: vec!["smile".into()],
        started_at: 0,
        max_streams: 10,
        max_stream_age: None,
        web_origins: Vec::new(),
        callback_tokens: None,
    };
    RelayService::new(Shared {
        feed: filled.feed.clone(),
        settings: Arc::new(settings),
        metrics: Metrics::default(),
        streams: Arc::new(Semaphore::new(10)),
        answers: Arc::new(Semaphore::new(10)),
        drain: CancellationToken::new(),
    })
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
    let service = service(&filled);
    for (redaction, is_redacted) in [(redaction(&REMOVED), true), (Redaction::default(), false)] {
        let streamed = call(&service, "Subscribe", &everything(false), &redaction).await;
        let events = streamed.messages::<SubscribeResponse>().into_iter().flat_map(|message| message.events);
        assert_eq!((streamed.code.as_str(), events.count()), ("0", stored));
        let listed = call(&service, "ListEvents", &ListEventsRequest::default(), &redaction).await;
        assert_eq!((listed.code.as_str(), listed.messages::<ListEventsResponse>()[0].events.len()), ("0", stored));
        let mut got = Vec::new();
        for sequence in 1..=stored as u64 {
            use crate::event::pb::get_event_request::Event::Sequence;
            let request = GetEventRequest { event: Some(Sequence(sequence)), include_raw_body: false };
            let answer = call(&service, "GetEvent", &request, &redaction).await;
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
    let service = service(&filled);
    let (redaction, none) = (redaction(&["fullName"]), Redaction::default());
    let list = ListEventsRequest { include_raw_body: true, ..ListEventsRequest::default() };
    let get = GetEventRequest {
        event: Some(crate::event::pb::get_event_request::Event::Sequence(1)),
        include_raw_body: true,
    };
    for (code, redaction) in [("7", &redaction), ("0", &none)] {
        let answers = [
            call(&service, "Subscribe", &everything(true), redaction).await,
            call(&service, "ListEvents", &list, redaction).await,
            call(&service, "GetEvent", &get, redaction).await,
        ];
        for answer in answers {
            assert_eq!((answer.code.as_str(), answer.has("Ada Secret")), (code, code == "0"));
        }
    }
    filled.close().await;
}
