//! What an identity may.

use crate::event::{filter::Scope, redaction::Redaction};

/// Everything that an identity may do and see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// The events that it sees.
    pub scope: Scope,
    /// It may have the bytes and the signatures that Smile sent.
    pub raw_bodies: bool,
    /// It may make tokens for browsers that report callbacks.
    pub callback_tokens: bool,
    /// It may change what the relay holds.
    pub administer: bool,
    /// What is removed from the events that it sees.
    pub redaction: Redaction,
    /// Streams that it may have open at once, if it is fewer than all may have together.
    pub max_streams: Option<usize>,
}

impl Grants {
    /// What callers have while no identities are configured. Those that come over a network change nothing.
    #[must_use]
    pub fn without_identities(is_local: bool) -> Self {
        Self {
            scope: Scope::everything(),
            raw_bodies: true,
            callback_tokens: true,
            administer: is_local,
            redaction: Redaction::default(),
            max_streams: None,
        }
    }
}
