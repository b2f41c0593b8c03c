//! The rest of a body that nobody wants to read.
//!
//! A request can be refused before its body has come. Over HTTP/1.1 there is no way to tell the sender to stop: if the
//! connection is closed while it sends, what it finds is a reset, and often not the answer. (A proxy then makes a 502 of
//! what was a 401.) So what still comes is read and thrown away beside the answer, within bounds.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, header::EXPECT};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::TaskTracker;

use super::requests::Activity;

/// What becomes of the rest of bodies.
pub(super) struct Discard {
    /// More is not read of one: its connection is closed.
    pub(super) bytes: usize,
    pub(super) timeout: Duration,
    /// Runs the reading. It ends with the connection.
    pub(super) tracker: TaskTracker,
}

/// A body on its way to whoever wants it.
pub(super) struct Lent {
    /// None once it has ended.
    body: Option<Incoming>,
    /// None: what nobody reads is left.
    discard: Option<(Arc<Discard>, Arc<Activity>)>,
}

impl Lent {
    /// The body of a request with these headers. What is left of it is discarded as `discard` says.
    pub(super) fn new(
        body: Incoming,
        headers: &HeaderMap,
        discard: Option<&Arc<Discard>>,
        activity: &Arc<Activity>,
    ) -> Self {
        // Whoever asks before sending sees the answer, and sends nothing.
        let discard = discard.filter(|_| !body.is_end_stream() && !headers.contains_key(EXPECT));
        Self { body: Some(body), discard: discard.map(|discard| (Arc::clone(discard), Arc::clone(activity))) }
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            this.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (Some(mut body), Some((discard, activity))) = (self.body.take(), self.discard.take()) else { return };
        // Without a runtime the process is at its end.
        let Ok(runtime) = Handle::try_current() else { return };
        if body.is_end_stream() {
            return;
        }
        let tracker = discard.tracker.clone();
        let reading = async move {
            // The connection is not idle.
            let _running = activity.resume();
            let read = async {
                let mut left = discard.bytes;
                while let Some(Ok(frame)) = body.frame().await {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    let Some(rest) = left.checked_sub(length) else { break };
                    left = rest;
                }
            };
            // Late or not: dropping the body closes the connection, if it has not ended.
            let _ = timeout(discard.timeout, read).await;
        };
        tracker.spawn_on(reading, &runtime);
    }
}
