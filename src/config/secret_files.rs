//! Files whose content may change while the relay runs, and what they hold now.

use std::{fmt, path::PathBuf};

use super::{ConfigError, Settings, check, encryption};
use crate::{callback, log::embedded, webhook};

/// Knows the files with secrets, and reads them again. What the configuration itself holds stays as it is.
#[derive(Clone)]
pub struct SecretFiles {
    settings: Settings,
}

impl fmt::Debug for SecretFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The settings may hold secrets themselves.
        f.debug_list().entries(self.of_webhooks()).entries(self.of_callbacks()).entries(self.of_log()).finish()
    }
}

impl SecretFiles {
    pub(super) fn of(settings: &Settings) -> Self {
        Self { settings: settings.clone() }
    }

    /// The files with secrets of webhooks.
    #[must_use]
    pub fn of_webhooks(&self) -> Vec<PathBuf> {
        let default = self.settings.webhook_secret_file.iter().flatten();
        default.chain(self.settings.endpoints.values().flat_map(|endpoint| &endpoint.secret_files)).cloned().collect()
    }

    /// The webhook endpoints, with their secrets as they are now.
    ///
    /// # Errors
    /// Names the file that can't be read, or holds no secret.
    pub fn endpoints(&self) -> Result<Vec<webhook::Endpoint>, ConfigError> {
        check::endpoints(&self.settings)
    }

    /// The files with keys of tokens for browsers.
    #[must_use]
    pub fn of_callbacks(&self) -> Vec<PathBuf> {
        self.settings.callback_key_file.clone().unwrap_or_default()
    }

    /// The files with keys that the log encrypts with.
    #[must_use]
    pub fn of_log(&self) -> Vec<PathBuf> {
        encryption::files(&self.settings)
    }

    /// The keys that the log encrypts with, as they are now.
    ///
    /// # Errors
    /// Names the file that can't be read, or holds no key.
    pub fn log_keys(&self) -> Result<Vec<embedded::keys::Key>, ConfigError> {
        encryption::keys(&self.settings)
    }

    /// The keys of tokens for browsers, as they are now.
    ///
    /// # Errors
    /// Names the file that can't be read, or holds no key.
    pub fn callback_keys(&self) -> Result<Option<callback::Keys>, ConfigError> {
        check::callback_keys(&self.settings)
    }
}
