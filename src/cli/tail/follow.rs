//! A subscription that outlives its connections.
//!
//! Promises: the messages are those of one uninterrupted stream, as each new connection resumes after the last cursor
//! seen. A stream that is silent for two heartbeat intervals is taken for dead. Refusals that another attempt can't
//! change end it; everything else is tried again, with growing pauses.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tokio::time::timeout;
use tonic::Code;

use super::backoff::Backoff;
use crate::{
    cli::{
        CliError,
        client::{ClientArgs, ClientError},
    },
    event::pb::{SubscribeRequest, SubscribeResponse, subscribe_request},
};

/// The relay's defaults for what a request leaves open.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
const DEFAULT_EVENT_BYTES: usize = 3 * 1024 * 1024;
/// What a message can hold beside its largest event.
const MESSAGE_BYTES: usize = 1024 * 1024;
/// A stream that held this long was a good one: what ends it says nothing about the next.
const GOOD_STREAM: Duration = Duration::from_secs(10);

/// What there is to hear of a subscription.
#[derive(Debug)]
pub enum News<'a> {
    /// The relay has accepted it; comes once.
    Opened,
    /// A message, with the cursor to resume after once it is dealt with.
    Message(&'a SubscribeResponse, Option<&'a str>),
    /// The connection is lost, or could not be made; comes once until `Opened` or `Back`.
    Lost(&'a CliError),
    /// There is a new connection in place of the lost one.
    Back,
}

#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error("nothing was heard for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the relay ended the stream")]
    Ended,
}

/// Subscribes, and tells `hear` all there is, until it breaks off or has an error, the request's own end, or a final
/// refusal.
///
/// If the very first connection fails, it ends with that error, unless `patient`.
///
/// # Errors
/// A final refusal, or what `hear` returns.
pub async fn follow(
    client: &ClientArgs,
    mut request: SubscribeRequest,
    patient: bool,
    mut hear: impl FnMut(News<'_>) -> Result<ControlFlow<()>, CliError>,
) -> Result<(), CliError> {
    let mut backoff = Backoff::default();
    let (mut opened, mut lost) = (false, false);
    loop {
        let attempt = request.clone();
        let started = Instant::now();
        let mut had_events = false;
        let end = stream(client, attempt, |message| {
            let news = match (opened, lost) {
                (false, _) => Some(News::Opened),
                (true, true) => Some(News::Back),
                (true, false) => None,
            };
            (opened, lost) = (true, false);
            if let Some(news) = news
                && hear(news)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            had_events |= !message.events.is_empty();
            let cursor = cursor(message);
            if let Some(cursor) = cursor {
                request.start = Some(subscribe_request::Start::AfterCursor(cursor.to_owned()));
            }
            hear(News::Message(message, cursor))
        })
        .await;
        let error = match end {
            Ok(ControlFlow::Break(())) => return Ok(()),
            Ok(ControlFlow::Continue(())) if request.stop_when_caught_up => return Ok(()),
            Ok(ControlFlow::Continue(())) => FollowError::Ended.into(),
            Err(error) => error,
        };
        if !is_transient(&error, client) || !(opened || patient) {
            return Err(error);
        }
        if had_events || started.elapsed() > GOOD_STREAM {
            backoff.reset();
        }
        if !lost {
            if hear(News::Lost(&error))?.is_break() {
                return Ok(());
            }
            lost = true;
        }
        let asked = if let CliError::Refused(refusal) = &error { refusal.retry_after() } else { None };
        tokio::time::sleep(backoff.next(asked)).await;
    }
}

/// One connection's part of the stream, until its end or until `each` breaks off.
async fn stream(
    client: &ClientArgs,
    request: SubscribeRequest,
    mut each: impl FnMut(&SubscribeResponse) -> Result<ControlFlow<()>, CliError>,
) -> Result<ControlFlow<()>, CliError> {
    let event_bytes = match request.max_event_bytes {
        0 => DEFAULT_EVENT_BYTES,
        bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
    };
    let mut silence = 2 * DEFAULT_HEARTBEAT;
    let silent = |silence| FollowError::Silent(silence);
    let mut client = client.connect(event_bytes.saturating_add(MESSAGE_BYTES)).await?;
    let answer = timeout(silence, client.subscribe(request)).await.map_err(|_| silent(silence))?;
    let mut messages = answer?.into_inner();
    while let Some(message) = timeout(silence, messages.message()).await.map_err(|_| silent(silence))?? {
        if each(&message)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let kept = message.checkpoint.as_ref().and_then(|checkpoint| checkpoint.heartbeat_interval);
        if let Some(interval) = kept.and_then(|interval| Duration::try_from(interval).ok()).filter(|i| !i.is_zero()) {
            silence = 2 * interval;
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Where to resume after this message.
fn cursor(message: &SubscribeResponse) -> Option<&str> {
    let checkpoint = message.checkpoint.as_ref().map(|checkpoint| checkpoint.cursor.as_str());
    checkpoint.or_else(|| message.events.last().map(|event| event.cursor.as_str())).filter(|cursor| !cursor.is_empty())
}

fn is_transient(error: &CliError, client: &ClientArgs) -> bool {
    match error {
        // The token may be replaced in its file any time.
        CliError::Refused(refusal) if refusal.code() == Code::Unauthenticated => client.credentials.has_token(),
        CliError::Client(error) => matches!(error, ClientError::Unreachable { .. }),
        CliError::Refused(refusal) => refusal.is_transient(),
        CliError::Follow(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
