//! `events`: looks into the log, without following it.

use clap::{Args, Subcommand};

use super::CliError;

pub mod get;
pub mod list;

/// Look at the events in the log.
#[derive(Args, Debug)]
pub struct EventsArgs {
    #[command(subcommand)]
    pub command: EventsCommand,
}

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    List(Box<list::ListArgs>),
    Get(get::GetArgs),
}

/// # Errors
/// Whatever ended the command other than well.
pub async fn run(args: &EventsArgs) -> Result<(), CliError> {
    match &args.command {
        EventsCommand::List(args) => list::run(args).await,
        EventsCommand::Get(args) => get::run(args).await,
    }
}
