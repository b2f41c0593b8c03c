//! Webhooks: signed beforehand, and sent over kept HTTPS connections by a client that does next to nothing.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use smile_relay::webhook::Secret;
use smile_relay::webhook::signature::sign;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::server::{Place, SECRET};

/// As many as Smile's events without payload have.
pub const BODY_BYTES: usize = 700;

/// A number that no other webhook of this run has.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A signed request, ready to be sent, of an event with the number `number`.
pub struct Webhook {
    pub number: u64,
    request: Vec<u8>,
}

/// So many webhooks that were never sent before.
pub fn prepare(count: usize) -> Vec<Webhook> {
    let secret = Secret::new(SECRET.as_bytes()).expect("it is not empty");
    let number = |_| NEXT.fetch_add(1, Relaxed);
    (0..count).map(number).map(|number| Webhook { number, request: request(number, &secret) }).collect()
}

/// The number of the webhook whose event has this id.
pub fn number_of(id: &str) -> u64 {
    id.trim_start_matches("et-").parse().expect("it is one of ours")
}

fn request(number: u64, secret: &Secret) -> Vec<u8> {
    let body = body(number);
    let signature = faster_hex::hex_string(&sign(secret, body.as_bytes()));
    let length = body.len();
    format!(
        "POST /webhooks/smile HTTP/1.1\r\nhost: localhost\r\nuser-agent: smile\r\naccept: */*\r\n\
         content-type: application/json\r\nsmile-signature: {signature}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A finished task, with all fields that the relay knows, and a name as long as it takes to have 700 bytes.
fn body(number: u64) -> String {
    let (start, end) = (
        format!(
            r#"{{"id":"et-{number:032}","version":1,"type":"TASK_FINISHED","createdAt":"2026-11-16T01:20:24Z","data":{{"#
        ),
        r#""userId":"tenantId-848a77e544ff4e37b4c1d18df5ff59b9","sourceId":"a-c3fd87066d3f4766a048c0503cac6d04",
"sourceType":"ACCOUNT","taskType":"LINK_ACCOUNT","status":"SUCCEEDED","errorCode":null,
"datapoints":["IDENTITIES","RATINGS","DOCUMENTS","INCOMES","TRANSACTIONS","EMPLOYMENTS","CONTRIBUTIONS"],
"providers":["alon_ph",""#,
    );
    let name = "p".repeat(BODY_BYTES - start.len() - end.len() - 4);
    format!("{start}{end}{name}\"]}}}}")
}

/// A kept connection.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    answer: Vec<u8>,
}

/// Connects so many times.
pub async fn connect(place: &Place, address: SocketAddr, count: usize) -> Vec<Connection> {
    let pem = std::fs::read(place.path().join("cert.pem")).expect("the place has one");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).expect("we made it")).expect("we made it");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let tcp = TcpStream::connect(address).await.expect("it listens");
        tcp.set_nodelay(true).expect("it is open");
        let name = ServerName::try_from("localhost").expect("it is a name");
        let stream = connector.connect(name, tcp).await.expect("the certificate is trusted");
        connections.push(Connection { stream, answer: vec![0; 4096] });
    }
    connections
}

impl Connection {
    /// Sends a webhook and waits for its answer, which has to be 200.
    pub async fn send(&mut self, webhook: &Webhook) {
        self.stream.write_all(&webhook.request).await.expect("the connection is kept");
        self.stream.flush().await.expect("the connection is kept");
        let mut length = 0;
        loop {
            let read = self.stream.read(&mut self.answer[length..]).await.expect("the connection is kept");
            assert!(read > 0, "the connection was closed without an answer");
            length += read;
            if is_whole(&self.answer[..length]) {
                break;
            }
        }
        let answer = &self.answer[..length];
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(answer));
    }
}

/// Whether this is a whole answer.
fn is_whole(answer: &[u8]) -> bool {
    const LENGTH: &[u8] = b"content-length: ";
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let Some(at) = answer[..head].windows(LENGTH.len()).position(|name| name == LENGTH) else { return true };
    let digits = answer[at + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    answer.len() >= head + 4 + length
}

/// Sends all of them, each connection one after the other, and gives the connections back.
pub async fn send_all(connections: Vec<Connection>, webhooks: Vec<Webhook>) -> Vec<Connection> {
    let count = connections.len();
    let mut shares: Vec<Vec<Webhook>> = (0..count).map(|_| Vec::with_capacity(webhooks.len() / count + 1)).collect();
    for (at, webhook) in webhooks.into_iter().enumerate() {
        shares[at % count].push(webhook);
    }
    let senders: Vec<_> = connections
        .into_iter()
        .zip(shares)
        .map(|(mut connection, share)| {
            tokio::spawn(async move {
                for webhook in &share {
                    connection.send(webhook).await;
                }
                connection
            })
        })
        .collect();
    let mut back = Vec::with_capacity(count);
    for sender in senders {
        back.push(sender.await.expect("it does not panic"));
    }
    back
}

/// Sends them one by one, so many a second, whether or not earlier ones are answered. `sending` hears of each when it is
/// due.
pub async fn send_paced(
    connections: Vec<Connection>,
    webhooks: Vec<Webhook>,
    rate: f64,
    mut sending: impl FnMut(u64, Instant),
) {
    let count = connections.len();
    let (give_back, mut idle) = mpsc::unbounded_channel();
    connections.into_iter().for_each(|connection| give_back.send(connection).expect("we hold the other end"));
    let began = Instant::now();
    for (at, webhook) in webhooks.into_iter().enumerate() {
        let due = began + Duration::from_secs_f64(at as f64 / rate);
        wait_until(due).await;
        sending(webhook.number, due);
        let mut connection = idle.recv().await.expect("we hold the other end");
        let give_back = give_back.clone();
        tokio::spawn(async move {
            connection.send(&webhook).await;
            // Nobody wants it back at the end.
            let _ = give_back.send(connection);
        });
    }
    for _ in 0..count {
        idle.recv().await.expect("we hold the other end");
    }
}

/// The runtime's timers have a resolution of a millisecond: the last of it is waited for by looking.
async fn wait_until(due: Instant) {
    let coarse = due.checked_sub(Duration::from_millis(2)).unwrap_or(due);
    tokio::time::sleep_until(coarse.into()).await;
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}
