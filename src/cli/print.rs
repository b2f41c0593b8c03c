//! Prints events on stdout: for people, for programs, or as the bytes that Smile sent.
//!
//! Promises: what is for people is one line an event, coloured only on a terminal, without control characters of the
//! event's own, and without a person's name, address or login. JSON is the protobuf's canonical JSON, one event a line.
//! Raw bodies are byte for byte, each followed by a newline.

use std::{
    fmt::Write as _,
    io::{self, BufWriter, Write},
    sync::LazyLock,
};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::Args;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value as ProtoValue};
use serde_json::Value;

use super::{CliError, clock::WallClock};
use crate::event::pb::{self, Event, EventSource, OmittedReason};

/// What tells most about an event, most telling first, under the names of Smile's JSON.
const TELLING: &[&str] = &[
    "status",
    "errorCode",
    "eventName",
    "reason",
    "resultCode",
    "monitorStatus",
    "taskType",
    "accountId",
    "archiveId",
    "inviteId",
    "verificationId",
    "recordId",
    "sourceId",
    "channel",
    "recordType",
    "count",
    "providers",
];
const TOLD: usize = 3;
const LISTED: usize = 3;
/// The longest name of a type that this version knows.
const NAME_COLUMN: usize = "ACCOUNT_SYNC_TASK_FINISHED".len();

static EVENT: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).expect("the build made it");
    pool.get_message_by_name("smilerelay.v1.Event").expect("in event.proto")
});

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
#[group(multiple = false)]
pub struct FormArgs {
    /// Print one JSON event a line, for programs
    #[arg(long)]
    pub json: bool,
    /// Print the bodies as Smile sent them, each followed by a newline
    #[arg(long)]
    pub raw: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Human,
    Json,
    /// Needs events with their raw body.
    Raw,
}

/// Writes events somewhere. Nothing is sure to be there before `flush`.
pub struct Printer {
    out: Box<dyn Write + Send>,
    form: Form,
    colour: bool,
    clock: WallClock,
}

impl FormArgs {
    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            Self { json: true, .. } => Form::Json,
            Self { raw: true, .. } => Form::Raw,
            _ => Form::Human,
        }
    }
}

impl Printer {
    /// Prints on stdout, in colour if that is a terminal and `NO_COLOR` does not forbid it.
    #[must_use]
    pub fn stdout(form: Form) -> Self {
        let stdout = io::stdout();
        let colour = AutoStream::choice(&stdout) != ColorChoice::Never;
        Self::new(Box::new(BufWriter::with_capacity(64 * 1024, stdout)), form, colour)
    }

    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, form: Form, colour: bool) -> Self {
        Self { out, form, colour, clock: WallClock::default() }
    }

    /// # Errors
    /// If it can't be written.
    pub fn event(&mut self, event: &Event) -> Result<(), CliError> {
        match self.form {
            Form::Human => {
                let line = human(event, self.colour, &mut self.clock);
                writeln!(self.out, "{line}")
            }
            Form::Json => serde_json::to_writer(&mut self.out, &dynamic(event))
                .map_err(io::Error::from)
                .and_then(|()| self.out.write_all(b"\n")),
            Form::Raw => match &event.omitted {
                Some(_) => {
                    eprintln!("note: no body of #{}: {}", event.sequence, omitted(event).unwrap_or_default());
                    Ok(())
                }
                None => self.out.write_all(&event.raw_body).and_then(|()| self.out.write_all(b"\n")),
            },
        }
        .map_err(CliError::Output)
    }

    /// # Errors
    /// If it can't be written.
    pub fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush().map_err(CliError::Output)
    }
}

/// An event whose JSON is the protobuf's canonical JSON.
///
/// # Panics
/// Never: both are made of the same proto.
#[must_use]
pub fn dynamic(event: &Event) -> DynamicMessage {
    DynamicMessage::decode(EVENT.clone(), event.encode_to_vec().as_slice()).expect("both are made of the same proto")
}

fn human(event: &Event, colour: bool, clock: &mut WallClock) -> String {
    let dim = AnsiColor::BrightBlack.on_default();
    let warn = AnsiColor::Yellow.on_default();
    let facts = facts(event);
    let received = event.received_at.as_ref().map_or(0, |at| at.seconds * 1_000_000 + i64::from(at.nanos / 1_000));
    let name = if event.type_name.is_empty() { "(no type)" } else { &event.type_name };

    let mut line = Line { text: String::new(), pad: 0, colour };
    line.put(dim, &clock.show(received));
    line.put(dim, &format!("{:>7}", format!("#{}", event.sequence)));
    let name = clean(name);
    line.put(style(&name, &facts), &name);
    line.pad = NAME_COLUMN.saturating_sub(name.chars().count());
    if !event.user_id.is_empty() {
        line.put(Style::new(), &clean(&event.user_id));
    }
    for (name, value) in &facts {
        line.put(dim, &format!("{name}={}", clean(value)));
    }
    for mark in marks(event) {
        line.put(warn, &format!("[{}]", clean(&mark)));
    }
    line.text
}

/// Words put one after the other, each in its style.
struct Line {
    text: String,
    /// What the word put last lacks of its column. Filled only if another word follows.
    pad: usize,
    colour: bool,
}

impl Line {
    fn put(&mut self, style: Style, words: &str) {
        if !self.text.is_empty() {
            self.text.push_str(&" ".repeat(1 + self.pad));
        }
        self.pad = 0;
        let style = if self.colour { style } else { Style::new() };
        write!(self.text, "{style}{words}{style:#}").expect("a String takes everything");
    }
}

fn style(name: &str, facts: &[(&str, String)]) -> Style {
    let has = |part: &str| name.contains(part);
    let failed = facts.iter().any(|(name, value)| *name == "status" && value == "FAILED");
    let colour = if failed || has("FAILED") {
        AnsiColor::Red
    } else if has("DISCONNECTED") || has("REVOKED") || has("RESET") {
        AnsiColor::Yellow
    } else if ["CONNECTED", "FINISHED", "COMPLETED", "ANALYZED", "LINKED"].into_iter().any(has) {
        AnsiColor::Green
    } else if has("ADDED") || has("UPDATED") {
        AnsiColor::Blue
    } else {
        AnsiColor::Cyan
    };
    colour.on_default()
}

/// What is unusual about an event.
fn marks(event: &Event) -> Vec<String> {
    let mut marks = Vec::new();
    if event.source() == EventSource::Widget {
        marks.push("unsigned, from a browser".to_owned());
    }
    if event.endpoint != "smile" && !event.endpoint.is_empty() {
        marks.push(format!("at {}", event.endpoint));
    }
    match event.decode_issues.as_slice() {
        [] => {}
        [issue] if issue.pointer.is_empty() => marks.push("1 decode issue".to_owned()),
        [issue] => marks.push(format!("1 decode issue: {}", issue.pointer)),
        [issue, ..] => marks.push(format!("{} decode issues: {}, ...", event.decode_issues.len(), issue.pointer)),
    }
    if event.conflicts_with != 0 {
        marks.push(format!("same id as #{}, other content", event.conflicts_with));
    }
    marks.extend(omitted(event));
    marks
}

fn omitted(event: &Event) -> Option<String> {
    let omitted = event.omitted.as_ref()?;
    Some(match omitted.reason() {
        OmittedReason::Erased => "content was removed from the log".to_owned(),
        OmittedReason::TooLarge | OmittedReason::Unspecified => {
            format!("{} bytes left out: smile-relay events get {}", omitted.size_bytes, event.sequence)
        }
    })
}

/// The few members of an event's content that tell most about it.
fn facts(event: &Event) -> Vec<(&'static str, String)> {
    let event = dynamic(event);
    let content = EVENT
        .oneofs()
        .find(|oneof| oneof.name() == "data")
        .and_then(|data| data.fields().find(|field| event.has_field(field)))
        .map(|field| event.get_field(&field).into_owned());
    let Some(ProtoValue::Message(content)) = content else {
        return Vec::new();
    };
    let content = serde_json::to_value(&content).unwrap_or_default();
    let member = |name: &str| content.get(name).or_else(|| content.get("session")?.get(name));
    TELLING.iter().filter_map(|name| Some((*name, short(member(name)?)?))).take(TOLD).collect()
}

/// A scalar, or what stands for one, as a word.
fn short(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(values) if values.is_empty() => None,
        Value::Array(values) => {
            let mut words: Vec<String> = values.iter().take(LISTED).filter_map(short).collect();
            if values.len() > LISTED {
                words.push(format!("+{}", values.len() - LISTED));
            }
            Some(words.join(","))
        }
        Value::Object(members) => short(members.get("values").or_else(|| members.get("value"))?),
        Value::Null => None,
    }
}

/// Without characters that would move a terminal's cursor or change its colours.
fn clean(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::pb::{
        AccountFailed, DecodeIssue, Omitted, StringList, UserSession, UserSessionReset, event::Data,
    };

    fn failed() -> Event {
        Event {
            id: "et-1".into(),
            sequence: 42,
            type_name: "ACCOUNT_FAILED".into(),
            endpoint: "smile".into(),
            user_id: "u-1".into(),
            data: Some(Data::AccountFailed(AccountFailed {
                account_id: Some("a-1".into()),
                login_name: Some("maria@example.com".into()),
                error_code: Some("INVALID\u{1b}[31m".into()),
                providers: Some(StringList { values: ["a", "b", "c", "d", "e"].map(String::from).into() }),
                ..AccountFailed::default()
            })),
            ..Event::default()
        }
    }

    fn line(event: &Event, colour: bool) -> String {
        // The time depends on the machine's zone.
        human(event, colour, &mut WallClock::default()).split_off(24)
    }

    #[test]
    fn a_line_tells_the_most_and_nothing_personal() {
        assert_eq!(
            line(&failed(), false),
            r"    #42 ACCOUNT_FAILED             u-1 errorCode=INVALID\u{1b}[31m accountId=a-1 providers=a,b,c,+2"
        );
    }

    #[test]
    fn what_is_unusual_is_marked() {
        let event = Event {
            endpoint: "other".into(),
            source: EventSource::Widget.into(),
            conflicts_with: 7,
            decode_issues: vec![DecodeIssue { pointer: "/data".into(), ..DecodeIssue::default() }],
            omitted: Some(Omitted { reason: OmittedReason::TooLarge.into(), size_bytes: 5_000_000 }),
            data: None,
            ..failed()
        };
        let line = line(&event, false);
        for mark in [
            "[unsigned, from a browser]",
            "[at other]",
            "[1 decode issue: /data]",
            "[same id as #7, other content]",
            "[5000000 bytes left out: smile-relay events get 42]",
        ] {
            assert!(line.contains(mark), "{line}");
        }
    }

    #[test]
    fn what_a_session_says_is_told() {
        let session = UserSession { status: Some("REVOKED".into()), ..UserSession::default() };
        let event =
            Event { data: Some(Data::UserSessionReset(UserSessionReset { session: Some(session) })), ..failed() };
        assert!(line(&event, false).ends_with("status=REVOKED"));
    }

    #[test]
    fn colours_are_for_terminals() {
        assert!(line(&failed(), true).contains("\u{1b}[31m"));
        assert!(!line(&failed(), false).contains('\u{1b}'));
    }

    #[test]
    fn json_is_canonical() {
        let json = serde_json::to_value(dynamic(&Event { raw_body: Bytes::from_static(b"{}"), ..failed() })).unwrap();
        assert_eq!(json["sequence"], "42");
        assert_eq!(json["rawBody"], "e30=");
        assert_eq!(json["accountFailed"]["accountId"], "a-1");
        assert!(json.get("conflictsWith").is_none());
    }
}
