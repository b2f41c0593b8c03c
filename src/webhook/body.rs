//! Reading one body: within its size, at its pace, in its room, and verified on the way.
//!
//! A body that comes in one piece, as nearly all do, is passed on as it is and costs no timer. One in several pieces is
//! gathered in one buffer, whose whole capacity is charged to the budget.
//!
//! The pace (see [`Pace`]): 10 s without a byte, or 60 s in all, or after 10 s less than 64 KiB a second on average, is
//! too slow. While others wait for room, whoever holds some has to keep 2 MiB a second after 2 s, or gives way: a body
//! of the largest size may then take 10 s, which is as long as the others wait.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use tokio::time::{Instant, Sleep, sleep};

use super::{
    budget::{GIVE_WAY_EVERY, NoRoom, Room, SMALL_BODY_BYTES},
    settings::Pace,
    signature::Verifier,
};

/// Buffers of large bodies grow by this at least.
const STEP_BYTES: usize = 256 * 1024;
/// How often a body that is not all there is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    TooSlow,
    /// The connection was lost, or what came over it is not HTTP.
    Incomplete,
    NoRoom,
}

impl From<NoRoom> for BodyError {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// Reads `body`, of which `limit` bytes are allowed, into `room`, past `verifier`.
pub(super) async fn read(
    body: Body,
    limit: usize,
    pace: &Pace,
    room: &mut Room,
    verifier: &mut Verifier,
) -> Result<Bytes, BodyError> {
    let expected = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut pieces = Pieces { body, clock: Clock { pace, has_yielded: false, running: None } };
    let mut whole = Gathered::One(Bytes::new());
    let mut received = 0;
    while let Some(piece) = pieces.next(received, room).await? {
        let needed = received + piece.len();
        if needed > limit {
            return Err(BodyError::TooLarge);
        }
        let capacity = if received == 0 { needed } else { grown(room.bytes(), needed, expected, limit) };
        room.reserve(capacity).await?;
        verifier.update(&piece);
        whole = whole.and(piece, room.bytes());
        received = needed;
        if pieces.body.is_end_stream() {
            break;
        }
    }
    Ok(whole.into_bytes())
}

/// The capacity of a buffer of `held` bytes that has to take `needed`: the same, if that is enough. Never much more than
/// what has arrived: a length that is only announced is no reason to take room.
fn grown(held: usize, needed: usize, expected: Option<usize>, limit: usize) -> usize {
    if needed <= held {
        return held;
    }
    let (wish, most) = if needed <= SMALL_BODY_BYTES {
        ((held * 2).max(SMALL_BODY_BYTES / 8), SMALL_BODY_BYTES)
    } else {
        (held + (held / 2).max(STEP_BYTES), limit)
    };
    wish.min(expected.unwrap_or(most)).min(most).max(needed)
}

/// What has come of a body.
enum Gathered {
    One(Bytes),
    Many(Vec<u8>),
}

impl Gathered {
    fn and(self, piece: Bytes, capacity: usize) -> Self {
        let mut many = match self {
            Self::One(first) if first.is_empty() => return Self::One(piece),
            Self::One(first) => {
                let mut many = Vec::with_capacity(capacity);
                many.extend_from_slice(&first);
                many
            }
            Self::Many(many) => many,
        };
        many.reserve_exact(capacity.saturating_sub(many.len()));
        many.extend_from_slice(&piece);
        Self::Many(many)
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many.into(),
        }
    }
}

/// The pieces of a body, each within its time.
struct Pieces<'a> {
    body: Body,
    clock: Clock<'a>,
}

impl Pieces<'_> {
    async fn next(&mut self, received: usize, room: &Room) -> Result<Option<Bytes>, BodyError> {
        std::future::poll_fn(|cx| self.poll_next(cx, received, room)).await
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        received: usize,
        room: &Room,
    ) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(BodyError::Incomplete)),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Ok(Some(data))),
                    // Trailers, or a frame without a byte, which is no progress.
                    _ => {}
                },
                Poll::Pending => return self.clock.poll_late(cx, received, room).map(Err),
            }
        }
    }
}

/// Says when a body is late. Runs only once there was something to wait for.
struct Clock<'a> {
    pace: &'a Pace,
    /// Hyper hands over what has arrived with the head only after it was asked once, in the same breath. To be asked a
    /// second time costs less than a timer.
    has_yielded: bool,
    running: Option<Running>,
}

struct Running {
    began: Instant,
    /// What the body had waited for room until then, which is not its sender's fault.
    waited: Duration,
    /// The last progress, and the bytes received until then.
    last: Instant,
    received: usize,
    look: Pin<Box<Sleep>>,
}

impl Clock<'_> {
    /// Ready when the body is too late.
    fn poll_late(&mut self, cx: &mut Context<'_>, received: usize, room: &Room) -> Poll<BodyError> {
        if !self.has_yielded {
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let now = Instant::now();
        let pace = self.pace;
        let running = self.running.get_or_insert_with(|| Running {
            began: now,
            waited: room.waited(),
            last: now,
            received,
            look: Box::pin(sleep(LOOK.min(pace.idle).min(pace.grace).min(pace.pressed_grace).min(pace.total))),
        });
        if running.received != received {
            (running.received, running.last) = (received, now);
        }
        loop {
            ready!(running.look.as_mut().poll(cx));
            match running.left(pace, now, room) {
                Ok(left) => running.look.as_mut().reset(now + left.min(LOOK)),
                Err(late) => return Poll::Ready(late),
            }
        }
    }
}

impl Running {
    /// How long the body may take from now on if nothing comes.
    fn left(&self, pace: &Pace, now: Instant, room: &Room) -> Result<Duration, BodyError> {
        let taken = (now - self.began).saturating_sub(room.waited().saturating_sub(self.waited));
        let positive = |left: Duration| Some(left).filter(|left| !left.is_zero());
        let within = |grace: Duration, rate: u32| {
            let sending = Duration::from_secs(self.received as u64) / rate.max(1);
            (grace + sending).min(pace.total).checked_sub(taken).and_then(positive)
        };
        let idle = pace.idle.checked_sub(now - self.last).and_then(positive).ok_or(BodyError::TooSlow)?;
        let usual = within(pace.grace, pace.bytes_per_second).ok_or(BodyError::TooSlow)?;
        if !room.is_pressed() {
            return Ok(usual.min(idle));
        }
        match within(pace.pressed_grace, pace.pressed_bytes_per_second) {
            Some(left) => Ok(left.min(usual).min(idle)),
            None if room.gives_way(now) => Err(BodyError::NoRoom),
            None => Ok(GIVE_WAY_EVERY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_for_what_has_come_not_for_what_is_announced() {
        const KIB: usize = 1024;
        const LIMIT: usize = 16 * 1024 * KIB;
        assert_eq!(grown(1, 2, None, LIMIT), 8 * KIB);
        assert_eq!(grown(1, 2, Some(100), LIMIT), 100);
        assert_eq!(grown(40 * KIB, 41 * KIB, None, LIMIT), 64 * KIB);
        assert_eq!(grown(64 * KIB, 65 * KIB, Some(LIMIT), LIMIT), 320 * KIB);
        assert_eq!(grown(2048 * KIB, 2049 * KIB, Some(LIMIT), LIMIT), 3072 * KIB);
        assert_eq!(grown(LIMIT - KIB, LIMIT, None, LIMIT), LIMIT);
        // A limit below what a step would be.
        assert_eq!(grown(1, 500, None, 1000), 8 * KIB);
    }

    #[test]
    fn what_fits_takes_no_more_room() {
        const KIB: usize = 1024;
        const LIMIT: usize = 16 * 1024 * KIB;
        // A byte at a time.
        let held = (2..=9 * KIB).fold(1, |held, needed| grown(held, needed, None, LIMIT));
        assert_eq!(held, 16 * KIB);
        for (held, needed) in [(8 * KIB, 8 * KIB), (64 * KIB, 9 * KIB), (320 * KIB, 65 * KIB), (LIMIT, LIMIT - 1)] {
            assert_eq!(grown(held, needed, None, LIMIT), held);
            assert_eq!(grown(held, needed, Some(LIMIT), LIMIT), held);
        }
    }
}
