//! Erasing: what is left of a record is its place, and everything that others rely on.

use super::*;
use crate::log::{EraseError, Erased};

fn of_user(user: &str, endpoint: &str, id: &str, body: &str) -> NewRecord {
    NewRecord {
        user_id: user.to_owned(),
        traceparent: format!("00-{user}"),
        content_encoding: "identity".to_owned(),
        ..record(endpoint, id, body.to_owned())
    }
}

fn report(user: &str, id: &str) -> NewRecord {
    let reporter = Reporter { origin: format!("https://{user}.example"), session: format!("session of {user}") };
    NewRecord {
        source: EventSource::Widget,
        signature: Bytes::new(),
        traceparent: String::new(),
        content_encoding: String::new(),
        reporter,
        ..of_user(user, "callbacks", &format!("{user}/{id}"), "{}")
    }
}

/// What a record has become, with this much of its id.
fn tombstone(of: &Record, id: &str) -> Record {
    Record {
        id: id.to_owned(),
        user_id: String::new(),
        signature: Bytes::new(),
        traceparent: String::new(),
        content_encoding: String::new(),
        reporter: Reporter::default(),
        is_erased: true,
        body: Bytes::new(),
        body_bytes: 0,
        ..of.clone()
    }
}

/// Ann's are 1, 3 and 6, the last in conflict with 1, and at another endpoint 4; the others are Bob's.
async fn some(log: &dyn Log) -> Vec<Record> {
    store(log, of_user("ann", "smile", "a", "1")).await;
    store(log, of_user("bob", "smile", "b", "2")).await;
    store(log, of_user("ann", "smile", "c", "3 has a longer body")).await;
    store(log, of_user("ann", "other", "a", "4")).await;
    store(log, of_user("bob", "other", "of ann", "5 mentions ann")).await;
    let conflicting = Ok(Appended::Conflicting { sequence: 6, conflicts_with: 1 });
    assert_eq!(log.append(of_user("ann", "smile", "a", "6")).await, conflicting);
    all(log).await
}

pub async fn what_is_erased_is_a_tombstone_at_its_place_and_nothing_else_changes(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    let before = some(&*log).await;
    assert_eq!(log.erase("ann", None).await.unwrap(), Erased { records: 4, through: 6 });
    let after = all(&*log).await;
    for (before, after) in before.iter().zip(&after) {
        let expected = if before.user_id == "ann" { tombstone(before, &before.id) } else { before.clone() };
        same("a record", after, &expected);
        same("alone", log.get(before.sequence).await.unwrap().as_ref(), Some(&expected));
        same("its place", log.locate(before.sequence).await.unwrap().check, Some(before.check));
        let small = log.read(before.sequence, before.sequence, 0).await.unwrap().records;
        same("its size", small[0].body_bytes, expected.body_bytes);
    }
    assert_eq!(after.len(), before.len());
    assert_eq!(log.find("smile", "c").await.unwrap(), Some(3));
    assert!(log.seek(before[2].received_at).await.unwrap().sequence < 3);
    assert_eq!(store(&*log, of_user("ann", "smile", "new", "7")).await, 7);
    same("what came later", all(&*log).await[6].user_id.as_str(), "ann");
    log.close().await;
}

pub async fn one_endpoint_alone_can_be_erased(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    some(&*log).await;
    assert_eq!(log.erase("ann", Some("nowhere")).await.unwrap().records, 0);
    assert_eq!(log.erase("ann", Some("other")).await.unwrap(), Erased { records: 1, through: 6 });
    let erased: Vec<u64> = all(&*log).await.iter().filter(|record| record.is_erased).map(|r| r.sequence).collect();
    assert_eq!(erased, [4]);
    log.close().await;
}

pub async fn a_repetition_of_what_is_erased_is_not_stored_again(fixture: &dyn Fixture) {
    let mut log = fixture.open(DEFAULT).await;
    some(&*log).await;
    log.erase("ann", None).await.unwrap();
    for _ in 0..2 {
        for (id, body, sequence) in [("a", "1", 1), ("c", "3 has a longer body", 3), ("a", "6", 6)] {
            let answer = log.append(of_user("ann", "smile", id, body)).await;
            assert_eq!(answer, Ok(Appended::Repeated { sequence }), "{id}");
        }
        assert_eq!(head(&*log).sequence, 6);
        log.close().await;
        log = fixture.open(DEFAULT).await;
    }
    // Other bytes under its id are what they always were.
    let other = log.append(of_user("ann", "smile", "c", "another body")).await;
    assert_eq!(other, Ok(Appended::Conflicting { sequence: 7, conflicts_with: 3 }));
    log.close().await;
}

pub async fn what_is_erased_stays_erased_after_reopening(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    some(&*log).await;
    log.erase("ann", None).await.unwrap();
    let before = all(&*log).await;
    log.close().await;
    let log = fixture.open(DEFAULT).await;
    same("all records", all(&*log).await, before);
    log.close().await;
}

pub async fn erasing_again_finds_nothing_but_what_is_new(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    assert_eq!(log.erase("ann", None).await.unwrap(), Erased { records: 0, through: 0 });
    let user = |n| if n % 2 == 0 { "ann" } else { "bob" };
    let records = (0..600).map(|n| store(&*log, of_user(user(n), "smile", &n.to_string(), "b")));
    futures_util::future::join_all(records).await;
    assert_eq!(log.erase("ann", None).await.unwrap(), Erased { records: 300, through: 600 });
    assert_eq!(log.erase("ann", None).await.unwrap(), Erased { records: 0, through: 600 });
    // What is left of a tombstone is no user's.
    for none in ["", "\0\0\0"] {
        assert_eq!(log.erase(none, None).await.unwrap().records, 0, "{none:?}");
    }
    store(&*log, of_user("ann", "smile", "new", "b")).await;
    assert_eq!(log.erase("ann", None).await.unwrap(), Erased { records: 1, through: 601 });
    log.close().await;
}

pub async fn reports_are_erased_with_their_ids_and_reporters(fixture: &dyn Fixture) {
    let mut log = fixture.open(DEFAULT).await;
    store(&*log, report("ann", "1")).await;
    store(&*log, report("bob", "1")).await;
    let before = all(&*log).await;
    assert_eq!(log.erase("ann", None).await.unwrap().records, 1);
    for _ in 0..2 {
        same("records", all(&*log).await, vec![tombstone(&before[0], ""), before[1].clone()]);
        assert_eq!(log.append(report("ann", "1")).await, Ok(Appended::Repeated { sequence: 1 }));
        assert_eq!(log.find("callbacks", "ann/1").await.unwrap(), Some(1));
        log.close().await;
        log = fixture.open(DEFAULT).await;
    }
    log.close().await;
}

pub async fn tombstones_are_removed_like_others(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    some(&*log).await;
    store(&*log, report("ann", "1")).await;
    log.erase("ann", None).await.unwrap();
    let newest = head(&*log);
    log.close().await;
    let log = fixture.open(Settings { report_quota: 0, ..DEFAULT }).await;
    until("the report goes", async || (log.locate(0).await.unwrap().evicted == 7).then_some(())).await;
    assert_eq!(head(&*log), newest);
    assert_eq!(store(&*log, of_user("bob", "smile", "new", "8")).await, 8);
    log.close().await;
    let log = fixture.open(KEEP_NOTHING).await;
    until_empty(&*log).await;
    log.close().await;
    let log = fixture.open(DEFAULT).await;
    let again = log.append(of_user("ann", "smile", "c", "3 has a longer body")).await;
    assert_eq!(again, Ok(Appended::Repeated { sequence: 3 }));
    log.close().await;
}

pub async fn erasures_are_told(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    some(&*log).await;
    let mut erasures = log.erasures();
    erasures.borrow_and_update();
    log.erase("nobody", None).await.unwrap();
    assert!(!erasures.has_changed().unwrap());
    log.erase("ann", None).await.unwrap();
    assert!(erasures.has_changed().unwrap());
    log.close().await;
}

pub async fn nothing_is_erased_after_closing(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    some(&*log).await;
    log.close().await;
    assert!(matches!(log.erase("ann", None).await, Err(EraseError::Closed | EraseError::Read(_))));
    let log = fixture.open(DEFAULT).await;
    assert!(all(&*log).await.iter().all(|record| !record.is_erased));
    log.close().await;
}
