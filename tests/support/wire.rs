//! Connections on which a test writes every byte itself: heads without bodies, bodies that stall, bytes that are no HTTP.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{PATIENCE, Relay, client::tls_config};

pub const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Connects from an address: every one of 127.0.0.0/8 is this machine's.
pub async fn connect_tcp(relay: &Relay, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(relay.public.parse().unwrap()).await.unwrap()
}

pub async fn connect_tls(relay: &Relay, from: Ipv4Addr, tls: ClientConfig) -> TlsStream<TcpStream> {
    tls_over(connect_tcp(relay, from).await, tls).await
}

pub async fn tls_over(stream: TcpStream, tls: ClientConfig) -> TlsStream<TcpStream> {
    let connecting = TlsConnector::from(Arc::new(tls)).connect("localhost".try_into().unwrap(), stream);
    timeout(PATIENCE, connecting).await.expect("a handshake in time").unwrap()
}

/// A client's TLS with these protocols, in the order of preference.
pub fn tls_for(alpn: &[&str]) -> ClientConfig {
    let mut tls = tls_config(&[&rustls::version::TLS13, &rustls::version::TLS12]);
    tls.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    tls
}

/// An HTTP/1.1 connection over TLS.
pub struct Wire {
    stream: TlsStream<TcpStream>,
    /// Read and not yet asked for.
    unread: Vec<u8>,
}

/// An answer over HTTP/1.1.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// As it came, without the empty line.
    pub head: String,
    pub body: Bytes,
}

impl Wire {
    pub async fn connect(relay: &Relay) -> Self {
        Self::connect_from(relay, LOCALHOST).await
    }

    pub async fn connect_from(relay: &Relay, from: Ipv4Addr) -> Self {
        Self::over(connect_tls(relay, from, tls_for(&["http/1.1"])).await)
    }

    pub fn over(stream: TlsStream<TcpStream>) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the relay reads");
        self.stream.flush().await.expect("the relay reads");
    }

    /// The next answer, whole.
    pub async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer in time").expect("a whole answer")
    }

    /// The next answer, or None if the connection ends first.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer or an end in time").ok()
    }

    /// True if nothing comes for so long.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        self.unread.is_empty() && timeout(time, self.stream.read_u8()).await.is_err()
    }

    /// Waits until the relay closes the connection; what came until then.
    pub async fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.unread);
        // With or without the closing message of TLS.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the connection is closed in time");
        rest
    }

    /// Ends the connection as a process that is killed does: without a word of TLS. The relay sees an end, or a reset if
    /// there was something to read.
    pub fn cut(self) {
        drop(self.stream.into_inner().0);
    }

    /// Sends nothing any more, without a word of TLS.
    pub async fn end(self) -> TcpStream {
        let mut stream = self.stream.into_inner().0;
        stream.shutdown().await.unwrap();
        stream
    }

    async fn read_answer(&mut self) -> std::io::Result<Answer> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            self.read_more().await?;
        };
        let head = String::from_utf8(self.unread[..end].to_vec()).unwrap();
        self.unread.drain(..end + 4);
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let mut answer = Answer { status, head, body: Bytes::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            self.read_more().await?;
        }
        answer.body = self.unread.drain(..length).collect();
        Ok(answer)
    }

    async fn read_more(&mut self) -> std::io::Result<()> {
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The head of a POST to the endpoint `smile`, with these lines.
pub fn head(lines: &[&str]) -> String {
    let mut head = "POST /webhooks/smile HTTP/1.1\r\nHost: relay\r\n".to_owned();
    for line in lines {
        head += line;
        head += "\r\n";
    }
    head + "\r\n"
}

/// A whole POST to the endpoint `smile`.
pub fn post(signature: &str, body: &[u8]) -> Vec<u8> {
    let lines = [&format!("Smile-Signature: {signature}")[..], &format!("Content-Length: {}", body.len())];
    [head(&lines).as_bytes(), body].concat()
}

/// A chunk of a body with `Transfer-Encoding: chunked`.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

pub type AnyBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// An HTTP/2 connection over TLS.
#[derive(Clone)]
pub struct Wire2 {
    requests: http2::SendRequest<AnyBody>,
}

impl Wire2 {
    pub async fn connect(relay: &Relay) -> Self {
        Self::over(connect_tls(relay, LOCALHOST, tls_for(&["h2"])).await).await
    }

    pub async fn over(stream: TlsStream<TcpStream>) -> Self {
        let (requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        // Ends with its last request.
        tokio::spawn(connection);
        Self { requests }
    }

    pub async fn request(&mut self, request: Request<AnyBody>) -> Response<Bytes> {
        self.try_request(request).await.expect("an answer")
    }

    pub async fn try_request(&mut self, request: Request<AnyBody>) -> Result<Response<Bytes>, hyper::Error> {
        self.requests.ready().await?;
        let answer = timeout(PATIENCE, self.requests.send_request(request)).await.expect("an answer in time")?;
        let (head, body) = answer.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.expect("a whole answer in time")?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// A body that comes in these pieces, and then ends or stalls.
pub fn pieces(pieces: impl IntoIterator<Item = Bytes>, ends: bool) -> AnyBody {
    use futures_util::{StreamExt, stream};
    let frames: Vec<_> = pieces.into_iter().map(|piece| Ok(http_body::Frame::data(piece))).collect();
    let frames = stream::iter(frames);
    if ends {
        http_body_util::StreamBody::new(frames).boxed_unsync()
    } else {
        http_body_util::StreamBody::new(frames.chain(stream::pending())).boxed_unsync()
    }
}

/// A POST over HTTP/2 to the endpoint `smile`.
pub fn post2(relay: &Relay, signature: Option<&str>, body: AnyBody) -> Request<AnyBody> {
    let mut request = Request::post(format!("https://{}/webhooks/smile", relay.public));
    if let Some(signature) = signature {
        request = request.header("smile-signature", signature);
    }
    request.body(body).unwrap()
}
