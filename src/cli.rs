//! The command line: which commands there are, and how they end.
//!
//! Promises: results go to stdout and nothing else does; what people should know goes to stderr. A command that fails
//! says so in one line that tells what to do, and never repeats a secret or a signature. The exit code is 0 if all went
//! well or the reader of a pipe went away, 64 if what was asked can't be done as it was asked, else 1.
//!
//! One file a command; what several of them share has a file of its own:
//!
//! - [`client`]: the way to a relay. [`refusal`]: what its refusals mean.
//! - [`select`]: which events, and from where. [`print`]: an event on stdout.
//! - [`send`]: a signed webhook, as Smile sends it. [`samples`]: what to send. [`secret`]: what to sign it with.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};

use crate::config::{Origins, variable_of};

pub mod backup;
pub mod client;
mod clock;
pub mod config;
pub mod demo;
pub mod events;
pub mod healthcheck;
mod input;
pub mod print;
pub mod refusal;
pub mod samples;
pub mod secret;
pub mod select;
pub mod send;
pub mod serve;
pub mod sign;
pub mod stop;
pub mod tail;
mod tls;
pub mod token;
pub mod trigger;
pub mod verify;

/// The exit code for a request that can't be followed as it stands: EX_USAGE of sysexits.h.
const EXIT_USAGE: u8 = 64;

const EXAMPLES: &str = "\
Examples:
  smile-relay demo                          see it all at work, with nothing to set up
  smile-relay serve --config relay.toml     the relay itself
  smile-relay tail                          print events as they come
  smile-relay tail --name audit --json      go on where the last one of this name stopped, as JSON
  smile-relay trigger USER_CREATED --secret-file secret --insecure
                                            send a signed sample webhook to a relay on this machine
  smile-relay events get 42                 print one event whole

Every command has its own --help with examples.";

/// Receives Smile's webhooks, keeps each one durably, and streams them as typed events over gRPC.
#[derive(Debug, Parser)]
#[command(name = "smile-relay", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Serve(Box<serve::ServeArgs>),
    Demo(demo::DemoArgs),
    Tail(Box<tail::TailArgs>),
    Trigger(Box<trigger::TriggerArgs>),
    Sign(sign::SignArgs),
    Verify(verify::VerifyArgs),
    Events(events::EventsArgs),
    Backup(backup::BackupArgs),
    Healthcheck(healthcheck::HealthcheckArgs),
    Token(token::TokenArgs),
    Config(Box<config::ConfigArgs>),
}

/// What ends a command other than well.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Client(#[from] client::ClientError),
    #[error(transparent)]
    Refused(#[from] Box<refusal::Refusal>),
    #[error(transparent)]
    Input(#[from] input::InputError),
    #[error(transparent)]
    Secret(#[from] secret::SecretError),
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    #[error(transparent)]
    Send(#[from] send::SendError),
    #[error(transparent)]
    Trigger(#[from] trigger::TriggerError),
    #[error(transparent)]
    Follow(#[from] tail::follow::FollowError),
    #[error(transparent)]
    TooFew(#[from] tail::TooFew),
    #[error(transparent)]
    Place(#[from] tail::place::PlaceError),
    #[error(transparent)]
    Get(#[from] events::get::GetError),
    #[error(transparent)]
    Backup(#[from] crate::log::embedded::backup::BackupError),
    #[error(transparent)]
    Signature(#[from] verify::SignatureError),
    #[error(transparent)]
    Health(#[from] healthcheck::HealthError),
    #[error("cannot write to stdout: {0}")]
    Output(#[source] std::io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    Level(#[from] crate::telemetry::logs::LevelError),
    #[error(transparent)]
    Relay(#[from] crate::relay::RelayError),
    #[error("the demonstration can't have a temporary directory: {0}")]
    Temporary(#[source] std::io::Error),
    /// The command has printed its own verdict: nothing is to be added but the exit code.
    #[error("failed")]
    Said,
}

impl CliError {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let usage = match self {
            Self::Client(error) => error.is_usage(),
            Self::Trigger(error) => error.is_usage(),
            Self::Place(error) => error.is_usage(),
            Self::Backup(error) => error.is_usage(),
            Self::Relay(error) => error.is_configuration(),
            Self::Config(_) | Self::Level(_) | Self::Input(_) | Self::Secret(_) | Self::Tls(_) | Self::Signature(_) => {
                true
            }
            Self::Output(_) if self.is_broken_pipe() => return 0,
            _ => false,
        };
        if usage { EXIT_USAGE } else { 1 }
    }

    /// True if nothing is to be printed: it is said already, or there is nobody left to say it to.
    fn is_quiet(&self) -> bool {
        matches!(self, Self::Said) || self.is_broken_pipe()
    }

    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Printing fails only where nobody reads.
            let _ = error.print();
            if let Some(variable) = variable_of(&error) {
                eprintln!("\nThe value is that of the variable {variable}.");
            }
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) };
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(cli));
    // A name look-up or a read of a terminal that still hangs must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_quiet() {
                eprintln!("error: {}", Origins::of(&matches).explain(&error.to_string()));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs one command to its end.
///
/// # Errors
/// Whatever ended it other than well.
pub async fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Serve(args) => Box::pin(serve::run(*args)).await,
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        Command::Config(args) => config::run(*args),
        Command::Tail(args) => tail::run(&args).await,
        Command::Trigger(args) => trigger::run(&args).await,
        Command::Token(args) => token::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Events(args) => events::run(&args).await,
        Command::Backup(args) => backup::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args).await,
    }
}

/// An error with its causes, outermost first, in one line. Causes that only repeat what was said before are left out.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure() {
        let error = CliError::Output(std::io::ErrorKind::BrokenPipe.into());
        assert!(error.is_quiet());
        assert_eq!(error.exit_code(), 0);
        assert_eq!(CliError::Output(std::io::ErrorKind::StorageFull.into()).exit_code(), 1);
    }
}
