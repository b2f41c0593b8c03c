//! What became of a batch: its answer over HTTP, and its name in the metrics. Nothing of the request is in either, but for
//! the ids of callbacks that claim another user, which are UUIDs.

use std::time::Duration;

use axum::response::Response;
use http::{
    HeaderValue, StatusCode,
    header::{ALLOW, RETRY_AFTER},
};

use crate::net::answer::{error_body, json};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is durable, some perhaps since before.
    Stored,
    Malformed(&'static str),
    BadToken,
    TokenExpired,
    OriginNotAllowed,
    /// The ids of those that claim another user than the token's.
    WrongUser(Vec<String>),
    TooLarge,
    TooSlow,
    Incomplete,
    /// Come again after this time.
    RateLimited(Duration),
    /// The log can't store now, or too many are being stored.
    Unavailable,
    DiskFull,
}

impl Outcome {
    /// The names of all outcomes.
    pub const NAMES: [&str; 11] = [
        "stored",
        "malformed",
        "bad_token",
        "token_expired",
        "origin_not_allowed",
        "wrong_user",
        "too_large",
        "too_slow",
        "incomplete",
        "rate_limited",
        "unavailable",
    ];

    /// Its name in metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Malformed(_) => "malformed",
            Self::BadToken => "bad_token",
            Self::TokenExpired => "token_expired",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::WrongUser(_) => "wrong_user",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Incomplete => "incomplete",
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable | Self::DiskFull => "unavailable",
        }
    }

    pub fn answer(&self) -> Response {
        use StatusCode as S;
        let (status, body) = match self {
            Self::Stored => (S::OK, r#"{"status":"stored"}"#),
            Self::Malformed(what) => {
                let error = serde_json::json!({"error": {"code": "malformed", "message": what}});
                return json(S::BAD_REQUEST, error.to_string());
            }
            Self::BadToken => (S::UNAUTHORIZED, error_body!("bad_token", "The token is none of this relay's.")),
            Self::TokenExpired => (S::UNAUTHORIZED, error_body!("token_expired", "The token has expired.")),
            Self::OriginNotAllowed => {
                (S::FORBIDDEN, error_body!("origin_not_allowed", "The token may not be used from this origin."))
            }
            Self::WrongUser(ids) => {
                let message = "These callbacks are about another user than the token's. Nothing was stored.";
                let error = serde_json::json!({"error": {"code": "wrong_user", "message": message, "ids": ids}});
                return json(S::FORBIDDEN, error.to_string());
            }
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, error_body!("too_large", "The batch is larger than 64 KiB.")),
            Self::TooSlow => (S::REQUEST_TIMEOUT, error_body!("too_slow", "The batch came too slowly.")),
            Self::Incomplete => (S::REQUEST_TIMEOUT, error_body!("incomplete", "The batch did not come to its end.")),
            Self::RateLimited(_) => {
                (S::TOO_MANY_REQUESTS, error_body!("rate_limited", "Too many callbacks; send them again later."))
            }
            Self::Unavailable | Self::DiskFull => {
                (S::SERVICE_UNAVAILABLE, error_body!("unavailable", "This can't be stored now; send it again."))
            }
        };
        let mut response = json(status, body);
        let seconds = match self {
            Self::RateLimited(wait) => wait.as_secs() + 1,
            Self::DiskFull => 5,
            Self::Unavailable => 1,
            _ => return response,
        };
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        response
    }
}

/// The answer to anything but POST and OPTIONS where callbacks are sent.
pub async fn not_a_report() -> Response {
    method_not_allowed(error_body!("method_not_allowed", "Callbacks are sent with POST."), "POST, OPTIONS")
}

/// The answer to anything but GET and HEAD where scripts are.
pub async fn not_a_read() -> Response {
    method_not_allowed(error_body!("method_not_allowed", "This is read with GET."), "GET, HEAD")
}

fn method_not_allowed(body: &'static str, allowed: &'static str) -> Response {
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, body);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
