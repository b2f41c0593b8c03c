//! Storing: what comes back, in which order, and what becomes of the rest.

use std::{collections::BTreeSet, time::Instant};

use futures_util::future::join_all;

use super::*;
use crate::log::AppendError;

pub async fn every_column_comes_back(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let usual = NewRecord {
        traceparent: "00-ab-cd-01".into(),
        content_encoding: "br".into(),
        ..record("smile", "et-1", every_byte)
    };
    let empty = NewRecord {
        source: EventSource::Widget,
        type_name: String::new(),
        user_id: String::new(),
        signature: Bytes::new(),
        ..record("", "", "")
    };
    let reported = NewRecord {
        source: EventSource::Widget,
        signature: Bytes::new(),
        reporter: Reporter { origin: "https://app.example".into(), session: "s-\0é".into() },
        ..record("callbacks", "u/1", "{}")
    };
    let odd = NewRecord {
        type_name: "A\0B".into(),
        user_id: "ñ\u{fffd}\u{10ffff}'\"".into(),
        ..record("odd\0endpoint", &"é".repeat(256), vec![0; 3 << 20])
    };
    let given = [usual, empty, reported, odd];
    for new in &given {
        store(&*log, new.clone()).await;
    }
    for (sequence, new) in (1..).zip(given) {
        let found = log.get(sequence).await.unwrap().expect("it was stored");
        let back = NewRecord {
            source: found.source,
            endpoint: found.endpoint,
            id: found.id,
            type_name: found.type_name,
            user_id: found.user_id,
            signature: found.signature,
            traceparent: found.traceparent,
            content_encoding: found.content_encoding,
            reporter: found.reporter,
            body: found.body,
        };
        assert!(back == new, "record {sequence} came back otherwise");
        assert_eq!((found.sequence, found.conflicts_with), (sequence, 0));
        assert_eq!(found.body_bytes, new.body.len() as u64);
        assert_eq!(log.locate(sequence).await.unwrap().check, Some(found.check));
    }
}

pub async fn sequences_are_dense_and_times_never_run_backwards(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    let tasks = (0..20).map(|task| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let mut mine = Vec::new();
            for n in 0..10 {
                mine.push((store(&*log, record("e", &format!("{task}-{n}"), "b")).await, format!("{task}-{n}")));
            }
            assert!(mine.is_sorted(), "one sender's own order is kept: {mine:?}");
            mine
        })
    });
    let mut told = Vec::new();
    for mine in join_all(tasks).await {
        told.extend(mine.unwrap());
    }
    told.sort();
    let found = all(&*log).await;
    same("as told", told, found.iter().map(|r| (r.sequence, r.id.clone())).collect());
    assert!(found.iter().map(|r| r.sequence).eq(1..=200), "dense");
    assert!(found.is_sorted_by_key(|r| r.received_at), "times run backwards");
    assert!(found[0].received_at > 1_700_000_000_000_000, "not in microseconds: {}", found[0].received_at);
    let checks: BTreeSet<u64> = found.iter().map(|r| r.check).collect();
    assert_eq!(checks.len(), 200, "every record has a check of its own");
    assert_eq!(head(&*log), Position { sequence: 200, check: found[199].check });
}

pub async fn the_head_moves_after_the_record_is_there(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    let mut heads = log.head();
    let follow = async {
        let mut last = 0;
        while last < 50 {
            heads.changed().await.expect("the log is open");
            let at = *heads.borrow_and_update();
            assert!(at.sequence > last, "the head went from {last} to {}", at.sequence);
            let found = log.get(at.sequence).await.unwrap().expect("the head is stored");
            assert_eq!(found.check, at.check);
            last = at.sequence;
        }
    };
    let append = async {
        for n in 0..50 {
            let sequence = store(&*log, record("e", &n.to_string(), "b")).await;
            assert!(head(&*log).sequence >= sequence, "answered before the head has moved");
        }
    };
    tokio::join!(follow, append);
}

pub async fn a_reopened_log_goes_on_where_it_was(fixture: &dyn Fixture) {
    let (mut id, mut before) = (None, Vec::new());
    for round in 0..4_u64 {
        let log = fixture.open(DEFAULT).await;
        assert_eq!(log.id(), *id.get_or_insert(log.id()), "another log");
        same("after reopening", &before, &all(&*log).await);
        assert_eq!(head(&*log).sequence, round * 3);
        for n in 1..=3 {
            assert_eq!(store(&*log, record("e", &format!("{round}-{n}"), "b")).await, round * 3 + n);
        }
        before = all(&*log).await;
        assert!(before.is_sorted_by_key(|r| r.received_at), "times run backwards");
        log.close().await;
    }
}

pub async fn closing_stores_what_is_queued(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    // All are polled once, and so queued, before the closing is.
    let appends = join_all((0..200).map(|n| log.append(record("e", &n.to_string(), vec![1; 10_000]))));
    let (answers, ()) = tokio::join!(appends, log.close());
    let mut told: Vec<u64> = Vec::new();
    for answer in answers {
        match answer {
            Ok(Appended::Stored { sequence }) => told.push(sequence),
            other => panic!("queued before the closing, and then {other:?}"),
        }
    }
    told.sort_unstable();
    let log = fixture.open(DEFAULT).await;
    same("as told", told, all(&*log).await.iter().map(|r| r.sequence).collect());
}

pub async fn nothing_is_stored_after_closing(fixture: &dyn Fixture) {
    let log = fixture.open(DEFAULT).await;
    store(&*log, record("e", "before", "b")).await;
    log.close().await;
    assert_eq!(log.append(record("e", "after", "b")).await, Err(AppendError::Closed));
    assert_eq!(log.append(record("e", "before", "b")).await, Err(AppendError::Closed), "a repetition as well");
    log.close().await;
    let log = fixture.open(DEFAULT).await;
    assert_eq!(head(&*log).sequence, 1);
}

pub async fn what_the_queue_has_no_room_for_is_refused_in_time_and_never_lost(fixture: &dyn Fixture) {
    let narrow = Settings { queue_bytes: 20_000, queue_timeout: Duration::from_millis(20), ..DEFAULT };
    let log = fixture.open(narrow).await;
    let new = |n: usize| record("e", &n.to_string(), vec![1; 8_000]);
    let appends = (0..200).map(|n| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let started = Instant::now();
            (log.append(new(n)).await, started.elapsed())
        })
    });
    let mut told = Vec::new();
    for (n, answer) in join_all(appends).await.into_iter().enumerate() {
        let (answer, took) = answer.unwrap();
        assert!(took < Duration::from_secs(5), "answered only after {took:?}");
        match answer {
            Ok(Appended::Stored { sequence }) => told.push((n, sequence)),
            Err(AppendError::Busy) => {}
            other => panic!("{n}: {other:?}"),
        }
    }
    log.close().await;
    let log = fixture.open(DEFAULT).await;
    for (n, sequence) in told {
        assert_eq!(log.append(new(n)).await, Ok(Appended::Repeated { sequence }), "{n} was acknowledged");
    }
    // Whoever was refused tries again; it may have been stored all the same, but only once.
    for n in 0..200 {
        log.append(new(n)).await.unwrap();
    }
    let ids: BTreeSet<String> = all(&*log).await.into_iter().map(|r| r.id).collect();
    assert_eq!((ids.len(), head(&*log).sequence), (200, 200), "each is stored once");
}

pub async fn a_record_larger_than_the_queue_is_stored(fixture: &dyn Fixture) {
    let log = fixture.open(Settings { queue_bytes: 1_000, ..DEFAULT }).await;
    let (large, small) =
        tokio::join!(log.append(record("e", "large", vec![1; 2 << 20])), log.append(record("e", "small", "b")),);
    assert!(large.is_ok() && small.is_ok(), "{large:?} {small:?}");
}
