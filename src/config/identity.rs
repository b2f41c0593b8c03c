//! The settings that say who may call the gRPC listeners.

use std::path::PathBuf;

use super::{ConfigError, Settings};
use crate::{
    identity::{self, Loaded},
    net::Address,
};

/// Who may call.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    pub source: identity::Source,
    /// What the files said when the configuration was checked.
    pub loaded: Loaded,
    pub client_ca: Option<PathBuf>,
}

/// Reads what the settings name; None: everybody may call who reaches a listener.
pub(super) fn check(settings: &Settings) -> Result<Option<IdentitySettings>, ConfigError> {
    let (client_ca, tokens) = (settings.grpc_client_ca.clone(), settings.grpc_token_file.clone());
    let Some(identities) = settings.identities.clone() else {
        let flag = match (&client_ca, &tokens) {
            (None, None) => return Ok(None),
            (Some(_), _) => "--grpc-client-ca",
            (None, Some(_)) => "--grpc-token-file",
        };
        return Err(wrong(format!("{flag} is set, and nobody is let in by it: say who may do what with --identities")));
    };
    if client_ca.is_some() && settings.grpc_tls_cert.is_none() {
        return Err(wrong(
            "--grpc-client-ca asks for client certificates, which there are with TLS alone: set --grpc-tls-cert and \
             --grpc-tls-key"
                .into(),
        ));
    }
    if settings.insecure_grpc_anonymous == Some(true) {
        return Err(wrong(
            "--insecure-grpc-anonymous lets everybody in, and --identities does not: leave out one of them".into(),
        ));
    }
    let source = identity::Source { identities, tokens, has_authorities: client_ca.is_some() };
    let loaded = source.load().map_err(|error| wrong(format!("--identities, --grpc-token-file: {error}")))?;
    Ok(Some(IdentitySettings { source, loaded, client_ca }))
}

/// Refuses what lets others in than those on this machine, unless it is secured or allowed by a flag.
pub(super) fn check_listeners(
    settings: &Settings,
    listen: &[Address],
    has_identities: bool,
    insecure: &mut Vec<&'static str>,
) -> Result<(), ConfigError> {
    let allows_plaintext = settings.insecure_grpc == Some(true);
    let allows_anybody = settings.insecure_grpc_anonymous == Some(true);
    for listen in listen.iter().filter(|listen| !listen.is_local()) {
        if settings.grpc_tls_cert.is_none() && !allows_plaintext {
            return Err(wrong(format!(
                "--grpc-listen {listen} is reachable from elsewhere and plaintext: whoever reaches it would read every \
                 event; set --grpc-tls-cert and --grpc-tls-key, listen on loopback or unix:PATH, or allow it with \
                 --insecure-grpc"
            )));
        }
        if settings.grpc_tls_cert.is_some() && !has_identities && !allows_anybody {
            return Err(wrong(format!(
                "--grpc-listen {listen} is reachable from elsewhere, and nobody is asked who they are: whoever reaches it \
                 would read every event; say who may with --identities, listen on loopback or unix:PATH, or allow it \
                 with --insecure-grpc-anonymous"
            )));
        }
    }
    let flags = [(allows_plaintext, "--insecure-grpc"), (allows_anybody, "--insecure-grpc-anonymous")];
    insecure.extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| *flag));
    Ok(())
}

fn wrong(message: String) -> ConfigError {
    ConfigError::Setting(message)
}
