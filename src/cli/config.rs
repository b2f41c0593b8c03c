//! `config check|print`: what `serve` would do with this configuration.

use std::io::Write;

use clap::{Args, Subcommand};

use super::CliError;
use crate::{
    config::{self, Settings},
    relay::Relay,
    telemetry::logs,
};

/// Check or print a configuration
///
/// Takes the same flags, variables and file as `serve`.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether `serve` could use this configuration, certificates and secrets included
    ///
    /// Nothing is bound or opened. Exits with 0 or 64.
    Check(CheckArgs),
    /// Print the effective configuration as TOML, with secrets masked
    Print(PrintArgs),
}

#[derive(Args, Debug)]
struct CheckArgs {
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args, Debug)]
struct PrintArgs {
    #[command(flatten)]
    settings: Settings,
}

/// # Errors
/// Names the flag or the file, and what to write instead.
pub fn run(args: ConfigArgs) -> Result<(), CliError> {
    let mut stdout = std::io::stdout();
    match args.command {
        ConfigCommand::Check(CheckArgs { settings }) => {
            let settings = config::load(settings)?;
            logs::check(settings.log_level.as_deref().unwrap_or("info"))?;
            let config = config::check(&settings)?;
            Relay::check(&config)?;
            for warning in config.identity.iter().flat_map(|identity| &identity.loaded.warnings) {
                eprintln!("warning: {warning}");
            }
            writeln!(stdout, "the configuration is good")
        }
        ConfigCommand::Print(PrintArgs { settings }) => write!(stdout, "{}", config::load(settings)?.masked()),
    }
    .map_err(CliError::Output)
}
