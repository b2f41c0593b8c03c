//! Reports by browsers: in the one order with webhooks, and never at a webhook's cost.

use super::*;

/// Small enough for some ten reports.
const SMALL_QUOTA: Settings = Settings { report_quota: 100_000, ..DEFAULT };
const BODY_BYTES: usize = 7_000;

fn report(id: &str) -> NewRecord {
    let reporter = Reporter { origin: "null".to_owned(), session: "s-1".to_owned() };
    NewRecord {
        source: EventSource::Widget,
        signature: Bytes::new(),
        reporter,
        ..record("callbacks", id, vec![b'r'; BODY_BYTES])
    }
}

fn of_source(records: &[Record], source: EventSource) -> Vec<u64> {
    records.iter().filter(|record| record.source == source).map(|record| record.sequence).collect()
}

async fn evicted(log: &dyn Log) -> u64 {
    log.locate(0).await.unwrap().evicted
}

/// As many reports as the small quota does not hold, after each a webhook; returns where the first kept report is.
async fn overflow(log: &dyn Log) -> u64 {
    for n in 0..40 {
        store(log, report(&n.to_string())).await;
        store(log, record("smile", &n.to_string(), "b")).await;
    }
    until("the quota is kept", async || {
        let kept = of_source(&all(log).await, EventSource::Widget);
        (kept.len() as u64 * 8192 <= SMALL_QUOTA.report_quota).then_some(())
    })
    .await;
    *of_source(&all(log).await, EventSource::Widget).first().expect("some are kept")
}

pub async fn reports_stand_in_the_one_order(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    store(&*log, record("smile", "x", "b")).await;
    store(&*log, report("x")).await;
    store(&*log, record("callbacks", "y", "b")).await;
    assert_eq!(log.append(report("x")).await, Ok(Appended::Repeated { sequence: 2 }));
    for _ in 0..2 {
        let records = all(&*log).await;
        same("the order", records.iter().map(|r| r.sequence).collect(), vec![1, 2, 3]);
        let reporter = Reporter { origin: "null".to_owned(), session: "s-1".to_owned() };
        same("the reporter", &records[1].reporter, &reporter);
        same("no reporter", &records[0].reporter, &Reporter::default());
        assert_eq!(log.find("callbacks", "x").await.unwrap(), Some(2));
    }
    log.close().await;
}

pub async fn the_oldest_reports_go_to_keep_the_quota_and_no_webhook(fixture: &dyn Fixture) {
    let log = fixture.open(SMALL_QUOTA).await;
    let first = overflow(&*log).await;
    let records = all(&*log).await;
    same("webhooks", of_source(&records, EventSource::Webhook), (1..=40).map(|n| 2 * n).collect());
    same("reports", of_source(&records, EventSource::Widget), (first.div_ceil(2)..=40).map(|n| 2 * n - 1).collect());
    let slice = log.read(1, 5, u64::MAX).await.unwrap();
    assert_eq!((slice.floor.sequence, slice.evicted), (0, first - 2));
    let located = log.locate(1).await.unwrap();
    assert_eq!((located.check, located.evicted), (None, first - 2));
    assert_eq!(log.get(1).await.unwrap(), None);
    log.close().await;
    // It is still known after a restart, and what is held then counts.
    let log = fixture.open(SMALL_QUOTA).await;
    assert_eq!(evicted(&*log).await, first - 2);
    for n in 40..45 {
        store(&*log, report(&n.to_string())).await;
    }
    until("the quota is kept again", async || (evicted(&*log).await > first - 2).then_some(())).await;
    log.close().await;
}

pub async fn no_sequence_is_used_again_when_the_newest_was_a_report(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    store(&*log, record("smile", "x", "b")).await;
    store(&*log, report("x")).await;
    let newest = head(&*log);
    log.close().await;
    let log = fixture.open(Settings { report_quota: 0, ..DEFAULT }).await;
    until("the report goes", async || (evicted(&*log).await == 2).then_some(())).await;
    log.close().await;
    let log = fixture.open(DEFAULT).await;
    assert_eq!(head(&*log), newest);
    assert_eq!(store(&*log, record("smile", "y", "b")).await, 3);
    log.close().await;
}

pub async fn reports_make_no_webhook_forgotten(fixture: &dyn Fixture) {
    let few = Settings { dedupe_max_entries: 3, ..SMALL_QUOTA };
    let log = fixture.open(few).await;
    store(&*log, record("smile", "x", "b")).await;
    for n in 0..40 {
        store(&*log, report(&n.to_string())).await;
    }
    until("some go", async || (evicted(&*log).await > 10).then_some(())).await;
    assert_eq!(log.append(record("smile", "x", "b")).await, Ok(Appended::Repeated { sequence: 1 }));
    log.close().await;
    let log = fixture.open(few).await;
    assert_eq!(log.append(record("smile", "x", "b")).await, Ok(Appended::Repeated { sequence: 1 }));
    log.close().await;
}

pub async fn a_repeated_report_is_known_for_as_long_as_it_is_held(fixture: &dyn Fixture) {
    let log = fixture.open(SMALL_QUOTA).await;
    overflow(&*log).await;
    for _ in 0..2 {
        assert_eq!(log.append(report("39")).await, Ok(Appended::Repeated { sequence: 79 }));
    }
    log.close().await;
    let log = fixture.open(SMALL_QUOTA).await;
    assert_eq!(log.append(report("39")).await, Ok(Appended::Repeated { sequence: 79 }));
    store(&*log, report("0")).await;
    assert_eq!(log.append(report("0")).await, Ok(Appended::Repeated { sequence: 81 }));
    log.close().await;
}

pub async fn seeking_passes_over_removed_reports(fixture: &dyn Fixture) {
    let log = fixture.open(SMALL_QUOTA).await;
    overflow(&*log).await;
    let held = all(&*log).await;
    for record in &held {
        let before = held.iter().rev().find(|earlier| earlier.received_at < record.received_at);
        let expected = before.map_or_else(Position::default, |r| Position { sequence: r.sequence, check: r.check });
        assert_eq!(log.seek(record.received_at).await.unwrap(), expected, "at {}", record.sequence);
    }
    let last = held.last().unwrap();
    let end = Position { sequence: last.sequence, check: last.check };
    assert_eq!(log.seek(i64::MAX).await.unwrap(), end);
    log.close().await;
}

pub async fn retention_removes_reports_as_well(fixture: &dyn Fixture) {
    let log = fixture.open(SMALL_QUOTA).await;
    overflow(&*log).await;
    log.close().await;
    let log = fixture.open(KEEP_NOTHING).await;
    until_empty(&*log).await;
    assert!(all(&*log).await.is_empty());
    log.close().await;
    // What is gone takes nothing of the quota any more.
    let log = fixture.open(SMALL_QUOTA).await;
    let before = evicted(&*log).await;
    for n in 100..105 {
        store(&*log, report(&n.to_string())).await;
    }
    same("reports", of_source(&all(&*log).await, EventSource::Widget).len(), 5);
    same("removed to keep the quota", evicted(&*log).await, before);
    log.close().await;
}
