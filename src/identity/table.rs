//! Who there is at the moment: the files' content, put together for look-ups. Replaced as a whole when a file changes.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use tokio_util::sync::DropGuard;

use super::{
    Denial, Grants,
    file::Definition,
    jwt::{issuer::Issuer, keys::Fingerprint},
    pattern::{Kind, Pattern},
    tokens::{Hash, TokenFile},
    usage::Usage,
};
use crate::net::{ClientAuthorities, PeerCertificate};

/// Somebody whom the file names.
pub struct Identity {
    pub name: String,
    pub grants: Grants,
    pub usage: Arc<Usage>,
    pub definition: Definition,
}

/// What a caller has proved. It is looked up again when a file has changed, so it is kept with each stream, and small.
#[derive(Clone)]
pub enum Proof {
    Token(Hash),
    Certificate(Arc<PeerCertificate>),
    Jwt(Arc<JwtProof>),
}

pub struct JwtProof {
    /// The issuer's name in the file.
    pub issuer: String,
    pub subject: String,
    pub key: Fingerprint,
    pub until: SystemTime,
}

impl Proof {
    /// When it ends by itself.
    pub fn until(&self) -> Option<SystemTime> {
        match self {
            Self::Token(_) => None,
            Self::Certificate(certificate) => Some(certificate.not_after),
            Self::Jwt(jwt) => Some(jwt.until),
        }
    }
}

/// An issuer, whose keys are kept up to date for as long as a table has it.
#[derive(Clone)]
pub struct KeptIssuer {
    pub issuer: Arc<Issuer>,
    pub _stop: Arc<DropGuard>,
}

#[derive(Default)]
pub struct Table {
    pub identities: Vec<Arc<Identity>>,
    pub issuers: BTreeMap<String, KeptIssuer>,
    pub tokens: TokenFile,
}

impl Table {
    /// Whose proof this is.
    pub fn resolve(&self, proof: &Proof, authorities: Option<&ClientAuthorities>) -> Result<Arc<Identity>, Denial> {
        match proof {
            Proof::Token(hash) => {
                let name = self.tokens.find(hash).ok_or(Denial::UnknownToken)?;
                let nobody = || Denial::TokenOfNobody(name.to_owned());
                self.only(|identity| identity.tokens.iter().any(|token| token == name), nobody)
            }
            Proof::Certificate(certificate) => {
                if !authorities.is_some_and(|authorities| authorities.trusts(certificate)) {
                    return Err(Denial::CertificateUntrusted);
                }
                let has = |pattern: &Pattern| {
                    let names = if pattern.kind() == Kind::Uri { &certificate.uris } else { &certificate.hosts };
                    names.iter().any(|name| pattern.matches(name))
                };
                let nobody = || {
                    let names: Vec<_> = certificate.uris.iter().chain(&certificate.hosts).collect();
                    Denial::CertificateOfNobody(format!("{names:?}"))
                };
                self.only(|identity| identity.certificates.iter().any(has), nobody)
            }
            Proof::Jwt(jwt) => {
                let kept = self.issuers.get(&jwt.issuer).ok_or(Denial::UnknownIssuer)?;
                if !kept.issuer.has(&jwt.key) {
                    return Err(Denial::Jwt(super::jwt::JwtError::UnknownKey));
                }
                let has = |subjects: &[Pattern]| subjects.iter().any(|pattern| pattern.matches(&jwt.subject));
                let nobody = || Denial::SubjectOfNobody {
                    issuer: jwt.issuer.clone(),
                    // Those of services are no secret; of people they may be an address.
                    subject: if jwt.subject.contains('@') {
                        "(with an @)".into()
                    } else {
                        format!("{:?}", jwt.subject)
                    },
                };
                let is_of =
                    |identity: &Definition| identity.jwts.iter().any(|of| of.issuer == jwt.issuer && has(&of.subjects));
                self.only(is_of, nobody)
            }
        }
    }

    /// The one identity of which this is true: two are no answer.
    fn only(&self, is_it: impl Fn(&Definition) -> bool, nobody: impl Fn() -> Denial) -> Result<Arc<Identity>, Denial> {
        let mut found = self.identities.iter().filter(|identity| is_it(&identity.definition));
        match (found.next(), found.next()) {
            (None, _) => Err(nobody()),
            (Some(identity), None) => Ok(Arc::clone(identity)),
            (Some(one), Some(other)) => Err(Denial::Ambiguous(format!("{} and {}", one.name, other.name))),
        }
    }
}
