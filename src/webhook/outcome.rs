//! What became of a webhook: its answer over HTTP, and its name in the metrics. Nothing of the request is in either.

use axum::response::Response;
use http::{
    HeaderValue, StatusCode,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, RETRY_AFTER},
};

use super::body::BodyError;
use crate::{
    log::{AppendError, Appended},
    net::answer::{error_body, json},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    Duplicate,
    Conflict,
    BadSignature,
    /// The same, once too often.
    Limited,
    Forbidden,
    TooLarge,
    TooSlow,
    Incomplete,
    /// The log can't store now, or there is no room for the body.
    Unavailable,
    DiskFull,
}

impl Outcome {
    pub(super) const ALL: [Self; 11] = [
        Self::Stored,
        Self::Duplicate,
        Self::Conflict,
        Self::BadSignature,
        Self::Limited,
        Self::Forbidden,
        Self::TooLarge,
        Self::TooSlow,
        Self::Incomplete,
        Self::Unavailable,
        Self::DiskFull,
    ];

    /// Its name in metrics and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::BadSignature => "bad_signature",
            Self::Limited => "limited",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Incomplete => "incomplete",
            Self::Unavailable | Self::DiskFull => "unavailable",
        }
    }

    pub(super) fn answer(self) -> Response {
        use StatusCode as S;
        const STORED: &str = r#"{"status":"stored"}"#;
        let (status, body) = match self {
            Self::Stored | Self::Conflict => (S::OK, STORED),
            Self::Duplicate => (S::OK, r#"{"status":"duplicate"}"#),
            Self::BadSignature => {
                (S::UNAUTHORIZED, error_body!("bad_signature", "The signature is missing or does not fit the body."))
            }
            Self::Limited => (S::TOO_MANY_REQUESTS, error_body!("too_many_bad_signatures", "Too many bad signatures.")),
            Self::Forbidden => (S::FORBIDDEN, error_body!("forbidden", "This endpoint does not take calls from here.")),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, error_body!("too_large", "The body is larger than allowed.")),
            Self::TooSlow => (S::REQUEST_TIMEOUT, error_body!("too_slow", "The body came too slowly.")),
            Self::Incomplete => (S::BAD_REQUEST, error_body!("incomplete", "The body did not come to its end.")),
            Self::Unavailable | Self::DiskFull => {
                (S::SERVICE_UNAVAILABLE, error_body!("unavailable", "This can't be stored now; send it again."))
            }
        };
        let mut response = json(status, body);
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }

    fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::DiskFull => Some("5"),
            Self::Unavailable | Self::Limited => Some("1"),
            _ => None,
        }
    }
}

impl From<BodyError> for Outcome {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::TooSlow => Self::TooSlow,
            BodyError::Incomplete => Self::Incomplete,
            BodyError::NoRoom => Self::Unavailable,
        }
    }
}

impl From<Result<Appended, AppendError>> for Outcome {
    fn from(result: Result<Appended, AppendError>) -> Self {
        match result {
            Ok(Appended::Stored { .. }) => Self::Stored,
            Ok(Appended::Repeated { .. }) => Self::Duplicate,
            Ok(Appended::Conflicting { .. }) => Self::Conflict,
            Err(AppendError::Full) => Self::DiskFull,
            Err(AppendError::Busy | AppendError::Closed) => Self::Unavailable,
        }
    }
}

/// The answer for what is not here.
pub(super) async fn not_found() -> Response {
    let mut response = json(StatusCode::NOT_FOUND, error_body!("not_found", "There is nothing here."));
    // So that a page that reports callbacks learns that they are off, and stops.
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// The answer of an endpoint to anything but POST.
pub(super) async fn method_not_allowed() -> Response {
    let mut response =
        json(StatusCode::METHOD_NOT_ALLOWED, error_body!("method_not_allowed", "Webhooks are sent with POST."));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}
