//! The identities file: who there is, how each is recognised, and what it may.
//!
//! What is not granted is not allowed; but endpoints and types that are not named are all of them, as most relays have one
//! of the former, and new ones of the latter are not to be missed by those who read everything.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::{
    Grants, LoadError, is_name,
    pattern::{Kind, Pattern},
};
use crate::event::{
    filter::Scope,
    pb::EventSource,
    redaction::{PROFILES_MOST, Redaction},
};

/// Identities of a file, and issuers.
const MOST: usize = 1_000;
const ISSUERS_MOST: usize = 100;
/// How often keys are asked for, if nothing else is said, and at most.
const REFRESH: Duration = Duration::from_mins(5);
const REFRESH_LEAST: Duration = Duration::from_secs(1);
/// The endpoint of what browsers report.
const CALLBACKS: &str = "callbacks";

/// What the file says, checked.
#[derive(Clone, Debug, Default)]
pub struct IdentityFile {
    pub issuers: BTreeMap<String, IssuerSettings>,
    pub identities: BTreeMap<String, Definition>,
}

/// Somebody who signs tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// What its tokens call it.
    pub issuer: String,
    /// Whom they have to be for: one of these.
    pub audiences: Vec<String>,
    pub keys: KeySource,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    File(PathBuf),
    Url {
        url: http::Uri,
        /// Authorities that its server's certificate may be of; None: the system's.
        ca_file: Option<PathBuf>,
        /// A token to ask with.
        token_file: Option<PathBuf>,
        refresh: Duration,
    },
}

/// One identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The line where it begins.
    pub line: usize,
    pub certificates: Vec<Pattern>,
    /// Names of the token file.
    pub tokens: Vec<String>,
    pub jwts: Vec<JwtMatch>,
    pub grants: Grants,
}

/// Whose tokens are of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtMatch {
    /// The issuer's name in the file.
    pub issuer: String,
    pub subjects: Vec<Pattern>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    issuers: BTreeMap<String, Spanned<RawIssuer>>,
    #[serde(default)]
    identities: BTreeMap<String, Spanned<RawIdentity>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawIssuer {
    issuer: String,
    audiences: Vec<String>,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    ca_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "duration")]
    refresh: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawIdentity {
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    tokens: Vec<String>,
    #[serde(default)]
    jwt: Vec<RawJwt>,
    endpoints: Option<BTreeSet<String>>,
    event_types: Option<BTreeSet<String>>,
    sources: Option<Vec<RawSource>>,
    #[serde(default)]
    raw_bodies: bool,
    #[serde(default)]
    callback_tokens: bool,
    #[serde(default)]
    administer: bool,
    #[serde(default)]
    redact: Vec<String>,
    max_streams: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawJwt {
    issuer: String,
    subjects: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawSource {
    Webhook,
    Widget,
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map(Some).map_err(de::Error::custom)
}

impl IdentityFile {
    /// # Errors
    /// Names the file, the line, and what to write instead.
    pub fn parse(path: &Path, text: &str) -> Result<Self, LoadError> {
        let line = |at: usize| 1 + text.get(..at).map_or(0, |before| before.matches('\n').count());
        let file: RawFile = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            LoadError::at(path, line(at), error.message().replace('\n', " "))
        })?;
        let mut checked = Self::default();
        for (name, raw) in file.issuers {
            let line = line(raw.span().start);
            let wrong = |problem: String| LoadError::at(path, line, format!("[issuers.{name}]: {problem}"));
            let settings = issuer(raw.into_inner()).map_err(wrong)?;
            if checked.issuers.values().any(|other| other.issuer == settings.issuer) {
                return Err(wrong("another one has the same `issuer`; name all audiences in one".into()));
            }
            checked.issuers.insert(name, settings);
        }
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        let mut redactions = HashSet::new();
        for (name, raw) in file.identities {
            let line = line(raw.span().start);
            let wrong = |problem: String| LoadError::at(path, line, format!("[identities.{name}]: {problem}"));
            if !is_name(&name) {
                return Err(wrong("write its name with 1 to 64 letters, digits, `-`, `_` and `.`".into()));
            }
            let definition = identity(raw.into_inner(), line, &checked.issuers).map_err(wrong)?;
            for token in &definition.tokens {
                if let Some(owner) = owners.insert(token.clone(), name.clone()) {
                    return Err(wrong(format!("the token {token} is of [identities.{owner}] already")));
                }
            }
            redactions.extend(Some(definition.grants.redaction.clone()).filter(|redaction| !redaction.is_none()));
            if redactions.len() > PROFILES_MOST {
                return Err(wrong(format!(
                    "its `redact` is one more than the {PROFILES_MOST} different ones that there can be: let it have one of those"
                )));
            }
            checked.identities.insert(name, definition);
        }
        if checked.identities.is_empty() {
            return Err(LoadError::at(path, 1, "there is no identity in it: write [identities.NAME]".into()));
        }
        if checked.identities.len() > MOST {
            return Err(LoadError::at(path, 1, format!("there are more than {MOST} identities")));
        }
        if checked.issuers.len() > ISSUERS_MOST {
            return Err(LoadError::at(path, 1, format!("there are more than {ISSUERS_MOST} issuers")));
        }
        Ok(checked)
    }
}

fn issuer(raw: RawIssuer) -> Result<IssuerSettings, String> {
    let RawIssuer { issuer, audiences, jwks_file, jwks_url, ca_file, token_file, refresh } = raw;
    if issuer.is_empty() || audiences.is_empty() || audiences.iter().any(String::is_empty) {
        return Err("`issuer` and `audiences` say which tokens are meant for this relay: neither can be empty".into());
    }
    let keys = match (jwks_file, jwks_url) {
        (Some(_), None) if ca_file.is_some() || token_file.is_some() || refresh.is_some() => {
            return Err("`ca-file`, `token-file` and `refresh` are of use with `jwks-url` alone".into());
        }
        (Some(path), None) => KeySource::File(path),
        (None, Some(url)) => {
            let uri = url.parse::<http::Uri>().ok();
            let uri = uri.filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
            let uri = uri.filter(|uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@')));
            let url = uri.ok_or("`jwks-url` has to be a URL that begins with https://, without a password")?;
            let refresh = refresh.unwrap_or(REFRESH);
            if refresh < REFRESH_LEAST {
                return Err("`refresh` has to be 1s or more".into());
            }
            KeySource::Url { url, ca_file, token_file, refresh }
        }
        _ => return Err("say where its keys are: `jwks-url` or `jwks-file`, one of them".into()),
    };
    Ok(IssuerSettings { issuer, audiences, keys })
}

fn identity(raw: RawIdentity, line: usize, issuers: &BTreeMap<String, IssuerSettings>) -> Result<Definition, String> {
    let certificates = raw.certificates.iter().map(|text| Pattern::of_certificate(text)).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| format!("certificates: {error}"))?;
    let mut jwts = Vec::new();
    for RawJwt { issuer, subjects } in raw.jwt {
        if !issuers.contains_key(&issuer) {
            return Err(format!("jwt: there is no [issuers.{issuer}]; `issuer` is the name of one in this file"));
        }
        if subjects.is_empty() {
            return Err("jwt: `subjects` is empty: name those whose tokens are meant".into());
        }
        let subjects = subjects.iter().map(|text| Pattern::new(Kind::Subject, text)).collect::<Result<Vec<_>, _>>();
        jwts.push(JwtMatch { issuer, subjects: subjects.map_err(|error| format!("jwt: subjects: {error}"))? });
    }
    if certificates.is_empty() && raw.tokens.is_empty() && jwts.is_empty() {
        return Err("say how it is recognised: `certificates`, `tokens` or `jwt`".into());
    }
    if raw.raw_bodies && !raw.redact.is_empty() {
        return Err("`raw-bodies` would show what `redact` removes: leave out one of them".into());
    }
    let redaction = Redaction::new(&raw.redact).map_err(|error| format!("redact: {error}"))?;
    let sources = raw.sources.unwrap_or_else(|| vec![RawSource::Webhook]);
    if sources.is_empty() {
        return Err("`sources` is empty: name webhook, widget or both".into());
    }
    if let Some(endpoints) = &raw.endpoints
        && sources.contains(&RawSource::Widget)
        && !endpoints.is_empty()
        && !endpoints.contains(CALLBACKS)
    {
        return Err(format!(
            "`sources` has widget, and `endpoints` lacks \"{CALLBACKS}\", which is the endpoint of all that browsers report"
        ));
    }
    if raw.max_streams == Some(0) {
        return Err("`max-streams` has to be 1 or more".into());
    }
    let sources = sources.into_iter().map(|source| match source {
        RawSource::Webhook => EventSource::Webhook,
        RawSource::Widget => EventSource::Widget,
    });
    let grants = Grants {
        scope: Scope::new(raw.endpoints, raw.event_types, sources.collect()),
        raw_bodies: raw.raw_bodies,
        callback_tokens: raw.callback_tokens,
        administer: raw.administer,
        redaction,
        max_streams: raw.max_streams,
    };
    Ok(Definition { line, certificates, tokens: raw.tokens, jwts, grants })
}

#[cfg(test)]
mod tests;
