//! Configuration: flags over environment over one TOML file, to one checked [`Config`].
//!
//! Promises: every setting has one name, in its flag (`--grpc-listen`), its variable (`SMILE_RELAY_GRPC_LISTEN`) and the
//! file (`grpc-listen`); an unknown key is an error; every error names the flag, the variable or the file with its line, and
//! says what to write (see [`Origins`]); secrets are never printed. Read by `relay` alone, which hands each part its own settings.

mod check;
mod encryption;
mod file;
mod identity;
pub mod memory;
mod origins;
mod public;
mod secret_files;
mod secret_text;
mod settings;
mod telemetry;

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderValue;
use zeroize::Zeroizing;

pub use self::{
    identity::IdentitySettings,
    origins::{Origins, variable_of},
    secret_files::SecretFiles,
    secret_text::SecretText,
    settings::{EndpointSettings, LogFormat, Settings, Span, Volume},
    telemetry::LevelFile,
};
use crate::{
    callback, feed,
    log::embedded,
    net::{Address, Limits},
    telemetry::otlp,
    webhook,
};

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("--config {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("--config {}: line {line}: {problem}", path.display())]
    File { path: PathBuf, line: usize, problem: String },
    /// Begins with the setting's flag, as a rule: [`Origins`] looks for that.
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
    /// Pages of events that are listed at once.
    pub max_lists: usize,
    pub max_stream_age: Option<Duration>,
    pub stream_starts: NonZeroU32,
    /// None: everybody may call who reaches a gRPC listener.
    pub identity: Option<IdentitySettings>,
    pub drain_delay: Duration,
    pub drain_timeout: Duration,
    /// None: nothing is sent to a collector.
    pub otlp: Option<otlp::Settings>,
    /// None: the log level stays as it is.
    pub level_file: Option<LevelFile>,
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

/// What flags and environment say, completed by the file that they name and by the defaults that fit in this process's
/// memory.
///
/// # Errors
/// If the file can't be read or holds something unknown, or a variable is mistyped.
pub fn load(given: Settings) -> Result<Settings, ConfigError> {
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    if let Some((variable, meant)) = origins::mistyped_variable(set) {
        return Err(ConfigError::Setting(format!("{variable}: there is no such setting; did you mean {meant}?")));
    }
    let said = match &given.config {
        Some(path) => settings::overlay(file::read(path)?, &given),
        None => given,
    };
    let mut defaults = settings::defaults();
    if let Some(limit) = memory::limit() {
        let fitting = memory::fitting(limit, &said, &defaults);
        defaults = settings::overlay(defaults, &fitting);
    }
    Ok(settings::overlay(defaults, &said))
}

/// The name among these that is most like `name`, if it is like it at all.
fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let alike = |text: &str| text.replace('_', "-").to_lowercase();
    let likeness = |known: &'k str| (strsim::jaro_winkler(&alike(name), &alike(known)), known);
    let nearest = known.map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.filter(|(likeness, _)| *likeness >= 0.85).map(|(_, known)| known)
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
