//! The life of one connection: handshake, first bytes, requests, end.
//!
//! A trusted proxy may have to say first whose connection it is. Every phase has a deadline: that one and TLS have their own;
//! then the first bytes tell HTTP/2 (its preface has to be whole) from HTTP/1.1; then a look every now and then at whether
//! there are requests replaces a timer for each of them.

mod opening;
mod requests;
mod rest;
mod unless;

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, interval, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(super) use self::requests::Activity;
use self::{
    opening::{Observed, Version},
    requests::Requests,
    rest::Discard,
    unless::unless,
};
use super::{
    Connection, Limits, Peer, PeerCertificate,
    crowd::Crowd,
    proxies::{Sender, protocol},
    seldom::Seldom,
    stream::Stream,
};

/// How long a connection that was just made when the drain begins has to send its request: its client could not know.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_STEP: Duration = Duration::from_millis(20);

/// What HTTP/1.1 buffers of a connection at most, and so the largest piece in which a body arrives.
const HTTP1_BUFFER_BYTES: usize = 64 * 1024;

/// What all connections of a listener share.
pub(super) struct Shared {
    tls: Option<TlsAcceptor>,
    router: Router,
    http1: http1::Builder,
    http2: http2::Builder<Tracked>,
    discard: Option<Arc<Discard>>,
    crowd: Crowd,
    /// For the warnings about connections that are closed for what their peers do.
    too_many: Seldom,
    no_header: Seldom,
    limits: Limits,
}

impl Shared {
    pub(super) fn new(tls: Option<TlsAcceptor>, router: Router, limits: &Limits, tracker: &TaskTracker) -> Self {
        let mut http1 = http1::Builder::new();
        // Hyper's own timeout would arm a timer for each request, and count idle connections too; see `Watch`.
        http1
            .header_read_timeout(None)
            .half_close(limits.serve_the_gone)
            .max_header_size(usize::try_from(limits.head_bytes).unwrap_or(usize::MAX))
            .max_buf_size(HTTP1_BUFFER_BYTES);
        let mut http2 = http2::Builder::new(Tracked(tracker.clone()));
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(limits.head_bytes)
            .max_concurrent_streams(limits.streams_per_connection)
            .max_send_buf_size(limits.stream_send_bytes)
            .initial_stream_window_size(limits.stream_window_bytes)
            .initial_connection_window_size(limits.connection_window_bytes)
            .keep_alive_interval(limits.ping_interval)
            .keep_alive_timeout(limits.ping_timeout)
            .max_pending_accept_reset_streams(limits.pending_resets);
        let discard = |(bytes, timeout)| Arc::new(Discard { bytes, timeout, tracker: tracker.clone() });
        Self {
            tls,
            router,
            http1,
            http2,
            discard: limits.discard.map(discard),
            crowd: Crowd::new(limits.connections_per_address),
            too_many: Seldom::default(),
            no_header: Seldom::default(),
            limits: limits.clone(),
        }
    }
}

/// Runs the tasks of HTTP/2 requests where they are waited for. They end with their connection.
#[derive(Clone)]
pub(super) struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        self.0.spawn(request);
    }
}

/// Serves one connection to its end, and gives its place back then.
pub(super) async fn serve(
    (stream, peer): (Stream, Peer),
    _permit: OwnedSemaphorePermit,
    activity: Arc<Activity>,
    shared: Arc<Shared>,
    drain: CancellationToken,
    abort: CancellationToken,
) {
    if let Ok(end) = unless(run(stream, peer, activity, &shared, &drain), abort.cancelled()).await {
        tracing::debug!(peer = ?peer.0, ?end, "connection closed");
    }
}

/// Why a connection ended, for the log.
#[derive(Debug)]
#[expect(dead_code, reason = "read by Debug")]
enum End {
    Closed,
    NoProxyHeader(std::io::Error),
    TooMany,
    HandshakeTimeout,
    Handshake(std::io::Error),
    Silent,
    /// Before a whole first request.
    Gone,
    HeadTimeout,
    Draining,
    Http(hyper::Error),
}

async fn run(
    mut stream: Stream,
    peer: Peer,
    activity: Arc<Activity>,
    shared: &Shared,
    drain: &CancellationToken,
) -> End {
    let limits = &shared.limits;
    let sender = match who(&mut stream, peer, shared, drain).await {
        Ok(sender) => sender,
        Err(end) => return end,
    };
    // All that come through a proxy have its address.
    let counted = sender.client.0.filter(|_| !sender.is_proxy);
    let Some(_place) = shared.crowd.enter(counted) else {
        if shared.too_many.is_due() {
            let limit = limits.connections_per_address;
            tracing::warn!(address = ?counted, limit, "an address has as many connections as it may have; more are closed");
        }
        return End::TooMany;
    };
    let mut certificate = None;
    let mut stream = match &shared.tls {
        None => stream,
        Some(tls) => match timeout(limits.handshake_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                certificate = PeerCertificate::of(stream.get_ref().1.peer_certificates());
                Stream::Tls(Box::new(stream))
            }
            Ok(Err(error)) => return End::Handshake(error),
            Err(_) => return End::HandshakeTimeout,
        },
    };
    let opening = tokio::select! {
        biased;
        opening = opening::read(&mut stream) => opening,
        () = sleep(limits.head_timeout) => return End::Silent,
        () = async { drain.cancelled().await; sleep(LINGER).await; } => return End::Draining,
    };
    let Ok(opening) = opening else { return End::Gone };
    let version = opening.version();
    let io = TokioIo::new(Observed::new(stream, opening, Arc::clone(&activity)));
    let requests = Requests {
        router: shared.router.clone(),
        peer,
        connection: Connection::new(certificate),
        sender,
        proxies: Arc::clone(&limits.proxies),
        activity: Arc::clone(&activity),
        // HTTP/2 has a way to say that the rest is not wanted.
        discard: shared.discard.clone().filter(|_| version == Version::Http1),
    };
    let watch = Watch::new(version, limits);
    // In boxes, as they are large, and whoever says nothing is to cost little.
    match version {
        Version::Http1 => Box::pin(drive(shared.http1.serve_connection(io, requests), watch, &activity, drain)).await,
        Version::Http2 => Box::pin(drive(shared.http2.serve_connection(io, requests), watch, &activity, drain)).await,
    }
}

/// Who is at the other end, or whom it speaks for.
async fn who(stream: &mut Stream, peer: Peer, shared: &Shared, drain: &CancellationToken) -> Result<Sender, End> {
    let proxies = &shared.limits.proxies;
    let sender = proxies.sender(peer);
    if !(proxies.protocol && sender.is_proxy) {
        return Ok(sender);
    }
    let read = tokio::select! {
        biased;
        read = timeout(shared.limits.handshake_timeout, protocol::read(stream)) => read,
        () = async { drain.cancelled().await; sleep(LINGER).await; } => return Err(End::Draining),
    };
    let named = read.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    named.map(|named| proxies.named(named, sender)).map_err(|error| {
        // A proxy that only looks whether somebody listens says nothing at all.
        if error.kind() == std::io::ErrorKind::InvalidData && shared.no_header.is_due() {
            tracing::warn!(
                proxy = ?peer.0,
                "a trusted proxy's connection does not begin with the PROXY protocol and is closed; switch it on there, \
                 or leave out --proxy-protocol"
            );
        }
        End::NoProxyHeader(error)
    })
}

/// Drives a connection and keeps an eye on it.
async fn drive<C>(connection: C, mut watch: Watch, activity: &Activity, drain: &CancellationToken) -> End
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut connection = pin!(connection);
    loop {
        // `unless` looks at the drain before the connection, so that an answer that is given while draining says that it
        // is the last.
        let drained_or_late = timeout(watch.step, drain.cancelled());
        match unless(connection.as_mut(), drained_or_late).await {
            Ok(result) => return result.map_or_else(End::Http, |()| End::Closed),
            Err(Ok(())) => break,
            Err(Err(_)) => match watch.look(activity, Instant::now()) {
                Verdict::Fine => {}
                Verdict::Idle => connection.as_mut().graceful_shutdown(),
                Verdict::Stuck => return End::HeadTimeout,
            },
        }
    }
    // HTTP/2 has a way to say that a request came too late. In HTTP/1.1 the client would not know: a request that is
    // on its way is waited for, for a moment.
    if watch.version == Version::Http1 && activity.expects_request() {
        match linger(connection.as_mut(), activity).await {
            None => {}
            Some(end) => return end,
        }
    }
    connection.as_mut().graceful_shutdown();
    connection.await.map_or_else(End::Http, |()| End::Closed)
}

/// Drives the connection until a request has come. If none does, or the connection has ended, says so.
async fn linger<C>(mut connection: Pin<&mut C>, activity: &Activity) -> Option<End>
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let started = activity.started();
    // Hyper, asked for a graceful end now, would not wait for the request; asked once it runs, it may be too late.
    activity.end_with_next_answer();
    let until = Instant::now() + LINGER;
    let mut looks = interval(LINGER_STEP);
    loop {
        tokio::select! {
            biased;
            result = connection.as_mut() => return Some(result.map_or_else(End::Http, |()| End::Closed)),
            _ = looks.tick() => {
                if activity.started() != started {
                    return None;
                }
                if Instant::now() >= until {
                    return Some(End::Draining);
                }
            }
        }
    }
}

/// Looks at a connection every now and then, instead of a timer for each request.
struct Watch {
    version: Version,
    head_timeout: Duration,
    idle_timeout: Option<Duration>,
    step: Duration,
    /// What was seen last, and since when.
    started: usize,
    reading: bool,
    since: Instant,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    Idle,
    Stuck,
}

impl Watch {
    fn new(version: Version, limits: &Limits) -> Self {
        let shortest = match version {
            Version::Http1 => limits.head_timeout.min(limits.idle_timeout.unwrap_or(Duration::MAX)),
            // A dead peer is found by pings, and half a request's head is bounded with all others' on the connection.
            Version::Http2 => limits.idle_timeout.unwrap_or(Duration::from_hours(1)),
        };
        Self {
            version,
            head_timeout: limits.head_timeout,
            idle_timeout: limits.idle_timeout,
            step: (shortest / 4).max(Duration::from_millis(1)),
            started: 0,
            reading: true,
            since: Instant::now(),
        }
    }

    fn look(&mut self, activity: &Activity, now: Instant) -> Verdict {
        let started = activity.started();
        let reading = self.version == Version::Http1 && activity.is_reading();
        if activity.is_busy() || (started, reading) != (self.started, self.reading) {
            (self.started, self.reading, self.since) = (started, reading, now);
            return Verdict::Fine;
        }
        let quiet = now - self.since;
        if reading && quiet >= self.head_timeout {
            Verdict::Stuck
        } else if !reading && self.idle_timeout.is_some_and(|limit| quiet >= limit) {
            Verdict::Idle
        } else {
            Verdict::Fine
        }
    }
}
