//! One Subscribe stream: a position, a filter, and a clock for checkpoints.
//!
//! It is asked for its next bytes when the peer has room for them, and only then looks at the feed. So a stalled stream
//! holds what is queued for it (64 KiB and a few) and its own few hundred bytes.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, Stream, stream};
use rand::RngExt;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, Sleep, sleep_until},
};
use tonic::Status;

use super::{
    Shared,
    access::Access,
    consumers::Reading,
    frame::{self, Frame},
    large::LargeMessage,
    reply::Piece,
    start::{self, Start},
    status,
};
use crate::{
    event::{
        cursor,
        filter::{Filter, Violation},
        pb::{self, Checkpoint, EventSource, SubscribeRequest, subscribe_request},
    },
    feed::{Content, Entry, LEAST_EVENT_BYTES, Page, Tail},
    identity,
    log::Position,
};

/// What a request may set, and what it gets if it does not.
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(15);
const HEARTBEAT_LEAST: Duration = Duration::from_secs(1);
const HEARTBEAT_MOST: Duration = Duration::from_mins(5);
pub const MAX_EVENT_BYTES_DEFAULT: u32 = 3 << 20;
const CONSUMER_BYTES: usize = 128;
/// Events in one message, in bytes, unless a single one is larger.
const BATCH_BYTES: usize = 64 << 10;
/// A stream that is at most as many events behind gets them before it ends for draining.
const DRAIN_EVENTS: u64 = 1024;

/// An accepted stream.
pub struct Subscription {
    shared: Arc<Shared>,
    /// Everything before this is delivered, or left out by the filter.
    position: Position,
    filter: Filter,
    include_raw: bool,
    max_event_bytes: usize,
    /// Ends with OK here.
    until: Option<u64>,
    /// The relay drains, and `until` says where the stream ends for that.
    is_draining: bool,
    tail: watch::Receiver<Tail>,
    heartbeat: Duration,
    /// Fires when a checkpoint is due.
    checkpoint_due: Pin<Box<Sleep>>,
    /// Fires when the stream has reached its age.
    too_old: Option<Pin<Box<Sleep>>>,
    /// Who reads it: the stream ends with its identity.
    access: Access,
    /// A large event that is being sent.
    sending: Option<LargeMessage>,
    /// The last thing to be sent.
    end: Option<Status>,
    /// A checkpoint has said that the stream is caught up.
    said_caught_up: bool,
    /// Up to which sequence a checkpoint has said that reports were removed before they were delivered; None if the stream
    /// wants no reports.
    said_removed: Option<u64>,
    /// What others see of it; says that it has ended when it has.
    reading: Reading,
    /// The stream's place among all; given back when it ends.
    _place: Place,
}

/// Counts an open stream for as long as it lives.
struct Place {
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
    /// The same among those of its identity.
    _of_identity: Option<identity::Place>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.metrics.streams.dec();
    }
}

/// Checks a request and opens its stream.
pub async fn open(
    shared: Arc<Shared>,
    request: SubscribeRequest,
    access: Access,
) -> Result<impl Stream<Item = Piece> + Send + 'static, Status> {
    let mut violations = Vec::new();
    let heartbeat = heartbeat(request.heartbeat_interval, &mut violations);
    let max_event_bytes = max_event_bytes(request.max_event_bytes, &mut violations);
    if request.consumer.len() > CONSUMER_BYTES {
        violations.push(Violation::new("consumer", format!("at most {CONSUMER_BYTES} bytes are allowed")));
    }
    let filter = Filter::new(request.filter.unwrap_or_default()).unwrap_or_else(|more| {
        violations.extend(more);
        Filter::default()
    });
    if !violations.is_empty() {
        return Err(status::invalid(violations));
    }
    let filter = access.narrow(filter, request.include_raw_body)?;
    if shared.drain.is_cancelled() {
        return Err(status::draining());
    }
    let of_identity = access.take_place()?;
    let limit = shared.settings.max_streams;
    let permit = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| status::too_many_streams(limit))?;
    // Before the start is looked up, so that nothing falls between the two.
    let tail = shared.feed.watch();
    let position = start::resolve(
        &shared.feed,
        match request.start {
            None => Start::At(pb::StartPosition::Latest.into()),
            Some(subscribe_request::Start::AfterCursor(cursor)) => Start::After(cursor),
            Some(subscribe_request::Start::Position(position)) => Start::At(position),
            Some(subscribe_request::Start::ReceivedSince(since)) => Start::Since(since),
        },
    )
    .await?;
    tracing::info!(consumer = request.consumer, identity = access.name(), after = position.sequence, "subscribed");
    shared.metrics.streams.inc();
    let said_removed = filter.names(EventSource::Widget).then_some(0);
    let now = Instant::now();
    let too_old = shared.settings.max_stream_age.map(|age| {
        let jittered = age.mul_f64(rand::rng().random_range(0.9..1.1));
        Box::pin(sleep_until(now + jittered))
    });
    let mut subscription = Subscription {
        position,
        filter,
        include_raw: request.include_raw_body,
        max_event_bytes,
        until: request.stop_when_caught_up.then(|| start::latest(&shared.feed).sequence),
        is_draining: false,
        tail,
        heartbeat,
        checkpoint_due: Box::pin(sleep_until(now + heartbeat)),
        too_old,
        sending: None,
        end: None,
        said_caught_up: false,
        said_removed,
        access,
        _place: Place { shared: Arc::clone(&shared), _permit: permit, _of_identity: of_identity },
        reading: shared.metrics.consumers.begin(request.consumer, position.sequence),
        shared,
    };
    let first = subscription.checkpoint_message().await;
    Ok(stream::unfold((Some(first), Some(subscription)), |(first, subscription)| async {
        if let Some(first) = first {
            return Some((Piece::Data(first), (None, subscription)));
        }
        let mut subscription = subscription?;
        let piece = subscription.next().await;
        let goes_on = matches!(piece, Piece::Data(_));
        if let Piece::End(status) = &piece {
            subscription.reading.ends(status);
        }
        Some((piece, (None, goes_on.then_some(subscription))))
    }))
}

fn heartbeat(asked: Option<prost_types::Duration>, violations: &mut Vec<Violation>) -> Duration {
    let Some(asked) = asked else { return HEARTBEAT_DEFAULT };
    match Duration::try_from(asked) {
        Ok(interval) if (HEARTBEAT_LEAST..=HEARTBEAT_MOST).contains(&interval) => interval,
        _ => {
            violations.push(Violation::new("heartbeat_interval", "it has to be from 1 s to 5 min"));
            HEARTBEAT_DEFAULT
        }
    }
}

/// 0 is the default.
pub fn max_event_bytes(asked: u32, violations: &mut Vec<Violation>) -> usize {
    let bytes = if asked == 0 { MAX_EVENT_BYTES_DEFAULT } else { asked } as usize;
    if bytes < LEAST_EVENT_BYTES {
        violations.push(Violation::new("max_event_bytes", format!("it has to be {LEAST_EVENT_BYTES} or more")));
    }
    bytes
}

impl Subscription {
    /// The stream's next bytes, or its end.
    async fn next(&mut self) -> Piece {
        if let Some(status) = self.end.take() {
            return Piece::End(status);
        }
        if let Some(sending) = &mut self.sending {
            match sending.next(&self.shared.feed).await {
                Ok(Some(slice)) => {
                    self.shared.metrics.delivered_bytes.inc_by(slice.len() as u64);
                    return Piece::Data(slice);
                }
                Ok(None) => self.sending = None,
                Err(status) => return Piece::End(status),
            }
        }
        match self.next_message().await {
            Ok(message) => {
                self.shared.metrics.delivered_bytes.inc_by(message.len() as u64);
                Piece::Data(message)
            }
            Err(status) => {
                // First a last checkpoint, so that the client resumes from where it really stands.
                self.end = Some(status);
                Piece::Data(self.checkpoint_message().await)
            }
        }
    }

    /// The next message; an error is how the stream ends, with OK among them.
    async fn next_message(&mut self) -> Result<Bytes, Status> {
        loop {
            self.reading.stands_at(self.position.sequence);
            self.mind_draining();
            if self.until.is_some_and(|until| self.position.sequence >= until) {
                let draining = self.shared.drain.is_cancelled();
                return Err(if draining { status::draining() } else { Status::ok("") });
            }
            if self.too_old.as_mut().is_some_and(|too_old| too_old.as_mut().now_or_never().is_some()) {
                return Err(status::stream_age());
            }
            if self.access.is_over() {
                return Err(status::identity_expired());
            }
            if Instant::now() >= self.checkpoint_due.deadline() {
                return Ok(self.checkpoint_message().await);
            }
            let head = self.tail.borrow().head;
            if self.position.sequence >= head.sequence {
                if !self.said_caught_up {
                    return Ok(self.checkpoint_message().await);
                }
                self.wait().await?;
                continue;
            }
            let page = self.shared.feed.page_after(self.position, &mut self.tail).await;
            let page = page.map_err(|error| status::log_unavailable(&error))?;
            if self.position.sequence < page.floor.sequence {
                return Err(status::cursor_expired(&start::ends(&self.shared.feed).await?));
            }
            if self.said_removed.is_some_and(|said| page.evicted > self.position.sequence.max(said)) {
                self.said_removed = Some(page.evicted);
                return Ok(self.checkpoint_message().await);
            }
            if let Some(message) = self.fill_message(&page).await? {
                return Ok(message);
            }
            // A filter may let nothing pass for a long while; others want to run as well.
            tokio::task::yield_now().await;
        }
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) -> Result<(), Status> {
        let too_old = async {
            match &mut self.too_old {
                Some(too_old) => too_old.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.tail.changed() => changed.map_err(|_| status::draining()),
            () = &mut self.checkpoint_due => Ok(()),
            () = too_old => Err(status::stream_age()),
            () = self.access.over() => Err(status::identity_expired()),
            // Once that is minded, the tail is waited for: to come back at once, again and again, would keep the thread
            // from those who move it.
            () = self.shared.drain.cancelled(), if !self.is_draining => Ok(()),
        }
    }

    /// When the relay drains: sets the place at which the stream ends, which is not before what was accepted if that
    /// is near.
    fn mind_draining(&mut self) {
        if !self.is_draining && self.shared.drain.is_cancelled() {
            self.is_draining = true;
            let head = start::latest(&self.shared.feed).sequence;
            let near = head.saturating_sub(self.position.sequence) <= DRAIN_EVENTS;
            let until = if near { head } else { self.position.sequence };
            self.until = Some(self.until.map_or(until, |earlier| earlier.min(until)));
        }
    }

    /// A message with what is wanted of `page`, and moves on; None if nothing is.
    async fn fill_message(&mut self, page: &Page) -> Result<Option<Bytes>, Status> {
        let until = self.until.unwrap_or(u64::MAX);
        let entries = page.after(self.position, until);
        if let [entry] = entries
            && let Some(message) = self.ready_message(entry)
        {
            self.position = entry.at;
            let is_wanted = self.filter.lets_pass(&entry.traits);
            self.reading.delivered(is_wanted.into());
            return Ok(is_wanted.then(|| message.clone()));
        }
        let wanted = |content: &Content| match content {
            Content::Small { size, .. } => size.plain + if self.include_raw { size.raw } else { 0 } + 8,
            Content::Large(_) => 512,
        };
        let expected = entries.iter().map(|entry| wanted(&entry.content)).sum::<usize>().min(BATCH_BYTES);
        let mut message = Frame::with_capacity(expected);
        let mut events = 0;
        let mut has_all = true;
        for entry in entries {
            has_all = false;
            if !self.filter.lets_pass(&entry.traits) {
                self.position = entry.at;
                has_all = true;
                continue;
            }
            let size = match self.shared.feed.size(entry).await {
                Ok(Some(size)) => size,
                // What is ready is sent first, as the position has moved past it; the same is met again then.
                _ if !message.is_empty() => break,
                Ok(None) => return Err(status::cursor_expired(&start::ends(&self.shared.feed).await?)),
                Err(error) => return Err(status::log_unavailable(&error)),
            };
            let bytes = size.plain + if self.include_raw { size.raw } else { 0 };
            match (&size.stub, &entry.content) {
                (Some(stub), _) if bytes > self.max_event_bytes => {
                    if !message.is_empty() && message.len() + stub.len() > BATCH_BYTES {
                        break;
                    }
                    message.push_event(stub, &[]);
                }
                (_, Content::Small { encoded, .. }) => {
                    if !message.is_empty() && message.len() + bytes > BATCH_BYTES {
                        break;
                    }
                    message.push_event(&encoded.plain, if self.include_raw { &encoded.raw } else { &[] });
                }
                (_, Content::Large(_)) => {
                    if !message.is_empty() {
                        break;
                    }
                    let (head, rest) = LargeMessage::begin(entry.at.sequence, &size, self.include_raw);
                    self.sending = Some(rest);
                    self.position = entry.at;
                    self.reading.delivered(1);
                    return Ok(Some(head));
                }
            }
            self.position = entry.at;
            events += 1;
            has_all = true;
        }
        if has_all {
            self.position = page.past(self.position, until);
        }
        self.reading.delivered(events);
        if message.is_empty() {
            return Ok(None);
        }
        if !self.said_caught_up && self.is_caught_up() {
            let checkpoint = self.checkpoint().await;
            message.push_message(2, &checkpoint);
        }
        Ok(Some(message.finish()))
    }

    /// The message that all streams share which may send this event and have nothing to send with it, as live ones.
    fn ready_message<'e>(&self, entry: &'e Entry) -> Option<&'e Bytes> {
        let Content::Small { encoded, size } = &entry.content else { return None };
        let is_plain = !self.include_raw && size.plain <= self.max_event_bytes && self.said_caught_up;
        is_plain.then_some(&encoded.alone)
    }

    fn is_caught_up(&self) -> bool {
        self.position.sequence >= start::latest(&self.shared.feed).sequence
    }

    async fn checkpoint_message(&mut self) -> Bytes {
        let checkpoint = Some(self.checkpoint().await);
        frame::of_message(&pb::SubscribeResponse { events: Vec::new(), checkpoint })
    }

    /// Where the stream stands; the next one is due an interval from now.
    async fn checkpoint(&mut self) -> Checkpoint {
        self.checkpoint_due.as_mut().reset(Instant::now() + self.heartbeat);
        self.said_caught_up |= self.is_caught_up();
        let id = self.shared.feed.log().id();
        // A log that can't be read says so by itself soon; a checkpoint is worth having all the same.
        let located = self.shared.feed.log().locate(0).await.ok();
        let evicted = located.as_ref().map_or(0, |located| located.evicted);
        if evicted > self.position.sequence {
            self.said_removed = self.said_removed.map(|said| said.max(evicted));
        }
        Checkpoint {
            cursor: cursor::encode(id, self.position),
            caught_up: self.is_caught_up(),
            sent_at: Some(std::time::SystemTime::now().into()),
            heartbeat_interval: prost_types::Duration::try_from(self.heartbeat).ok(),
            earliest_cursor: located.map(|located| cursor::encode(id, located.floor)).unwrap_or_default(),
            callbacks_removed_through: self.said_removed.unwrap_or(0),
        }
    }
}
