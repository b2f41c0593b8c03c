//! What is put in force when files change: each part gets what is new from whoever reads its files.

use std::sync::Arc;

use super::reload::{Metrics, Reload};
use crate::{
    callback,
    config::{IdentitySettings, LevelFile, SecretFiles},
    identity::Identities,
    log::embedded::keys::Keyring,
    net::ClientAuthorities,
    telemetry::logs,
    webhook,
};

/// What to do when files with secrets or keys change.
pub fn of_secrets(
    files: SecretFiles,
    intake: &Arc<webhook::Intake>,
    tokens: Option<callback::Tokens>,
    metrics: &Metrics,
) -> Vec<Reload> {
    let (of_webhooks, of_callbacks) = (files.of_webhooks(), files.of_callbacks());
    let (intake, also_files) = (Arc::clone(intake), files.clone());
    let mut reloads = vec![Reload::new("webhook_secrets", of_webhooks, metrics, move || {
        let endpoints = files.endpoints().map_err(|e| e.to_string())?;
        endpoints.into_iter().try_for_each(|endpoint| intake.replace_secrets(endpoint)).map_err(|e| e.to_string())
    })];
    reloads.extend(tokens.map(|tokens| {
        Reload::new("callback_keys", of_callbacks, metrics, move || {
            let keys = also_files.callback_keys().map_err(|e| e.to_string())?;
            if let Some(keys) = keys {
                tokens.replace_keys(keys);
            }
            Ok(())
        })
    }));
    reloads
}

/// What to do when files change that say who may call.
pub fn of_identities(
    settings: Option<IdentitySettings>,
    identities: &Identities,
    authorities: Option<Arc<ClientAuthorities>>,
    metrics: &Metrics,
) -> Vec<Reload> {
    let Some(IdentitySettings { source, client_ca, .. }) = settings else { return Vec::new() };
    let (of_files, of_authorities) = (identities.clone(), identities.clone());
    let mut reloads = vec![Reload::new("identities", source.files(), metrics, move || {
        of_files.replace(source.load().map_err(|e| e.to_string())?);
        Ok(())
    })];
    reloads.extend(authorities.zip(client_ca).map(|(authorities, path)| {
        Reload::new("grpc_client_ca", vec![path.clone()], metrics, move || {
            authorities.replace(&path).map_err(|e| e.to_string())?;
            of_authorities.changed();
            Ok(())
        })
    }));
    reloads
}

/// What to do when the configuration file changes: of what it says, the log level is in force at once, and nothing else.
pub fn of_level(file: LevelFile, metrics: &Metrics) -> Reload {
    Reload::new("log_level", vec![file.path().to_owned()], metrics, move || {
        let (level, has_more) = file.read().map_err(|e| e.to_string())?;
        logs::set_level(&level).map_err(|e| e.to_string())?;
        if has_more {
            tracing::warn!(
                "of the configuration file, only the log level is in force: all else that is new needs a restart"
            );
        }
        Ok(())
    })
}

/// What to do when files with keys that the log encrypts with change.
pub fn of_log_keys(files: SecretFiles, log_keys: Keyring, metrics: &Metrics) -> Option<Reload> {
    let of_log = files.of_log();
    (!of_log.is_empty()).then(|| {
        Reload::new("encryption_keys", of_log, metrics, move || {
            log_keys.replace(files.log_keys().map_err(|e| e.to_string())?).map_err(|e| e.to_string())
        })
    })
}
