//! Whoever is redacted never sees what is removed: not in any call, not in a small event nor in a large one, not live nor
//! from the past. Looked for in the bytes as they come over the wire.

mod support;

use std::{collections::BTreeSet, fs};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use prost::Message;
use smile_relay::event::pb::{
    Event, GetEventRequest, GetEventResponse, ListEventsRequest, ListEventsResponse, StartPosition, SubscribeRequest,
    SubscribeResponse, get_event_request, subscribe_request::Start,
};
use support::{PATIENCE, Place, Relay, client::Sender, payload};
use tokio::time::timeout;

/// Who sees everything, and who does not.
const IDENTITIES: &str = r#"
[identities.clerk]
tokens = ["clerk"]
raw-bodies = true

[identities.statistics]
tokens = ["statistics"]
redact = ["payload.identity", "loginName", "result", "requestMeta"]

[identities.marketing]
tokens = ["marketing"]
redact = ["transactions"]
"#;
const REMOVED: [&str; 4] = ["identity", "loginName", "result", "requestMeta"];
const NAMES: [&str; 3] = ["clerk", "statistics", "marketing"];

struct Setting {
    place: Place,
    more: Vec<String>,
}

impl Setting {
    /// The token of each is its name.
    fn new() -> Self {
        use sha2::Digest;
        let place = Place::default();
        let line = |name: &str| format!("{name} sha256:{}\n", faster_hex::hex_string(&sha2::Sha256::digest(name)));
        fs::write(place.path().join("tokens"), NAMES.map(line).concat()).unwrap();
        fs::write(place.path().join("identities.toml"), IDENTITIES).unwrap();
        let file = |flag: &str, name: &str| format!("{flag}={}", place.path().join(name).display());
        let more = vec![file("--identities", "identities.toml"), file("--grpc-token-file", "tokens")];
        Self { place, more }
    }

    fn start(&self) -> Relay {
        self.place.start(&self.more.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// A caller that keeps the bytes of its answers.
struct Caller {
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
    base: String,
    name: &'static str,
}

/// An answer under way.
struct Answer {
    body: Incoming,
    /// All that came so far, as it came.
    bytes: Vec<u8>,
    trailers: HeaderMap,
    is_over: bool,
}

impl Caller {
    fn new(relay: &Relay, name: &'static str) -> Self {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self { client, base: format!("http://{}/smilerelay.v1.RelayService", relay.grpc), name }
    }

    async fn open(&self, call: &str, request: &impl Message) -> Answer {
        let message = request.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap();
        let request = Request::post(format!("{}/{call}", self.base))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {}", self.name))
            .body(Full::from([&[0][..], &length.to_be_bytes(), &message].concat()))
            .unwrap();
        let (head, body) = timeout(PATIENCE, self.client.request(request)).await.unwrap().unwrap().into_parts();
        Answer { body, bytes: Vec::new(), trailers: head.headers, is_over: false }
    }

    /// The whole answer to a call that ends, with OK.
    async fn call(&self, call: &str, request: &impl Message) -> Answer {
        let mut answer = self.open(call, request).await;
        while !answer.is_over {
            answer.more().await;
        }
        assert_eq!(answer.status(), "0", "{call} by {}: {:?}", self.name, answer.trailers);
        answer
    }

    /// The status of a call that is refused.
    async fn refusal(&self, call: &str, request: &impl Message) -> String {
        let mut answer = self.open(call, request).await;
        while !answer.is_over {
            answer.more().await;
        }
        assert!(answer.bytes.is_empty());
        answer.status().to_owned()
    }
}

impl Answer {
    async fn more(&mut self) {
        match timeout(PATIENCE, self.body.frame()).await.expect("more in time") {
            Some(frame) => match frame.unwrap().into_data() {
                Ok(data) => self.bytes.extend_from_slice(&data),
                Err(frame) => self.trailers = frame.into_trailers().unwrap(),
            },
            None => self.is_over = true,
        }
    }

    fn status(&self) -> &str {
        self.trailers.get("grpc-status").map_or("", |status| status.to_str().unwrap())
    }

    /// The messages that are there as a whole.
    fn messages<M: Message + Default>(&self) -> Vec<M> {
        self.messages_from(0).0
    }

    /// Those from byte `start` on, and where they end.
    fn messages_from<M: Message + Default>(&self, start: usize) -> (Vec<M>, usize) {
        let (mut rest, mut all) = (&self.bytes[start..], Vec::new());
        while let Some((head, after)) = rest.split_at_checked(5) {
            let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
            let Some((message, after)) = after.split_at_checked(length) else { break };
            all.push(M::decode(message).unwrap());
            rest = after;
        }
        (all, self.bytes.len() - rest.len())
    }

    fn streamed(&self) -> Vec<Event> {
        self.messages::<SubscribeResponse>().into_iter().flat_map(|message| message.events).collect()
    }
}

fn earliest(include_raw_body: bool) -> SubscribeRequest {
    SubscribeRequest {
        start: Some(Start::Position(StartPosition::Earliest.into())),
        stop_when_caught_up: true,
        include_raw_body,
        ..SubscribeRequest::default()
    }
}

fn get(sequence: u64, include_raw_body: bool) -> GetEventRequest {
    GetEventRequest { event: Some(get_event_request::Event::Sequence(sequence)), include_raw_body }
}

/// Puts the texts of a sample that are to be removed into `removed`, and all others into `kept`.
fn sort(
    value: &serde_json::Value,
    name: &str,
    goes: bool,
    removed: &mut BTreeSet<String>,
    kept: &mut BTreeSet<String>,
) {
    // Answers in a form have no fixed shape.
    let goes = goes || REMOVED.contains(&name) || name == "data in a form";
    match value {
        // Times are not sent as text.
        serde_json::Value::String(text) if text.len() > 4 && humantime::parse_rfc3339(text).is_err() => {
            if goes { &mut *removed } else { kept }.insert(text.clone());
        }
        serde_json::Value::Array(all) => all.iter().for_each(|value| sort(value, name, goes, removed, kept)),
        serde_json::Value::Object(all) => all.iter().for_each(|(member, value)| {
            let member = if name == "forms" && member == "data" { "data in a form" } else { member };
            sort(value, member, goes, removed, kept);
        }),
        _ => {}
    }
}

/// Bytes with all the text that is in them.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_removed_is_in_the_bytes_that_come() {
    let (mut bodies, mut removed, mut kept) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for sample in fs::read_dir("samples").unwrap() {
        let body = fs::read_to_string(sample.unwrap().path()).unwrap();
        sort(&serde_json::from_str(&body).unwrap(), "", false, &mut removed, &mut kept);
        bodies.push(body);
    }
    // No part of a page; and more than a stream sends unless it is asked to.
    bodies.extend([payload::task_finished("large", 60, ""), payload::task_finished("larger", 4_000, "")]);
    assert!(bodies[37].len() > 64 << 10 && bodies[37].len() < 1 << 20, "{}", bodies[37].len());
    assert!(bodies[38].len() > 4 << 20, "{}", bodies[38].len());
    let removed: Vec<&String> = removed.iter().filter(|text| !kept.iter().any(|kept| kept.contains(*text))).collect();
    assert!(removed.len() > 60, "{removed:?}");

    let setting = Setting::new();
    let relay = setting.start();
    let sender = Sender::new(&relay);
    let [clerk, statistics, marketing] = NAMES.map(|name| Caller::new(&relay, name));
    let follow = SubscribeRequest::default();
    let mut live = Vec::new();
    for caller in [&statistics, &marketing, &statistics, &clerk, &statistics] {
        let mut answer = caller.open("Subscribe", &follow).await;
        // Its first message says that it is there.
        while answer.messages::<SubscribeResponse>().is_empty() {
            answer.more().await;
        }
        live.push((caller.name, answer));
    }
    for body in &bodies {
        assert_eq!(sender.send(body.clone()).await, 200);
    }
    let mut seen: Vec<(&str, &str, String)> = Vec::new();
    for (name, mut answer) in live {
        let (mut events, mut read) = (0, 0);
        while events < bodies.len() {
            answer.more().await;
            let (messages, end) = answer.messages_from::<SubscribeResponse>(read);
            events += messages.iter().map(|message| message.events.len()).sum::<usize>();
            read = end;
        }
        seen.push((name, "live", text(&answer.bytes)));
    }
    for caller in [&clerk, &statistics, &marketing] {
        let streamed = caller.call("Subscribe", &earliest(false)).await;
        let events = streamed.streamed();
        assert_eq!(events.len(), bodies.len());
        assert!(events[38].omitted.is_some() && events[..38].iter().all(|event| event.data.is_some()));
        seen.push((caller.name, "Subscribe", text(&streamed.bytes)));
        let listed = caller.call("ListEvents", &ListEventsRequest::default()).await;
        assert_eq!(listed.messages::<ListEventsResponse>()[0].events.len(), bodies.len());
        seen.push((caller.name, "ListEvents", text(&listed.bytes)));
        let mut got = Vec::new();
        for sequence in 1..=bodies.len() as u64 {
            let answer = caller.call("GetEvent", &get(sequence, false)).await;
            let event = answer.messages::<GetEventResponse>().remove(0).event.unwrap();
            assert!(event.sequence == sequence && event.data.is_some());
            got.extend(answer.bytes);
        }
        seen.push((caller.name, "GetEvent", text(&got)));
    }
    for (name, call, came) in &seen {
        let found: Vec<_> = removed.iter().filter(|text| came.contains(text.as_str())).collect();
        match *name {
            "statistics" => assert!(found.is_empty(), "{call}: {found:?}"),
            "clerk" => assert_eq!(found.len(), removed.len(), "{call}"),
            // Somebody else's redaction.
            _ => assert!(found.len() > 60 && !came.contains("Weekend market stall"), "{call}: {found:?}"),
        }
        assert!(came.contains("Northlight Ceramics, Inc."), "the rest is there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_bodies_are_refused() {
    let setting = Setting::new();
    let relay = setting.start();
    assert_eq!(Sender::new(&relay).send(fs::read_to_string("samples/USER_CREATED.json").unwrap()).await, 200);
    let [clerk, statistics, _] = NAMES.map(|name| Caller::new(&relay, name));
    let list = ListEventsRequest { include_raw_body: true, ..ListEventsRequest::default() };
    for status in [
        statistics.refusal("Subscribe", &earliest(true)).await,
        statistics.refusal("ListEvents", &list).await,
        statistics.refusal("GetEvent", &get(1, true)).await,
    ] {
        assert_eq!(status, "7");
    }
    let event = clerk.call("GetEvent", &get(1, true)).await.messages::<GetEventResponse>().remove(0).event.unwrap();
    assert!(!event.raw_body.is_empty() && !event.signature.is_empty());
}
