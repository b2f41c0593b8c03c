//! `trigger`: sends signed sample webhooks to a relay, as Smile would.
//!
//! Promises: each sending is an event of its own, with a fresh id and time, unless told otherwise; what is sent from a
//! file or from the log goes out byte for byte, but for the changes asked for. Exits with 0 only if every sending was
//! answered with 2xx.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use http::Uri;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::Instant,
};

use self::{
    body::{Body, Template},
    edit::{EditError, Setting},
    tally::Tally,
};
use super::{
    CliError,
    client::ClientArgs,
    events::get,
    input, samples,
    secret::SecretArgs,
    send::{Answer, SendError, Sender, Trust},
    stop::until_stopped,
};

pub mod body;
pub mod edit;
mod tally;

const EXAMPLES: &str = "\
Examples:
  smile-relay trigger USER_CREATED --secret-file secret --insecure
  smile-relay trigger ACCOUNT_FAILED --set data.errorCode=INVALID_MFA --set data.providers.1=b
  smile-relay trigger TASK_FINISHED --count 1000 --rate 100/s --quiet
  smile-relay trigger --file body.json                 these bytes, as they are
  smile-relay trigger --from-event 42 --keep-id        the same event again: a repetition
  smile-relay trigger --list                           the types there are";

/// Send a signed sample webhook.
///
/// Each sending is a new event: it gets an id of its own and the time of now.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TriggerArgs {
    /// The webhook type, such as USER_CREATED; --list shows them
    #[arg(value_name = "TYPE", required_unless_present_any = ["file", "from_event", "list"])]
    pub type_name: Option<String>,
    /// List the types there are samples of
    #[arg(long)]
    pub list: bool,
    /// Send the content of this file as it is; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["type_name", "from_event"])]
    pub file: Option<PathBuf>,
    /// Send the body of an event that the relay at --address holds
    #[arg(long, value_name = "ID|SEQUENCE", conflicts_with = "type_name")]
    pub from_event: Option<String>,
    /// The endpoint that received the event whose id --from-event gives [default: smile]
    #[arg(long, value_name = "NAME", requires = "from_event")]
    pub endpoint: Option<String>,
    /// Change a member, such as data.userId=u-1 or data.providers.0=x; repeatable
    ///
    /// The value is JSON if it can be read as JSON, else a string. Members that are missing are made.
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<Setting>,
    /// Leave the id and createdAt as they are
    #[arg(long)]
    pub keep_id: bool,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub secret: SecretArgs,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "How many")]
pub struct LoadArgs {
    /// Send this many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// Start no more than this many a second [default: as fast as they are answered]
    #[arg(long, value_name = "R/s", value_parser = rate)]
    pub rate: Option<f64>,
    /// Send at most this many at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Print the summary only
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Where to")]
pub struct TargetArgs {
    /// The relay's webhook URL
    #[arg(long, env = "SMILE_RELAY_URL", value_name = "URL", default_value = "https://127.0.0.1:8443/webhooks/smile", value_parser = url)]
    pub url: Uri,
    /// Accept any certificate of the webhook URL
    #[arg(long, conflicts_with = "ca")]
    pub insecure: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    #[error(
        "there is no sample of the type {name} (--list shows the types, --file sends anything){}",
        samples::did_you_mean(name)
    )]
    UnknownType { name: String },
    #[error("cannot change the body: {0}")]
    Edit(#[from] EditError),
    #[error("the body of event #{sequence} can't get a new id: {source}; --keep-id sends it as it is")]
    NoNewId { sequence: u64, source: EditError },
}

impl TriggerError {
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::UnknownType { .. } | Self::Edit(_))
    }
}

/// # Errors
/// If nothing can be sent, or not everything was accepted.
pub async fn run(args: &TriggerArgs) -> Result<(), CliError> {
    if args.list {
        let mut names = samples::SAMPLES.iter().map(|(name, _)| name);
        return names.try_for_each(|name| writeln!(io::stdout(), "{name}")).map_err(CliError::Output);
    }
    let secret = args.secret.load()?;
    let sender = Sender::new(args.target.url.clone(), secret, &args.trust())?;
    let template = template(args).await?;
    let mut tally = Tally::default();
    until_stopped(send_all(&args.load, &sender, &template, &mut tally)).await?;
    if args.load.count > 1 {
        writeln!(io::stdout(), "{tally}").map_err(CliError::Output)?;
    }
    if tally.failed() == 0 { Ok(()) } else { Err(CliError::Said) }
}

impl TriggerArgs {
    fn trust(&self) -> Trust {
        match &self.client.ca {
            _ if self.target.insecure => Trust::Anything,
            Some(ca) => Trust::Ca(ca.clone()),
            None => Trust::System,
        }
    }
}

async fn template(args: &TriggerArgs) -> Result<Template, CliError> {
    let fresh = !args.keep_id;
    if let Some(file) = &args.file {
        // Whoever sends a file means these very bytes; whoever edits it, an event like it.
        let fresh = fresh && !args.set.is_empty();
        return Ok(Template::new(input::read(file)?, &args.set, fresh).map_err(TriggerError::Edit)?);
    }
    if let Some(event) = &args.from_event {
        let client =
            ClientArgs { ca: args.client.ca.clone().filter(|_| args.client.address.is_tls()), ..args.client.clone() };
        let event = get::fetch(&client, get::which(event, args.endpoint.as_deref()), true).await?;
        let sequence = event.sequence;
        if event.omitted.is_some() {
            return Err(get::GetError::Erased { sequence }.into());
        }
        return Ok(Template::new(event.raw_body.to_vec(), &args.set, fresh).map_err(|source| {
            if args.set.is_empty() { TriggerError::NoNewId { sequence, source } } else { source.into() }
        })?);
    }
    let name = args.type_name.as_deref().unwrap_or_default();
    let sample =
        samples::of(&name.to_uppercase()).ok_or_else(|| TriggerError::UnknownType { name: name.to_owned() })?;
    // Smile sends no white space; the samples have it for their readers.
    let body = edit::compact(sample).into_bytes();
    Ok(Template::new(body, &args.set, fresh).map_err(TriggerError::Edit)?)
}

/// What came of one sending.
type Outcome = (Body, Result<Answer, SendError>);

async fn send_all(load: &LoadArgs, sender: &Sender, template: &Template, tally: &mut Tally) -> Result<(), CliError> {
    let slots = Arc::new(Semaphore::new(load.concurrency.into()));
    let (outcomes, mut arrived) = mpsc::unbounded_channel::<Outcome>();
    // Dropped on the way out, which ends what is still under way.
    let mut sending = JoinSet::new();
    let start = Instant::now();
    let mut printing = Printing { quiet: load.quiet, hinted: false };
    for n in 0..load.count {
        if let Some(rate) = load.rate {
            #[expect(clippy::cast_precision_loss, reason = "2^53 sendings are enough")]
            let due = start + Duration::from_secs_f64(n as f64 / rate);
            tokio::time::sleep_until(due).await;
        }
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
        let (sender, outcomes, body) = (sender.clone(), outcomes.clone(), template.make());
        sending.spawn(async move {
            let answer = sender.send(body.bytes.clone()).await;
            drop(slot);
            // Nobody listens any more if the process is on its way out.
            let _ = outcomes.send((body, answer));
        });
        while sending.try_join_next().is_some() {}
        while let Ok(outcome) = arrived.try_recv() {
            printing.outcome(&outcome, tally)?;
        }
    }
    drop(outcomes);
    while let Some(outcome) = arrived.recv().await {
        printing.outcome(&outcome, tally)?;
    }
    Ok(())
}

struct Printing {
    quiet: bool,
    /// Whether it was said what to do about a failure: once is enough.
    hinted: bool,
}

impl Printing {
    fn outcome(&mut self, (body, result): &Outcome, tally: &mut Tally) -> Result<(), CliError> {
        tally.count(result);
        let name = if body.type_name.is_empty() { "(no type)" } else { &body.type_name };
        let (said, hint) = match result {
            Ok(answer) => {
                let again = if answer.is_duplicate() { " (held already)" } else { "" };
                let took = answer.took.as_secs_f64() * 1e3;
                (format!("{}{again} in {took:.1} ms", answer.status), hint(answer))
            }
            Err(error) => ("no answer".to_owned(), Some(error.to_string())),
        };
        if !self.quiet {
            writeln!(io::stdout(), "{name} {} {said}", body.id).map_err(CliError::Output)?;
        }
        if let Some(hint) = hint.filter(|_| !self.hinted) {
            eprintln!("error: {hint}");
            self.hinted = true;
        }
        Ok(())
    }
}

fn hint(answer: &Answer) -> Option<String> {
    let todo = match answer.status.as_u16() {
        200..300 => return None,
        401 => "; is the secret the one that the relay has for this endpoint?",
        403 => "; the relay does not take webhooks from this address",
        404 => "; is --url right, with the endpoint's name at its end?",
        429 => "; too many wrong signatures came from here: set the secret right, and wait a little",
        413 => "; the body is larger than the relay takes",
        503 => "; the relay can't store events just now",
        _ => "",
    };
    let said = answer.message().map(|message| format!(": {}", message.trim_end_matches('.'))).unwrap_or_default();
    Some(format!("the relay answered {}{said}{todo}", answer.status))
}

fn url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|_| "expected https://HOST:PORT/webhooks/ENDPOINT".to_owned())?;
    match url.scheme_str() {
        Some("http" | "https") => Ok(url),
        _ => Err("expected https://HOST:PORT/webhooks/ENDPOINT".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.strip_suffix("/s").unwrap_or(text).parse().ok();
    rate.filter(|rate| (0.001..=1e6).contains(rate)).ok_or_else(|| "expected a number a second, like 100/s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_a_second() {
        assert_eq!(rate("100/s"), Ok(100.0));
        assert_eq!(rate("0.5"), Ok(0.5));
        for text in ["", "0", "-1", "NaN", "inf", "100/m"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
