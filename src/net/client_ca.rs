//! The authorities whose client certificates are accepted, as they are in their file at the moment.
//!
//! Promises: a certificate that none of them has signed, or that is not for clients, or expired, ends the handshake; a
//! client without one gets in, as it may prove in another way who it is. Authorities change while connections go on:
//! [`ClientAuthorities::trusts`] says of an older connection whether it would still be let in.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::ring,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{PeerCertificate, tls::TlsError};

/// Authorities of clients. What is trusted is replaced as a whole.
#[derive(Debug)]
pub struct ClientAuthorities {
    now: RwLock<Arc<dyn ClientCertVerifier>>,
    /// Counts the replacements, from 1 on.
    generation: AtomicU64,
}

impl ClientAuthorities {
    /// Those in this PEM file.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(path: &Path) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self { now: RwLock::new(verifier(path)?), generation: AtomicU64::new(1) }))
    }

    /// From now on those in this file are trusted, and no others.
    ///
    /// # Errors
    /// As [`Self::load`]; nothing changes then.
    pub fn replace(&self, path: &Path) -> Result<(), TlsError> {
        let verifier = verifier(path)?;
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        *now = verifier;
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Whether the certificate of a connection would be accepted now; that it has not expired is for its reader to see.
    #[must_use]
    pub fn trusts(&self, certificate: &PeerCertificate) -> bool {
        let generation = self.generation.load(Ordering::Acquire);
        if certificate.trusted_at.load(Ordering::Relaxed) == generation {
            return true;
        }
        let Some((leaf, rest)) = certificate.chain.split_first() else { return false };
        let is_trusted = self.now().verify_client_cert(leaf, rest, UnixTime::now()).is_ok();
        if is_trusted {
            certificate.trusted_at.store(generation, Ordering::Relaxed);
        }
        is_trusted
    }

    fn now(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientCertVerifier for ClientAuthorities {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None, as they may change: clients send the certificate that they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.now().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().supported_verify_schemes()
    }
}

fn verifier(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), Arc::new(ring::default_provider()))
        .allow_unauthenticated()
        .build()
        .map_err(|source| TlsError::Authorities { path: path.to_owned(), source })
}

/// The authorities in a PEM file.
///
/// # Errors
/// Names the file, if it can't be read, or one in it is none, or it holds none.
pub fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let path = || -> PathBuf { path.to_owned() };
    let pem = fs::read(path()).map_err(|source| TlsError::Unreadable { path: path(), source })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| TlsError::Malformed { path: path() })?;
        roots.add(certificate).map_err(|_| TlsError::Malformed { path: path() })?;
    }
    if roots.is_empty() { Err(TlsError::NoCertificate { path: path() }) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};

    use super::*;

    fn authority() -> (Issuer<'static, KeyPair>, String) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (Issuer::new(params, key), pem)
    }

    fn client(issuer: &Issuer<'static, KeyPair>) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["A.example.com".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://a/b".to_owned().try_into().unwrap()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().der().clone()
    }

    #[test]
    fn trust_follows_the_file_and_what_can_not_be_used_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let ((one, one_pem), (two, two_pem)) = (authority(), authority());
        let both = write("both", &format!("{one_pem}{two_pem}"));
        let authorities = ClientAuthorities::load(&both).unwrap();
        let of = |issuer| PeerCertificate::of(Some(&[client(issuer)])).unwrap();
        let (by_one, by_two) = (of(&one), of(&two));
        assert_eq!(
            (by_one.uris.as_slice(), by_one.hosts.as_slice()),
            (&["spiffe://a/b".to_owned()][..], &["a.example.com".to_owned()][..])
        );
        assert!(authorities.trusts(&by_one) && authorities.trusts(&by_two));

        authorities.replace(&write("two", &two_pem)).unwrap();
        assert!(!authorities.trusts(&by_one) && authorities.trusts(&by_two));
        for useless in ["", "not PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(authorities.replace(&write("useless", useless)).is_err(), "{useless:?}");
        }
        assert!(authorities.replace(&directory.path().join("missing")).is_err());
        assert!(!authorities.trusts(&by_one) && authorities.trusts(&by_two));
        authorities.replace(&both).unwrap();
        assert!(authorities.trusts(&by_one), "back again");

        assert!(PeerCertificate::of(None).is_none());
        assert!(PeerCertificate::of(Some(&[CertificateDer::from(vec![1, 2, 3])])).is_none());
    }
}
