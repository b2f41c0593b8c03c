//! What one listener's connections may take: time, memory, streams.

use std::{sync::Arc, time::Duration};

use super::Proxies;

/// Limits of one listener. Each kind of listener has its own defaults.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time; further ones wait in the socket's queue, or take the place of one that has not sent a
    /// request yet.
    pub connections: usize,
    /// Of them from one address, or one /64 of IPv6; further ones are closed. Not for trusted proxies. `None`: any number.
    pub connections_per_address: Option<usize>,
    /// Who speaks for others.
    pub proxies: Arc<Proxies>,
    /// For the TLS handshake, and for the PROXY protocol before it.
    pub handshake_timeout: Duration,
    /// For the first bytes of a connection (an HTTP/2 preface, whole), and for each HTTP/1.1 request's head from its
    /// first byte on. Looked after in steps of a quarter of it.
    pub head_timeout: Duration,
    /// After this long without a request a connection is closed, in the protocol's way. `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Whether an HTTP/1.1 request is served to its end also when its sender has closed the connection, or its half of it,
    /// meanwhile. Else it is dropped as soon as that is seen, even before it was begun.
    pub serve_the_gone: bool,
    /// What is left of an HTTP/1.1 request's body when it is answered is read and thrown away up to so many bytes, for so
    /// long: whoever still sends would find a closed connection, and not the answer. `None`: it is not.
    pub discard: Option<(usize, Duration)>,
    /// The request's head, both protocols. HTTP/1.1 allows 100 headers at most.
    pub head_bytes: u32,
    /// HTTP/2 requests at a time on one connection.
    pub streams_per_connection: u32,
    /// What one HTTP/2 stream may queue of its answer before it has to wait for its reader.
    pub stream_send_bytes: usize,
    /// What a client may send on one stream, and on all of a connection, before we have read it.
    pub stream_window_bytes: u32,
    pub connection_window_bytes: u32,
    /// HTTP/2 pings find dead peers: one each interval, answered within the timeout or the connection is closed.
    pub ping_interval: Option<Duration>,
    pub ping_timeout: Duration,
    /// Streams that a client opened and reset before we got to them; more, and it is sent away (rapid reset).
    pub pending_resets: usize,
}

impl Limits {
    /// For Smile and browsers: anybody may connect, so everything is small and nobody stays for nothing.
    #[must_use]
    pub fn public() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: Some(1_000),
            proxies: Arc::default(),
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            // Above the 60 s for which proxies commonly keep a connection, so that they are the ones who close.
            idle_timeout: Some(Duration::from_secs(90)),
            // A webhook that came whole is worth storing, whether or not somebody waits for the answer.
            serve_the_gone: true,
            discard: Some((16 << 20, Duration::from_secs(5))),
            head_bytes: 32 * 1024,
            streams_per_connection: 100,
            stream_send_bytes: 64 * 1024,
            stream_window_bytes: 256 * 1024,
            connection_window_bytes: 512 * 1024,
            ping_interval: Some(Duration::from_secs(20)),
            ping_timeout: Duration::from_secs(10),
            pending_resets: 20,
        }
    }

    /// For gRPC: channels stay open for days without a call, and carry thousands of streams.
    #[must_use]
    pub fn grpc() -> Self {
        Self {
            idle_timeout: None,
            // A gRPC-Web stream is for its reader alone.
            serve_the_gone: false,
            discard: None,
            connections_per_address: None,
            streams_per_connection: 10_000,
            // A message of 64 KiB is queued whole as soon as less than this is: what one who never reads may hold.
            stream_send_bytes: 32 * 1024,
            stream_window_bytes: 64 * 1024,
            connection_window_bytes: 1024 * 1024,
            // A client that cancels a thousand streams at once is no attacker here.
            pending_resets: 1_000,
            ..Self::public()
        }
    }

    /// For probes and metrics.
    #[must_use]
    pub fn admin() -> Self {
        Self { connections: 256, connections_per_address: None, serve_the_gone: false, discard: None, ..Self::public() }
    }
}
