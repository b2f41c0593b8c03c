//! What the webhook intake has to know, checked before anything runs.

use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

use super::{
    Secret, Tracer,
    budget::{Budget, BudgetTooSmall},
};
use crate::{callback, net::Networks};

/// What Smile sends webhooks from today, for lists of those who may call.
pub const SMILES_ADDRESS: &str = "18.142.61.230";

/// One webhook URL.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(super) name: String,
    pub(super) secrets: Vec<Secret>,
    pub(super) allow_peers: Networks,
}

impl Endpoint {
    /// The endpoint `/webhooks/{name}`, whose bodies any of `secrets` verifies. Only peers in `allow_peers` may call it;
    /// everybody if that is empty.
    ///
    /// # Errors
    /// If the name can't be one, or there is no secret.
    pub fn new(name: &str, secrets: Vec<Secret>, allow_peers: Networks) -> Result<Self, SettingsError> {
        let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
            return Err(SettingsError::Name(name.to_owned()));
        }
        if name == callback::ENDPOINT {
            return Err(SettingsError::Reserved(name.to_owned()));
        }
        if secrets.is_empty() {
            return Err(SettingsError::NoSecret(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), secrets, allow_peers })
    }
}

/// Settings under which no webhook could be taken safely.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("{0:?} can't be an endpoint's name: it is part of a URL; use a-z, 0-9 and -, 64 at most")]
    Name(String),
    #[error("{0} can't be an endpoint's name: it stands for what browsers report; choose another")]
    Reserved(String),
    #[error("the endpoint {0} has no secret to verify webhooks with")]
    NoSecret(String),
    #[error("the endpoint {0} is there twice")]
    Twice(String),
    #[error("--max-body is out of range; set it to at least 1 KiB and at most 1 GiB")]
    BodyLimit,
    #[error(transparent)]
    Budget(#[from] BudgetTooSmall),
}

/// How fast a body has to arrive. Time that it waits for room does not count.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The longest time without a byte.
    pub idle: Duration,
    /// For the whole body.
    pub total: Duration,
    /// After this time, on average, so many bytes a second.
    pub grace: Duration,
    pub bytes_per_second: u32,
    /// The same while others wait for the room that this body takes. It may wait for more room for as long.
    pub pressed_grace: Duration,
    pub pressed_bytes_per_second: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(10),
            total: Duration::from_mins(1),
            grace: Duration::from_secs(10),
            bytes_per_second: 64 * 1024,
            pressed_grace: Duration::from_secs(2),
            pressed_bytes_per_second: 2 * 1024 * 1024,
        }
    }
}

/// What the webhook intake has to know.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) body_limit_bytes: usize,
    pub(super) body_budget_bytes: usize,
    /// How long a body may wait for room altogether, before it is told to come again.
    pub room_timeout: Duration,
    pub pace: Pace,
    /// Wrong signatures that one address may send a second, and at once, before the answer is 429.
    pub wrong_per_second: NonZeroU32,
    pub wrong_at_once: NonZeroU32,
    /// Makes spans of webhooks. None: tracing is off.
    pub tracer: Option<Tracer>,
}

impl Settings {
    /// The largest body that is taken is `body_limit_bytes`; all that are being read or stored share
    /// `body_budget_bytes`.
    ///
    /// # Errors
    /// If an endpoint is there twice, or the budget is too small for the limit.
    pub fn new(
        endpoints: Vec<Endpoint>,
        body_limit_bytes: usize,
        body_budget_bytes: usize,
    ) -> Result<Self, SettingsError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = endpoints.iter().find(|endpoint| !names.insert(&endpoint.name)) {
            return Err(SettingsError::Twice(twice.name.clone()));
        }
        if !(1024..=1024 * 1024 * 1024).contains(&body_limit_bytes) {
            return Err(SettingsError::BodyLimit);
        }
        Budget::check(body_budget_bytes, body_limit_bytes)?;
        Ok(Self {
            endpoints,
            body_limit_bytes,
            body_budget_bytes,
            room_timeout: Duration::from_secs(10),
            pace: Pace::default(),
            wrong_per_second: const { NonZeroU32::new(10).unwrap() },
            wrong_at_once: const { NonZeroU32::new(50).unwrap() },
            tracer: None,
        })
    }

    /// The names of all endpoints.
    #[must_use]
    pub fn endpoint_names(&self) -> Vec<String> {
        self.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(name: &str) -> Result<Endpoint, SettingsError> {
        Endpoint::new(name, vec![Secret::new(b"s").unwrap()], Networks::default())
    }

    #[test]
    fn names_are_parts_of_a_url() {
        for name in ["smile", "a", "0", "a-b-1", &"x".repeat(64)] {
            assert!(endpoint(name).is_ok(), "{name}");
        }
        for name in ["", "Smile", "a/b", "a b", "a.b", "é", "{x}", &"x".repeat(65)] {
            assert_eq!(endpoint(name).unwrap_err(), SettingsError::Name(name.into()));
        }
        assert_eq!(endpoint("callbacks").unwrap_err(), SettingsError::Reserved("callbacks".into()));
    }

    #[test]
    fn what_can_not_work_is_refused() {
        const MIB: usize = 1024 * 1024;
        let smile = || endpoint("smile").unwrap();
        assert!(Settings::new(vec![smile()], 16 * MIB, 64 * MIB).is_ok());
        assert!(Settings::new(vec![smile()], 48 * MIB, 64 * MIB).is_ok());
        assert_eq!(
            Settings::new(vec![smile(), smile()], MIB, 64 * MIB).unwrap_err(),
            SettingsError::Twice("smile".into())
        );
        assert_eq!(Settings::new(vec![smile()], 0, 64 * MIB).unwrap_err(), SettingsError::BodyLimit);
        let error = Settings::new(vec![smile()], 49 * MIB, 64 * MIB).unwrap_err();
        assert!(matches!(error, SettingsError::Budget(_)));
        assert!(error.to_string().contains("--body-budget"), "{error}");
        assert_eq!(
            Endpoint::new("smile", vec![], Networks::default()).unwrap_err(),
            SettingsError::NoSecret("smile".into())
        );
    }
}
