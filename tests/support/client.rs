//! A sender of webhooks over real HTTPS, and readers of streams.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::Sha512;
use smile_relay::event::pb::{
    Checkpoint, Event, StartPosition, SubscribeRequest, SubscribeResponse, relay_service_client::RelayServiceClient,
    subscribe_request::Start,
};
use tonic::{Status, Streaming, transport::Channel};

use super::{PATIENCE, Relay, SECRET};

/// Sends to one relay over kept connections.
#[derive(Clone)]
pub struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
}

impl Sender {
    pub fn new(relay: &Relay) -> Self {
        Self::with_tls(relay, tls_config(&[&rustls::version::TLS13, &rustls::version::TLS12]))
    }

    /// One that speaks HTTP/2 and nothing else.
    pub fn http2(relay: &Relay) -> Self {
        let tls = tls_config(&[&rustls::version::TLS13]);
        let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http2();
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector.build());
        Self { client, base: format!("https://{}", relay.public) }
    }

    pub fn with_tls(relay: &Relay, tls: ClientConfig) -> Self {
        let connector =
            hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let scheme = if relay.is_plain_http { "http" } else { "https" };
        Self { client, base: format!("{scheme}://{}", relay.public) }
    }

    /// POSTs a body, rightly signed, to the endpoint `smile`; the status of the answer.
    pub async fn send(&self, body: impl Into<Bytes>) -> u16 {
        let body = body.into();
        let signature = sign(&body);
        self.post("/webhooks/smile", Some(&signature), body).await.status().as_u16()
    }

    /// As `send`, to any endpoint with the same secret.
    pub async fn send_to(&self, endpoint: &str, body: impl Into<Bytes>) -> u16 {
        let body = body.into();
        let signature = sign(&body);
        self.post(&format!("/webhooks/{endpoint}"), Some(&signature), body).await.status().as_u16()
    }

    /// Sends them all, so many at once, in any order.
    ///
    /// # Panics
    /// If one is not answered with 200.
    pub async fn send_all(&self, bodies: impl IntoIterator<Item = impl Into<Bytes>>, at_once: usize) {
        let sending = bodies.into_iter().map(|body| self.send(body));
        let answers: Vec<_> = stream::iter(sending).buffer_unordered(at_once).collect().await;
        assert!(answers.iter().all(|answer| *answer == 200), "{answers:?}");
    }

    /// As `send`; None if there was no answer.
    pub async fn try_send(&self, body: impl Into<Bytes>) -> Option<u16> {
        self.try_send_to("smile", body).await
    }

    /// As `send_to`; None if there was no answer.
    pub async fn try_send_to(&self, endpoint: &str, body: impl Into<Bytes>) -> Option<u16> {
        self.try_post(endpoint, body).await.map(|answer| answer.status().as_u16())
    }

    /// As `send_to`, with the whole answer; None if there was none.
    pub async fn try_post(&self, endpoint: &str, body: impl Into<Bytes>) -> Option<Response<Bytes>> {
        let body = body.into();
        let request = Request::post(format!("{}/webhooks/{endpoint}", self.base))
            .header("smile-signature", sign(&body))
            .body(Full::new(body))
            .unwrap();
        let answered = async {
            let (head, body) = self.client.request(request).await.ok()?.into_parts();
            Some(Response::from_parts(head, body.collect().await.ok()?.to_bytes()))
        };
        tokio::time::timeout(PATIENCE, answered).await.ok()?
    }

    /// POSTs anything anywhere.
    pub async fn post(&self, path: &str, signature: Option<&str>, body: impl Into<Bytes>) -> Response<Bytes> {
        let mut request = Request::post(format!("{}{path}", self.base));
        if let Some(signature) = signature {
            request = request.header("Smile-Signature", signature);
        }
        self.request(request.body(Full::new(body.into())).unwrap()).await
    }

    pub async fn request(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request)).await.expect("an answer").unwrap();
        let (head, body) = answer.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    pub fn base(&self) -> &str {
        &self.base
    }
}

/// The signature of a body, as Smile makes it.
pub fn sign(body: &[u8]) -> String {
    sign_with(SECRET, body)
}

pub fn sign_with(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    faster_hex::hex_string(&mac.finalize().into_bytes())
}

/// A webhook of some 300 bytes.
pub fn body(id: &str) -> String {
    body_of(id, "ACCOUNT_CONNECTED", "u-1")
}

pub fn body_of(id: &str, type_name: &str, user: &str) -> String {
    format!(
        r#"{{"id":"{id}","version":1,"type":"{type_name}","createdAt":"2026-11-23T10:00:00Z","data":{{"userId":"{user}","accountId":"a-{id}","loginName":"somebody","providers":["sss_ph"]}}}}"#
    )
}

/// A webhook with so many bytes.
pub fn large_body(id: &str, bytes: usize) -> String {
    let body = body(id);
    let padding = bytes.saturating_sub(body.len() + 13);
    format!(r#"{},"padding":"{}"}}"#, &body[..body.len() - 1], "x".repeat(padding))
}

/// A webhook with so many bytes, nearly all of them in a field that its typed form has as well.
pub fn large_typed_body(id: &str, bytes: usize) -> String {
    let (start, end) = (
        format!(r#"{{"id":"{id}","version":1,"type":"ACCOUNT_CONNECTED","data":{{"userId":"u-1","loginName":""#),
        r#""}}"#,
    );
    let padding = bytes.saturating_sub(start.len() + end.len());
    format!("{start}{}{end}", "x".repeat(padding))
}

/// Trusts any certificate: whose it is, other tests ask.
pub fn tls_config(versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth()
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// All that the log holds, oldest first, with the bytes as they came.
pub async fn everything(relay: &Relay) -> Vec<Event> {
    let request = SubscribeRequest {
        start: Some(Start::Position(StartPosition::Earliest.into())),
        include_raw_body: true,
        stop_when_caught_up: true,
        max_event_bytes: 64 << 20,
        ..SubscribeRequest::default()
    };
    let mut client = relay.grpc().await.max_decoding_message_size(80 << 20);
    let (events, end) = Reader::open(&mut client, request).await.unwrap().rest().await;
    assert_eq!(end.code(), tonic::Code::Ok, "{end:?}");
    events
}

/// A service that keeps the last cursor it has seen, and goes on there after every interruption.
#[derive(Default)]
pub struct Follower {
    pub cursor: Option<String>,
    pub events: Vec<Event>,
    /// What the last message said, if it was a checkpoint alone.
    pub last_word: Option<Checkpoint>,
}

impl Follower {
    /// Where it goes on: at first with the oldest event.
    pub fn request(&self) -> SubscribeRequest {
        let start = match &self.cursor {
            Some(cursor) => Start::AfterCursor(cursor.clone()),
            None => Start::Position(StartPosition::Earliest.into()),
        };
        SubscribeRequest { start: Some(start), consumer: "follower".into(), ..SubscribeRequest::default() }
    }

    /// Reads to the end of the stream, however it comes.
    pub async fn follow(&mut self, mut reader: Reader) -> Status {
        self.cursor = Some(reader.first.cursor.clone());
        loop {
            match reader.message().await {
                Ok(Some(message)) => {
                    if let Some(event) = message.events.last() {
                        self.cursor = Some(event.cursor.clone());
                    }
                    if let Some(checkpoint) = &message.checkpoint {
                        self.cursor = Some(checkpoint.cursor.clone());
                    }
                    self.last_word = message.checkpoint.filter(|_| message.events.is_empty());
                    self.events.extend(message.events);
                }
                Ok(None) => return Status::ok(""),
                Err(status) => return status,
            }
        }
    }

    /// Reads what there is from where it stands.
    pub async fn catch_up(&mut self, relay: &Relay) {
        let request = SubscribeRequest { stop_when_caught_up: true, ..self.request() };
        let reader = Reader::open(&mut relay.grpc().await, request).await.unwrap();
        let end = self.follow(reader).await;
        assert_eq!(end.code(), tonic::Code::Ok, "{end:?}");
    }

    pub fn ids(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.id.as_str()).collect()
    }
}

/// A stream with its first checkpoint read.
pub struct Reader {
    stream: Streaming<SubscribeResponse>,
    pub first: Checkpoint,
    /// The last one seen.
    pub checkpoint: Checkpoint,
    /// Read and not yet asked for.
    ready: std::collections::VecDeque<Event>,
    /// The sequence of the last event seen.
    last: u64,
}

impl Reader {
    pub async fn open(client: &mut RelayServiceClient<Channel>, request: SubscribeRequest) -> Result<Self, Status> {
        Self::of(client.subscribe(request)).await
    }

    /// A stream that any client opens.
    pub async fn of(
        subscribing: impl Future<Output = Result<tonic::Response<Streaming<SubscribeResponse>>, Status>>,
    ) -> Result<Self, Status> {
        let opening = async {
            let mut stream = subscribing.await?.into_inner();
            let first = stream.message().await?.and_then(|message| message.checkpoint).expect("a checkpoint, at once");
            Ok::<_, Status>((stream, first))
        };
        let (stream, first) = tokio::time::timeout(PATIENCE, opening).await.expect("an answer in time")?;
        Ok(Self { stream, checkpoint: first.clone(), first, ready: Default::default(), last: 0 })
    }

    /// The next event; None at a good end.
    pub async fn next(&mut self) -> Result<Option<Event>, Status> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(message) = self.message().await? else { return Ok(None) };
            self.ready.extend(message.events);
        }
    }

    /// The next message, whatever it holds.
    ///
    /// # Panics
    /// If none comes in time, or its events are not in order.
    pub async fn message(&mut self) -> Result<Option<SubscribeResponse>, Status> {
        let message = tokio::time::timeout(PATIENCE, self.stream.message()).await.expect("a message in time")?;
        for event in message.iter().flat_map(|message| &message.events) {
            assert!(event.sequence > self.last, "{} after {}", event.sequence, self.last);
            self.last = event.sequence;
        }
        if let Some(checkpoint) = message.as_ref().and_then(|message| message.checkpoint.clone()) {
            self.checkpoint = checkpoint;
        }
        Ok(message)
    }

    /// So many events.
    pub async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await.unwrap().expect("the stream goes on"));
        }
        events
    }

    /// Everything to the end, and how it ended.
    pub async fn rest(&mut self) -> (Vec<Event>, Status) {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, Status::ok("")),
                Err(status) => return (events, status),
            }
        }
    }

    /// True if nothing comes for so long.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        self.ready.is_empty() && tokio::time::timeout(time, self.stream.message()).await.is_err()
    }
}
