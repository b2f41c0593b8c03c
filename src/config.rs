//! Configuration: flags over environment over one TOML file, to one checked [`Config`].
//!
//! Promises: every setting has one name, in its flag (`--grpc-listen`), its variable (`SMILE_RELAY_GRPC_LISTEN`) and the
//! file (`grpc-listen`); an unknown key is an error; every error names the flag or the file and says what to write;
//! secrets are never printed. Read by `relay` alone, which hands each part its own settings.

mod check;
mod public;
mod secret_files;
mod secret_text;
mod settings;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderValue;
use zeroize::Zeroizing;

pub use self::{
    secret_files::SecretFiles,
    secret_text::SecretText,
    settings::{EndpointSettings, LogFormat, Settings, Span, Volume},
};
use crate::{
    callback, feed,
    log::embedded,
    net::{Address, Limits},
    webhook,
};

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("--config {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("--config {}: line {line}: {problem}", path.display())]
    File { path: PathBuf, line: usize, problem: String },
    #[error("{0}")]
    Setting(String),
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub public_listen: Address,
    pub public_security: PublicSecurity,
    /// How many may connect, and through which proxies.
    pub public_limits: Limits,
    pub grpc_listen: Vec<Address>,
    pub grpc_unix_mode: u32,
    pub grpc_tls: Option<CertifiedKeyFiles>,
    pub grpc_web_origins: Vec<HeaderValue>,
    pub admin_listen: SocketAddr,
    /// Where what is secret in the following can be read again.
    pub secret_files: SecretFiles,
    pub webhook: webhook::Settings,
    /// None: callbacks are off.
    pub callback: Option<callback::Settings>,
    pub log: embedded::Options,
    pub feed: feed::Settings,
    pub max_streams: usize,
    pub max_stream_age: Option<Duration>,
    pub drain_delay: Duration,
    pub drain_timeout: Duration,
    /// Settings that give up a protection, to be named in the log at start.
    pub insecure: Vec<&'static str>,
}

/// How the public listener is secured.
#[derive(Clone, Debug)]
pub enum PublicSecurity {
    Tls(CertifiedKeyFiles),
    /// A certificate made at start, for trying out.
    SelfSigned,
    /// Something in front of the relay ends TLS.
    PlainHttp,
}

/// A certificate chain and its key, in PEM.
#[derive(Clone, Debug)]
pub struct CertifiedKeyFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// What flags and environment say, completed by the file that they name and by the defaults.
///
/// # Errors
/// If the file can't be read or holds something unknown.
pub fn load(given: Settings) -> Result<Settings, ConfigError> {
    let Some(path) = given.config.clone() else { return Ok(settings::overlay(settings::defaults(), &given)) };
    let text =
        std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
    // There may be secrets in it.
    let text = Zeroizing::new(text);
    let file: Settings = toml::from_str(&text).map_err(|error| ConfigError::File {
        path: path.clone(),
        line: 1 + error.span().map_or(0, |at| text[..at.start].matches('\n').count()),
        problem: without_value(error.message()),
    })?;
    Ok(settings::overlay(settings::overlay(settings::defaults(), &file), &given))
}

/// The message of a parser, which may repeat the value that it found, without that value: it can be a secret.
fn without_value(message: &str) -> String {
    let message = message.replace('\n', " ");
    match message.rsplit_once(", expected ") {
        Some((found, expected)) if message.starts_with("invalid ") => {
            let kind = found.split(['"', '`']).next().unwrap_or_default().trim_end();
            format!("{kind}, expected {expected}")
        }
        _ => message,
    }
}

/// Checks settings as a whole. What they leave open has its default.
///
/// # Errors
/// Names the first flag that can't be followed.
pub fn check(settings: &Settings) -> Result<Config, ConfigError> {
    check::check(settings::overlay(settings::defaults(), settings))
}

/// A secret from a file: without its one trailing newline, and overwritten when it is dropped.
///
/// # Errors
/// Names the file, if it can't be read or holds nothing.
pub fn secret_from_file(flag: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let read = std::fs::read(path).map_err(|e| ConfigError::Setting(format!("{flag} {}: {e}", path.display())))?;
    let mut secret = Zeroizing::new(read);
    if secret.last() == Some(&b'\n') {
        secret.pop();
        if secret.last() == Some(&b'\r') {
            secret.pop();
        }
    }
    if secret.is_empty() {
        return Err(ConfigError::Setting(format!("{flag} {}: the file is empty", path.display())));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests;
