//! Calls that take no identity: anybody can make them, so they are short, and few at a time. How large they may be is said
//! where their service is made.
//!
//! Those who watch have places of their own: whoever takes all of them keeps no probe from its answer.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, response::Response};
use http::Request;
use http_body_util::BodyExt;
use tokio::{sync::Semaphore, time::timeout};
use tower::ServiceExt;

use super::status;

/// How long a question may take to arrive and to be answered, or for a watch to begin.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls of a kind that are under way at once.
const AT_ONCE: usize = 1_000;

#[derive(Clone)]
pub struct Strangers {
    questions: Arc<Semaphore>,
    watches: Arc<Semaphore>,
}

impl Strangers {
    pub fn new() -> Self {
        let places = || Arc::new(Semaphore::new(AT_ONCE));
        Self { questions: places(), watches: places() }
    }

    /// Has `services` answer. The call has its place until the answer is sent.
    pub async fn call(&self, services: Router, request: Request<Body>) -> Response {
        let places = if request.uri().path().ends_with("/Watch") { &self.watches } else { &self.questions };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            return status::too_many_strangers(AT_ONCE).into_http();
        };
        match timeout(ANSWER_TIMEOUT, services.oneshot(request)).await {
            Ok(Ok(answer)) => answer.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _held = &place;
                    frame
                }))
            }),
            Err(_) => status::asked_too_slowly(ANSWER_TIMEOUT).into_http(),
        }
    }
}
