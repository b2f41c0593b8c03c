//! The memory that bodies share while they are read and stored (promise 9).
//!
//! A quarter of it is for small bodies alone, so that large ones never keep them waiting. The rest is for large ones:
//! one whole body of the largest size allowed is set aside for whoever has *the turn*, what remains is shared.
//!
//! - Bytes are charged as they arrive, not at a header's word. A body of unknown length counts as small until it is not.
//! - When the shared room is used up, a large body waits for more of it or for the turn, whichever comes first. The turn
//!   is room for all of it, so its holder waits no more, and gives back what it had: however many half-read bodies there
//!   are, one of them always goes on.
//! - Waiting is bounded. While somebody waits, those who hold room have to send at a pace (see `body`) or give way, one
//!   after the other, so nobody keeps it by sending a byte now and then.
//! - Nor does anybody keep it by waiting. Of the small bodies that hold room and need more, one at a time stands in the
//!   queue, so that a body which has nothing yet does not stand behind all of them; and whoever holds small room, has
//!   waited for more for the same grace as those who send, and still has not got it, gives way to others who wait.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};

/// Bodies up to this size have a part of the budget of their own.
pub const SMALL_BODY_BYTES: usize = 64 * 1024;

/// Less is no budget: it would hold a handful of bodies.
const LEAST_BYTES: usize = 4 * 1024 * 1024;

/// While somebody waits, one body gives way each so often: time for the one who waits to take what was given. One that
/// holds less than a small body may lets the next go so much the sooner.
pub const GIVE_WAY_EVERY: Duration = Duration::from_millis(5);

/// A budget in which not every allowed body has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--body-budget is too small: three quarters of it have to hold one body of the size that --max-body allows; set \
     it to at least {least} bytes, or lower --max-body"
)]
pub struct BudgetTooSmall {
    least: usize,
}

/// There was no room in time. The sender has to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// The budget.
pub struct Budget {
    small: Part,
    /// What large bodies share.
    large: Part,
    large_bytes: usize,
    /// One permit: room for one whole body.
    turn: Arc<Semaphore>,
    /// Bodies of unknown length that became large still hold small room while they wait for large room. So many may;
    /// together they hold half of it at most.
    movers: Semaphore,
    /// One permit: the small body that holds room and is the next to get more.
    grower: Semaphore,
    /// How long a body may wait altogether.
    timeout: Duration,
    /// How long of it a body may wait while it holds small room for which others wait.
    grace: Duration,
}

struct Part {
    free: Arc<Semaphore>,
    /// How many wait for it.
    waiting: AtomicUsize,
    /// When the next body may give way.
    next: Mutex<Option<Instant>>,
}

impl Part {
    fn new(bytes: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(bytes)), waiting: AtomicUsize::new(0), next: Mutex::new(None) }
    }

    fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_many_owned(permits(bytes)).ok()
    }

    async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let taken = Arc::clone(&self.free).acquire_many_owned(permits(bytes)).await;
        taken.expect("this semaphore is never closed")
    }

    /// True if the body that asks, and holds `bytes`, is the one that gives way now. `own` is 1 if it waits itself, which
    /// is no reason for it to go.
    fn gives_way(&self, now: Instant, bytes: usize, own: usize) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let goes = self.waiting.load(Relaxed) > own && next.is_none_or(|next| now >= next);
        if goes {
            *next = Some(now + GIVE_WAY_EVERY * permits(bytes.min(SMALL_BODY_BYTES)) / permits(SMALL_BODY_BYTES));
        }
        goes
    }
}

/// Bodies are checked to be far below this.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The least budget that has room for a body of `limit` bytes beside the small ones'.
#[must_use]
pub fn least(limit: usize) -> usize {
    (limit.saturating_mul(4).div_ceil(3)).next_multiple_of(4).max(LEAST_BYTES)
}

impl Budget {
    /// # Errors
    /// If `total` has no room for a body of `limit` bytes beside the small ones'.
    pub fn check(total: usize, limit: usize) -> Result<(), BudgetTooSmall> {
        let least = least(limit);
        if total < least { Err(BudgetTooSmall { least }) } else { Ok(()) }
    }

    /// A budget of `total` bytes for bodies of up to `limit`, which have to pass [`Self::check`]. A body waits for room
    /// for `timeout` at most, and only for `grace` while it holds small room for which others wait.
    #[must_use]
    pub fn new(total: usize, limit: usize, timeout: Duration, grace: Duration) -> Arc<Self> {
        let small = total / 4;
        let large = (total - small).saturating_sub(limit);
        Arc::new(Self {
            small: Part::new(small),
            large: Part::new(large),
            large_bytes: large,
            turn: Arc::new(Semaphore::new(1)),
            movers: Semaphore::new(small / 2 / SMALL_BODY_BYTES),
            grower: Semaphore::new(1),
            timeout,
            grace,
        })
    }

    /// Room for one body, none of it taken yet. `length` is what is known of it.
    #[must_use]
    pub fn room(self: &Arc<Self>, length: Option<u64>) -> Room {
        let is_large = length.is_some_and(|length| length > SMALL_BODY_BYTES as u64);
        Room {
            held: if is_large { Held::Large(None) } else { Held::Small(None) },
            bytes: 0,
            may_wait: self.timeout,
            budget: Arc::clone(self),
        }
    }
}

/// The room that one body takes; given back when it is dropped.
pub struct Room {
    budget: Arc<Budget>,
    held: Held,
    bytes: usize,
    /// What is left of the time that this body may wait.
    may_wait: Duration,
}

enum Held {
    Small(Option<OwnedSemaphorePermit>),
    Large(Option<OwnedSemaphorePermit>),
    /// Room for all of it.
    Turn {
        _turn: OwnedSemaphorePermit,
    },
}

impl Room {
    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How long it has waited altogether.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.budget.timeout.saturating_sub(self.may_wait)
    }

    /// True if others wait for room of this kind.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.part().waiting.load(Relaxed) > 0
    }

    /// Asked by a body that is behind its pace: true if it is the one that has to go now.
    #[must_use]
    pub fn gives_way(&self, now: Instant) -> bool {
        self.part().gives_way(now, self.bytes, 0)
    }

    fn part(&self) -> &Part {
        match self.held {
            Held::Small(_) => &self.budget.small,
            Held::Large(_) | Held::Turn { .. } => &self.budget.large,
        }
    }

    /// Makes it hold `bytes` at least. Cancelling this leaves it as it was.
    ///
    /// # Errors
    /// If there was no room in time.
    pub async fn reserve(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return Ok(()) };
        let budget = Arc::clone(&self.budget);
        let (bytes_held, grace_left) = (self.bytes, budget.grace.saturating_sub(self.waited()));
        // Only for who has to wait: hardly any body does, and the clock costs more than the room.
        let holder = || Holder { bytes: bytes_held, until: Instant::now() + grace_left };
        match &mut self.held {
            Held::Small(held) if bytes <= SMALL_BODY_BYTES => {
                let taken = if let Some(taken) = budget.small.try_take(more) {
                    taken
                } else {
                    wait(&budget.small, &mut self.may_wait, budget.take_small(more, &holder())).await?
                };
                join(held, taken);
            }
            Held::Small(_) => {
                self.held = if let Some(held) = budget.try_large(bytes) {
                    held
                } else {
                    let _mover = budget.movers.try_acquire().map_err(|_| NoRoom)?;
                    let holder = holder();
                    let taking = budget.or_gives_way(budget.take_large(bytes), &holder, 0);
                    wait(&budget.large, &mut self.may_wait, taking).await?
                };
            }
            Held::Large(held) => {
                let taken = if let Some(taken) = budget.try_large(more) {
                    taken
                } else {
                    let taking = async { Ok(budget.take_large(more).await) };
                    wait(&budget.large, &mut self.may_wait, taking).await?
                };
                match taken {
                    Held::Large(Some(taken)) => join(held, taken),
                    // This drops, and so gives back, what it had of the shared room.
                    turn => self.held = turn,
                }
            }
            Held::Turn { .. } => {}
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Budget {
    fn try_large(&self, bytes: usize) -> Option<Held> {
        if let Some(taken) = self.large.try_take(bytes) {
            return Some(Held::Large(Some(taken)));
        }
        let turn = Arc::clone(&self.turn).try_acquire_owned().ok()?;
        Some(Held::Turn { _turn: turn })
    }

    async fn take_large(&self, bytes: usize) -> Held {
        tokio::select! {
            // More than there is altogether would stand in the way of all others, for nothing.
            taken = self.large.take(bytes), if bytes <= self.large_bytes => Held::Large(Some(taken)),
            turn = Arc::clone(&self.turn).acquire_owned() => {
                Held::Turn { _turn: turn.expect("this semaphore is never closed") }
            }
        }
    }

    /// Takes small room, also for a body that holds some already.
    async fn take_small(&self, more: usize, holder: &Holder) -> Result<OwnedSemaphorePermit, NoRoom> {
        if holder.bytes == 0 {
            return Ok(self.small.take(more).await);
        }
        let _grower = self.grower.acquire().await.expect("this semaphore is never closed");
        self.or_gives_way(self.small.take(more), holder, 1).await
    }

    /// Waits until `taking` has what it takes, or the holder of small room has waited for too long and gives way. `own` is
    /// 1 if small room is what it waits for.
    async fn or_gives_way<T>(&self, taking: impl Future<Output = T>, holder: &Holder, own: usize) -> Result<T, NoRoom> {
        let gives_way = async {
            sleep_until(holder.until).await;
            while !self.small.gives_way(Instant::now(), holder.bytes, own) {
                sleep(GIVE_WAY_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            taken = taking => Ok(taken),
            () = gives_way => Err(NoRoom),
        }
    }
}

/// A body that waits, and holds small room.
struct Holder {
    bytes: usize,
    /// From then on it gives way to others who wait.
    until: Instant,
}

fn join(held: &mut Option<OwnedSemaphorePermit>, taken: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(taken),
        None => *held = Some(taken),
    }
}

/// Waits for room in `part`, visibly to those who hold it, for as long as the body may.
async fn wait<T>(
    part: &Part,
    may_wait: &mut Duration,
    taking: impl Future<Output = Result<T, NoRoom>>,
) -> Result<T, NoRoom> {
    struct Waiting<'a>(&'a Part);
    impl Drop for Waiting<'_> {
        fn drop(&mut self) {
            self.0.waiting.fetch_sub(1, Relaxed);
        }
    }
    part.waiting.fetch_add(1, Relaxed);
    let _waiting = Waiting(part);
    let began = Instant::now();
    let taken = timeout(*may_wait, taking).await;
    *may_wait = may_wait.saturating_sub(began.elapsed());
    taken.unwrap_or(Err(NoRoom))
}

#[cfg(test)]
mod tests;
