//! `demo`: the whole way of an event on one machine, with nothing to set up.
//!
//! Starts a real relay with a certificate and a secret made for the occasion, sends one signed webhook of each type to
//! it over HTTPS, and prints what comes out of its gRPC stream. Then it stays, for whoever wants to take part.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use faster_hex::hex_string;
use tokio::time::Instant;

use super::{
    CliError,
    client::{ClientArgs, CredentialArgs},
    print::{Form, Printer},
    samples::SAMPLES,
    secret::Secret,
    send::{Sender, Trust},
    serve::shutdown_on_signals,
};
use crate::{
    config::{self, Settings},
    event::pb::{StartPosition, SubscribeRequest, subscribe_request::Start},
    relay::Relay,
    telemetry::logs,
};

const EXAMPLES: &str = "\
Examples:
  smile-relay demo                        every event type once, then it stays until Ctrl-C
  smile-relay demo --once                 ends when all have come through
  smile-relay demo --public-listen 127.0.0.1:9443 --grpc-listen 127.0.0.1:9051";

/// See webhooks travel through a relay, with nothing to set up
///
/// Makes a certificate and a secret, starts a relay on loopback, sends one signed webhook of each type to it, and prints
/// the events as they come out of the gRPC stream.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// End when every event has come through
    #[arg(long)]
    once: bool,
    /// Where the webhooks come in
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    public_listen: SocketAddr,
    /// Where to subscribe
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    grpc_listen: SocketAddr,
    /// Probes and metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    admin_listen: SocketAddr,
    /// Keep the log here [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// # Errors
/// If a port is in use, or something on the way of an event fails.
pub async fn run(args: DemoArgs) -> Result<(), CliError> {
    // Its own warnings are about what a demonstration gives up on purpose.
    logs::start(None, "error")?;
    let temporary = Temporary::new().map_err(CliError::Temporary)?;
    let secret = hex_string(&rand::random::<[u8; 16]>());
    let settings = Settings {
        public_listen: Some(args.public_listen.to_string()),
        grpc_listen: Some(vec![args.grpc_listen.to_string()]),
        admin_listen: Some(args.admin_listen),
        tls_self_signed: Some(true),
        webhook_secret: Some(vec![secret.clone().into()]),
        // A temporary directory may well be in memory, which is good enough for a demonstration.
        allow_any_filesystem: Some(args.data_dir.is_none()),
        data_dir: Some(args.data_dir.clone().unwrap_or_else(|| temporary.0.join("log"))),
        ..Settings::default()
    };
    let relay = Relay::bind(config::check(&settings)?, Instant::now()).await?;
    let public = relay.public_address().to_string();
    let grpc = relay.grpc_addresses().next().map(ToString::to_string).unwrap_or_default();
    let certificate = temporary.0.join("certificate.pem");
    std::fs::write(&certificate, relay.self_signed().unwrap_or_default()).map_err(CliError::Temporary)?;

    let shutdown = shutdown_on_signals()?;
    let running = tokio::spawn(relay.run(shutdown.clone()));
    let shown = tokio::select! {
        shown = show(&args, &public, &grpc, &secret, certificate) => shown,
        () = shutdown.cancelled() => Ok(()),
    };
    shutdown.cancel();
    running.await.map_err(|e| CliError::Temporary(e.into()))??;
    shown
}

async fn show(args: &DemoArgs, public: &str, grpc: &str, secret: &str, certificate: PathBuf) -> Result<(), CliError> {
    eprintln!("A relay listens for webhooks on https://{public} and for gRPC on {grpc}.");
    eprintln!("Sending one webhook of each of the {} types to it; this is what subscribers get:\n", SAMPLES.len());
    let client =
        ClientArgs { address: format!("http://{grpc}").parse()?, ca: None, credentials: CredentialArgs::default() };
    let mut client = client.connect(16 << 20).await?;
    let request = SubscribeRequest {
        start: Some(Start::Position(StartPosition::Latest.into())),
        consumer: "demo".to_owned(),
        ..SubscribeRequest::default()
    };
    let mut stream = client.subscribe(request).await?.into_inner();
    // The first message says that the stream is open, so that it misses nothing.
    stream.message().await?;

    let url = format!("https://{public}/webhooks/smile");
    let target = url.parse().map_err(|_| super::client::ClientError::Address)?;
    let sender = Sender::new(target, Secret::new(secret)?, &Trust::Ca(certificate))?;
    let sending = tokio::spawn(async move {
        for (_, body) in SAMPLES {
            sender.send(bytes::Bytes::from_static(body.as_bytes())).await?;
        }
        Ok::<_, super::send::SendError>(())
    });
    let mut printer = Printer::stdout(Form::Human);
    let mut seen = 0;
    while seen < SAMPLES.len() {
        let Some(message) = stream.message().await? else { break };
        for event in message.events {
            printer.event(&event)?;
            seen += 1;
        }
        printer.flush()?;
    }
    sending.await.map_err(|e| CliError::Temporary(e.into()))??;
    if args.once {
        return Ok(());
    }
    eprintln!("\nAll of them are on disk, and can be read again. In another terminal:\n");
    eprintln!("  grpcurl -plaintext {grpc} list");
    eprintln!(
        "  grpcurl -plaintext -d '{{\"position\":\"START_POSITION_EARLIEST\"}}' {grpc} smilerelay.v1.RelayService/Subscribe"
    );
    eprintln!("  smile-relay tail --address http://{grpc} --from-start");
    eprintln!("  smile-relay trigger ACCOUNT_CONNECTED --url {url} --secret {secret} --insecure\n");
    eprintln!("What comes in is printed here. Ctrl-C ends the demonstration.\n");
    while let Some(message) = stream.message().await? {
        for event in message.events {
            printer.event(&event)?;
        }
        printer.flush()?;
    }
    Ok(())
}

/// A directory that is removed at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("smile-relay-demo-{}", hex_string(&rand::random::<[u8; 6]>())));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What can't be removed is left to whoever cleans the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
