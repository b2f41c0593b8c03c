//! The table of codes: every error that a caller can meet, with the code and the reason that steer its retries.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    event::filter::Violation,
    feed::TooManyRedactions,
    log::{EraseError, ReadError},
};

const DOMAIN: &str = "smile-relay";

/// The ends of the log, for those who have to choose a new start.
#[derive(Clone, Debug)]
pub struct Ends {
    pub earliest_cursor: String,
    pub latest_cursor: String,
}

impl Ends {
    fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([
            ("earliest_cursor".to_owned(), self.earliest_cursor.clone()),
            ("latest_cursor".to_owned(), self.latest_cursor.clone()),
        ])
    }
}

pub fn invalid(violations: Vec<Violation>) -> Status {
    let mut details = ErrorDetails::new();
    let mut message = "the request can't be followed".to_owned();
    for Violation { field, description } in violations {
        message = format!("{message}; {field}: {description}");
        details.add_bad_request_violation(field, description);
    }
    Status::with_error_details(Code::InvalidArgument, message, details)
}

pub fn cursor_foreign_log(ends: &Ends) -> Status {
    final_status(
        Code::FailedPrecondition,
        "CURSOR_FOREIGN_LOG",
        "the cursor is of another log; choose a new start",
        ends.metadata(),
    )
}

pub fn cursor_diverged(ends: &Ends) -> Status {
    final_status(
        Code::FailedPrecondition,
        "CURSOR_DIVERGED",
        "the log holds another event at the cursor than the one it was made for, as after a restore from a copy; \
         choose a new start",
        ends.metadata(),
    )
}

pub fn cursor_ahead(ends: &Ends) -> Status {
    final_status(
        Code::FailedPrecondition,
        "CURSOR_AHEAD",
        "the cursor is ahead of the log, as after a restore from a copy; choose a new start",
        ends.metadata(),
    )
}

pub fn cursor_expired(ends: &Ends) -> Status {
    final_status(
        Code::OutOfRange,
        "CURSOR_EXPIRED",
        "retention has removed events after the cursor; choose a new start",
        ends.metadata(),
    )
}

pub fn event_not_found() -> Status {
    final_status(
        Code::NotFound,
        "EVENT_NOT_FOUND",
        "the log holds no such event: there never was one, or retention has removed it",
        HashMap::new(),
    )
}

pub fn callbacks_off() -> Status {
    final_status(
        Code::FailedPrecondition,
        "CALLBACKS_OFF",
        "this relay takes no callbacks, as it has no key to sign tokens with; start it with --callback-key-file",
        HashMap::new(),
    )
}

pub fn draining() -> Status {
    retryable(Code::Unavailable, "DRAINING", "the relay is shutting down; come back with the last cursor", 1000)
}

pub fn stream_age() -> Status {
    retryable(Code::Unavailable, "STREAM_AGE", "the stream has reached its age; come back with the last cursor", 0)
}

pub fn event_erased() -> Status {
    let message = "the event that was being sent has been erased; come back with the last cursor, and it comes without its \
                   content";
    retryable(Code::Unavailable, "EVENT_ERASED", message, 0)
}

pub fn not_erased(error: &EraseError) -> Status {
    tracing::error!(%error, "an erasure was not finished");
    let message = format!("not all is erased yet: {error}; call again, which does the rest");
    retryable(Code::Unavailable, "LOG_UNAVAILABLE", &message, 1000)
}

pub fn log_unavailable(error: &ReadError) -> Status {
    tracing::error!(%error, "a read has failed");
    retryable(
        Code::Unavailable,
        "LOG_UNAVAILABLE",
        "the log can't be read just now; come back with the last cursor",
        1000,
    )
}

pub fn too_many_streams(limit: usize) -> Status {
    let message = format!("{limit} streams are open, which is the limit (--max-streams)");
    retryable(Code::ResourceExhausted, "TOO_MANY_STREAMS", &message, 5000)
}

pub fn too_many_lists(limit: usize) -> Status {
    let message = format!("{limit} pages of events are being sent, which is the limit");
    retryable(Code::ResourceExhausted, "TOO_MANY_STREAMS", &message, 1000)
}

pub fn too_many_probes(limit: usize) -> Status {
    let message = format!("{limit} such calls to the health service are under way, which is the limit");
    retryable(Code::ResourceExhausted, "TOO_MANY_STREAMS", &message, 1000)
}

pub fn asked_too_slowly(within: Duration) -> Status {
    Status::deadline_exceeded(format!("the request did not arrive within {within:?}"))
}

pub fn list_not_taken(after: Duration) -> Status {
    let message = format!("the page was given up, as nothing of it was read for {after:?}; ask for it again");
    retryable(Code::ResourceExhausted, "TOO_MANY_STREAMS", &message, 1000)
}

/// Nobody who is known. Says no more: who is not let in is told nothing.
pub fn unauthenticated() -> Status {
    Status::unauthenticated("this relay needs to know who calls: a token or a client certificate that it knows")
}

/// Known, and not granted.
pub fn permission_denied() -> Status {
    Status::permission_denied("this identity may not do that; the relay's log says why")
}

pub fn keys_unavailable() -> Status {
    retryable(
        Code::Unavailable,
        "IDENTITY_KEYS_UNAVAILABLE",
        "the keys of the token's issuer can't be had just now; come back",
        1000,
    )
}

pub fn identity_expired() -> Status {
    retryable(
        Code::Unavailable,
        "IDENTITY_EXPIRED",
        "the identity has expired, or its grants have changed; come back with the last cursor and a good token or certificate",
        0,
    )
}

pub fn too_many_streams_of_one(limit: usize) -> Status {
    let message = format!("this identity has {limit} streams open, which is its limit");
    retryable(Code::ResourceExhausted, "TOO_MANY_STREAMS", &message, 5000)
}

pub fn too_many_starts(wait: Duration) -> Status {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    let message = "streams are opened too often by this caller (--stream-starts)";
    retryable(Code::ResourceExhausted, "TOO_MANY_STARTS", message, millis)
}

/// A matter of a moment: no more can be configured, but those of streams that end now may still be in use.
pub fn too_many_redactions(error: TooManyRedactions) -> Status {
    retryable(Code::ResourceExhausted, "TOO_MANY_STREAMS", &error.to_string(), 1000)
}

fn final_status(code: Code, reason: &str, message: &str, metadata: HashMap<String, String>) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, DOMAIN, metadata);
    Status::with_error_details(code, message, details)
}

fn retryable(code: Code, reason: &str, message: &str, delay_ms: u64) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, DOMAIN, HashMap::new());
    details.set_retry_info(Some(Duration::from_millis(delay_ms)));
    Status::with_error_details(code, message, details)
}
