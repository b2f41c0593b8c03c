//! What a caller sees of the log.
//!
//! Promises: a request that names nothing gets what is granted; one that names something else is denied, rather than
//! answered with less than it asked for; an event that is not granted is as if it were not there.

use http::Request;
use tonic::Status;

use super::status;
use crate::{
    event::{
        filter::{Filter, Traits},
        redaction::Redaction,
    },
    identity::{Denial, Place, Session},
};

/// The caller of one request, and the call that it makes.
pub struct Access {
    session: Session,
    call: String,
}

impl Access {
    /// # Errors
    /// If nobody has looked at who calls, which is not to be.
    pub fn of<B>(request: &Request<B>) -> Result<Self, Status> {
        let session = request.extensions().get::<Session>().cloned().ok_or_else(status::unauthenticated)?;
        Ok(Self { session, call: request.uri().path().to_owned() })
    }

    /// What is asked for, without what the caller may not see.
    pub fn narrow(&self, filter: Filter, include_raw_body: bool) -> Result<Filter, Status> {
        self.check_raw_body(include_raw_body)?;
        let narrowed = filter.within(&self.session.grants().scope);
        narrowed.ok_or_else(|| self.deny("an endpoint, type or source that the filter names"))
    }

    /// A raw body holds what a redaction removes.
    pub fn check_raw_body(&self, is_wanted: bool) -> Result<(), Status> {
        let is_granted = self.session.grants().raw_bodies && self.redaction().is_none();
        if is_wanted && !is_granted { Err(self.deny("raw-bodies")) } else { Ok(()) }
    }

    /// What is removed of the events that it sees.
    pub fn redaction(&self) -> &Redaction {
        &self.session.grants().redaction
    }

    pub fn sees(&self, event: &Traits) -> bool {
        self.session.grants().scope.has(event)
    }

    pub fn sees_endpoint(&self, endpoint: &str) -> bool {
        self.session.grants().scope.has_endpoint(endpoint)
    }

    /// The stream's place among those of its identity.
    pub fn take_place(&self) -> Result<Option<Place>, Status> {
        self.session.take_place().map_err(|limit| {
            self.session.deny(&self.call, &Denial::TooManyStreams(self.session.name_or_none()));
            status::too_many_streams_of_one(limit)
        })
    }

    /// The identity's name; empty while none are configured.
    pub fn name(&self) -> &str {
        self.session.name()
    }

    /// Whether a stream has to end, for its identity is not what it was.
    pub fn is_over(&mut self) -> bool {
        self.session.is_over()
    }

    /// Comes back when that is so.
    pub async fn over(&mut self) {
        self.session.over().await;
    }

    fn deny(&self, grant: &'static str) -> Status {
        self.session.deny(&self.call, &self.session.lacks(grant));
        status::permission_denied()
    }
}
