use futures_util::future::join_all;

use super::*;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

/// Small part 2 MiB, turn 4 MiB, shared 2 MiB.
fn budget(timeout: Duration) -> Arc<Budget> {
    patient(timeout, timeout)
}

/// The same, in which whoever holds small room waits for `grace` while others wait for it.
fn patient(timeout: Duration, grace: Duration) -> Arc<Budget> {
    Budget::check(8 * MIB, 4 * MIB).unwrap();
    Budget::new(8 * MIB, 4 * MIB, timeout, grace)
}

fn large(budget: &Arc<Budget>) -> Room {
    budget.room(Some(4 * MIB as u64))
}

#[tokio::test]
async fn many_large_bodies_at_once_all_come_through() {
    let budget = budget(LONG);
    let read = async |known: bool| {
        let mut room = if known { large(&budget) } else { budget.room(None) };
        for step in 1..=16 {
            room.reserve(step * 256 * KIB).await?;
            tokio::task::yield_now().await;
        }
        Ok::<(), NoRoom>(())
    };
    // Those of unknown length may be told to come again, as few may wait.
    let known = join_all((0..100).map(|_| read(true))).await;
    assert!(known.iter().all(Result::is_ok));
    let unknown = join_all((0..16).map(|_| read(false))).await;
    assert!(unknown.iter().all(Result::is_ok));
    assert_eq!(budget.small.free.available_permits(), 2 * MIB);
    assert_eq!(budget.large.free.available_permits(), 2 * MIB);
    assert_eq!(budget.turn.available_permits(), 1);
    assert_eq!(budget.large.waiting.load(Relaxed), 0);
}

#[tokio::test]
async fn small_bodies_pass_while_large_ones_wait() {
    let budget = budget(SHORT);
    let mut holders: Vec<_> = (0..2).map(|_| large(&budget)).collect();
    holders[0].reserve(2 * MIB).await.unwrap();
    holders[1].reserve(MIB).await.unwrap();
    assert!(matches!(holders[1].held, Held::Turn { .. }));
    // Nothing is left for large bodies; many of unknown length pile up in the small part.
    let pile_up = async || {
        let mut room = budget.room(None);
        room.reserve(SMALL_BODY_BYTES).await?;
        room.reserve(256 * KIB).await
    };
    let piled = join_all((0..40).map(|_| pile_up()));
    let small = async {
        tokio::task::yield_now().await;
        assert!(holders[0].is_pressed());
        budget.room(Some(700)).reserve(700).await.unwrap();
        budget.room(None).reserve(SMALL_BODY_BYTES).await.unwrap();
    };
    let (piled, ()) = tokio::join!(piled, small);
    assert!(piled.iter().all(|result| *result == Err(NoRoom)));
    assert!(!holders[0].is_pressed());
}

#[tokio::test]
async fn the_turn_is_room_for_all_and_gives_back_the_rest() {
    let budget = budget(SHORT);
    let (mut a, mut b) = (large(&budget), large(&budget));
    a.reserve(MIB).await.unwrap();
    b.reserve(MIB).await.unwrap();
    a.reserve(4 * MIB).await.unwrap();
    assert_eq!(budget.large.free.available_permits(), MIB, "a has the turn, and b what it had");
    b.reserve(2 * MIB).await.unwrap();
    assert_eq!(b.reserve(3 * MIB).await, Err(NoRoom));
    assert_eq!(b.bytes(), 2 * MIB, "a failure leaves it as it was");
    drop(a);
    b.reserve(3 * MIB).await.unwrap();
    assert!(matches!(b.held, Held::Turn { .. }));
    assert_eq!(budget.large.free.available_permits(), 2 * MIB);
}

#[tokio::test]
async fn waiting_is_bounded_and_leaves_nothing_behind() {
    let budget = budget(SHORT);
    let mut holders: Vec<_> = (0..32).map(|_| budget.room(None)).collect();
    for room in &mut holders {
        room.reserve(SMALL_BODY_BYTES).await.unwrap();
    }
    assert_eq!(budget.room(Some(1)).reserve(1).await, Err(NoRoom));
    let mut waiting = budget.room(Some(1));
    let (got, ()) = tokio::join!(waiting.reserve(1), async {
        tokio::task::yield_now().await;
        holders.pop();
    });
    assert_eq!(got, Ok(()));
    drop((waiting, holders));
    assert_eq!(budget.small.free.available_permits(), 2 * MIB);
    assert_eq!(budget.small.waiting.load(Relaxed), 0);
}

#[tokio::test]
async fn one_after_the_other_gives_way() {
    let budget = budget(SHORT);
    let (mut holder, mut smaller) = (budget.room(Some(1)), budget.room(Some(1)));
    holder.reserve(SMALL_BODY_BYTES).await.unwrap();
    smaller.reserve(SMALL_BODY_BYTES / 5).await.unwrap();
    let now = Instant::now();
    assert!(!holder.gives_way(now), "nobody waits");
    budget.small.waiting.fetch_add(1, Relaxed);
    assert!(holder.gives_way(now));
    assert!(!holder.gives_way(now + GIVE_WAY_EVERY / 2), "whoever waits has not had time to take it");
    let now = now + GIVE_WAY_EVERY;
    assert!(smaller.gives_way(now));
    assert!(!holder.gives_way(now));
    assert!(holder.gives_way(now + GIVE_WAY_EVERY / 5), "what was given was little");
}

#[tokio::test]
async fn who_has_nothing_does_not_wait_for_those_who_hold_room_and_wait() {
    let budget = patient(LONG, SHORT);
    // All small room is held by bodies of which each waits for more.
    let mut hoarders: Vec<_> = (0..256).map(|_| budget.room(None)).collect();
    for room in &mut hoarders {
        room.reserve(8 * KIB).await.unwrap();
    }
    let hoard = async |mut room: Room| {
        room.reserve(64 * KIB).await?;
        Ok::<_, NoRoom>(room)
    };
    let hoarding = join_all(hoarders.into_iter().map(hoard));
    let newcomer = async {
        tokio::task::yield_now().await;
        let began = Instant::now();
        budget.room(Some(700)).reserve(700).await.unwrap();
        began.elapsed()
    };
    let (kept, took) = tokio::join!(hoarding, newcomer);
    assert!(took < LONG / 3, "behind all who hoard: {took:?}");
    // Those who gave way made room for the others.
    assert_eq!(kept.iter().filter(|kept| kept.is_ok()).count(), 32);
    drop(kept);
    assert_eq!(budget.small.free.available_permits(), 2 * MIB);
    assert_eq!(budget.small.waiting.load(Relaxed), 0);
}

#[tokio::test]
async fn small_room_of_those_who_wait_for_large_room_is_given_back_to_who_needs_it() {
    let budget = patient(LONG, SHORT);
    let (mut a, mut b) = (large(&budget), large(&budget));
    a.reserve(2 * MIB).await.unwrap();
    b.reserve(MIB).await.unwrap();
    let mover = async || {
        let mut room = budget.room(None);
        room.reserve(SMALL_BODY_BYTES).await?;
        room.reserve(256 * KIB).await
    };
    let movers = join_all((0..16).map(|_| mover()));
    let newcomers = async {
        sleep(SHORT * 2).await;
        assert_eq!(budget.small.free.available_permits(), MIB, "nobody else needs it");
        let mut rooms: Vec<_> = (0..17).map(|_| budget.room(None)).collect();
        for room in &mut rooms {
            room.reserve(SMALL_BODY_BYTES).await.unwrap();
        }
        drop(a);
    };
    let (moved, ()) = tokio::join!(movers, newcomers);
    assert_eq!(moved.iter().filter(|moved| moved.is_err()).count(), 1);
}
