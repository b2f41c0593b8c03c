//! Smile's webhooks come in: `POST /webhooks/{endpoint}`.
//!
//! Promises:
//! - 200 only when the event, or the one that it repeats, is on stable storage.
//! - Nothing is looked into, and nothing stored, before its signature over the bytes as they came is verified. What is
//!   verified is stored, whatever it is, also when its sender has gone meanwhile.
//! - A right signature is never rate-limited.
//! - What is read and not yet stored takes no more memory than its budget.
//!
//! In this order: is there such an endpoint (404), is it a POST (405), may the peer call (403), has the header a
//! signature's form (401), does the body fit (413), has it come in time (408) and found room (503), does the signature
//! fit (401), and is it stored (503 with Retry-After if not). Too many 401s to one address become 429s. Errors are JSON
//! that says nothing of the request.

mod body;
mod budget;
mod limiter;
mod metrics;
mod outcome;
mod settings;
pub mod signature;
#[cfg(test)]
mod tests;
mod trace;

use std::{
    collections::BTreeMap,
    mem,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::post,
};
use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_ENCODING};
use http_body::Body as _;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use self::{
    budget::least as least_budget,
    metrics::Metrics,
    settings::{Endpoint, Pace, SMILES_ADDRESS, Settings, SettingsError},
    signature::Secret,
    trace::Tracer,
};
use self::{
    budget::{Budget, Room},
    limiter::Limiter,
    metrics::EndpointMetrics,
    outcome::Outcome,
    signature::{SIGNATURE_BYTES, Verifier},
};
use crate::{
    event::{envelope::Envelope, pb::EventSource, record::Reporter},
    log::{AppendError, Appended, Log, NewRecord},
    net::{Client, Finish, Networks},
};

/// The envelopes of larger bodies are read where it does not hold up other requests.
const LARGE_ENVELOPE_BYTES: usize = 256 * 1024;

/// A longer Content-Encoding is none that is in use.
const CODING_BYTES: usize = 64;

/// The intake, running for as long as its router is served.
pub struct Intake {
    doors: BTreeMap<String, Arc<Door>>,
    pending: TaskTracker,
}

impl Intake {
    /// Takes webhooks into `log`.
    #[must_use]
    pub fn new(settings: Settings, log: Arc<dyn Log>, metrics: Metrics) -> Self {
        let pending = TaskTracker::new();
        let shared = Arc::new(Shared {
            log,
            budget: Budget::new(
                settings.body_budget_bytes,
                settings.body_limit_bytes,
                settings.room_timeout,
                settings.pace.pressed_grace,
            ),
            limiter: Limiter::new(settings.wrong_per_second, settings.wrong_at_once),
            body_limit: settings.body_limit_bytes,
            pace: settings.pace,
            tracer: settings.tracer,
            pending: pending.clone(),
        });
        let door = |endpoint: Endpoint| {
            let metrics = metrics.of(&endpoint.name);
            let uses = metrics.uses(&endpoint.secrets);
            let door = Door {
                metrics,
                secrets: RwLock::new(Secrets { secrets: endpoint.secrets, uses }),
                allow_peers: endpoint.allow_peers,
                shared: Arc::clone(&shared),
                name: endpoint.name.clone(),
            };
            (endpoint.name, Arc::new(door))
        };
        Self { doors: settings.endpoints.into_iter().map(door).collect(), pending }
    }

    /// The routes, with an answer for all paths that others do not take.
    pub fn router(&self) -> Router {
        let router = Router::new().fallback(outcome::not_found);
        // A route for each endpoint: no path has to be taken apart, and what is unknown falls through.
        self.doors.iter().fold(router, |router, (name, door)| {
            let methods = post(receive).fallback(outcome::method_not_allowed);
            router.route(&format!("/webhooks/{name}"), methods.with_state(Arc::clone(door)))
        })
    }

    /// From now on the secrets of `endpoint` verify the bodies of the one of its name, and no others. Bodies that are being
    /// read keep those that they began with.
    ///
    /// # Errors
    /// If there is no such endpoint; nothing changes then.
    pub fn replace_secrets(&self, endpoint: Endpoint) -> Result<(), SettingsError> {
        let door = self.doors.get(&endpoint.name).ok_or_else(|| SettingsError::Name(endpoint.name.clone()))?;
        let new = Secrets { uses: door.metrics.uses(&endpoint.secrets), secrets: endpoint.secrets };
        let old = mem::replace(&mut *door.secrets.write().unwrap_or_else(PoisonError::into_inner), new);
        let kept = door.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let is_kept = |secret: &&Secret| kept.secrets.iter().any(|kept| kept.id() == secret.id());
        old.secrets.iter().filter(|secret| !is_kept(secret)).for_each(|secret| door.metrics.forget(secret));
        Ok(())
    }

    /// Waits until what was verified is stored, also of senders that have gone. For when the router is no longer served.
    pub async fn finish(&self) {
        self.pending.close();
        self.pending.wait().await;
    }
}

/// What all endpoints share.
struct Shared {
    log: Arc<dyn Log>,
    budget: Arc<Budget>,
    limiter: Limiter,
    body_limit: usize,
    pace: Pace,
    /// None: tracing is off.
    tracer: Option<Tracer>,
    /// Verified bodies whose senders have gone.
    pending: TaskTracker,
}

/// One endpoint.
struct Door {
    name: String,
    /// Replaced as a whole; read once a request, to make its verifier.
    secrets: RwLock<Secrets>,
    /// Everybody if empty.
    allow_peers: Networks,
    metrics: EndpointMetrics,
    shared: Arc<Shared>,
}

/// The secrets of an endpoint.
struct Secrets {
    /// Never empty.
    secrets: Vec<Secret>,
    /// How often each has verified a webhook.
    uses: Arc<[Counter]>,
}

async fn receive(State(door): State<Arc<Door>>, request: Request) -> Response {
    let outcome = match door.verified(request).await {
        // Goes on when this is dropped, as it is when the client disconnects.
        Ok(verified) => Finish::new(Arc::clone(&door).store(verified), &door.shared.pending).await,
        Err(refused) => door.refuse(refused),
    };
    outcome.answer()
}

/// A webhook that Smile has sent.
struct Verified {
    began: Instant,
    signature: [u8; SIGNATURE_BYTES],
    content_encoding: String,
    body: Bytes,
    /// None if tracing is off.
    parent: Option<trace::Parent>,
    /// Held until the body is stored.
    room: Room,
}

impl Door {
    /// Reads a request as far as it is allowed to come.
    async fn verified(&self, request: Request) -> Result<Verified, Outcome> {
        let began = Instant::now();
        let shared = &*self.shared;
        let peer = request.extensions().get::<Client>().and_then(|client| client.0);
        if !self.allows(peer) {
            return Err(Outcome::Forbidden);
        }
        let signature = signature::of_request(request.headers());
        let (Some(signature), Some((mut verifier, uses))) = (signature, self.verifier()) else {
            return Err(self.unauthentic(peer));
        };
        let content_encoding = content_encoding(request.headers());
        let parent = shared.tracer.as_ref().map(|tracer| tracer.parent(request.headers()));
        let body = request.into_body();
        let length = body.size_hint();
        if length.lower() > shared.body_limit as u64 {
            return Err(Outcome::TooLarge);
        }
        let mut room = shared.budget.room(length.exact());
        let body = body::read(body, shared.body_limit, &shared.pace, &mut room, &mut verifier).await?;
        let Some(secret) = verifier.verify(&signature) else { return Err(self.unauthentic(peer)) };
        uses[secret].inc();
        Ok(Verified { began, signature, content_encoding, body, parent, room })
    }

    /// Whether this peer may call. One whose address is not known is on no list.
    fn allows(&self, peer: Option<IpAddr>) -> bool {
        self.allow_peers.is_empty() || peer.is_some_and(|peer| self.allow_peers.contains(peer))
    }

    /// What verifies a body, and the counters of the secrets that it tries.
    fn verifier(&self) -> Option<(Verifier, Arc<[Counter]>)> {
        let known = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        Some((Verifier::new(&known.secrets)?, Arc::clone(&known.uses)))
    }

    fn unauthentic(&self, peer: Option<IpAddr>) -> Outcome {
        if self.shared.limiter.is_too_many(peer) { Outcome::Limited } else { Outcome::BadSignature }
    }

    async fn store(self: Arc<Self>, verified: Verified) -> Outcome {
        let Verified { began, signature, content_encoding, body, parent, room } = verified;
        self.metrics.verified(body.len());
        let envelope = if body.len() <= LARGE_ENVELOPE_BYTES {
            Envelope::of(&body, &content_encoding)
        } else {
            let (body, coding) = (body.clone(), content_encoding.clone());
            match tokio::task::spawn_blocking(move || Envelope::of(&body, &coding)).await {
                Ok(envelope) => envelope,
                // The runtime is at its end.
                Err(_) => return self.refuse(Outcome::Unavailable),
            }
        };
        let traced = self.shared.tracer.as_ref().zip(parent);
        let span = traced.map(|(tracer, parent)| {
            tracer.begin(&parent, began.elapsed(), &self.name, &envelope.id, &envelope.type_name)
        });
        let named = (envelope.id.clone(), envelope.type_name.clone());
        let record = NewRecord {
            source: EventSource::Webhook,
            endpoint: self.name.clone(),
            id: envelope.id,
            type_name: envelope.type_name,
            user_id: envelope.user_id,
            signature: Bytes::copy_from_slice(&signature),
            traceparent: span.as_ref().map(trace::WebhookSpan::traceparent).unwrap_or_default(),
            content_encoding,
            reporter: Reporter::default(),
            body,
        };
        let appended = self.shared.log.append(record).await;
        drop(room);
        if appended.is_ok() {
            self.metrics.durable_after(began.elapsed());
        }
        let outcome = Outcome::from(appended);
        if let Some(span) = span {
            span.end(appended, outcome);
        }
        let (id, type_name) = named;
        self.metrics.count(&type_name, outcome);
        self.say(&id, &type_name, appended, outcome);
        outcome
    }

    /// One line an event, for who looks for one: too many for every day, and nothing that is personal.
    fn say(&self, id: &str, type_name: &str, appended: Result<Appended, AppendError>, outcome: Outcome) {
        let (endpoint, result, sequence) = (&self.name, outcome.name(), appended.map(Appended::sequence).ok());
        if let Ok(Appended::Conflicting { conflicts_with, .. }) = appended {
            tracing::warn!(
                endpoint,
                id,
                r#type = type_name,
                sequence,
                conflicts_with,
                result,
                "the body is another than that of the earlier event with this id: both are kept"
            );
        } else {
            tracing::debug!(endpoint, id, r#type = type_name, sequence, result, "webhook");
        }
    }

    fn refuse(&self, outcome: Outcome) -> Outcome {
        self.metrics.count("", outcome);
        tracing::debug!(endpoint = self.name, result = outcome.name(), "webhook");
        outcome
    }
}

/// The Content-Encoding of a request, if it is one that could be known. What is verified and stored are the bytes as they
/// came; this only helps to read them.
fn content_encoding(headers: &HeaderMap) -> String {
    let coding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if coding.len() <= CODING_BYTES { coding.trim().to_ascii_lowercase() } else { String::new() }
}
