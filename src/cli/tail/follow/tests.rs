//! A subscription against a relay that keeps to a script, over a real socket.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures_util::{Stream, StreamExt, stream};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::UnixListener, sync::Notify};
use tonic::{
    Code, Request, Response, Status,
    server::{Grpc, ServerStreamingService},
};
use tonic_prost::ProstCodec;
use tonic_types::{ErrorDetails, StatusExt};

use super::*;
use crate::{
    cli::client::{Address, CredentialArgs},
    event::pb::{Checkpoint, Event},
};

/// What the relay does on one connection, after its messages.
enum End {
    Ok,
    Refuse(Status),
    Hang,
    Cut,
}

type Part = (Vec<SubscribeResponse>, End);

#[derive(Clone)]
struct Relay {
    script: Arc<Mutex<VecDeque<Part>>>,
    requests: Arc<Mutex<Vec<SubscribeRequest>>>,
    cut: Arc<Notify>,
}

impl ServerStreamingService<SubscribeRequest> for Relay {
    type Response = SubscribeResponse;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<SubscribeRequest>) -> Self::Future {
        self.requests.lock().unwrap().push(request.into_inner());
        let (messages, end) = self.script.lock().unwrap().pop_front().expect("the script has a part for each stream");
        let cut = Arc::clone(&self.cut);
        let end: Self::ResponseStream = match end {
            End::Ok => stream::empty().boxed(),
            End::Refuse(status) => stream::iter([Err(status)]).boxed(),
            End::Hang => stream::pending().boxed(),
            End::Cut => stream::once(async move {
                // Lets what came before go out first.
                tokio::time::sleep(Duration::from_millis(50)).await;
                cut.notify_one();
                std::future::pending().await
            })
            .boxed(),
        };
        ready(Ok(Response::new(stream::iter(messages).map(Ok).chain(end).boxed())))
    }
}

impl Relay {
    fn new(script: impl IntoIterator<Item = Part>) -> Self {
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        Self { script, requests: Arc::default(), cut: Arc::default() }
    }

    fn listen(&self, socket: &PathBuf) {
        let listener = UnixListener::bind(socket).unwrap();
        let relay = self.clone();
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let serving = relay.clone();
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let relay = serving.clone();
                    async move { Ok::<_, Status>(Grpc::new(ProstCodec::default()).server_streaming(relay, request).await) }
                });
                let cut = Arc::clone(&relay.cut);
                tokio::spawn(async move {
                    let connection =
                        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service);
                    tokio::select! {
                        _ = connection => {}
                        () = cut.notified() => {}
                    }
                });
            }
        });
    }

    /// Where each of the requests wanted to start.
    fn starts(&self) -> Vec<subscribe_request::Start> {
        self.requests.lock().unwrap().iter().filter_map(|request| request.start.clone()).collect()
    }
}

fn checkpoint(cursor: &str) -> SubscribeResponse {
    let heartbeat_interval = Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 });
    let checkpoint = Checkpoint { cursor: cursor.into(), heartbeat_interval, ..Checkpoint::default() };
    SubscribeResponse { events: Vec::new(), checkpoint: Some(checkpoint) }
}

fn event(cursor: &str) -> SubscribeResponse {
    let event = Event { cursor: cursor.into(), ..Event::default() };
    SubscribeResponse { events: vec![event], checkpoint: None }
}

fn after(cursor: &str) -> subscribe_request::Start {
    subscribe_request::Start::AfterCursor(cursor.into())
}

/// A relay's socket and a client for it. Nobody listens there yet.
fn socket() -> (tempfile::TempDir, PathBuf, ClientArgs) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.sock");
    (dir, path.clone(), ClientArgs { address: Address::Unix(path), ca: None, credentials: CredentialArgs::default() })
}

/// Follows to the end, and says what was heard.
async fn heard(client: &ClientArgs, request: SubscribeRequest, patient: bool) -> (Vec<String>, Result<(), CliError>) {
    let mut heard = Vec::new();
    let following = follow(client, request, patient, |news| {
        heard.push(match news {
            News::Opened => "opened".to_owned(),
            News::Message(_, cursor) => cursor.unwrap_or_default().to_owned(),
            News::Lost(_) => "lost".to_owned(),
            News::Back => "back".to_owned(),
        });
        Ok(ControlFlow::Continue(()))
    });
    let result = timeout(Duration::from_secs(20), following).await.expect("an end in time");
    (heard, result)
}

fn refused(result: Result<(), CliError>) -> Code {
    match result {
        Err(CliError::Refused(refusal)) => refusal.code(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn goes_on_after_the_last_cursor_however_a_stream_ends() {
    let (_dir, path, client) = socket();
    let draining = ErrorDetails::with_retry_info(Some(Duration::from_millis(1)));
    let draining = Status::with_error_details(Code::Unavailable, "draining", draining);
    let relay = Relay::new([
        (vec![checkpoint("c0"), event("c1")], End::Cut),
        (vec![event("c2")], End::Refuse(draining)),
        (vec![], End::Refuse(Status::unavailable("not yet"))),
        (vec![checkpoint("c3")], End::Ok),
        (vec![event("c4")], End::Refuse(Status::failed_precondition("for good"))),
    ]);
    relay.listen(&path);
    let request = SubscribeRequest { start: Some(after("before")), ..SubscribeRequest::default() };
    let (heard, result) = heard(&client, request, false).await;
    assert_eq!(refused(result), Code::FailedPrecondition);
    assert_eq!(heard, ["opened", "c0", "c1", "lost", "back", "c2", "lost", "back", "c3", "lost", "back", "c4"]);
    assert_eq!(relay.starts(), [after("before"), after("c1"), after("c2"), after("c2"), after("c3")]);
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_read_again_and_tried_again() {
    let script = || {
        Relay::new([
            (vec![checkpoint("c0")], End::Refuse(Status::unauthenticated("expired"))),
            (vec![], End::Refuse(Status::unauthenticated("not replaced yet"))),
            (vec![event("c1")], End::Refuse(Status::permission_denied("for good"))),
        ])
    };
    let (dir, path, mut client) = socket();
    script().listen(&path);
    let (_, result) = heard(&client, SubscribeRequest::default(), false).await;
    assert_eq!(refused(result), Code::Unauthenticated, "without a token file there is nothing to wait for");

    let token = dir.path().join("token");
    std::fs::write(&token, "t0ken").unwrap();
    std::fs::remove_file(&path).unwrap();
    client.credentials = CredentialArgs::with_token(token);
    script().listen(&path);
    let (heard, result) = heard(&client, SubscribeRequest::default(), false).await;
    assert_eq!(refused(result), Code::PermissionDenied);
    assert_eq!(heard, ["opened", "c0", "lost", "back", "c1"]);
}

#[tokio::test]
async fn silence_for_two_heartbeats_is_death() {
    let (_dir, path, client) = socket();
    let relay = Relay::new([
        (vec![checkpoint("c0")], End::Hang),
        (vec![checkpoint("c1")], End::Refuse(Status::out_of_range("for good"))),
    ]);
    relay.listen(&path);
    let started = Instant::now();
    let (heard, result) = heard(&client, SubscribeRequest::default(), false).await;
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(refused(result), Code::OutOfRange);
    assert_eq!(heard, ["opened", "c0", "lost", "back", "c1"]);
}

#[tokio::test]
async fn ends_where_it_was_asked_to_end() {
    let (_dir, path, client) = socket();
    Relay::new([(vec![checkpoint("c0"), event("c1")], End::Ok)]).listen(&path);
    let request = SubscribeRequest { stop_when_caught_up: true, ..SubscribeRequest::default() };
    let (heard, result) = heard(&client, request, false).await;
    result.unwrap();
    assert_eq!(heard, ["opened", "c0", "c1"]);
}

#[tokio::test]
async fn only_the_patient_wait_for_the_first_connection() {
    let (_dir, path, client) = socket();
    let (said, result) = heard(&client, SubscribeRequest::default(), false).await;
    assert!(matches!(result, Err(CliError::Client(ClientError::Unreachable { .. }))), "{result:?}");
    assert!(said.is_empty());

    let relay = Relay::new([(vec![checkpoint("c0")], End::Refuse(Status::internal("for good")))]);
    let late = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        relay.listen(&path);
    };
    let ((said, result), ()) = tokio::join!(heard(&client, SubscribeRequest::default(), true), late);
    assert_eq!(refused(result), Code::Internal);
    assert_eq!(said, ["lost", "opened", "c0"]);
}

#[test]
fn a_message_is_resumed_after_its_checkpoint_or_its_last_event() {
    let mut message =
        SubscribeResponse { events: [event("a"), event("b")].map(|m| m.events).concat(), ..checkpoint("c") };
    assert_eq!(cursor(&message), Some("c"));
    message.checkpoint = None;
    assert_eq!(cursor(&message), Some("b"));
    assert_eq!(cursor(&SubscribeResponse::default()), None);
}
