//! Log lines on standard error: text for people, JSON for collectors. Never a body, a secret, or a name.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use tracing_subscriber::{
    EnvFilter, Registry,
    filter::LevelFilter,
    fmt,
    layer::SubscriberExt,
    reload::{self, Handle},
    util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// What decides which lines are written. There is one for the process, as there is one standard error.
static FILTER: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

/// A level that can't be understood.
#[derive(Debug, thiserror::Error)]
#[error("--log-level {level}: it can't be understood; write error, warn, info, debug or trace")]
pub struct LevelError {
    level: String,
}

/// Checks a level, or several directives.
///
/// # Errors
/// If it is none.
pub fn check(level: &str) -> Result<(), LevelError> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, LevelError> {
    let wrong = || LevelError { level: level.to_owned() };
    let level = level.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    // A single word that is no level would be taken for the name of a module, and silence all others.
    let is_directive =
        |part: &str| !part.is_empty() && (part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok());
    if !level.split(',').all(is_directive) {
        return Err(wrong());
    }
    EnvFilter::try_new(level).map_err(|_| wrong())
}

/// Starts to write log lines; for the whole process, once.
///
/// # Errors
/// If the level is none.
pub fn start(format: Option<LogFormat>, level: &str) -> Result<(), LevelError> {
    let filter = filter(level)?;
    let is_terminal = io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let format = format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    let lines = match format {
        LogFormat::Text => {
            Box::new(lines.with_ansi(is_terminal)) as Box<dyn tracing_subscriber::Layer<_> + Send + Sync>
        }
        LogFormat::Json => Box::new(lines.json().with_current_span(false).with_span_list(false)),
    };
    let (filter, handle) = reload::Layer::new(filter);
    // A second start in one process, as in tests, keeps the first.
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        let _ = FILTER.set(handle);
    }
    Ok(())
}

/// From now on lines of this level, or by these directives, are written. Does nothing before `start`.
///
/// # Errors
/// If the level is none; nothing changes then.
pub fn set_level(level: &str) -> Result<(), LevelError> {
    let new = filter(level)?;
    if let Some(handle) = FILTER.get() {
        handle.reload(new).map_err(|_| LevelError { level: level.to_owned() })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_level_is_no_level() {
        for level in
            ["info", "WARN", "off", "info,smile_relay::log=debug", "warn, h2=info", "smile_relay[a{b=1}]=trace"]
        {
            assert!(check(level).is_ok(), "{level}");
        }
        for level in ["", "inof", "info,h2", "h2=loud"] {
            assert!(check(level).is_err(), "{level}");
        }
    }
}
