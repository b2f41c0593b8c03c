//! `healthcheck`: asks a relay's admin listener whether it is ready, has started, or is alive. For container probes: one
//! line, exit code 0 or 1, always within the timeout.

use std::{
    io::{self, Write},
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use super::{CliError, chain};

const EXAMPLES: &str = "\
Examples:
  smile-relay healthcheck                   is it ready for webhooks and subscribers?
  smile-relay healthcheck --started         has it opened its log?
  smile-relay healthcheck --live            is the process alive?

In a Dockerfile:
  HEALTHCHECK CMD [\"smile-relay\", \"healthcheck\"]";

/// Ask a relay whether it is ready: exits with 0 if it is, else with 1.
///
/// Asks the admin listener, over plain HTTP.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct HealthcheckArgs {
    /// The relay's admin listener
    #[arg(long, env = "SMILE_RELAY_ADMIN", value_name = "URL", default_value = "http://127.0.0.1:8081", value_parser = admin)]
    pub admin: Uri,
    /// Ask whether it is alive, not whether it is ready
    #[arg(long)]
    pub live: bool,
    /// Ask whether it has started; it has on a full disk as well, where it is not ready
    #[arg(long, conflicts_with = "live")]
    pub started: bool,
    /// How long to wait for the answer
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    #[error("cannot reach the relay at {url}: {cause}")]
    Unreachable { url: String, cause: String },
    #[error("no answer from {url} within {}", humantime::format_duration(*timeout))]
    Silent { url: String, timeout: Duration },
    #[error("not {asked}: {url} answered {status}{detail}")]
    Unhealthy { asked: &'static str, url: String, status: StatusCode, detail: String },
}

/// # Errors
/// If the answer is no, or there is none.
pub async fn run(args: &HealthcheckArgs) -> Result<(), CliError> {
    let (asked, path) = match (args.live, args.started) {
        (true, _) => ("alive", "livez"),
        (_, true) => ("started", "startupz"),
        _ => ("ready", "readyz"),
    };
    // The parser of --admin lets pass only what ends with its one slash.
    let url = format!("{}{path}", args.admin);
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let unreachable =
        |error: &(dyn std::error::Error + 'static)| HealthError::Unreachable { url: url.clone(), cause: chain(error) };
    let request = Request::get(&url).body(Empty::new()).map_err(|error| unreachable(&error))?;
    let answered = async {
        let answer = client.request(request).await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), 4096).collect().await;
        Ok::<_, HealthError>((status, body.map(http_body_util::Collected::to_bytes).unwrap_or_default()))
    };
    let silent = |_| HealthError::Silent { url: url.clone(), timeout: args.timeout };
    let (status, body) = tokio::time::timeout(args.timeout, answered).await.map_err(silent)??;
    if status.is_success() {
        return writeln!(io::stdout(), "{asked}").map_err(CliError::Output);
    }
    let detail = match String::from_utf8_lossy(&body).lines().next() {
        Some(line) if !line.is_empty() => format!(": {line}"),
        _ => String::new(),
    };
    Err(HealthError::Unhealthy { asked, url, status, detail }.into())
}

fn admin(text: &str) -> Result<Uri, String> {
    let expected = || "expected http://HOST:PORT".to_owned();
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: Uri = text.parse().map_err(|_| expected())?;
    if url.scheme_str() == Some("http") && url.path() == "/" && url.query().is_none() {
        Ok(url)
    } else {
        Err(expected())
    }
}
