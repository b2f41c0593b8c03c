//! The way to a relay's gRPC interface, shared by every command that reads from one.
//!
//! Promises: the address is checked before anything is connected, and an unreachable relay is told from one that
//! refuses. Connecting takes at most ten seconds, a call with one answer at most thirty.

mod credentials;

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::{
    Response, Status,
    service::interceptor::InterceptedService,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tower::service_fn;

use super::{CliError, chain};
use crate::event::{
    cursor::{self, CursorError, LogId},
    pb::relay_service_client::RelayServiceClient,
};

use self::credentials::Bearer;
pub use self::credentials::CredentialArgs;

pub type Client = RelayServiceClient<Connected>;
/// A connection that shows who calls.
pub type Connected = InterceptedService<Channel, Bearer>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Relay")]
pub struct ClientArgs {
    /// The relay's gRPC address: http://HOST:PORT, https://HOST:PORT, or unix:/PATH
    #[arg(long, env = "SMILE_RELAY_ADDRESS", value_name = "ADDRESS", default_value = "http://127.0.0.1:50051")]
    pub address: Address,
    /// Trust this CA (PEM) instead of the system's, for https addresses
    #[arg(long = "ca", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    #[command(flatten)]
    pub credentials: CredentialArgs,
}

/// Where a relay listens for gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A URL, plaintext or TLS.
    Tcp {
        url: String,
        tls: bool,
    },
    Unix(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("expected http://HOST:PORT, https://HOST:PORT or unix:/PATH")]
    Address,
    #[error("--ca is of use only for an https:// address, and {address} is none")]
    CaWithoutTls { address: Address },
    #[error("cannot read the CA file {}: {source}", path.display())]
    CaFile { path: PathBuf, source: std::io::Error },
    #[error("--client-cert is of use only for an https:// address, and {address} is none")]
    CertWithoutTls { address: Address },
    #[error("cannot read the client certificate or its key {}: {source}", path.display())]
    ClientCertFile { path: PathBuf, source: std::io::Error },
    #[error("cannot read the token file {}: {source}", path.display())]
    TokenFile { path: PathBuf, source: std::io::Error },
    #[error("there is no token in the token file {}", path.display())]
    Token { path: PathBuf },
    #[error("the token would travel to {address} in plaintext: use https://, a loopback address or unix:/PATH")]
    TokenInTheOpen { address: Address },
    #[error("cannot use the CA, the client certificate or the address {address}: {}", chain(source))]
    Setup { address: Address, source: tonic::transport::Error },
    #[error("cannot reach the relay at {address}: {}; {}", chain(source), hint(&chain(source)))]
    Unreachable { address: Address, source: tonic::transport::Error },
    #[error("the relay did not answer within {} s", CALL_TIMEOUT.as_secs())]
    Silent,
}

/// What to do about a failed connection. No type tells the causes apart through the layers of the client.
fn hint(cause: &str) -> &'static str {
    if cause.contains("certificate") {
        "give the authority that signed its certificate with --ca FILE"
    } else if cause.contains("InvalidContentType") {
        "it speaks no TLS: try http://"
    } else {
        "is `smile-relay serve` running?"
    }
}

impl ClientError {
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Unreachable { .. } | Self::Silent)
    }
}

impl FromStr for Address {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        if let Some(path) = text.strip_prefix("unix:") {
            // unix:///path is how gRPC libraries write unix:/path.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(ClientError::Address) } else { Ok(Self::Unix(path.into())) };
        }
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: http::Uri = url.parse().map_err(|_| ClientError::Address)?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(ClientError::Address),
        };
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(ClientError::Address);
        }
        Ok(Self::Tcp { url: url.trim_end_matches('/').to_owned(), tls })
    }
}

impl Address {
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { url, .. } => out.write_str(url),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl ClientArgs {
    /// Connects, and takes messages of up to `receive_limit` bytes.
    ///
    /// # Errors
    /// If the relay can't be reached, or the CA can't be used.
    pub async fn connect(&self, receive_limit: usize) -> Result<Client, ClientError> {
        Ok(Client::new(self.channel().await?).max_decoding_message_size(receive_limit))
    }

    /// Connects, for a client of any service.
    ///
    /// # Errors
    /// As `connect`.
    pub async fn channel(&self) -> Result<Connected, ClientError> {
        let address = || self.address.clone();
        let setup = |source| ClientError::Setup { address: address(), source };
        let bearer = self.credentials.bearer(&self.address)?;
        let channel = match &self.address {
            address if self.ca.is_some() && !address.is_tls() => {
                return Err(ClientError::CaWithoutTls { address: address.clone() });
            }
            address if self.credentials.has_certificate() && !address.is_tls() => {
                return Err(ClientError::CertWithoutTls { address: address.clone() });
            }
            Address::Tcp { url, tls } => {
                let mut endpoint = Endpoint::from_shared(url.clone()).map_err(setup)?;
                if *tls {
                    endpoint = endpoint.tls_config(self.tls()?).map_err(setup)?;
                }
                endpoint.connect_timeout(CONNECT_TIMEOUT).connect().await
            }
            Address::Unix(path) => {
                let path = path.clone();
                // The URI names nobody: it becomes `:authority`, where a socket's path is not allowed.
                Endpoint::from_static("http://localhost")
                    .connect_timeout(CONNECT_TIMEOUT)
                    .connect_with_connector(service_fn(move |_| {
                        let path = path.clone();
                        async move { UnixStream::connect(path).await.map(TokioIo::new) }
                    }))
                    .await
            }
        };
        let channel = channel.map_err(|source| ClientError::Unreachable { address: address(), source })?;
        Ok(InterceptedService::new(channel, bearer))
    }

    fn tls(&self) -> Result<ClientTlsConfig, ClientError> {
        let Some(path) = &self.ca else {
            return self.credentials.certify(ClientTlsConfig::new().with_native_roots());
        };
        let pem = std::fs::read(path).map_err(|source| ClientError::CaFile { path: path.clone(), source })?;
        self.credentials.certify(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
    }
}

/// True if `text` is a cursor of any log: an undamaged one, that is.
#[must_use]
pub fn is_cursor(text: &str) -> bool {
    // Whose log it is of is for the relay to say.
    !matches!(cursor::decode(LogId([0; 16]), text), Err(CursorError::Unreadable))
}

/// The answer to a call that has only one.
///
/// # Errors
/// If the relay refuses, or does not answer in time.
pub async fn answer<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, CliError> {
    let answered = tokio::time::timeout(CALL_TIMEOUT, call).await.map_err(|_| ClientError::Silent)?;
    Ok(answered?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_as_given() {
        for (text, shown) in [
            ("http://127.0.0.1:50051", "http://127.0.0.1:50051"),
            ("https://relay.internal:50051/", "https://relay.internal:50051"),
            ("localhost:50051", "http://localhost:50051"),
            ("[::1]:50051", "http://[::1]:50051"),
            ("unix:/run/relay.sock", "unix:/run/relay.sock"),
            ("unix:///run/relay.sock", "unix:/run/relay.sock"),
            ("unix:relay.sock", "unix:relay.sock"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "unix:", "ftp://relay:1", "http://relay:1/path", "http://", "a b"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
