//! The keys that the log encrypts bodies with.

use std::path::PathBuf;

use super::{ConfigError, Settings, secret_from_file};
use crate::log::embedded::keys::{Key, Keyring};

const FLAG: &str = "--encryption-key-file";

/// The files with the keys.
pub fn files(settings: &Settings) -> Vec<PathBuf> {
    settings.encryption_key_file.clone().unwrap_or_default()
}

/// The keys, as their files are now.
pub fn keys(settings: &Settings) -> Result<Vec<Key>, ConfigError> {
    let files = files(settings);
    let key = |path: &PathBuf| {
        let digits = zeroize::Zeroizing::new(secret_from_file(FLAG, path)?);
        Key::from_hex(&digits).map_err(|e| ConfigError::Setting(format!("{FLAG} {}: {e}", path.display())))
    };
    files.iter().map(key).collect()
}

/// The same, for the log.
pub fn keyring(settings: &Settings) -> Result<Keyring, ConfigError> {
    keys(settings).map(Keyring::new)
}
