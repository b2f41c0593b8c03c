//! Gets an issuer's key set, over HTTPS or from a file.
//!
//! Promises: ends in time; takes no more than a set may have; follows no redirection; the token that it asks with is not kept
//! and never part of an error.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnectorBuilder};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rustls::{ClientConfig, crypto::ring};
use zeroize::Zeroizing;

use super::keys::{Keys, KeysError, SET_BYTES};
use crate::{identity::file::KeySource, net};

/// For the whole of it.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{0}: {1}")]
    Keys(String, KeysError),
    #[error("{0}: it is larger than {SET_BYTES} bytes, or was broken off")]
    Body(String),
    #[error("token-file {0}: there is no token in it")]
    Token(String),
    #[error("ca-file {0}")]
    Authorities(#[from] net::tls::TlsError),
    #[error("the system's certificates can't be used: {0}; set ca-file")]
    System(String),
    #[error("{url} can't be reached: {problem}")]
    Unreachable { url: String, problem: String },
    #[error("{url} answers with {status}")]
    Status { url: String, status: http::StatusCode },
    #[error("{url} has not answered within {} s", TIMEOUT.as_secs())]
    TooSlow { url: String },
}

/// The keys as they are now.
pub async fn keys(source: &KeySource) -> Result<Keys, FetchError> {
    match source {
        KeySource::File(_) => {
            let source = source.clone();
            blocking(move || from_file(&source)).await
        }
        KeySource::Url { url, .. } => match tokio::time::timeout(TIMEOUT, from_url(source.clone(), url)).await {
            Ok(keys) => keys,
            Err(_) => Err(FetchError::TooSlow { url: url.to_string() }),
        },
    }
}

/// Checks what can be checked without a network.
pub fn check(source: &KeySource) -> Result<(), FetchError> {
    match source {
        KeySource::File(_) => from_file(source).map(drop),
        KeySource::Url { .. } => prepare(source).map(drop),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn from_file(source: &KeySource) -> Result<Keys, FetchError> {
    let KeySource::File(path) = source else { unreachable!("it is asked of files alone") };
    let json = read(path)?;
    Keys::parse(&json).map_err(|error| FetchError::Keys(path.display().to_string(), error))
}

fn read(path: &Path) -> Result<Vec<u8>, FetchError> {
    std::fs::read(path).map_err(|source| FetchError::File { path: path.display().to_string(), source })
}

/// Trust, and the header to ask with, as their files are now: both change in Kubernetes.
fn prepare(source: &KeySource) -> Result<(ClientConfig, Option<HeaderValue>), FetchError> {
    let KeySource::Url { ca_file, token_file, .. } = source else { unreachable!("it is asked of URLs alone") };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::System(error.to_string()))?;
    let builder = match ca_file {
        Some(path) => builder.with_root_certificates(net::authorities(path)?),
        None => builder.with_native_roots().map_err(|error| FetchError::System(error.to_string()))?,
    };
    let authorization = token_file.as_ref().map(|path| {
        let token = Zeroizing::new(read(path)?);
        let none = || FetchError::Token(path.display().to_string());
        let token = std::str::from_utf8(&token).map_err(|_| none())?.trim();
        if token.is_empty() {
            return Err(none());
        }
        let bearer = Zeroizing::new(format!("Bearer {token}"));
        let mut value = HeaderValue::from_str(&bearer).map_err(|_| none())?;
        value.set_sensitive(true);
        Ok(value)
    });
    Ok((builder.with_no_client_auth(), authorization.transpose()?))
}

async fn from_url(source: KeySource, url: &http::Uri) -> Result<Keys, FetchError> {
    let (tls, authorization) = blocking(move || prepare(&source)).await?;
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    let mut request = Request::get(url).header(header::ACCEPT, "application/jwk-set+json, application/json");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let unreachable = |error: &dyn std::error::Error| FetchError::Unreachable {
        url: url.to_string(),
        problem: error.source().map_or_else(|| error.to_string(), ToString::to_string),
    };
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| unreachable(&error))?;
    let answer = client.request(request).await.map_err(|error| unreachable(&error))?;
    if answer.status() != http::StatusCode::OK {
        return Err(FetchError::Status { url: url.to_string(), status: answer.status() });
    }
    let body = Limited::new(answer.into_body(), SET_BYTES).collect().await;
    let body = body.map_err(|_| FetchError::Body(url.to_string()))?.to_bytes();
    Keys::parse(&body).map_err(|error| FetchError::Keys(url.to_string(), error))
}
