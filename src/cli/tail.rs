//! `tail`: a relay's events in the terminal, or in a pipe.
//!
//! Promises: every event that passes the filter is printed, in the log's order, across any loss of the connection.
//! Nothing is printed twice in one run. With `--name`, an event counts as read once it is printed and flushed: after a
//! kill at the wrong moment it is printed again, never skipped. With `--no-follow` and `--count`,
//! success means that so many were printed.

use std::{num::NonZeroU64, ops::ControlFlow, path::PathBuf};

use clap::Args;

use self::{
    follow::{News, follow},
    place::{Place, PlaceError},
};
use super::{
    CliError,
    client::ClientArgs,
    print::{Form, FormArgs, Printer},
    select::{FilterArgs, Start, StartArgs},
    stop::until_stopped,
};
use crate::event::pb::SubscribeRequest;

mod backoff;
pub mod follow;
pub mod place;

const EXAMPLES: &str = "\
Examples:
  smile-relay tail                                      webhooks from now on
  smile-relay tail --since 1h --type ACCOUNT_FAILED     the last hour's failures, and those to come
  smile-relay tail --no-follow --json | jq .typeName    all that the log holds, for a program
  smile-relay tail --name audit --json >> audit.jsonl   goes on where it was, each time
  smile-relay tail --no-follow --count 1 --user u-1     fails if the log holds no event of this user

If the connection is lost, it is made again as often as it takes, and nothing is missed. Only if the
relay can't be reached at the very start, tail ends at once, as then the address may be wrong; with
--retry it waits for the relay.";

/// Print events as they come.
///
/// Starts with what comes from now on, unless told otherwise. Ctrl-C or SIGTERM ends it, with 0.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TailArgs {
    /// End with the newest event there is, instead of waiting for more; starts with the oldest unless told otherwise
    #[arg(long)]
    pub no_follow: bool,
    /// End after so many events; with --no-follow, fail if there are fewer
    #[arg(long, value_name = "N")]
    pub count: Option<NonZeroU64>,
    /// Remember under this name what was printed, and go on from there next time; a start given as well comes first
    ///
    /// The place is kept in $XDG_STATE_HOME/smile-relay/cursors/, or in ~/.local/state/smile-relay/cursors/.
    #[arg(long, value_name = "NAME", value_parser = place::name)]
    pub name: Option<String>,
    /// Wait for a relay that can't be reached at the start
    #[arg(long)]
    pub retry: bool,
    /// Leave out the content of events larger than this [default: 3145728]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_event_bytes: Option<u32>,
    #[command(flatten)]
    pub start: StartArgs,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub form: FormArgs,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Fewer events than `--count` asks for, where no more are waited for.
#[derive(Debug, thiserror::Error)]
#[error("{seen} of {count} events: there are no more that pass the filter; without --no-follow, tail waits for them")]
pub struct TooFew {
    seen: u64,
    count: u64,
}

/// # Errors
/// If the relay refuses for good, there are too few events, or what was read can't be printed or remembered.
pub async fn run(args: &TailArgs) -> Result<(), CliError> {
    until_stopped(tail(args, Printer::stdout(args.form.form()))).await
}

/// As `run`, printing by `printer`, until it is dropped.
///
/// # Errors
/// As `run`.
pub async fn tail(args: &TailArgs, mut printer: Printer) -> Result<(), CliError> {
    args.filter.warn_of_unknown_types();
    let place = args.name.as_deref().map(|name| Place::open(name, state_home)).transpose()?;
    let given = args.start.start();
    let kept = match (&place, &given) {
        (Some(place), None) => place.read()?,
        _ => None,
    };
    let from = match (&args.name, &kept, &given) {
        (Some(name), Some(_), _) => format!("where {name} was"),
        (.., Some(start)) => start.to_string(),
        _ => default_start(args).to_string(),
    };
    let goes_on = kept.is_some();
    let start = given.or(kept.map(Start::After)).unwrap_or_else(|| default_start(args));
    let request = SubscribeRequest {
        filter: Some(args.filter.filter()),
        start: Some(start.into()),
        include_raw_body: args.form.form() == Form::Raw,
        stop_when_caught_up: args.no_follow,
        heartbeat_interval: None,
        consumer: args.name.clone().unwrap_or_else(|| "smile-relay tail".to_owned()),
        max_event_bytes: args.max_event_bytes.unwrap_or(0),
    };
    let address = &args.client.address;
    let mut told_removed = 0;
    let (mut seen, count) = (0, args.count.map_or(u64::MAX, NonZeroU64::get));
    let result = follow(&args.client, request, args.retry, |news| {
        match news {
            News::Opened if args.no_follow => {}
            News::Opened => eprintln!("Ready. Listening on {address} from {from} (^C to quit)"),
            News::Lost(error) => eprintln!("Waiting for {address}: {error}"),
            News::Back => eprintln!("Connected again, going on where it broke off."),
            News::Message(message, cursor) => {
                let removed = message.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.callbacks_removed_through);
                if removed > told_removed {
                    told_removed = removed;
                    eprintln!("note: callbacks up to #{removed} were removed before they could be read");
                }
                let left = usize::try_from(count - seen).unwrap_or(usize::MAX);
                let wanted = &message.events[..left.min(message.events.len())];
                for event in wanted {
                    printer.event(event)?;
                }
                printer.flush()?;
                seen += wanted.len() as u64;
                let last = wanted.last().map(|event| event.cursor.as_str());
                let cursor = if wanted.len() < message.events.len() { last } else { cursor };
                if let (Some(place), Some(cursor)) = (&place, cursor) {
                    place.keep(cursor)?;
                }
                if seen == count {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })
    .await;
    match (result, &args.name) {
        (Err(CliError::Refused(refusal)), Some(name)) if goes_on && refusal.reason().starts_with("CURSOR_") => {
            Err(PlaceError::Unusable { name: name.clone(), refusal }.into())
        }
        (Ok(()), _) if seen < count && args.count.is_some() => Err(TooFew { seen, count }.into()),
        (result, _) => result,
    }
}

fn default_start(args: &TailArgs) -> Start {
    if args.no_follow { Start::Oldest } else { Start::Now }
}

/// Where this user's programs keep what they remember.
fn state_home() -> Option<PathBuf> {
    // An XDG path that is not absolute is to be ignored.
    let xdg = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| Some(std::env::home_dir()?.join(".local/state")))
}
