//! `serve`: the relay itself, until it is asked to end.

use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::CliError;
use crate::{
    config::{self, LevelFile, Settings, Volume, memory},
    relay::Relay,
    telemetry::logs,
};

const EXAMPLES: &str = "\
Examples:
  smile-relay serve --tls-cert cert.pem --tls-key key.pem --webhook-secret-file secret
  smile-relay serve --insecure-public-http --webhook-secret-file secret    behind an ingress that ends TLS
  smile-relay serve --config /etc/smile-relay.toml
  smile-relay serve --tls-self-signed --webhook-secret dev                 to try it out

Each flag can be given as a variable (--grpc-listen as SMILE_RELAY_GRPC_LISTEN) or in the file
(grpc-listen = [\"127.0.0.1:50051\"]). Flags win over variables, and those over the file.

SIGTERM and Ctrl-C drain: not ready, and still serving, for --drain-delay; then what has arrived is
finished and streams end with a last checkpoint. A second signal ends the process at once; what was
acknowledged is stored all the same.

Exit codes: 0 after draining, 64 for a configuration that can't be used, 1 for anything else.";

/// Receive webhooks, keep them, and stream them
///
/// Takes Smile's signed webhooks over HTTPS, answers each once it is on the disk, and streams them as typed events over
/// gRPC to any number of services.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    #[command(flatten)]
    settings: Settings,
}

/// Runs the relay.
///
/// # Errors
/// If the configuration can't be used, something is in the way, or the log has failed.
pub async fn run(args: ServeArgs) -> Result<(), CliError> {
    let began = Instant::now();
    let settings = config::load(args.settings.clone())?;
    logs::start(settings.log_format, settings.log_level.as_deref().unwrap_or("info"))?;
    let mut config = config::check(&settings)?;
    say_memory(&settings);
    config.level_file = LevelFile::of(&args.settings, &settings);
    raise_file_limit();
    let shutdown = shutdown_on_signals()?;
    Relay::bind(config, began).await?.run(shutdown).await?;
    Ok(())
}

/// Says what was made of the limit of this process's memory.
fn say_memory(settings: &Settings) {
    let Some(limit) = memory::limit() else { return };
    let shown = |volume: Option<Volume>| volume.map(tracing::field::display);
    tracing::info!(
        limit = %Volume(limit),
        body_budget = shown(settings.body_budget),
        write_queue = shown(settings.write_queue),
        feed_cache = shown(settings.feed_cache),
        max_connections = settings.max_connections,
        http2_window = shown(settings.http2_window),
        ids = settings.dedupe_max_entries,
        "memory is limited"
    );
    let largest = memory::largest_body(limit, settings);
    if let Some(max_body) = settings.max_body.filter(|max_body| max_body.0 > largest.0) {
        tracing::warn!(
            %max_body,
            "the memory limit may be too small to decode an event as large as --max-body allows: raise the limit, or \
             lower --max-body to {largest} if Smile sends you nothing larger"
        );
    }
}

/// Cancelled by the first SIGTERM or Ctrl-C. The second one ends the process.
///
/// # Errors
/// If signals can't be waited for.
pub fn shutdown_on_signals() -> Result<CancellationToken, CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Signals)?;
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    // Lives as long as the process.
    tokio::spawn(async move {
        for signals in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            token.cancel();
            if signals > 0 {
                tracing::warn!("ended by a second signal");
                std::process::exit(1);
            }
        }
    });
    Ok(shutdown)
}

/// Connections are files, and the usual limit of 1,024 is far below what the listeners allow: the limit is raised as far
/// as the system lets it be.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "the limit of open files can't be raised");
    }
}
