//! The calls that are answered with one message: ListEvents, GetEvent, GetRelayInfo.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::{Duration, timeout},
};
use tonic::Status;

use super::{
    Shared,
    access::Access,
    frame::{self, Frame},
    large::{self, LargeMessage},
    reply::Piece,
    start::{self, Start},
    status,
    subscribe::{MAX_EVENT_BYTES_DEFAULT, max_event_bytes},
};
use crate::{
    event::{
        cursor,
        filter::{Filter, Violation},
        pb::{
            self, EventSource, GetEventRequest, GetRelayInfoResponse, ListEventsRequest, get_event_request,
            list_events_request,
        },
        timestamp,
    },
    feed::{Content, Part, Tail},
    log::Position,
};

const PAGE_SIZE_DEFAULT: u32 = 100;
const PAGE_SIZE_MOST: u32 = 1_000;
/// A page of events ends here.
const PAGE_BYTES: usize = MAX_EVENT_BYTES_DEFAULT as usize;
/// How long a request waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// A page is sent in pieces of as many bytes.
const PIECE: usize = 32 << 10;
/// How long a page waits until its next piece is taken.
const TAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// ListEvents: a whole message, and what it counts against until it is sent.
pub async fn list_events(
    shared: &Shared,
    request: ListEventsRequest,
    access: &Access,
) -> Result<impl Stream<Item = Piece> + Send + 'static, Status> {
    let mut violations = Vec::new();
    let max_event_bytes = max_event_bytes(request.max_event_bytes, &mut violations);
    if max_event_bytes > PAGE_BYTES {
        violations.push(Violation::new("max_event_bytes", format!("it can be {PAGE_BYTES} at most, in a list")));
    }
    let page_size = if request.page_size == 0 { PAGE_SIZE_DEFAULT } else { request.page_size };
    if page_size > PAGE_SIZE_MOST {
        violations.push(Violation::new("page_size", format!("it can be {PAGE_SIZE_MOST} at most")));
    }
    let filter = Filter::new(request.filter.unwrap_or_default()).unwrap_or_else(|more| {
        violations.extend(more);
        Filter::default()
    });
    if !violations.is_empty() {
        return Err(status::invalid(violations));
    }
    let filter = access.narrow(filter, request.include_raw_body)?;
    let turn = turn(shared).await?;
    let mut tail = shared.feed.watch();
    let mut position = if request.page_token.is_empty() {
        let start = match request.start {
            None => Start::At(pb::StartPosition::Earliest.into()),
            Some(list_events_request::Start::AfterCursor(cursor)) => Start::After(cursor),
            Some(list_events_request::Start::Position(position)) => Start::At(position),
            Some(list_events_request::Start::ReceivedSince(since)) => Start::Since(since),
        };
        start::resolve(&shared.feed, start).await?
    } else {
        start::after(&shared.feed, "page_token", &request.page_token).await?
    };
    let wanted = Wanted { filter, include_raw: request.include_raw_body, max_event_bytes, page_size };
    let wants_reports = wanted.filter.names(EventSource::Widget);
    let began = position.sequence;
    let (mut message, is_full) = collect(shared, &wanted, &mut position, &mut tail).await?;
    let end = cursor::encode(shared.feed.log().id(), position);
    if is_full {
        message.push_str(2, &end);
    }
    message.push_str(3, &end);
    if wants_reports {
        let located = shared.feed.log().locate(0).await.map_err(|e| status::log_unavailable(&e))?;
        if located.evicted > began {
            message.push_number(4, located.evicted);
        }
    }
    Ok(with_turn(message.finish(), turn))
}

struct Wanted {
    filter: Filter,
    include_raw: bool,
    max_event_bytes: usize,
    page_size: u32,
}

/// Events from `position` on, which moves; true if the page ended because it was full.
async fn collect(
    shared: &Shared,
    wanted: &Wanted,
    position: &mut Position,
    tail: &mut watch::Receiver<Tail>,
) -> Result<(Frame, bool), Status> {
    let mut message = Frame::with_capacity(0);
    let mut events = 0;
    let until = start::latest(&shared.feed).sequence;
    while position.sequence < until {
        let page = shared.feed.page_after(*position, tail).await.map_err(|e| status::log_unavailable(&e))?;
        if position.sequence < page.floor.sequence {
            return Err(status::cursor_expired(&start::ends(&shared.feed).await?));
        }
        for entry in page.after(*position, until) {
            if wanted.filter.lets_pass(&entry.traits) {
                let size = shared.feed.size(entry).await.map_err(|e| status::log_unavailable(&e))?;
                let Some(size) = size else { return Err(status::cursor_expired(&start::ends(&shared.feed).await?)) };
                let bytes = size.plain + if wanted.include_raw { size.raw } else { 0 };
                let is_omitted = bytes > wanted.max_event_bytes;
                let bytes = if is_omitted { size.stub.as_ref().map_or(0, Bytes::len) } else { bytes };
                if events == wanted.page_size || events > 0 && message.len() + bytes > PAGE_BYTES {
                    return Ok((message, true));
                }
                let raw = |raw: &Bytes| if wanted.include_raw { raw.clone() } else { Bytes::new() };
                match (&size.stub, &entry.content) {
                    (Some(stub), _) if is_omitted => message.push_event(stub, &[]),
                    (_, Content::Small { encoded, .. }) => message.push_event(&encoded.plain, &raw(&encoded.raw)),
                    (_, Content::Large(_)) => {
                        let load = |part, len| large::load(&shared.feed, entry.at.sequence, part, len);
                        let plain = load(Part::Plain, size.plain).await?;
                        let has_raw = wanted.include_raw && size.raw > 0;
                        let raw = if has_raw { load(Part::Raw, size.raw).await? } else { Bytes::new() };
                        message.push_event(&plain, &raw);
                    }
                }
                events += 1;
            }
            *position = entry.at;
        }
        *position = page.past(*position, until);
        tokio::task::yield_now().await;
    }
    Ok((message, false))
}

/// GetEvent: the event whole, slice by slice if it is large.
pub async fn get_event(
    shared: Arc<Shared>,
    request: GetEventRequest,
    access: &Access,
) -> Result<impl Stream<Item = Piece> + Send + 'static, Status> {
    access.check_raw_body(request.include_raw_body)?;
    let sequence = find(&shared, request.event).await?;
    let mut tail = shared.feed.watch();
    let position = Position { sequence: sequence - 1, check: 0 };
    // The feed's cache may still have what retention has removed.
    let removed = start::earliest(&shared.feed).await?.sequence;
    if sequence <= removed || sequence > start::latest(&shared.feed).sequence {
        return Err(status::event_not_found());
    }
    let page = shared.feed.page_after(position, &mut tail).await.map_err(|e| status::log_unavailable(&e))?;
    let entry = page.after(position, sequence).first().filter(|entry| entry.at.sequence == sequence).cloned();
    // To those who may not see it, it is not there.
    let entry = entry.filter(|entry| access.sees(&entry.traits)).ok_or_else(status::event_not_found)?;
    let (first, rest) = match &entry.content {
        Content::Small { encoded, .. } => {
            let raw = if request.include_raw_body { encoded.raw.clone() } else { Bytes::new() };
            let mut message = Frame::with_capacity(encoded.plain.len() + raw.len() + 8);
            message.push_event(&encoded.plain, &raw);
            (message.finish(), None)
        }
        Content::Large(_) => {
            let size = shared.feed.size(&entry).await.map_err(|e| status::log_unavailable(&e))?;
            let size = size.ok_or_else(status::event_not_found)?;
            let (head, rest) = LargeMessage::begin(sequence, &size, request.include_raw_body);
            (head, Some(rest))
        }
    };
    Ok(stream::unfold(Progress::First(first, rest), move |progress| {
        let shared = Arc::clone(&shared);
        async move {
            match progress {
                Progress::First(first, rest) => Some((Piece::Data(first), Progress::Rest(rest))),
                Progress::Rest(None) => Some((Piece::End(Status::ok("")), Progress::Done)),
                Progress::Rest(Some(mut rest)) => Some(match rest.next(&shared.feed).await {
                    Ok(Some(slice)) => (Piece::Data(slice), Progress::Rest(Some(rest))),
                    Ok(None) => (Piece::End(Status::ok("")), Progress::Done),
                    Err(status) => (Piece::End(status), Progress::Done),
                }),
                Progress::Done => None,
            }
        }
    }))
}

/// How much of one event is sent.
enum Progress {
    First(Bytes, Option<LargeMessage>),
    Rest(Option<LargeMessage>),
    Done,
}

async fn find(shared: &Shared, event: Option<get_event_request::Event>) -> Result<u64, Status> {
    let sequence = match event {
        None => return Err(status::invalid(vec![Violation::new("event", "name one: sequence, cursor or key")])),
        Some(get_event_request::Event::Sequence(sequence)) => Some(sequence),
        Some(get_event_request::Event::Cursor(cursor)) => {
            Some(start::after(&shared.feed, "cursor", &cursor).await?.sequence)
        }
        Some(get_event_request::Event::Key(key)) => {
            let endpoint = if key.endpoint.is_empty() { "smile" } else { &key.endpoint };
            shared.feed.log().find(endpoint, &key.id).await.map_err(|e| status::log_unavailable(&e))?
        }
    };
    sequence.filter(|sequence| *sequence > 0).ok_or_else(status::event_not_found)
}

/// GetRelayInfo.
pub async fn get_relay_info(shared: &Shared, access: &Access) -> Result<Bytes, Status> {
    let log = shared.feed.log();
    let (earliest, latest) = (start::earliest(&shared.feed).await?, start::latest(&shared.feed));
    let mut endpoints = shared.settings.endpoints.clone();
    endpoints.retain(|endpoint| access.sees_endpoint(endpoint));
    endpoints.sort();
    Ok(frame::of_message(&GetRelayInfoResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: Some(timestamp(shared.settings.started_at)),
        log_id: faster_hex::hex_string(&log.id().0),
        backend: log.backend().to_owned(),
        endpoints,
        earliest_sequence: earliest.sequence + 1,
        latest_sequence: latest.sequence,
        earliest_cursor: cursor::encode(log.id(), earliest),
        latest_cursor: cursor::encode(log.id(), latest),
    }))
}

async fn turn(shared: &Shared) -> Result<OwnedSemaphorePermit, Status> {
    let turn = timeout(TURN_TIMEOUT, Arc::clone(&shared.answers).acquire_owned()).await;
    turn.ok().and_then(Result::ok).ok_or_else(|| status::too_many_lists(shared.settings.max_lists))
}

/// One message, which holds its turn until it is taken. HTTP/2 would queue it whole, whether it is read or not: so it is
/// handed out piece by piece, and given up if nobody takes the next one.
fn with_turn(message: Bytes, turn: OwnedSemaphorePermit) -> impl Stream<Item = Piece> + Send + 'static {
    let (pieces, taken) = mpsc::channel(1);
    // Ends with its reader, or a while after the last piece that was taken.
    tokio::spawn(async move {
        let _turn = turn;
        // Copies: what is queued would keep the whole message alive.
        let data = message.chunks(PIECE).map(|piece| Piece::Data(Bytes::copy_from_slice(piece)));
        for piece in data.chain([Piece::End(Status::ok(""))]) {
            match timeout(TAKE_TIMEOUT, pieces.send(piece)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    });
    stream::unfold(Some(taken), |taken| async {
        let mut taken = taken?;
        let piece = taken.recv().await.unwrap_or_else(|| Piece::End(status::list_not_taken(TAKE_TIMEOUT)));
        let goes_on = matches!(piece, Piece::Data(_));
        Some((piece, goes_on.then_some(taken)))
    })
}
