//! Which events a command wants, and from where on: the flags that `tail` and `events list` share.
//!
//! Promises: a start that is given relatively ("10m") is fixed once, so that reconnecting does not move it.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

use super::samples;
use crate::event::{
    pb::{EventFilter, EventSource, StartPosition, list_events_request, subscribe_request},
    timestamp,
};

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which events")]
pub struct FilterArgs {
    /// Only events of this type, such as USER_CREATED; repeatable
    #[arg(long = "type", value_name = "TYPE", value_parser = type_name)]
    pub types: Vec<String>,
    /// Only events about this user, by Smile's id; repeatable
    #[arg(long = "user", value_name = "ID")]
    pub users: Vec<String>,
    /// Only events received at this endpoint; repeatable
    #[arg(long = "endpoint", value_name = "NAME")]
    pub endpoints: Vec<String>,
    /// Signed webhooks, what browsers reported, or both
    #[arg(long, value_enum, default_value_t)]
    pub source: Source,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Source {
    #[default]
    Webhook,
    Widget,
    All,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "From where")]
#[group(multiple = false)]
pub struct StartArgs {
    /// Start with events received since then: an age like 10m or 2h30m, or a time like 2026-11-23T10:00:00Z
    #[arg(long, value_name = "AGE|TIME", value_parser = since)]
    pub since: Option<SystemTime>,
    /// Start with the oldest event that the log still holds
    #[arg(long)]
    pub from_start: bool,
    /// Start after this cursor, taken from any event
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    pub after: Option<String>,
}

/// A place in the log to start from.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    Now,
    Oldest,
    Since(SystemTime),
    After(String),
}

impl FilterArgs {
    #[must_use]
    pub fn filter(&self) -> EventFilter {
        let sources: &[EventSource] = match self.source {
            Source::Webhook => &[EventSource::Webhook],
            Source::Widget => &[EventSource::Widget],
            Source::All => &[EventSource::Webhook, EventSource::Widget],
        };
        EventFilter {
            types: Vec::new(),
            type_names: self.types.clone(),
            user_ids: self.users.clone(),
            endpoints: self.endpoints.clone(),
            sources: sources.iter().map(|&source| source.into()).collect(),
        }
    }

    /// Says which of the webhook types asked for this version has never heard of: a slip of the finger would otherwise
    /// look like silence.
    pub fn warn_of_unknown_types(&self) {
        if self.source == Source::Webhook {
            for name in self.types.iter().filter(|name| samples::of(name).is_none()) {
                eprintln!("note: {name} is no webhook type known to this version{}", samples::did_you_mean(name));
            }
        }
    }
}

impl StartArgs {
    /// Where to start; None if it was not said.
    #[must_use]
    pub fn start(&self) -> Option<Start> {
        match self {
            Self { from_start: true, .. } => Some(Start::Oldest),
            Self { since: Some(at), .. } => Some(Start::Since(*at)),
            Self { after: Some(cursor), .. } => Some(Start::After(cursor.clone())),
            _ => None,
        }
    }
}

impl From<Start> for subscribe_request::Start {
    fn from(start: Start) -> Self {
        match start {
            Start::Now => Self::Position(StartPosition::Latest.into()),
            Start::Oldest => Self::Position(StartPosition::Earliest.into()),
            Start::Since(at) => Self::ReceivedSince(timestamp(micros(at))),
            Start::After(cursor) => Self::AfterCursor(cursor),
        }
    }
}

impl From<Start> for list_events_request::Start {
    fn from(start: Start) -> Self {
        match start {
            Start::Now => Self::Position(StartPosition::Latest.into()),
            Start::Oldest => Self::Position(StartPosition::Earliest.into()),
            Start::Since(at) => Self::ReceivedSince(timestamp(micros(at))),
            Start::After(cursor) => Self::AfterCursor(cursor),
        }
    }
}

impl std::fmt::Display for Start {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Now => out.write_str("now"),
            Self::Oldest => out.write_str("the oldest event held"),
            Self::Since(at) => write!(out, "{}", humantime::format_rfc3339_seconds(*at)),
            Self::After(cursor) => write!(out, "after {cursor}"),
        }
    }
}

fn micros(at: SystemTime) -> i64 {
    at.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or(0)
}

/// Smile's names are in capitals, and fingers are lazy: a known name is taken in any case, another one as it is.
fn type_name(text: &str) -> Result<String, String> {
    let capitals = text.to_uppercase();
    match text {
        "" => Err("expected a type such as USER_CREATED".to_owned()),
        _ if samples::of(&capitals).is_some() => Ok(capitals),
        _ => Ok(text.to_owned()),
    }
}

fn since(text: &str) -> Result<SystemTime, String> {
    let at = match humantime::parse_duration(text) {
        Ok(age) => SystemTime::now().checked_sub(age),
        Err(_) => instant(text),
    };
    at.filter(|at| *at >= SystemTime::UNIX_EPOCH)
        .ok_or_else(|| "expected an age like 10m, or a time like 2026-11-23T10:00:00Z or ...+08:00".to_owned())
}

/// An RFC 3339 time. `humantime` reads those in UTC only.
fn instant(text: &str) -> Option<SystemTime> {
    if let Ok(at) = humantime::parse_rfc3339_weak(text) {
        return Some(at);
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let local = humantime::parse_rfc3339_weak(local).ok()?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let offset_by = Duration::from_secs(digits(hours)? * 3600 + digits(minutes)? * 60);
    match offset.as_bytes()[0] {
        b'+' => local.checked_sub(offset_by),
        b'-' => local.checked_add(offset_by),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_utc_and_with_an_offset() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_hours(498_730);
        for text in
            ["2026-11-23T10:00:00Z", "2026-11-23 10:00:00", "2026-11-23T18:00:00+08:00", "2026-11-23T04:30:00-05:30"]
        {
            assert_eq!(since(text).unwrap(), at, "{text}");
        }
        for text in ["", "yesterday", "10", "2026-11-23", "2026-11-23T18:00:00+8:00", "é2026-11-23T18:00:00+08:00"] {
            assert!(since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_age_is_counted_from_now() {
        let at = since("10m").unwrap();
        let age = SystemTime::now().duration_since(at).unwrap();
        assert!((600..660).contains(&age.as_secs()));
    }

    #[test]
    fn known_types_are_taken_in_any_case_and_unknown_ones_as_they_are() {
        assert_eq!(type_name("user_created").unwrap(), "USER_CREATED");
        assert_eq!(type_name("Brand_New").unwrap(), "Brand_New");
    }

    #[test]
    fn reports_by_browsers_come_only_when_asked_for() {
        assert_eq!(FilterArgs::default().filter().sources, [i32::from(EventSource::Webhook)]);
    }
}
