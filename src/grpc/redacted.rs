//! What a call gets to see that comes from somebody with a redaction: who lets it in puts the [`Redaction`] into the
//! request's extensions.
//!
//! The call is answered out of a feed that holds nothing else than the redacted form, so no way of reading can leave it out.

use std::sync::Arc;

use http::Request;
use tonic::{Status, body::Body};

use super::{Shared, status};
use crate::event::{
    pb::{GetEventRequest, GetRelayInfoRequest, ListEventsRequest, SubscribeRequest},
    redaction::Redaction,
};

/// What a call works on: all there is, or what the redaction leaves of it.
pub fn shared(shared: Arc<Shared>, request: &Request<Body>) -> Result<Arc<Shared>, Status> {
    match of(request) {
        None => Ok(shared),
        Some(redaction) => {
            let feed = shared.feed.seen_through(redaction).map_err(status::too_many_redactions)?;
            Ok(Arc::new(Shared { feed, ..Shared::clone(&shared) }))
        }
    }
}

/// The redaction that a request comes with.
pub fn of(request: &Request<Body>) -> Option<&Redaction> {
    request.extensions().get::<Redaction>().filter(|redaction| !redaction.is_none())
}

/// The requests of the service, by what a redaction forbids.
pub trait AsksForRawBody {
    fn asks_for_raw_body(&self) -> bool;
}

impl AsksForRawBody for SubscribeRequest {
    fn asks_for_raw_body(&self) -> bool {
        self.include_raw_body
    }
}

impl AsksForRawBody for ListEventsRequest {
    fn asks_for_raw_body(&self) -> bool {
        self.include_raw_body
    }
}

impl AsksForRawBody for GetEventRequest {
    fn asks_for_raw_body(&self) -> bool {
        self.include_raw_body
    }
}

impl AsksForRawBody for GetRelayInfoRequest {
    fn asks_for_raw_body(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
