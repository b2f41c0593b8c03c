//! Who is at the other end of a connection: what parts find in the extensions of each request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::CertificateDer;
use x509_parser::{extensions::GeneralName, prelude::FromDer};

/// The connection that a request came on.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Tells connections apart, within this process.
    pub number: u64,
    /// What the peer has proved to be, if it was asked to and could.
    pub certificate: Option<Arc<PeerCertificate>>,
}

impl Connection {
    pub(super) fn new(certificate: Option<PeerCertificate>) -> Self {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
        Self { number: CONNECTIONS.fetch_add(1, Relaxed), certificate: certificate.map(Arc::new) }
    }
}

/// A client's certificate, signed by an authority that was trusted when the connection was made, and whose key the client
/// holds.
#[derive(Debug)]
pub struct PeerCertificate {
    /// The client's own comes first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Its subject's names that are URIs.
    pub uris: Vec<String>,
    /// Those that are names of hosts, in small letters.
    pub hosts: Vec<String>,
    /// When it expires.
    pub not_after: SystemTime,
    /// The authorities' generation by which it was found to be trusted last; 0: none yet.
    pub(super) trusted_at: AtomicU64,
}

impl PeerCertificate {
    /// None if there is none, or it is one that can't be read.
    pub(super) fn of(chain: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        let chain: Vec<_> = chain?.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let (_, leaf) = x509_parser::certificate::X509Certificate::from_der(chain.first()?).ok()?;
        let seconds = u64::try_from(leaf.validity().not_after.timestamp()).unwrap_or(0);
        let not_after = UNIX_EPOCH + Duration::from_secs(seconds);
        let (mut uris, mut hosts) = (Vec::new(), Vec::new());
        for name in leaf.subject_alternative_name().ok()?.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(host) => hosts.push(host.to_ascii_lowercase()),
                _ => {}
            }
        }
        Some(Self { uris, hosts, not_after, trusted_at: AtomicU64::new(0), chain })
    }
}
