//! `events get`: one event, whole.

use std::io::{self, Write};

use clap::Args;

use crate::{
    cli::{
        CliError,
        client::{ClientArgs, answer, is_cursor},
        print::dynamic,
    },
    event::pb::{Event, EventKey, GetEventRequest, get_event_request},
};

const EXAMPLES: &str = "\
Examples:
  smile-relay events get 42                           by its sequence
  smile-relay events get et-8467089209644ceba18185bc7be201bc
  smile-relay events get 42 --raw > body.json         the bytes that Smile signed";

/// Print one event, as JSON.
///
/// A number is a sequence, a cursor is a cursor, and everything else is Smile's id.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct GetArgs {
    /// Which event
    #[arg(value_name = "ID|SEQUENCE|CURSOR", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub event: String,
    /// The endpoint that received it; what is named is an id then, also if it looks otherwise [default: smile]
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<String>,
    /// Print the body instead, byte for byte, and nothing else
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, thiserror::Error)]
pub enum GetError {
    #[error("the relay answered without an event; is it as new as this program?")]
    Nothing,
    #[error("the content of event #{sequence} was removed from the log")]
    Erased { sequence: u64 },
}

/// # Errors
/// If the relay can't be reached or has no such event, or it can't be printed.
pub async fn run(args: &GetArgs) -> Result<(), CliError> {
    let event = fetch(&args.client, which(&args.event, args.endpoint.as_deref()), args.raw).await?;
    let mut out = io::stdout().lock();
    let written = if args.raw {
        if event.omitted.is_some() {
            return Err(GetError::Erased { sequence: event.sequence }.into());
        }
        out.write_all(&event.raw_body)
    } else {
        serde_json::to_writer_pretty(&mut out, &dynamic(&event)).map_err(io::Error::from).and_then(|()| writeln!(out))
    };
    written.and_then(|()| out.flush()).map_err(CliError::Output)
}

/// Gets one event from a relay, whatever its size.
///
/// # Errors
/// If the relay can't be reached, or has no such event.
pub async fn fetch(client: &ClientArgs, event: get_event_request::Event, raw: bool) -> Result<Event, CliError> {
    let mut client = client.connect(usize::MAX).await?;
    let request = GetEventRequest { event: Some(event), include_raw_body: raw };
    let answered = answer(client.get_event(request)).await?;
    Ok(answered.event.ok_or(GetError::Nothing)?)
}

/// What the text names.
#[must_use]
pub fn which(text: &str, endpoint: Option<&str>) -> get_event_request::Event {
    let id =
        |endpoint: &str| get_event_request::Event::Key(EventKey { endpoint: endpoint.to_owned(), id: text.to_owned() });
    match (endpoint, text.parse::<u64>()) {
        (Some(endpoint), _) => id(endpoint),
        (None, Ok(sequence)) => get_event_request::Event::Sequence(sequence),
        (None, Err(_)) if is_cursor(text) => get_event_request::Event::Cursor(text.to_owned()),
        (None, Err(_)) => id(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::cursor::{LogId, Position, encode};

    #[test]
    fn sequences_cursors_and_ids_are_told_apart() {
        use get_event_request::Event::{Cursor, Key, Sequence};
        assert_eq!(which("42", None), Sequence(42));
        let cursor = encode(LogId([9; 16]), Position { sequence: 42, check: 1 });
        assert_eq!(which(&cursor, None), Cursor(cursor.clone()));
        let key = |endpoint: &str, id: &str| Key(EventKey { endpoint: endpoint.into(), id: id.into() });
        assert_eq!(which("et-1", None), key("", "et-1"));
        assert_eq!(which("42", Some("other")), key("other", "42"));
    }
}
