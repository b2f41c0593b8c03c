//! Where a setting was said: by a flag, by a variable, or in the file.
//!
//! Whatever is wrong with a setting is said with its flag's name, in whichever part that is found out. On its way out the
//! message is told where the setting was really said, so that nobody looks for a flag that was never given.

use std::{collections::HashMap, fmt::Write as _, path::PathBuf};

use clap::{
    ArgMatches, Args,
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};

use super::{Settings, file, nearest};

/// What the variables of settings begin with.
const PREFIX: &str = "SMILE_RELAY_";
/// The beginning of what messages call an endpoint, which only the file can have.
const ENDPOINT: &str = "[endpoints.";

/// Where the settings of one command were said, as far as not by flags.
#[derive(Debug, Default)]
pub struct Origins {
    /// By the setting's name.
    variables: HashMap<String, String>,
    config: Option<PathBuf>,
    /// Of the file: by the setting's name, or as `file::lines` calls it.
    lines: HashMap<String, usize>,
}

impl Origins {
    /// Those of the command that was given, if it takes settings.
    #[must_use]
    pub fn of(mut matches: &ArgMatches) -> Self {
        while let Some((_, deeper)) = matches.subcommand() {
            matches = deeper;
        }
        let mut origins = Self::default();
        let command = Settings::augment_args(clap::Command::new("settings"));
        let is_known = |id: &str| matches.try_contains_id(id).is_ok();
        if !command.get_arguments().all(|flag| is_known(flag.get_id().as_str())) {
            return origins;
        }
        if let Ok(Some(path)) = matches.try_get_one::<PathBuf>("config") {
            origins.lines = file::lines(path);
            origins.config = Some(path.clone());
        }
        for flag in command.get_arguments() {
            let (Some(name), Some(variable)) = (flag.get_long(), flag.get_env()) else { continue };
            match matches.value_source(flag.get_id().as_str()) {
                Some(ValueSource::CommandLine) => drop(origins.lines.remove(name)),
                Some(ValueSource::EnvVariable) => {
                    origins.lines.remove(name);
                    origins.variables.insert(name.to_owned(), variable.to_string_lossy().into_owned());
                }
                _ => {}
            }
        }
        origins
    }

    /// The message, with the place of each setting that it names.
    #[must_use]
    pub fn explain(&self, message: &str) -> String {
        // What is wrong with the file itself is told with its place.
        if message.starts_with("--config ") {
            return message.to_owned();
        }
        let mut told = String::new();
        let mut rest = message;
        while let Some(at) = [rest.find("--"), rest.find(ENDPOINT)].into_iter().flatten().min() {
            told.push_str(&rest[..at]);
            rest = &rest[at..];
            let name = name(rest);
            let is_word = !told.ends_with(|c: char| c.is_alphanumeric() || "-./_=".contains(c));
            match self.place(name).filter(|_| is_word) {
                Some(place) => place.put(&mut told),
                None => told.push_str(name),
            }
            rest = &rest[name.len()..];
        }
        told + rest
    }

    fn place<'o>(&'o self, name: &'o str) -> Option<Place<'o>> {
        let setting = name.strip_prefix("--").unwrap_or(name);
        if let Some(variable) = self.variables.get(setting) {
            return Some(Place::Variable(variable));
        }
        // Of an endpoint as a whole, if it does not say what is meant.
        let endpoint = || setting.split_once("] ").and_then(|(endpoint, _)| self.lines.get(&format!("{endpoint}]")));
        let line = *self.lines.get(setting).or_else(endpoint)?;
        Some(Place::Line { path: self.config.as_ref()?, line, setting })
    }
}

enum Place<'o> {
    Variable(&'o str),
    Line { path: &'o PathBuf, line: usize, setting: &'o str },
}

impl Place<'_> {
    fn put(&self, told: &mut String) {
        // A String takes all.
        let _ = match self {
            Self::Variable(variable) => told.write_str(variable),
            // As everything is said that is wrong with the file.
            Self::Line { path, line, setting } if told.is_empty() => {
                write!(told, "--config {}: line {line}: {setting}", path.display())
            }
            Self::Line { path, line, setting } => write!(told, "{setting} (line {line} of {})", path.display()),
        };
    }
}

/// What the text begins with: a flag, or an endpoint and what is said of it.
fn name(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let end_of_word = |from: usize| text[from..].find(|c| !is_part(c)).map_or(text.len(), |len| from + len);
    if !text.starts_with(ENDPOINT) {
        let flag = text[..end_of_word(0)].trim_end_matches('-');
        return if flag.is_empty() { &text[..2] } else { flag };
    }
    match text.find(']') {
        None => ENDPOINT,
        Some(end) if text[end..].starts_with("] secrets") || text[end..].starts_with("] secret-files") => {
            &text[..end_of_word(end + 2)]
        }
        Some(end) if text[end..].starts_with("] allow-peers") => &text[..end_of_word(end + 2)],
        Some(end) => &text[..=end],
    }
}

/// The variable that an argument comes from which could not be parsed; None: it was typed.
#[must_use]
pub fn variable_of(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = argument.split([' ', '=', '[']).next()?;
    let is_typed = |typed: String| typed.split('=').next() == Some(flag);
    let variable = format!("{PREFIX}{}", flag.strip_prefix("--")?.replace('-', "_").to_uppercase());
    let is_set = std::env::var_os(&variable).is_some();
    (is_set && !std::env::args_os().filter_map(|typed| typed.into_string().ok()).any(is_typed)).then_some(variable)
}

/// A variable that is none of ours, and was hardly meant for somebody else: it is a letter or two from one of ours. With
/// that one.
#[must_use]
pub fn mistyped_variable(set: impl IntoIterator<Item = String>) -> Option<(String, String)> {
    let command = Settings::augment_args(clap::Command::new("settings"));
    let known: Vec<String> = command
        .get_arguments()
        .filter_map(|flag| flag.get_env()?.to_str()?.strip_prefix(PREFIX).map(str::to_owned))
        .collect();
    set.into_iter().find_map(|variable| {
        let name = variable.strip_prefix(PREFIX)?;
        if known.iter().any(|known| known == name) {
            return None;
        }
        let meant = nearest(name, known.iter().map(String::as_str))?;
        (strsim::damerau_levenshtein(name, meant) <= 2).then(|| (variable.clone(), format!("{PREFIX}{meant}")))
    })
}
