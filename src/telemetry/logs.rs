//! Log lines on standard error: text for people, JSON for collectors. Never a body, a secret, or a name.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogFormat;

/// A level that can't be understood.
#[derive(Debug, thiserror::Error)]
#[error("--log-level {level}: {source}; write error, warn, info, debug or trace")]
pub struct LevelError {
    level: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Starts to write log lines; for the whole process, once.
///
/// # Errors
/// If the level is none.
pub fn start(format: Option<LogFormat>, level: &str) -> Result<(), LevelError> {
    let filter =
        EnvFilter::try_new(level).map_err(|source| LevelError { level: level.to_owned(), source })?;
    let is_terminal = io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let format = format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    let lines = match format {
        LogFormat::Text => Box::new(lines.with_ansi(is_terminal)) as Box<dyn tracing_subscriber::Layer<_> + Send + Sync>,
        LogFormat::Json => Box::new(lines.json().with_current_span(false).with_span_list(false)),
    };
    // A second start in one process, as in tests, keeps the first.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(())
}
