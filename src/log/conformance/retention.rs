//! Removing: the floor tells, the rest stays, and nothing is used twice.

use super::*;
use crate::{event::UnixMicros, log::Located};

pub async fn what_is_too_old_goes_and_the_floor_tells(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    for n in 0..5 {
        store(&*log, record("e", &n.to_string(), "b")).await;
    }
    let (before, newest) = (all(&*log).await, head(&*log));
    log.close().await;

    let log = fixture.open(KEEP_NOTHING).await;
    until_empty(&*log).await;
    let slice = log.read(1, u64::MAX, u64::MAX).await.unwrap();
    assert!(slice.records.is_empty() && slice.floor == newest, "{slice:?}");
    assert_eq!(log.locate(5).await.unwrap(), Located { floor: newest, evicted: 0, check: Some(newest.check) });
    for gone in &before[..4] {
        assert_eq!(log.locate(gone.sequence).await.unwrap(), Located { floor: newest, evicted: 0, check: None });
        assert_eq!(log.get(gone.sequence).await.unwrap(), None);
        assert_eq!(log.find("e", &gone.id).await.unwrap(), None);
    }
    assert_eq!(log.locate(0).await.unwrap().check, Some(0), "the start has its check for ever");
    for since in [UnixMicros::MIN, before[2].received_at, UnixMicros::MAX] {
        assert_eq!(log.seek(since).await.unwrap(), newest);
    }
    assert_eq!(head(&*log), newest, "the head stays");
}

pub async fn what_is_too_many_goes_from_the_oldest_on(fixture: &dyn Fixture) {
    const LIMIT: u64 = 1 << 20;
    let log = fixture.open(DEFAULT).await;
    for n in 0..60 {
        store(&*log, record("e", &n.to_string(), vec![1; 50_000])).await;
    }
    let before = all(&*log).await;
    log.close().await;

    let limited = Settings { retention_bytes: Some(LIMIT), ..DEFAULT };
    let log = fixture.open(limited).await;
    let held = until("less is held than the limit", async || {
        let held = log.read(0, u64::MAX, 0).await.unwrap();
        (held.records.iter().map(|r| r.body_bytes).sum::<u64>() <= LIMIT).then_some(held)
    })
    .await;
    let kept = usize::try_from(held.floor.sequence).unwrap();
    assert!((30..60).contains(&kept), "{kept} of 60 were removed");
    assert_eq!(held.floor.check, before[kept - 1].check, "the check of the last one removed");
    log.close().await;

    let log = fixture.open(DEFAULT).await;
    let at = floor(&*log).await;
    assert!(at.sequence >= held.floor.sequence, "the floor went back");
    let rest = usize::try_from(at.sequence).unwrap();
    same("what is left", all(&*log).await, before[rest..].to_vec());
    assert_eq!(log.seek(UnixMicros::MIN).await.unwrap(), at);
    assert_eq!(log.seek(before[rest].received_at).await.unwrap(), at);
}

pub async fn no_sequence_is_used_again_when_the_newest_is_gone(fixture: &dyn Fixture) {
    let mut last = 0;
    for round in 1..=3 {
        let log = fixture.open(KEEP_NOTHING).await;
        until_empty(&*log).await;
        log.close().await;
        let log = fixture.open(DEFAULT).await;
        assert_eq!(store(&*log, record("e", &round.to_string(), "b")).await, round);
        let found = log.get(round).await.unwrap().expect("it was stored");
        assert!(found.received_at >= last, "times run backwards");
        last = found.received_at;
        log.close().await;
    }
}
