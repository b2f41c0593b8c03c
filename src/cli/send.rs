//! Sends webhooks as Smile does: a signed POST. Used by `trigger`, and by whatever else needs a relay to have events.
//!
//! Promises: the bytes go out exactly as given, with the signature over those very bytes. Connections are kept for the
//! next sending. An answer of any status is an answer; only what prevented one is an error.

use std::time::{Duration, Instant};

use bytes::Bytes;
use faster_hex::hex_string;
use http::{Request, StatusCode, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

pub use super::tls::Trust;
use super::{CliError, chain, secret::Secret, tls};
use crate::webhook::signature;

/// Longer than a relay keeps a webhook waiting for its log.
const TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES: usize = 64 * 1024;

/// Signs and sends webhooks to one URL. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    secret: Secret,
}

/// What a relay answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// The body, unless it is too large to be a relay's.
    pub body: Bytes,
    /// From the start of the sending to the end of the answer.
    pub took: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("cannot send to {url}: {cause}{}", self.hint())]
    Unsent { url: String, cause: String },
    #[error("{url} did not answer within {} s", TIMEOUT.as_secs())]
    Silent { url: String },
}

impl SendError {
    fn hint(&self) -> &'static str {
        match self {
            // No type tells these apart through the layers of the HTTP client.
            Self::Unsent { cause, .. } if cause.contains("certificate") => {
                "; for a relay with a certificate of its own making give --ca FILE, or --insecure"
            }
            Self::Unsent { cause, .. } if cause.contains("InvalidContentType") => "; it speaks no TLS: try http://",
            Self::Unsent { cause, .. } if cause.contains("invalid HTTP version") => "; it may speak TLS: try https://",
            Self::Unsent { cause, .. } if cause.contains("Connection refused") => "; is `smile-relay serve` running?",
            _ => "",
        }
    }
}

impl Answer {
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// True if the relay says that it held the event already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.is_success() && self.json().is_some_and(|answer| answer["status"] == "duplicate")
    }

    /// The relay's own words about an error.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        self.json()?["error"]["message"].as_str().map(str::to_owned)
    }

    fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl Sender {
    /// # Errors
    /// If the certificates to trust can't be loaded.
    pub fn new(url: Uri, secret: Secret, trust: &Trust) -> Result<Self, CliError> {
        let connector = tls::connector(if url.scheme_str() == Some("http") { None } else { Some(trust) })?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, url, secret })
    }

    /// Signs and sends one body.
    ///
    /// # Errors
    /// If there was no answer.
    pub async fn send(&self, body: Bytes) -> Result<Answer, SendError> {
        let unsent = |error: &(dyn std::error::Error + 'static)| SendError::Unsent {
            url: self.url.to_string(),
            cause: chain(error),
        };
        let request = Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(&signature::HEADER, hex_string(&self.secret.sign(&body)))
            .body(Full::new(body))
            .map_err(|error| unsent(&error))?;
        let start = Instant::now();
        let answered = async {
            let answer = self.client.request(request).await.map_err(|error| unsent(&error))?;
            let status = answer.status();
            // A body that breaks off or is overlong takes nothing from the status.
            let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
            Ok((status, body.map(http_body_util::Collected::to_bytes).unwrap_or_default()))
        };
        let (status, body) = tokio::time::timeout(TIMEOUT, answered)
            .await
            .map_err(|_| SendError::Silent { url: self.url.to_string() })??;
        Ok(Answer { status, body, took: start.elapsed() })
    }
}

#[cfg(test)]
mod tests;
