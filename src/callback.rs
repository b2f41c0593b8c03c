//! The Wink Widget's callbacks come in: `POST /callbacks/v1/events`, from users' browsers.
//!
//! Promises:
//! - 200 only when every callback of the batch, or the one that it repeats, is on stable storage. Nothing of a batch that
//!   is refused is stored.
//! - A callback is stored only with a token that this relay has signed, from an origin that the token may be used from,
//!   under the user of the token. One that claims another user is refused.
//! - No id that a browser makes up is that of a webhook or of another user's callback.
//! - Browsers can't take what webhooks need: batches are small, within a budget of bytes, and few a second for each token;
//!   they have a quota of their own in the log, and a memory of ids of their own.
//!
//! In this order: has the batch come in time (408), does it fit (413, or 503), is it one (400), is the token good (401), may
//! it be used from there (403), are there too many (429), are they callbacks (400) about the token's user (403), and are they
//! stored (503 with Retry-After if not).

mod batch;
mod bridge;
mod limiter;
mod metrics;
mod origins;
mod outcome;
mod token;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::{MethodRouter, get, post},
};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use self::{
    batch::{Batch, Callback},
    limiter::Limiter,
    outcome::Outcome,
    token::{Claims, TokenError},
};
pub use self::{
    metrics::Metrics,
    origins::Origins,
    token::{Key, KeyError, Keys, TokenRequest, Tokens},
};
use crate::{
    event::{pb::EventSource, record::Reporter},
    log::{AppendError, Appended, Log, NewRecord},
    net::Finish,
};

/// What stands for the endpoint of a callback. No webhook endpoint has this name.
pub const ENDPOINT: &str = "callbacks";
/// The largest batch: what browsers let a page send while it closes.
const BODY_BYTES: usize = 64 << 10;
/// How long a batch may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// What is taken for a batch at first; as much again each time that is full.
const FIRST_BYTES: usize = 4 << 10;

/// What the intake of callbacks has to know.
#[derive(Clone, Debug)]
pub struct Settings {
    pub tokens: Tokens,
    /// Callbacks that one token may report a second; ten times as many at once.
    pub rate: NonZeroU32,
    /// What batches may take that are not stored yet. What is only announced counts for nothing.
    pub unstored_bytes: usize,
}

/// The intake, running for as long as its router is served.
pub struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    log: Arc<dyn Log>,
    tokens: Tokens,
    limiter: Limiter,
    metrics: Metrics,
    /// Bytes that may still arrive before others are stored.
    room: Arc<Semaphore>,
    /// Batches whose senders have gone.
    pending: TaskTracker,
}

impl Intake {
    /// Takes callbacks into `log`.
    #[must_use]
    pub fn new(settings: Settings, log: Arc<dyn Log>, metrics: Metrics) -> Self {
        let shared = Shared {
            log,
            tokens: settings.tokens,
            limiter: Limiter::new(settings.rate),
            metrics,
            room: Arc::new(Semaphore::new(settings.unstored_bytes)),
            pending: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The routes.
    pub fn router(&self) -> Router {
        let events = post(receive).options(preflight).fallback(outcome::not_a_report);
        let script = |script: MethodRouter| script.fallback(outcome::not_a_read);
        Router::new()
            .route("/callbacks/v1/events", events.with_state(Arc::clone(&self.shared)))
            .route("/callbacks/v1/bridge.js", script(get(bridge::module)))
            .route("/callbacks/v1/bridge.global.js", script(get(bridge::global)))
    }

    /// Waits until what was accepted is stored, also of senders that have gone. For when the router is no longer served.
    pub async fn finish(&self) {
        self.shared.pending.close();
        self.shared.pending.wait().await;
    }
}

/// A browser asks whether it may send what is not as simple as the bridge's own requests. The token is not known yet.
async fn preflight(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    answer.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin(&headers)
        && origin.to_str().is_ok_and(|origin| shared.tokens.origins.may_ask(origin))
    {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    }
    response
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let origin = origin(request.headers()).cloned();
    let outcome = match shared.accepted(request, origin.as_ref()).await {
        // Goes on when this is dropped, as it is when the page is closed.
        Ok(accepted) => Finish::new(Arc::clone(&shared).store(accepted), &shared.pending).await,
        Err(refused) => refused,
    };
    shared.metrics.report(&outcome);
    tracing::debug!(result = outcome.name(), "callbacks");
    let mut response = outcome.answer();
    let answer = response.headers_mut();
    answer.insert(header::VARY, HeaderValue::from_static("Origin"));
    // Every page may read how it was refused: it learns nothing else, and stops where trying again is of no use.
    if let Some(origin) = origin {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
    response
}

/// Who sends, if it is a browser.
fn origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(header::ORIGIN)
}

/// A batch that may be stored.
struct Accepted {
    /// What it takes; held until it is stored.
    _room: OwnedSemaphorePermit,
    user: String,
    reporter: Reporter,
    callbacks: Vec<Callback>,
}

impl Shared {
    /// Reads a request as far as it is allowed to come.
    async fn accepted(&self, request: Request, origin: Option<&HeaderValue>) -> Result<Accepted, Outcome> {
        let (body, room) = timeout(BODY_TIMEOUT, self.read(request)).await.unwrap_or(Err(Outcome::TooSlow))?;
        let batch = Batch::read(&body)?;
        let claims = match self.tokens.verify(&batch.token) {
            Ok(claims) => claims,
            Err(TokenError::Expired) => return Err(Outcome::TokenExpired),
            Err(TokenError::Bad) => return Err(Outcome::BadToken),
        };
        // Who has none is no browser. What is no text is no origin that anybody could have named.
        let named = origin.map(|origin| origin.to_str().unwrap_or_default());
        if named.is_some_and(|origin| !self.tokens.origins.allow(&claims.origins, origin)) {
            return Err(Outcome::OriginNotAllowed);
        }
        self.limiter.check(&claims.jti, batch.len()).map_err(Outcome::RateLimited)?;
        let callbacks = batch.callbacks()?;
        let Claims { sub: user, session, .. } = claims;
        let of_others = callbacks.iter().filter(|callback| callback.claimed_user.as_ref().is_some_and(|u| *u != user));
        let of_others: Vec<String> = of_others.map(|callback| callback.id.clone()).collect();
        if !of_others.is_empty() {
            return Err(Outcome::WrongUser(of_others));
        }
        let reporter = Reporter { origin: named.unwrap_or_default().to_owned(), session };
        Ok(Accepted { _room: room, user, reporter, callbacks })
    }

    /// The body of a request, within its size and its room.
    async fn read(&self, request: Request) -> Result<(Bytes, OwnedSemaphorePermit), Outcome> {
        let mut pieces = Limited::new(request.into_body(), BODY_BYTES);
        let mut room = Arc::clone(&self.room).try_acquire_many_owned(0).map_err(|_| Outcome::Unavailable)?;
        let mut body = Vec::new();
        while let Some(piece) = pieces.frame().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) if error.is::<LengthLimitError>() => return Err(Outcome::TooLarge),
                Err(_) => return Err(Outcome::Incomplete),
            };
            let Ok(piece) = piece.into_data() else { continue };
            let needed = body.len() + piece.len();
            if needed > body.capacity() {
                let capacity = needed.next_power_of_two().max(FIRST_BYTES);
                let more = u32::try_from(capacity - body.capacity()).map_err(|_| Outcome::TooLarge)?;
                let more = Arc::clone(&self.room).try_acquire_many_owned(more).map_err(|_| Outcome::Unavailable)?;
                room.merge(more);
                body.reserve_exact(capacity - body.len());
            }
            body.extend_from_slice(&piece);
        }
        Ok((body.into(), room))
    }

    /// Stores a batch, in its order. What was stored before a failure is known when the batch comes again.
    async fn store(self: Arc<Self>, accepted: Accepted) -> Outcome {
        let Accepted { _room, user, reporter, callbacks } = accepted;
        let appends = callbacks.into_iter().map(|callback| {
            self.log.append(NewRecord {
                source: EventSource::Widget,
                endpoint: ENDPOINT.to_owned(),
                // Ids are made up by browsers: each user has a space of its own.
                id: format!("{user}/{}", callback.id),
                type_name: callback.name,
                user_id: user.clone(),
                signature: Bytes::new(),
                traceparent: String::new(),
                content_encoding: String::new(),
                reporter: reporter.clone(),
                body: callback.body,
            })
        });
        // They are polled in their order, and so queued in it; one fsync does for all.
        let mut outcome = Outcome::Stored;
        for appended in join_all(appends).await {
            match appended {
                Ok(Appended::Stored { .. }) => self.metrics.callbacks("stored", 1),
                Ok(Appended::Repeated { .. }) => self.metrics.callbacks("duplicate", 1),
                Ok(Appended::Conflicting { .. }) => self.metrics.callbacks("conflict", 1),
                Err(AppendError::Full) => outcome = Outcome::DiskFull,
                Err(AppendError::Busy | AppendError::Closed) => outcome = Outcome::Unavailable,
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
