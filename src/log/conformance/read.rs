//! Reading: what is found where, and at the edges.

use super::*;
use crate::{event::UnixMicros, log::Located};

const START: Position = Position { sequence: 0, check: 0 };

pub async fn an_empty_log_answers(fixture: &dyn Fixture) {
    for round in 0..2 {
        let log = fixture.open(DEFAULT).await;
        assert_eq!(head(&*log), START, "round {round}");
        assert_eq!(log.locate(0).await.unwrap(), Located { floor: START, evicted: 0, check: Some(0) });
        assert_eq!(log.locate(1).await.unwrap(), Located { floor: START, evicted: 0, check: None });
        for since in [UnixMicros::MIN, 0, UnixMicros::MAX] {
            assert_eq!(log.seek(since).await.unwrap(), START);
        }
        assert_eq!(log.find("e", "x").await.unwrap(), None);
        assert_eq!((log.get(0).await.unwrap(), log.get(1).await.unwrap()), (None, None));
        let slice = log.read(0, u64::MAX, u64::MAX).await.unwrap();
        assert!(slice.records.is_empty() && slice.floor == START);
        log.close().await;
    }
}

pub async fn each_record_is_located(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    for n in 0..5 {
        store(&*log, record("e", &n.to_string(), "b")).await;
    }
    for held in all(&*log).await {
        let located = log.locate(held.sequence).await.unwrap();
        assert_eq!(located, Located { floor: START, evicted: 0, check: Some(held.check) });
    }
    assert_eq!(log.locate(0).await.unwrap(), Located { floor: START, evicted: 0, check: Some(0) });
    for beyond in [6, 7, i64::MAX.cast_unsigned(), 1 << 63, u64::MAX] {
        assert_eq!(log.locate(beyond).await.unwrap(), Located { floor: START, evicted: 0, check: None }, "{beyond}");
    }
}

pub async fn seeking_finds_the_place_before(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    for n in 0..40 {
        store(&*log, record("e", &n.to_string(), "b")).await;
    }
    let found = all(&*log).await;
    let mut times: Vec<UnixMicros> = found.iter().flat_map(|r| [-1, 0, 1].map(|d| r.received_at + d)).collect();
    times.extend([UnixMicros::MIN, -1, 0, UnixMicros::MAX]);
    for since in times {
        let before = found.iter().take_while(|r| r.received_at < since).last();
        let expected = before.map_or(START, |r| Position { sequence: r.sequence, check: r.check });
        assert_eq!(log.seek(since).await.unwrap(), expected, "since {since}");
    }
}

pub async fn finding_gives_the_newest_of_an_id(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    for (endpoint, id, body) in
        [("e", "x", "1"), ("e", "x", "2"), ("f", "x", "1"), ("e", "y", "1"), ("e", "x", "1"), ("e", "", "1")]
    {
        log.append(record(endpoint, id, body)).await.unwrap();
    }
    for (endpoint, id, expected) in [
        ("e", "x", Some(2)),
        ("f", "x", Some(3)),
        ("e", "y", Some(4)),
        ("e", "", Some(5)),
        ("f", "y", None),
        ("", "x", None),
        ("E", "x", None),
        ("e", "x ", None),
        ("e", "x\0", None),
    ] {
        assert_eq!(log.find(endpoint, id).await.unwrap(), expected, "{endpoint:?} {id:?}");
    }
}

pub async fn bodies_over_the_limit_are_left_out(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    for length in [0_usize, 9, 10, 11, 100_000] {
        store(&*log, record("e", &length.to_string(), vec![b'x'; length])).await;
    }
    for limit in [0, 9, 10, 11, 99_999, 100_000, u64::MAX] {
        for found in log.read(1, 5, limit).await.unwrap().records {
            let expected = if found.body_bytes <= limit { found.body_bytes } else { 0 };
            assert_eq!(found.body_bytes.to_string(), found.id, "the length is told in any case");
            assert_eq!(found.body.len() as u64, expected, "of {} with the limit {limit}", found.id);
            assert_eq!(found.signature.len(), 64, "all else is there");
        }
    }
    assert_eq!(log.get(5).await.unwrap().unwrap().body.len(), 100_000);
}

pub async fn ranges_give_what_is_in_them(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    for n in 0..10 {
        store(&*log, record("e", &n.to_string(), "b")).await;
    }
    let end = u64::MAX;
    for (first, last, expected) in [
        (1, 10, 1..11),
        (0, 3, 1..4),
        (4, 4, 4..5),
        (9, 12, 9..11),
        (1, end, 1..11),
        (11, 20, 0..0),
        (5, 4, 0..0),
        (end, end, 0..0),
    ] {
        let found = log.read(first, last, u64::MAX).await.unwrap();
        let sequences: Vec<u64> = found.records.iter().map(|r| r.sequence).collect();
        same(&format!("{first} to {last}"), sequences, expected.collect());
        assert_eq!(found.floor, START);
    }
    assert_eq!(log.get(u64::MAX).await.unwrap(), None);
}
