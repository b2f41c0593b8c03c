//! Serving over real sockets, mostly with bytes written by hand: what matters is what happens to rude peers.

use std::net::SocketAddr;

use axum::{Extension, body::Body, routing::get};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, pki_types::pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::net::{Address, tls};

const GET: &[u8] = b"GET /peer HTTP/1.1\r\nhost: x\r\n\r\n";
const SLOW: &[u8] = b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";
/// Much longer than any timeout here, much shorter than those of a real listener.
const SOON: Duration = Duration::from_secs(3);

struct Rig {
    address: Address,
    stop: Stop,
    serving: JoinHandle<()>,
    /// Lets `/slow` answer.
    go: Arc<Notify>,
    /// Told when `/slow` has been asked.
    asked: Arc<Notify>,
}

fn limits() -> Limits {
    Limits {
        handshake_timeout: Duration::from_millis(200),
        head_timeout: Duration::from_millis(200),
        idle_timeout: Some(Duration::from_millis(800)),
        ..Limits::public()
    }
}

async fn rig_at(address: &str, limits: Limits, tls: Option<Arc<ServerConfig>>) -> Rig {
    let listener = Listener::bind(&address.parse().unwrap(), 0o600).await.unwrap();
    let address = listener.local_address().clone();
    let (go, asked, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Stop::default());
    let (gate, bell) = (Arc::clone(&go), Arc::clone(&asked));
    let slow = async move || {
        bell.notify_one();
        gate.notified().await;
        "slow"
    };
    let endless = async || Body::from_stream(futures_util::stream::pending::<Result<Bytes, io::Error>>());
    let router = Router::new()
        .route("/peer", get(async |Extension(Peer(peer)): Extension<Peer>| format!("{peer:?}")))
        .route("/slow", get(slow))
        .route("/endless", get(endless));
    let serving = tokio::spawn(serve(listener, tls, router, limits, stop.clone()));
    Rig { address, stop, serving, go, asked }
}

async fn rig() -> Rig {
    rig_at("127.0.0.1:0", limits(), None).await
}

impl Rig {
    fn port(&self) -> SocketAddr {
        let Address::Tcp(address) = self.address else { unreachable!() };
        address
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.port()).await.unwrap()
    }

    async fn connect_http2(&self) -> http2::SendRequest<Empty<Bytes>> {
        let io = TokioIo::new(self.connect().await);
        let (requests, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        requests
    }

    async fn ended(self) {
        timeout(SOON, self.serving).await.expect("serve has not returned").unwrap();
    }
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://x{path}")).body(Empty::new()).unwrap()
}

/// All that comes until the connection is closed, and when that was.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> (String, Duration) {
    let began = Instant::now();
    let mut all = Vec::new();
    // However it ends.
    let _ = timeout(SOON, stream.read_to_end(&mut all)).await.expect("the connection was not closed");
    (String::from_utf8_lossy(&all).into_owned(), began.elapsed())
}

/// The answer to one request on a connection that stays open.
async fn answer(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut answer = String::new();
    loop {
        let mut piece = [0; 1024];
        let length = timeout(SOON, stream.read(&mut piece)).await.unwrap().unwrap();
        assert_ne!(length, 0, "closed after {answer:?}");
        answer.push_str(str::from_utf8(&piece[..length]).unwrap());
        let Some((head, body)) = answer.split_once("\r\n\r\n") else { continue };
        let (_, length) = head.split_once("content-length: ").unwrap();
        if body.len() == length.lines().next().unwrap().parse::<usize>().unwrap() {
            return answer;
        }
    }
}

#[tokio::test]
async fn requests_know_their_peer() {
    let rig = rig().await;
    let mut stream = rig.connect().await;
    stream.write_all(GET).await.unwrap();
    let peer = stream.local_addr().unwrap();
    let text = answer(&mut stream).await;
    assert!(text.ends_with(&format!("{:?}", Some(peer))), "{text}");
    let response = rig.connect_http2().await.send_request(request("/peer")).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"Some(127.0.0.1:"), "{body:?}");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let unix = rig_at(&format!("unix:{}", path.display()), limits(), None).await;
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(GET).await.unwrap();
    assert!(answer(&mut stream).await.ends_with("None"));
    unix.stop.drain.cancel();
    unix.ended().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn who_sends_no_whole_head_is_closed() {
    let rig = rig().await;
    for start in [&b""[..], b"PRI * HTTP/2.0\r\n", b"G", b"GET / HTTP/1.1\r\nhost: a-long-name"] {
        let mut stream = rig.connect().await;
        stream.write_all(start).await.unwrap();
        let (text, after) = rest(&mut stream).await;
        assert!((Duration::from_millis(150)..Duration::from_millis(700)).contains(&after), "{start:?}: {after:?}");
        assert_eq!(text, "");
    }
    // Nor does it help to dribble, or to have sent a request before.
    let mut stream = rig.connect().await;
    stream.write_all(GET).await.unwrap();
    answer(&mut stream).await;
    let (mut reader, mut writer) = stream.into_split();
    let dribble = async {
        for byte in GET.iter().cycle() {
            sleep(Duration::from_millis(20)).await;
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        (_, after) = rest(&mut reader) => assert!(after < Duration::from_millis(700), "{after:?}"),
        () = dribble => {}
    }
}

#[tokio::test]
async fn who_is_idle_may_stay_longer() {
    let rig = rig().await;
    let mut stream = rig.connect().await;
    stream.write_all(GET).await.unwrap();
    answer(&mut stream).await;
    sleep(Duration::from_millis(500)).await;
    stream.write_all(GET).await.unwrap();
    answer(&mut stream).await;
    let (_, after) = rest(&mut stream).await;
    assert!((Duration::from_millis(700)..Duration::from_secs(2)).contains(&after), "{after:?}");
    // A request under way is not idle.
    let mut stream = rig.connect().await;
    stream.write_all(SLOW).await.unwrap();
    sleep(Duration::from_millis(1_200)).await;
    rig.go.notify_one();
    assert!(answer(&mut stream).await.ends_with("slow"));
}

fn connector(pem: &str, alpn: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn tls_has_its_time_and_both_protocols() {
    let (tls, pem) = tls::self_signed(&["localhost".into()], tls::ALPN_WEB).unwrap();
    let rig = rig_at("127.0.0.1:0", limits(), Some(tls.config)).await;
    let (_, after) = rest(&mut rig.connect().await).await;
    assert!((Duration::from_millis(150)..Duration::from_millis(700)).contains(&after), "no handshake: {after:?}");

    let connect = async |alpn: &[&[u8]]| {
        let name = "localhost".try_into().unwrap();
        connector(&pem, alpn).connect(name, rig.connect().await).await.unwrap()
    };
    let (_, after) = rest(&mut connect(&[b"h2"]).await).await;
    assert!((Duration::from_millis(150)..Duration::from_millis(700)).contains(&after), "silent: {after:?}");

    let mut stream = connect(&[b"http/1.1"]).await;
    stream.write_all(GET).await.unwrap();
    assert!(answer(&mut stream).await.contains("Some(127.0.0.1:"));

    let stream = connect(tls::ALPN_WEB).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(requests.send_request(request("/peer")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_drain_finishes_what_is_under_way_and_takes_no_more() {
    let rig = rig_at("127.0.0.1:0", Limits::public(), None).await;
    let mut idle = rig.connect().await;
    idle.write_all(GET).await.unwrap();
    answer(&mut idle).await;
    let mut idle_http2 = rig.connect_http2().await;
    idle_http2.send_request(request("/peer")).await.unwrap().into_body().collect().await.unwrap();
    let mut busy = rig.connect().await;
    busy.write_all(SLOW).await.unwrap();
    rig.asked.notified().await;
    let mut busy_http2 = rig.connect_http2().await;
    let slow = tokio::spawn(busy_http2.send_request(request("/slow")));
    rig.asked.notified().await;
    let mut new = rig.connect().await;

    rig.stop.drain.cancel();
    let (_, after) = rest(&mut idle).await;
    assert!(after < Duration::from_millis(500), "an idle connection is closed at once: {after:?}");
    sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(rig.port()).await.is_err(), "no more connections");
    // A request that was on its way is served.
    new.write_all(GET).await.unwrap();
    let (text, _) = rest(&mut new).await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("connection: close"), "{text}");
    assert!(!rig.serving.is_finished());
    rig.go.notify_waiters();
    let (text, _) = rest(&mut busy).await;
    assert!(text.ends_with("slow") && text.contains("connection: close"), "{text}");
    assert_eq!(slow.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes(), "slow");
    rig.ended().await;
}

#[tokio::test]
async fn a_silent_connection_does_not_hold_up_a_drain() {
    let rig = rig_at("127.0.0.1:0", Limits::public(), None).await;
    let _silent = rig.connect().await;
    let mut half = rig.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nhost: a-long-name").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    rig.stop.drain.cancel();
    rig.ended().await;
}

#[tokio::test]
async fn an_abort_cuts_everything() {
    let rig = rig_at("127.0.0.1:0", Limits::public(), None).await;
    let mut slow = rig.connect().await;
    slow.write_all(SLOW).await.unwrap();
    rig.asked.notified().await;
    let mut http2 = rig.connect_http2().await;
    let answering = tokio::spawn(http2.send_request(request("/slow")));
    rig.asked.notified().await;
    let streaming = http2.send_request(request("/endless")).await.unwrap();
    rig.stop.drain.cancel();
    sleep(Duration::from_millis(50)).await;
    assert!(!rig.serving.is_finished());
    rig.stop.abort.cancel();
    rig.ended().await;
    assert_eq!(rest(&mut slow).await.0, "");
    assert!(answering.await.unwrap().is_err());
    assert!(streaming.into_body().collect().await.is_err());
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let rig = rig_at("127.0.0.1:0", Limits { connections: 1, ..Limits::public() }, None).await;
    let mut first = rig.connect().await;
    first.write_all(GET).await.unwrap();
    answer(&mut first).await;
    let mut second = rig.connect().await;
    second.write_all(GET).await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(200), second.read(&mut byte)).await.is_err(), "it has to wait");
    drop(first);
    assert!(answer(&mut second).await.starts_with("HTTP/1.1 200"));
}
