//! Why a call is not let in. The caller learns no more than that it is not; the log and the metrics do.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::jwt::JwtError;
use crate::net::Peer;

/// What was wrong with who calls, or with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    #[error("it brought neither a token nor a client certificate")]
    NoCredentials,
    #[error("the header `authorization` is not `Bearer TOKEN`, or too long")]
    Header,
    #[error("its token is not in the token file, and is no JSON web token")]
    UnknownToken,
    #[error("the token named {0} is of no identity")]
    TokenOfNobody(String),
    #[error("its token is from an issuer that is not in the identities file")]
    UnknownIssuer,
    #[error("its token can't be taken: {0}")]
    Jwt(JwtError),
    #[error("the keys of the issuer {0} could never be had so far")]
    NoKeys(String),
    #[error("its token is good, and its subject, {subject}, of no identity (issuer {issuer})")]
    SubjectOfNobody { issuer: String, subject: String },
    #[error("its client certificate has expired")]
    CertificateExpired,
    #[error("its client certificate is of an authority that is trusted no longer")]
    CertificateUntrusted,
    #[error("its client certificate is good, and its names, {0}, of no identity")]
    CertificateOfNobody(String),
    #[error("it is of several identities: {0}")]
    Ambiguous(String),
    #[error("the identity {identity} lacks the grant: {grant}")]
    NotGranted { identity: String, grant: &'static str },
    #[error("there is no such call here")]
    UnknownCall,
    #[error("the identity {0} opens streams too often")]
    TooManyStarts(String),
    #[error("the identity {0} has too many streams open")]
    TooManyStreams(String),
}

impl Denial {
    /// For the metrics: a fixed list.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::Header | Self::UnknownToken => "unknown_token",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Jwt(JwtError::Expired) => "expired_token",
            Self::Jwt(_) => "bad_token",
            Self::NoKeys(_) => "no_keys",
            Self::CertificateExpired | Self::CertificateUntrusted => "bad_certificate",
            Self::TokenOfNobody(_) | Self::SubjectOfNobody { .. } | Self::CertificateOfNobody(_) => "no_identity",
            Self::Ambiguous(_) => "ambiguous",
            Self::NotGranted { .. } => "not_granted",
            Self::UnknownCall => "unknown_call",
            Self::TooManyStarts(_) => "too_many_starts",
            Self::TooManyStreams(_) => "too_many_streams",
        }
    }
}

/// Denials in the log: whoever likes can cause them, so they are not all written. Each reason has an allowance of its own,
/// so that the many of one kind don't hide the few of another.
pub(super) struct DenialLog {
    allowed: DefaultKeyedRateLimiter<&'static str>,
    left_out: AtomicU64,
}

impl Default for DenialLog {
    fn default() -> Self {
        let at_once = const { NonZeroU32::new(20).unwrap() };
        let quota = Quota::per_second(NonZeroU32::MIN).allow_burst(at_once);
        Self { allowed: RateLimiter::keyed(quota), left_out: AtomicU64::new(0) }
    }
}

impl DenialLog {
    pub(super) fn note(&self, denial: &Denial, call: &str, peer: Peer) {
        let reason = denial.reason();
        if self.allowed.check_key(&reason).is_err() {
            self.left_out.fetch_add(1, Relaxed);
            return;
        }
        let left_out = self.left_out.swap(0, Relaxed);
        let peer = peer.0.map_or_else(|| "unix".to_owned(), |peer| peer.to_string());
        tracing::warn!(call, peer, reason, left_out, "a call was denied: {denial}");
    }
}
