//! Whom an HTTPS client trusts: the system's authorities, one given authority, or, for a relay with a certificate of its
//! own making, anybody.

use std::{path::PathBuf, sync::Arc};

use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

/// Whose certificates are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    #[default]
    System,
    /// Those signed by an authority in this PEM file, and no others.
    Ca(PathBuf),
    /// Every one.
    Anything,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot use the CA file {}: {problem}", path.display())]
    Ca { path: PathBuf, problem: String },
    #[error("cannot load the system's certificates: {0}; give --ca FILE")]
    System(#[source] std::io::Error),
    #[error("cannot set TLS up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Connects over HTTP/1.1, plain or TLS as the URL says. `None` is for plain URLs, for which no certificates need to be
/// there: containers often have none.
pub fn connector(trust: Option<&Trust>) -> Result<HttpsConnector<HttpConnector>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = match trust {
        None => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        Some(Trust::System) => builder.with_native_roots().map_err(TlsError::System)?.with_no_client_auth(),
        Some(Trust::Ca(path)) => builder.with_root_certificates(authorities(path)?).with_no_client_auth(),
        Some(Trust::Anything) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
    };
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(tcp))
}

fn authorities(path: &PathBuf) -> Result<RootCertStore, TlsError> {
    let problem = |problem: String| TlsError::Ca { path: path.clone(), problem };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| problem(error.to_string()))? {
        let certificate = certificate.map_err(|error| problem(error.to_string()))?;
        roots.add(certificate).map_err(|error| problem(error.to_string()))?;
    }
    if roots.is_empty() { Err(problem("there is no certificate in it".to_owned())) } else { Ok(roots) }
}

/// Takes every certificate; still checks that the peer holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
