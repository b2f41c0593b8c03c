//! The configuration file: its settings, and where in it each of them stands.

use std::{borrow::Cow, collections::HashMap, path::Path};

use clap::Args;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::{ConfigError, EndpointSettings, Settings, nearest};

/// Reads the file.
///
/// # Errors
/// Names the file, and the line with the first thing that is not known or can't be read, and what to write instead.
pub fn read(path: &Path) -> Result<Settings, ConfigError> {
    // There may be secrets in it.
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse(&text).map_err(|(at, problem)| ConfigError::File { path: path.to_owned(), line: line(&text, at), problem })
}

/// Where things stand in a file, by how messages name them: a setting by its name, an endpoint by `[endpoints.NAME]`, and
/// what is said of it by that with its name. Empty for what can't be read.
pub fn lines(path: &Path) -> HashMap<String, usize> {
    let text = Zeroizing::new(std::fs::read_to_string(path).unwrap_or_default());
    let mut lines = HashMap::new();
    let Ok(file) = DeTable::parse(&text) else { return lines };
    for (key, value) in file.get_ref() {
        lines.insert(key.get_ref().to_string(), line(&text, key.span().start));
        if key.get_ref() != "endpoints" {
            continue;
        }
        for (name, endpoint) in tables(value) {
            let place = format!("[endpoints.{}]", name.get_ref());
            for (key, _) in tables(endpoint) {
                lines.insert(format!("{place} {}", key.get_ref()), line(&text, key.span().start));
            }
            lines.insert(place, line(&text, name.span().start));
        }
    }
    lines
}

/// An error is the place, as a byte's, and what is the matter.
fn parse(text: &str) -> Result<Settings, (usize, String)> {
    // What is no TOML is said by the other reader.
    let file = DeTable::parse(text).ok();
    if let Some(file) = &file {
        known(file.get_ref())?;
    }
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let key = file.as_ref().and_then(|file| key_at(file.get_ref(), at));
        let problem = without_value(error.message());
        (at, key.map_or_else(|| problem.clone(), |key| format!("{key}: {problem}{}", instead(&key, &problem))))
    })
}

/// # Errors
/// If a key is none that is known: the first one.
fn known(file: &DeTable<'_>) -> Result<(), (usize, String)> {
    let settings: Vec<String> = flags().map(|(name, _)| name).chain(["endpoints".to_owned()]).collect();
    let of_endpoints = toml::Table::try_from(EndpointSettings::default()).expect("settings are made of what TOML has");
    let of_endpoints: Vec<String> = of_endpoints.keys().cloned().collect();
    let unknown = |key: &Key<'_>, known: &[String], or: &str| {
        let instead = nearest(key.get_ref(), known.iter().map(String::as_str))
            .map_or(or.to_owned(), |nearest| format!("did you mean `{nearest}`?"));
        (key.span().start, format!("unknown key `{}`; {instead}", key.get_ref()))
    };
    for (key, value) in file {
        if key.get_ref() != "endpoints" {
            if !settings.iter().any(|known| known == key.get_ref()) {
                return Err(unknown(key, &settings, "`smile-relay serve --help` lists all of them, as flags"));
            }
            continue;
        }
        for (key, _) in tables(value).flat_map(|(_, endpoint)| tables(endpoint)) {
            if !of_endpoints.iter().any(|known| known == key.get_ref()) {
                return Err(unknown(key, &of_endpoints, &format!("an endpoint has {}", of_endpoints.join(", "))));
            }
        }
    }
    Ok(())
}

type Key<'i> = Spanned<Cow<'i, str>>;

/// The members of a table; none of anything else.
fn tables<'v, 'i>(value: &'v Spanned<DeValue<'i>>) -> impl Iterator<Item = (&'v Key<'i>, &'v Spanned<DeValue<'i>>)> {
    value.get_ref().as_table().into_iter().flatten()
}

/// The setting that stands at this byte.
fn key_at(file: &DeTable<'_>, at: usize) -> Option<String> {
    let holds = |key: &Key<'_>, value: &Spanned<DeValue<'_>>| key.span().contains(&at) || value.span().contains(&at);
    for (key, value) in file {
        if key.get_ref() == "endpoints" {
            for (name, endpoint) in tables(value) {
                if let Some((key, _)) = tables(endpoint).find(|(key, value)| holds(key, value)) {
                    return Some(format!("[endpoints.{}] {}", name.get_ref(), key.get_ref()));
                }
            }
        } else if holds(key, value) {
            return Some(key.get_ref().to_string());
        }
    }
    None
}

/// What to write, by what the setting's flag calls its value.
fn instead(key: &str, problem: &str) -> &'static str {
    if problem.contains("expected a sequence") {
        return "; write a list: [\"...\", \"...\"]";
    }
    let value = flags().find(|(name, _)| name == key).map(|(_, value)| value);
    match value.as_deref() {
        Some("DURATION") => "; write a text such as \"90s\", \"72h\" or \"30d\"",
        Some("BYTES") => "; write a text such as \"64KiB\" or \"16MiB\"",
        Some("N") => "; write a whole number, without quotes",
        Some("BOOL") => "; write true or false, without quotes",
        Some("ADDRESS") => "; write a text such as \"127.0.0.1:8081\"",
        _ => "",
    }
}

/// The settings that a file can have, with what their flags call the value.
fn flags() -> impl Iterator<Item = (String, String)> {
    let command = Settings::augment_args(clap::Command::new("settings"));
    let flags: Vec<(String, String)> = command
        .get_arguments()
        .filter(|flag| flag.get_id() != "config")
        .filter_map(|flag| {
            let value = flag.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
            Some((flag.get_long()?.to_owned(), value.unwrap_or_default()))
        })
        .collect();
    flags.into_iter()
}

fn line(text: &str, at: usize) -> usize {
    1 + text.get(..at).map_or(0, |before| before.matches('\n').count())
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
