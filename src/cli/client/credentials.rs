//! How a command says who it is: a token from a file with each call, a client certificate with the connection.
//!
//! Promises: the token is read again for each connection, as it may be replaced at any time; it is sent only where nobody can
//! listen in, and never shown.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
    transport::{ClientTlsConfig, Identity},
};
use zeroize::Zeroizing;

use super::{Address, ClientError};

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Relay")]
pub struct CredentialArgs {
    /// A file with the token to call with, if the relay asks for one
    #[arg(long, env = "SMILE_RELAY_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A client certificate (PEM), for https addresses
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl CredentialArgs {
    #[cfg(test)]
    pub fn with_token(file: PathBuf) -> Self {
        Self { token_file: Some(file), ..Self::default() }
    }

    /// What goes with each call.
    ///
    /// # Errors
    /// If the token's file can't be used, or its token would travel in the open.
    pub fn bearer(&self, address: &Address) -> Result<Bearer, ClientError> {
        let Some(path) = &self.token_file else { return Ok(Bearer(None)) };
        if !is_private(address) {
            return Err(ClientError::TokenInTheOpen { address: address.clone() });
        }
        let unreadable = |source| ClientError::TokenFile { path: path.clone(), source };
        let token = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
        let header = Zeroizing::new(format!("Bearer {}", token.trim()));
        let mut value: MetadataValue<Ascii> = header
            .parse()
            .ok()
            .filter(|_| !token.trim().is_empty())
            .ok_or_else(|| ClientError::Token { path: path.clone() })?;
        value.set_sensitive(true);
        Ok(Bearer(Some(value)))
    }

    /// Adds the client certificate.
    ///
    /// # Errors
    /// If its files can't be read.
    pub fn certify(&self, tls: ClientTlsConfig) -> Result<ClientTlsConfig, ClientError> {
        let (Some(cert), Some(key)) = (&self.client_cert, &self.client_key) else { return Ok(tls) };
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| ClientError::ClientCertFile { path: path.clone(), source })
        };
        let key = Zeroizing::new(read(key)?);
        Ok(tls.identity(Identity::from_pem(read(cert)?, key.as_slice())))
    }

    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token_file.is_some()
    }

    #[must_use]
    pub fn has_certificate(&self) -> bool {
        self.client_cert.is_some()
    }
}

/// Whether what is sent to an address stays between the two.
fn is_private(address: &Address) -> bool {
    let Address::Tcp { url, tls } = address else { return true };
    let uri = url.parse::<http::Uri>().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    *tls || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The token that goes with each call, if there is one.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_travels_in_the_open() {
        for (address, is_private) in [
            ("https://relay.internal:50051", true),
            ("http://127.0.0.1:50051", true),
            ("http://[::1]:50051", true),
            ("http://localhost:50051", true),
            ("unix:/run/relay.sock", true),
            ("http://10.0.0.1:50051", false),
            ("http://localhost.example:50051", false),
        ] {
            assert_eq!(super::is_private(&address.parse().unwrap()), is_private, "{address}");
        }
    }

    #[test]
    fn a_token_is_read_from_its_file_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let args = CredentialArgs { token_file: Some(path.clone()), ..CredentialArgs::default() };
        let address: Address = "http://127.0.0.1:1".parse().unwrap();
        assert!(matches!(args.bearer(&address), Err(ClientError::TokenFile { .. })));
        std::fs::write(&path, " \n").unwrap();
        assert!(matches!(args.bearer(&address), Err(ClientError::Token { .. })));
        std::fs::write(&path, "t0ken\n").unwrap();
        let request = args.bearer(&address).unwrap().call(Request::new(())).unwrap();
        assert_eq!(request.metadata().get("authorization").unwrap().to_str().unwrap(), "Bearer t0ken");
        assert!(!format!("{:?}", request.metadata()).contains("t0ken"));
    }
}
