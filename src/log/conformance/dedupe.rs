//! Once per event: what is the same, what is a variant, and for how long that is known.

use std::time::Instant;

use futures_util::future::join_all;

use super::*;

const A: &str = r#"{"a":1}"#;
const B: &str = r#"{"b":1}"#;
const C: &str = r#"{"c":1}"#;

pub async fn a_repetition_is_stored_once(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    let sequence = store(&*log, record("e", "x", A)).await;
    store(&*log, record("e", "y", A)).await;
    for _ in 0..3 {
        let otherwise = NewRecord {
            signature: Bytes::from_static(b"other"),
            traceparent: "other".into(),
            type_name: "OTHER".into(),
            ..record("e", "x", A)
        };
        assert_eq!(log.append(otherwise).await, Ok(Appended::Repeated { sequence }));
    }
    assert_eq!(head(&*log).sequence, 2);
    assert_eq!(all(&*log).await.len(), 2);
}

pub async fn repetitions_at_the_same_time_are_stored_once(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    for copies in [3, 50] {
        for round in 0..10 {
            let id = format!("{copies}-{round}");
            let answers = join_all((0..copies).map(|_| log.append(record("e", &id, A)))).await;
            let sequence = head(&*log).sequence;
            let stored = answers.iter().filter(|a| **a == Ok(Appended::Stored { sequence })).count();
            let repeated = answers.iter().filter(|a| **a == Ok(Appended::Repeated { sequence })).count();
            assert_eq!((stored, repeated), (1, copies - 1), "{id}: {answers:?}");
        }
    }
    assert_eq!(head(&*log).sequence, 20);
}

pub async fn another_endpoint_or_id_is_another_event(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    for (endpoint, id) in [("e", "x"), ("f", "x"), ("e", "X"), ("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")] {
        store(&*log, record(endpoint, id, A)).await;
    }
    assert!(all(&*log).await.iter().all(|r| r.conflicts_with == 0));
}

pub async fn each_variant_of_an_id_is_stored_once_and_names_an_earlier_one(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    store(&*log, record("other", "x", A)).await;
    let mut answers = Vec::new();
    for body in [A, B, A, B, C, C, B, A, ""] {
        answers.push(log.append(record("e", "x", body)).await.unwrap());
    }
    let (stored, repeated) = (|sequence| Appended::Stored { sequence }, |sequence| Appended::Repeated { sequence });
    let conflicting = |sequence, conflicts_with| Appended::Conflicting { sequence, conflicts_with };
    let expected = vec![
        stored(2),
        conflicting(3, 2),
        repeated(2),
        repeated(3),
        conflicting(4, 3),
        repeated(4),
        repeated(3),
        repeated(2),
        conflicting(5, 4),
    ];
    same("answers", answers, expected);
    let told: Vec<_> = all(&*log).await.iter().map(|r| (r.sequence, r.conflicts_with)).collect();
    same("records", told, vec![(1, 0), (2, 0), (3, 2), (4, 3), (5, 4)]);
}

pub async fn variants_at_the_same_time_are_stored_once_each(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    for round in 0..10 {
        let before = head(&*log).sequence;
        let id = round.to_string();
        let answers = join_all([A, B, A, B, A, B].map(|body| log.append(record("e", &id, body)))).await;
        let found = log.read(before + 1, u64::MAX, u64::MAX).await.unwrap().records;
        let told: Vec<_> = found.iter().map(|r| (r.sequence - before, r.conflicts_with)).collect();
        assert_eq!(told, [(1, 0), (2, before + 1)], "{answers:?}");
        assert_ne!(found[0].body, found[1].body, "{answers:?}");
    }
}

pub async fn a_repetition_is_known_after_reopening(fixture: &dyn Fixture) {
    let mut log = fixture.open(DEFAULT).await;
    store(&*log, record("e", "x", A)).await;
    log.append(record("e", "x", B)).await.unwrap();
    for _ in 0..2 {
        log.close().await;
        log = fixture.open(DEFAULT).await;
        assert_eq!(log.append(record("e", "x", A)).await, Ok(Appended::Repeated { sequence: 1 }));
        assert_eq!(log.append(record("e", "x", B)).await, Ok(Appended::Repeated { sequence: 2 }));
    }
    let third = log.append(record("e", "x", C)).await;
    assert_eq!(third, Ok(Appended::Conflicting { sequence: 3, conflicts_with: 2 }));
}

pub async fn a_repetition_is_known_after_retention_removed_the_original(fixture: &dyn Fixture) {
    let mut log = fixture.open(KEEP_NOTHING).await;
    store(&*log, record("e", "x", A)).await;
    log.append(record("e", "x", B)).await.unwrap();
    until_empty(&*log).await;
    for round in 0..3 {
        assert_eq!(log.append(record("e", "x", A)).await, Ok(Appended::Repeated { sequence: 1 }), "round {round}");
        assert_eq!(log.append(record("e", "x", B)).await, Ok(Appended::Repeated { sequence: 2 }), "round {round}");
        log.close().await;
        log = fixture.open(DEFAULT).await;
    }
    assert_eq!(log.append(record("f", "x", A)).await, Ok(Appended::Stored { sequence: 3 }));
    let variant = log.append(record("e", "x", C)).await;
    assert_eq!(variant, Ok(Appended::Conflicting { sequence: 4, conflicts_with: 2 }));
}

pub async fn what_is_beyond_the_number_of_entries_is_forgotten(fixture: &dyn Fixture) {
    let few = Settings { dedupe_max_entries: 8, ..DEFAULT };
    let log = fixture.open(few).await;
    let new = |n: u64| record("e", &n.to_string(), format!("body {n}"));
    for n in 1..=100 {
        store(&*log, new(n)).await;
    }
    for n in (93..=100).rev() {
        assert_eq!(log.append(new(n)).await, Ok(Appended::Repeated { sequence: n }), "one of the newest");
    }
    // While it is open, in the log's own time.
    let mut next = 101;
    until("the oldest is forgotten", async || {
        let answer = log.append(new(1)).await.unwrap();
        next += u64::from(answer != Appended::Repeated { sequence: 1 });
        (answer == Appended::Stored { sequence: 101 }).then_some(())
    })
    .await;
    log.close().await;
    let log = fixture.open(few).await;
    assert_eq!(log.append(new(100)).await, Ok(Appended::Repeated { sequence: 100 }));
    assert_eq!(log.append(new(2)).await, Ok(Appended::Stored { sequence: next }), "forgotten at the latest now");
    let found = all(&*log).await;
    assert!(found.iter().map(|r| r.sequence).eq(1..=next), "nothing but the memory of ids has changed");
    assert_eq!(log.find("e", "50").await.unwrap(), Some(50));
    assert_eq!(log.find("e", "2").await.unwrap(), Some(next));
}

pub async fn what_is_past_the_window_is_forgotten(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    store(&*log, record("e", "x", A)).await;
    log.close().await;
    let log = fixture.open(Settings { dedupe_window: Duration::ZERO, ..DEFAULT }).await;
    until("it is forgotten", async || {
        let answer = log.append(record("e", "x", A)).await.unwrap();
        (answer == Appended::Stored { sequence: 2 }).then_some(())
    })
    .await;
    assert_eq!(log.find("e", "x").await.unwrap(), Some(2));
}

/// Nobody means to send thousands of bodies under one id; but if somebody does, it must not cost the others their
/// place.
pub async fn many_variants_of_one_id_stay_cheap(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    let started = Instant::now();
    let mut took = Vec::new();
    for thousand in 0..6 {
        let before = Instant::now();
        let variants = (0..1000).map(|n| log.append(record("e", "x", format!("{thousand} {n}").repeat(300))));
        for answer in join_all(variants).await {
            answer.unwrap();
        }
        took.push(before.elapsed());
    }
    assert_eq!(head(&*log).sequence, 6000);
    assert!(took[5] < took[1] * 4 + Duration::from_secs(1), "dearer with every variant: {took:?}");
    let again = log.append(record("e", "x", "3 7".repeat(300))).await;
    assert!(matches!(again, Ok(Appended::Repeated { .. })), "{again:?} after {:?}", started.elapsed());
}
