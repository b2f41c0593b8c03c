//! The requests of one connection: handed to the router with their peer, and counted from head to the answer's end.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use axum::{Router, body::Body, response::Response, routing::future::RouteFuture};
use bytes::Bytes;
use http::{HeaderValue, Request, header::CONNECTION};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tower::Service;

use super::rest::{Discard, Lent};
use crate::net::{
    Connection, Peer,
    proxies::{Proxies, Sender},
};

/// What happens on a connection, for those who watch it. Only hints: nothing is ordered by these.
#[derive(Default)]
pub(in crate::net) struct Activity {
    /// Requests whose heads were read.
    started: AtomicUsize,
    /// Requests that are not answered to the end.
    running: AtomicUsize,
    /// Bytes have come of what is not a running request.
    reading: AtomicBool,
    /// The next answer is the last: an HTTP/1.1 client has to be told with it.
    is_ending: AtomicBool,
}

impl Activity {
    pub(in crate::net) fn started(&self) -> usize {
        self.started.load(Relaxed)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.running.load(Relaxed) > 0
    }

    /// A head has begun and is not whole. The first one begins with the connection.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.load(Relaxed) || self.started() == 0
    }

    /// Nothing runs, and a request is on its way, or may be as the connection is new.
    pub(super) fn expects_request(&self) -> bool {
        !self.is_busy() && self.is_reading()
    }

    pub(super) fn bytes_arrived(&self) {
        if !self.is_busy() {
            self.reading.store(true, Relaxed);
        }
    }

    /// Closes an HTTP/1.1 connection with its next answer.
    pub(super) fn end_with_next_answer(&self) {
        self.is_ending.store(true, Relaxed);
    }

    fn start(self: &Arc<Self>) -> Running {
        self.started.fetch_add(1, Relaxed);
        self.reading.store(false, Relaxed);
        self.resume()
    }

    /// Something of a request goes on beside its answer.
    pub(super) fn resume(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Relaxed);
        Running(Arc::clone(self))
    }
}

/// A request that runs until this is dropped.
pub(super) struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}

/// Hyper's view of the router.
pub(super) struct Requests {
    pub(super) router: Router,
    pub(super) peer: Peer,
    pub(super) connection: Connection,
    pub(super) sender: Sender,
    pub(super) proxies: Arc<Proxies>,
    pub(super) activity: Arc<Activity>,
    /// None: what is left of a body is not read.
    pub(super) discard: Option<Arc<Discard>>,
}

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response<Counted>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let running = self.activity.start();
        let client = self.proxies.client(self.sender, request.headers());
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.connection.clone());
        request.extensions_mut().insert(client);
        let (head, body) = request.into_parts();
        let body = Lent::new(body, &head.headers, self.discard.as_ref(), &self.activity);
        let request = Request::from_parts(head, body);
        Answering { answer: self.router.clone().call(request), running: Some(running) }
    }
}

/// A request's answer in the making.
pub(super) struct Answering {
    answer: RouteFuture<Infallible>,
    /// Handed on to the answer's body.
    running: Option<Running>,
}

impl Future for Answering {
    type Output = Result<Response<Counted>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut response = ready!(Pin::new(&mut this.answer).poll(cx))?;
        let running = this.running.take();
        if running.as_ref().is_some_and(|running| running.0.is_ending.load(Relaxed)) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| Counted { body, _running: running })))
    }
}

/// An answer's body, with which the request ends.
pub(super) struct Counted {
    body: Body,
    _running: Option<Running>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
