//! `backup`: copies the log of a relay, while it runs or while it does not.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::CliError;
use crate::log::embedded::backup::{Copied, backup};

const EXAMPLES: &str = "\
Examples:
  smile-relay backup --data-dir /var/lib/smile-relay /backups/events-2026-11-26.db

To restore: stop the relay, put the copy as events.db into a data directory with nothing else in it, owned by the relay's
user, and start. Cursors to events that the copy does not hold are refused then (CURSOR_AHEAD, CURSOR_DIVERGED).";

/// Copy the log to a file, while the relay runs.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct BackupArgs {
    /// The file to make; nothing is replaced
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The directory of the embedded log
    #[arg(long, env = "SMILE_RELAY_DATA_DIR", value_name = "DIR", default_value = "./smile-relay-data")]
    pub data_dir: PathBuf,
}

/// # Errors
/// If there is no whole copy.
pub fn run(args: &BackupArgs) -> Result<(), CliError> {
    let Copied { latest, bytes } = backup(&args.data_dir, &args.file)?;
    writeln!(io::stdout(), "copied the log up to #{latest} to {} ({bytes} bytes)", args.file.display())
        .map_err(CliError::Output)
}
