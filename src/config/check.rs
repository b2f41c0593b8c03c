//! From settings to a configuration that holds together.

use std::{path::PathBuf, time::Duration};

use http::HeaderValue;
use zeroize::Zeroizing;

use super::{
    CertifiedKeyFiles, Config, ConfigError, EndpointSettings, PublicSecurity, SecretFiles, Settings, encryption,
    identity, public, secret_from_file, telemetry,
};
use crate::{
    callback, feed,
    log::embedded,
    net::{Address, is_origin, is_web_origin},
    webhook::{self, Secret},
};

/// How long a record may wait to be written before its sender is told to try again.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// What a token may be good for at most: it is to be short-lived.
const LONGEST_TOKEN_TTL: Duration = Duration::from_hours(30 * 24);

/// The settings come with all defaults filled in.
pub fn check(settings: Settings) -> Result<Config, ConfigError> {
    let mut insecure = Vec::new();
    let public_security = public_security(&settings, &mut insecure)?;
    let grpc_tls =
        pair("--grpc-tls-cert", settings.grpc_tls_cert.clone(), "--grpc-tls-key", settings.grpc_tls_key.clone())?;
    let grpc_listen = filled(settings.grpc_listen.clone())
        .iter()
        .map(|text| address("--grpc-listen", text))
        .collect::<Result<Vec<_>, _>>()?;
    let identity = identity::check(&settings)?;
    identity::check_listeners(&settings, &grpc_listen, identity.is_some(), &mut insecure)?;
    if settings.allow_any_filesystem == Some(true) {
        insecure.push("--allow-any-filesystem");
    }
    let store = filled(settings.store.clone());
    if store != "embedded" {
        return Err(wrong(format!("--store {store}: there is only `embedded`")));
    }
    let mode = filled(settings.grpc_unix_mode.clone());
    let grpc_unix_mode = u32::from_str_radix(&mode, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| wrong(format!("--grpc-unix-mode {mode}: write it in octal, such as 0660")))?;
    Ok(Config {
        public_listen: address("--public-listen", &filled(settings.public_listen.clone()))?,
        public_security,
        public_limits: public::limits(&settings)?,
        grpc_listen,
        grpc_unix_mode,
        grpc_tls,
        grpc_web_origins: settings
            .grpc_web_origin
            .iter()
            .flatten()
            .map(|text| web_origin(text))
            .collect::<Result<_, _>>()?,
        admin_listen: filled(settings.admin_listen),
        secret_files: SecretFiles::of(&settings),
        webhook: webhook(&settings)?,
        callback: callback(&settings)?,
        feed: feed(&settings)?,
        max_lists: max_lists(&settings)?,
        max_streams: count("--max-streams", filled(settings.max_streams))?,
        stream_starts: filled(settings.stream_starts),
        identity,
        max_stream_age: settings.max_stream_age.map(|age| age.0),
        drain_delay: filled(settings.drain_delay).0,
        drain_timeout: filled(settings.drain_timeout).0,
        otlp: telemetry::otlp(&settings)?,
        level_file: None,
        log: log(settings)?,
        insecure,
    })
}

fn public_security(settings: &Settings, insecure: &mut Vec<&'static str>) -> Result<PublicSecurity, ConfigError> {
    let files = pair("--tls-cert", settings.tls_cert.clone(), "--tls-key", settings.tls_key.clone())?;
    match (files, settings.tls_self_signed == Some(true), settings.insecure_public_http == Some(true)) {
        (Some(files), false, false) => Ok(PublicSecurity::Tls(files)),
        (None, true, false) => {
            insecure.push("--tls-self-signed");
            Ok(PublicSecurity::SelfSigned)
        }
        (None, false, true) => {
            insecure.push("--insecure-public-http");
            Ok(PublicSecurity::PlainHttp)
        }
        (None, false, false) => Err(wrong(
            "the public listener needs a certificate: set --tls-cert and --tls-key, or --insecure-public-http behind \
             an ingress that ends TLS, or --tls-self-signed to try it out"
                .into(),
        )),
        _ => Err(wrong(
            "only one of --tls-cert with --tls-key, --tls-self-signed and --insecure-public-http can be set".into(),
        )),
    }
}

fn webhook(settings: &Settings) -> Result<webhook::Settings, ConfigError> {
    webhook::Settings::new(
        endpoints(settings)?,
        bytes("--max-body", settings.max_body)?,
        bytes("--body-budget", settings.body_budget)?,
    )
    .map_err(|e| wrong(e.to_string()))
}

/// The webhook endpoints, with their secrets as their files are now.
pub fn endpoints(settings: &Settings) -> Result<Vec<webhook::Endpoint>, ConfigError> {
    let mut endpoints = Vec::new();
    let default = EndpointSettings {
        secrets: settings.webhook_secret.clone().unwrap_or_default(),
        secret_files: settings.webhook_secret_file.clone().unwrap_or_default(),
        allow_peers: settings.allow_peers.clone().unwrap_or_default(),
    };
    let has_default = !default.secrets.is_empty() || !default.secret_files.is_empty();
    if has_default && settings.endpoints.contains_key("smile") {
        return Err(wrong(
            "the endpoint `smile` is set twice: by --webhook-secret or --webhook-secret-file, and as [endpoints.smile] \
             in the file; choose one"
                .into(),
        ));
    }
    if !has_default && !default.allow_peers.is_empty() {
        return Err(wrong(
            "--allow-peers is for the endpoint of --webhook-secret-file and --webhook-secret, which are not set: write \
             allow-peers in [endpoints.NAME] of the file, for each endpoint"
                .into(),
        ));
    }
    if has_default {
        let keys = ["--webhook-secret", "--webhook-secret-file", "--allow-peers"];
        endpoints.push(endpoint("smile", &default, keys)?);
    }
    for (name, endpoint_settings) in &settings.endpoints {
        let keys = ["secrets", "secret-files", "allow-peers"].map(|key| format!("[endpoints.{name}] {key}"));
        endpoints.push(endpoint(name, endpoint_settings, keys.each_ref().map(String::as_str))?);
    }
    if endpoints.is_empty() {
        return Err(wrong(
            "no webhook could be verified: set --webhook-secret-file (or --webhook-secret, or [endpoints.NAME] in the \
             file) to the secret that the webhook was registered with at Smile"
                .into(),
        ));
    }
    Ok(endpoints)
}

fn endpoint(
    name: &str,
    settings: &EndpointSettings,
    [secrets_key, files_key, peers_key]: [&str; 3],
) -> Result<webhook::Endpoint, ConfigError> {
    let given = settings.secrets.iter().map(|secret| Ok((secrets_key, secret.as_bytes().to_vec().into())));
    let read = settings.secret_files.iter().map(|path| Ok((files_key, secret_from_file(files_key, path)?)));
    let secrets = given
        .chain(read)
        .map(|secret: Result<(&str, Zeroizing<Vec<u8>>), ConfigError>| {
            let (key, secret) = secret?;
            Secret::new(&secret).map_err(|e| wrong(format!("{key}: {e}")))
        })
        .collect::<Result<Vec<_>, ConfigError>>()?;
    if secrets.is_empty() {
        return Err(wrong(format!("[endpoints.{name}]: it has no secret; set secrets or secret-files")));
    }
    let allow_peers = public::peers(peers_key, &settings.allow_peers)?;
    webhook::Endpoint::new(name, secrets, allow_peers).map_err(|e| wrong(format!("[endpoints.{name}]: {e}")))
}

fn feed(settings: &Settings) -> Result<feed::Settings, ConfigError> {
    let cache = bytes("--feed-cache", settings.feed_cache)?;
    Ok(feed::Settings { page_cache_bytes: cache / 2, large_cache_bytes: cache - cache / 2 })
}

/// As many pages of events as the feed's cache could hold, of some 4 MiB each.
fn max_lists(settings: &Settings) -> Result<usize, ConfigError> {
    Ok((bytes("--feed-cache", settings.feed_cache)? / (4 << 20)).clamp(1, 16))
}

fn log(settings: Settings) -> Result<embedded::Options, ConfigError> {
    Ok(embedded::Options {
        allow_any_filesystem: settings.allow_any_filesystem == Some(true),
        lock_timeout: filled(settings.lock_timeout).0,
        retention: settings.retention.map(|age| age.0),
        retention_bytes: settings.retention_bytes.map(|bytes| bytes.0),
        report_quota_bytes: quota(settings.callback_quota)?,
        dedupe_window: filled(settings.dedupe_window).0,
        dedupe_max_entries: count("--dedupe-max-entries", filled(settings.dedupe_max_entries))?,
        queue_bytes: bytes("--write-queue", settings.write_queue)?,
        queue_timeout: QUEUE_TIMEOUT,
        keys: encryption::keyring(&settings)?,
        data_dir: filled(settings.data_dir),
    })
}

/// What callbacks may take on the disk: enough for some to stay.
fn quota(volume: Option<super::Volume>) -> Result<u64, ConfigError> {
    let volume = filled(volume);
    if volume.0 < 64 << 10 {
        return Err(wrong(format!("--callback-quota {volume}: it has to be 64KiB or more")));
    }
    Ok(volume.0)
}

/// Settings that only make sense together.
fn pair(
    cert_flag: &str,
    cert: Option<PathBuf>,
    key_flag: &str,
    key: Option<PathBuf>,
) -> Result<Option<CertifiedKeyFiles>, ConfigError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(CertifiedKeyFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(wrong(format!("{cert_flag} is set and {key_flag} is not: set both"))),
        (None, Some(_)) => Err(wrong(format!("{key_flag} is set and {cert_flag} is not: set both"))),
    }
}

/// An origin as browsers write it, so that it can be compared by its bytes.
fn web_origin(text: &str) -> Result<HeaderValue, ConfigError> {
    let origin = Some(text).filter(|text| is_web_origin(text)).and_then(|text| HeaderValue::from_str(text).ok());
    origin.ok_or_else(|| wrong(format!("--grpc-web-origin {text}: {ORIGIN_HELP}")))
}

const ORIGIN_HELP: &str = "write it as browsers do: https://app.example.com or http://localhost:3000, without a path, in \
                           small letters, and without the scheme's own port";

/// The keys of tokens for browsers, as their files are now; None if there are none.
pub fn callback_keys(settings: &Settings) -> Result<Option<callback::Keys>, ConfigError> {
    let key = |path: &PathBuf| {
        let key = secret_from_file(CALLBACK_KEY_FILE, path)?;
        callback::Key::new(&key).map_err(|e| wrong(format!("{CALLBACK_KEY_FILE} {}: {e}", path.display())))
    };
    let keys = settings.callback_key_file.iter().flatten().map(key).collect::<Result<_, _>>()?;
    Ok(callback::Keys::new(keys))
}

const CALLBACK_KEY_FILE: &str = "--callback-key-file";

fn callback(settings: &Settings) -> Result<Option<callback::Settings>, ConfigError> {
    let origins: Vec<String> = settings.callback_origin.iter().flatten().cloned().collect();
    if let Some(origin) = origins.iter().find(|origin| !is_origin(origin)) {
        return Err(wrong(format!(
            "--callback-origin {origin}: {ORIGIN_HELP}; or null, for sandboxed frames and files"
        )));
    }
    let longest_ttl = filled(settings.callback_token_ttl).0;
    if longest_ttl < Duration::from_secs(1) || longest_ttl > LONGEST_TOKEN_TTL {
        return Err(wrong("--callback-token-ttl has to be from 1s to 30d".into()));
    }
    let Some(keys) = callback_keys(settings)? else {
        if origins.is_empty() {
            return Ok(None);
        }
        return Err(wrong(format!("--callback-origin is set, and callbacks are off: set {CALLBACK_KEY_FILE} as well")));
    };
    let tokens = callback::Tokens::new(keys, callback::Origins(origins), longest_ttl);
    // Four times as much is for webhooks.
    let unstored_bytes = bytes("--body-budget", settings.body_budget)? / 4;
    Ok(Some(callback::Settings { tokens, rate: filled(settings.callback_rate), unstored_bytes }))
}

fn address(flag: &str, text: &str) -> Result<Address, ConfigError> {
    text.parse().map_err(|e| wrong(format!("{flag} {text}: {e}")))
}

/// A budget of memory: from 64 KiB to what a semaphore can count.
pub(super) fn bytes(flag: &str, volume: Option<super::Volume>) -> Result<usize, ConfigError> {
    let volume = filled(volume);
    usize::try_from(volume.0)
        .ok()
        .filter(|bytes| (64 << 10..=u32::MAX as usize / 2).contains(bytes))
        .ok_or_else(|| wrong(format!("{flag} {volume}: it has to be from 64KiB to 2047MiB")))
}

/// How many of something there may be: at least one, and no more than anybody has memory for.
pub(super) fn count(flag: &str, count: usize) -> Result<usize, ConfigError> {
    const MOST: usize = 1_000_000_000;
    let is_count = (1..=MOST).contains(&count);
    is_count.then_some(count).ok_or_else(|| wrong(format!("{flag} {count}: it has to be from 1 to {MOST}")))
}

fn filled<T>(setting: Option<T>) -> T {
    setting.expect("it has a default, which was filled in")
}

pub(super) fn wrong(message: String) -> ConfigError {
    ConfigError::Setting(message)
}
