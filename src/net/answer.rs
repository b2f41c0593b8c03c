//! Answers of the public listener that are not the routes' own business: JSON, in one form for all errors.

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};

/// The body of an error, put together by the compiler. Nothing of the request is in it.
macro_rules! error_body {
    ($code:literal, $message:literal) => {
        concat!(r#"{"error":{"code":""#, $code, r#"","message":""#, $message, r#""}}"#)
    };
}
pub(crate) use error_body;

/// An answer in JSON.
pub fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
