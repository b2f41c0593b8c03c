//! The health service, which anybody may ask: so its calls are small, short, and few at a time.
//!
//! Those who watch have places of their own: whoever takes all of them keeps no probe from its answer.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::{sync::Semaphore, time::timeout};
use tonic::{body::Body, server::NamedService};
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::Service;

use super::status;

/// The largest request: the name of a service.
const REQUEST_BYTES: usize = 1024;
/// How long a question may take to arrive and to be answered, or for a watch to begin.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls of a kind that are under way at once.
const AT_ONCE: usize = 1_000;

/// The service of one kind of listener, with places that it shares with no other.
pub struct HealthService<H> {
    health: HealthServer<H>,
    questions: Arc<Semaphore>,
    watches: Arc<Semaphore>,
}

impl<H: Health> HealthService<H> {
    pub fn new(health: HealthServer<H>) -> Self {
        let places = || Arc::new(Semaphore::new(AT_ONCE));
        let health = health.max_decoding_message_size(REQUEST_BYTES);
        Self { health, questions: places(), watches: places() }
    }
}

/// Also where `H` is none to clone, which a derived one would ask for.
impl<H> Clone for HealthService<H> {
    fn clone(&self) -> Self {
        let Self { health, questions, watches } = self;
        Self { health: health.clone(), questions: Arc::clone(questions), watches: Arc::clone(watches) }
    }
}

impl<H: Health> NamedService for HealthService<H> {
    const NAME: &'static str = HealthServer::<H>::NAME;
}

impl<H: Health> Service<Request<Body>> for HealthService<H> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// The call has its place until the answer is sent.
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let places = if request.uri().path().ends_with("/Watch") { &self.watches } else { &self.questions };
        let place = Arc::clone(places).try_acquire_owned();
        let answering = self.health.call(request);
        Box::pin(async move {
            let Ok(place) = place else { return Ok(status::too_many_probes(AT_ONCE).into_http()) };
            let Ok(answer) = timeout(ANSWER_TIMEOUT, answering).await else {
                return Ok(status::asked_too_slowly(ANSWER_TIMEOUT).into_http());
            };
            let answer = answer?;
            Ok(answer.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _held = &place;
                    frame
                }))
            }))
        })
    }
}
