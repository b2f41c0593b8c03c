//! `events list`: what the log holds, oldest first.

use clap::Args;

use crate::{
    cli::{
        CliError,
        client::{ClientArgs, answer},
        print::{Form, FormArgs, Printer},
        select::{FilterArgs, Start, StartArgs},
    },
    event::pb::ListEventsRequest,
};

/// A page ends at 3 MiB, and an event may reach beyond that.
const RECEIVE_LIMIT: usize = 64 * 1024 * 1024;
const LARGEST_PAGE: u32 = 1_000;

const EXAMPLES: &str = "\
Examples:
  smile-relay events list                                       the 100 oldest
  smile-relay events list --since 1h --type ACCOUNT_FAILED      what failed in the last hour
  smile-relay events list --all --json > events.jsonl           everything, for a program";

/// List the events in the log, oldest first.
///
/// Starts with the oldest event that the log holds, unless told otherwise.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ListArgs {
    /// List at most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// List them all
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    #[command(flatten)]
    pub start: StartArgs,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub form: FormArgs,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// # Errors
/// If the relay can't be reached or refuses, or the events can't be printed.
pub async fn run(args: &ListArgs) -> Result<(), CliError> {
    args.filter.warn_of_unknown_types();
    let mut client = args.client.connect(RECEIVE_LIMIT).await?;
    let mut printer = Printer::stdout(args.form.form());
    let mut left = if args.all { usize::MAX } else { args.limit };
    let mut request = ListEventsRequest {
        filter: Some(args.filter.filter()),
        start: Some(args.start.start().unwrap_or(Start::Oldest).into()),
        include_raw_body: args.form.form() == Form::Raw,
        ..ListEventsRequest::default()
    };
    let mut told_removed = 0;
    while left > 0 {
        request.page_size = u32::try_from(left).map_or(LARGEST_PAGE, |left| left.min(LARGEST_PAGE));
        let page = answer(client.list_events(request.clone())).await?;
        if page.callbacks_removed_through > told_removed {
            told_removed = page.callbacks_removed_through;
            eprintln!("note: callbacks up to #{told_removed} were removed to keep their quota");
        }
        for event in page.events.iter().take(left) {
            printer.event(event)?;
        }
        printer.flush()?;
        left = left.saturating_sub(page.events.len());
        if page.next_page_token.is_empty() {
            break;
        }
        if left == 0 {
            eprintln!("note: there may be more: go on with --after {}, or list with --all", page.end_cursor);
        }
        request.page_token = page.next_page_token;
    }
    Ok(())
}
