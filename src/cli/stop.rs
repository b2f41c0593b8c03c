//! The wish to end: Ctrl-C, or SIGTERM.

use tokio::signal::unix::{SignalKind, signal};

use super::CliError;

/// Runs `work` until it ends or somebody asks the process to end, which is no failure. Whatever `work` does between two
/// awaits is done whole.
///
/// # Errors
/// What `work` returns.
pub async fn until_stopped(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Signals)?;
    tokio::select! {
        result = work => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
