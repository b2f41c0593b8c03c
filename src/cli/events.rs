//! `events`: looks into the log, without following it, and erases what it holds of a user.

use clap::{Args, Subcommand};

use super::CliError;

pub mod erase;
pub mod get;
pub mod list;

/// Look at the events in the log, or erase those of a user.
#[derive(Args, Debug)]
pub struct EventsArgs {
    #[command(subcommand)]
    pub command: EventsCommand,
}

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    List(Box<list::ListArgs>),
    Get(get::GetArgs),
    Erase(erase::EraseArgs),
}

/// # Errors
/// Whatever ended the command other than well.
pub async fn run(args: &EventsArgs) -> Result<(), CliError> {
    match &args.command {
        EventsCommand::List(args) => list::run(args).await,
        EventsCommand::Get(args) => get::run(args).await,
        EventsCommand::Erase(args) => erase::run(args).await,
    }
}
