//! TLS for the listeners: server configurations from PEM files, or made up for a try.
//!
//! TLS 1.2 and 1.3 by rustls over ring; sessions resume by tickets, never with early data, which could be replayed.
//! Nothing of a key's file is ever part of an error, and what was read of it is overwritten.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

use super::ClientAuthorities;

/// What the public listener speaks.
pub const ALPN_WEB: &[&[u8]] = &[b"h2", b"http/1.1"];
/// What the gRPC listener speaks.
pub const ALPN_GRPC: &[&[u8]] = &[b"h2"];

/// Why there is no TLS. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: it is not well-formed PEM; is it cut off, or a binary (DER) file?", path.display())]
    Malformed { path: PathBuf },
    #[error("{}: there is no certificate in it (BEGIN CERTIFICATE)", path.display())]
    NoCertificate { path: PathBuf },
    #[error("{}: there is no unencrypted private key in it (BEGIN PRIVATE KEY, RSA or EC)", path.display())]
    NoKey { path: PathBuf },
    #[error(
        "{}: the key is not that of the first certificate in {}, which has to be the server's own", key.display(),
        certificate.display()
    )]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("{} with {}: {source}", certificate.display(), key.display())]
    Unusable { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("{}: {source}", path.display())]
    Authorities { path: PathBuf, source: rustls::server::VerifierBuilderError },
    #[error("no certificate can be made for these names: {0}")]
    SelfSigned(#[from] rcgen::Error),
    #[error("TLS can't be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate that a listener shows; connections that are being made when it changes have the one or the other.
#[derive(Debug)]
pub struct Certificate {
    shown: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    fn new(certified: CertifiedKey) -> Arc<Self> {
        Arc::new(Self { shown: RwLock::new(Arc::new(certified)) })
    }

    /// The certificate that is shown, in DER.
    #[must_use]
    pub fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).cert.first().cloned()
    }

    /// From now on the certificate chain and the key in these PEM files are shown.
    ///
    /// # Errors
    /// As [`load`]; nothing changes then.
    pub fn replace(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        let certified = Arc::new(certified(certificate, key)?);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// How a listener speaks TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    pub config: Arc<ServerConfig>,
    pub certificate: Arc<Certificate>,
}

/// TLS with the certificate chain and the key in these PEM files.
///
/// # Errors
/// Each names the file and what is wrong with it.
pub fn load(certificate: &Path, key: &Path, alpn: &[&[u8]]) -> Result<Tls, TlsError> {
    configure(certified(certificate, key)?, alpn, None)
}

/// The same for gRPC; clients may prove who they are by certificates of `authorities`, if there are any.
///
/// # Errors
/// As [`load`].
pub fn load_for_grpc(
    certificate: &Path,
    key: &Path,
    authorities: Option<Arc<ClientAuthorities>>,
) -> Result<Tls, TlsError> {
    configure(certified(certificate, key)?, ALPN_GRPC, authorities)
}

fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::Malformed { path: certificate.to_owned() })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: certificate.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_slice(&Zeroizing::new(read(key)?)).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey { path: key.to_owned() },
        _ => TlsError::Malformed { path: key.to_owned() },
    })?;
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        source => TlsError::Unusable { certificate: certificate.to_owned(), key: key.to_owned(), source },
    })
}

/// A configuration with a new certificate for `names` (host names or IP addresses) that nobody but the one who is
/// given the second value, its PEM, trusts.
///
/// # Errors
/// If a name can't be in a certificate.
pub fn self_signed(names: &[String], alpn: &[&[u8]]) -> Result<(Tls, String), TlsError> {
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::from(made.signing_key);
    let certified = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &ring::default_provider())?;
    Ok((configure(certified, alpn, None)?, made.cert.pem()))
}

fn configure(
    certified: CertifiedKey,
    alpn: &[&[u8]],
    clients: Option<Arc<ClientAuthorities>>,
) -> Result<Tls, TlsError> {
    let certificate = Certificate::new(certified);
    let is_for_all = clients.is_none();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    if is_for_all {
        config.ticketer = ring::Ticketer::new()?;
    } else {
        // A session that is resumed is not looked at again: its certificate may have expired, or lost its authority.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Tls { config: Arc::new(config), certificate })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_fits_and_says_what_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (ours, other) = (pair(), pair());
        let certificate = write("cert.pem", &ours.cert.pem());
        let key = write("key.pem", &ours.signing_key.serialize_pem());
        let other_key = write("other.pem", &other.signing_key.serialize_pem());
        let cut = write("cut.pem", &ours.signing_key.serialize_pem()[..90]);
        let missing = directory.path().join("missing.pem");

        assert_eq!(load(&certificate, &key, ALPN_WEB).unwrap().config.alpn_protocols, ALPN_WEB);
        assert!(matches!(load(&missing, &key, ALPN_WEB), Err(TlsError::Unreadable { path, .. }) if path == missing));
        assert!(matches!(load(&key, &key, ALPN_WEB), Err(TlsError::NoCertificate { path }) if path == key));
        assert!(
            matches!(load(&certificate, &certificate, ALPN_WEB), Err(TlsError::NoKey { path }) if path == certificate)
        );
        assert!(matches!(load(&certificate, &cut, ALPN_WEB), Err(TlsError::Malformed { path }) if path == cut));
        assert!(matches!(load(&certificate, &other_key, ALPN_WEB), Err(TlsError::Mismatch { .. })));

        let shown = load(&certificate, &key, ALPN_WEB).unwrap().certificate;
        let first = || shown.shown.read().unwrap().cert[0].to_vec();
        assert!(shown.replace(&certificate, &other_key).is_err());
        assert_eq!(first(), ours.cert.der().to_vec(), "what can't be used changes nothing");
        shown.replace(&write("next.pem", &other.cert.pem()), &other_key).unwrap();
        assert_eq!(first(), other.cert.der().to_vec());
    }

    #[test]
    fn makes_a_certificate_of_its_own() {
        let (_, pem) = self_signed(&["localhost".to_owned(), "127.0.0.1".to_owned()], ALPN_WEB).unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
