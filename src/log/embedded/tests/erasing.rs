//! That nothing is left on the disk of what was erased, whatever happened to it before.

use rusqlite::Connection;

use super::*;

fn of(user: &str, id: usize, bytes: usize) -> NewRecord {
    let body = format!("<{user}'s body {id}>").repeat(bytes / 16 + 1);
    NewRecord { user_id: user.to_owned(), traceparent: format!("trace of {user}"), ..record(id, body) }
}

fn report_of(user: &str, id: usize) -> NewRecord {
    let reporter = Reporter { origin: format!("https://{user}.example"), session: format!("session of {user}") };
    NewRecord {
        source: EventSource::Widget,
        endpoint: "callbacks".into(),
        id: format!("{user}/{id}"),
        reporter,
        ..of(user, id, 300 * (id % 5))
    }
}

/// Users one after another, while records of all sizes come, and some are removed by the quota or by retention: SQLite
/// moves rows between pages then.
#[tokio::test]
async fn nothing_is_left_in_the_files() {
    const USERS: [&str; 6] = ["ann-4711", "bob-4711", "cleo-4711", "dan-4711", "eve-4711", "fay-4711"];
    for encrypted in [false, true] {
        let directory = Directory::new();
        let settings = Settings { report_quota: 300_000, retention_bytes: Some(3 << 20), ..DEFAULT };
        let keys: &[&str] = if encrypted { &["a"] } else { &[] };
        let log = Embedded::open(&directory.encrypted(settings, keys)).unwrap();
        let mut next = 0;
        for erased in 0..USERS.len() {
            let new = (next..next + 400).map(|id| {
                let user = USERS[erased..][id % (USERS.len() - erased)];
                let sizes = [10, 700, 1_500, 5_000, 40_000];
                if id % 3 == 0 { report_of(user, id) } else { of(user, id, sizes[id % sizes.len()]) }
            });
            futures_util::future::join_all(new.map(|new| store(&log, new))).await;
            next += 400;
            assert!(holds(&directory, USERS[erased]), "there is something to erase");
            let done = log.erase(USERS[erased], None).await.unwrap();
            assert!(done.records > 0 && done.through == next as u64, "{done:?}");
            for user in &USERS[..=erased] {
                assert!(!holds(&directory, user), "{user} is still there after {}", USERS[erased]);
            }
        }
        log.close().await;
        let check = Connection::open(directory.path("events.db")).unwrap();
        let check: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
}

/// A row that changed its length would be moved, and could leave copies behind.
#[tokio::test]
async fn rows_keep_their_length() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    let new = (0..40).flat_map(|id| [of("ann", id, 37 * id), report_of("ann", id)]);
    futures_util::future::join_all(new.map(|new| store(&log, new))).await;
    let rows = || {
        let database = Connection::open(directory.path("events.db")).unwrap();
        let lengths = "SELECT group_concat(length(CAST(id AS BLOB)) || ' ' || length(CAST(user_id AS BLOB)) || ' ' ||
            length(CAST(traceparent AS BLOB)) || ' ' || length(signature) || ' ' || length(body)) FROM events";
        database.query_row(lengths, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let before = rows();
    assert_eq!(log.erase("ann", None).await.unwrap().records, 80);
    assert_eq!(rows(), before);
    log.close().await;
}

#[tokio::test]
async fn an_erasure_that_was_cut_short_is_finished_by_the_next() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    futures_util::future::join_all((0..1500).map(|id| store(&log, of("ann-4711", id, 700)))).await;
    // Cut short after its first step, twice.
    for _ in 0..2 {
        let mut erasures = log.erasures();
        erasures.borrow_and_update();
        tokio::select! {
            biased;
            changed = erasures.changed() => changed.unwrap(),
            done = log.erase("ann-4711", None) => panic!("it was to be cut short: {done:?}"),
        }
    }
    drop(log);
    let again = Options { lock_timeout: Duration::from_mins(1), ..directory.options(DEFAULT) };
    let log = Embedded::open(&again).unwrap();
    log.erase("ann-4711", None).await.unwrap();
    assert!(!holds(&directory, "ann-4711"));
    assert!(log.read(1, 1500, 0).await.unwrap().records.iter().all(|record| record.is_erased));
    log.close().await;
}

#[tokio::test]
async fn whoever_reads_for_long_is_waited_for() {
    let directory = Directory::new();
    let log = Arc::new(directory.log(DEFAULT));
    store(&log, of("ann-4711", 1, 700)).await;
    let reading = Connection::open(directory.path("events.db")).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
    let erasing = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.erase("ann-4711", None).await }
    });
    let mut erasures = log.erasures();
    while *erasures.borrow_and_update() == 0 {
        erasures.changed().await.unwrap();
    }
    // Webhooks are stored meanwhile.
    store(&log, record("x", "b")).await;
    assert!(!erasing.is_finished() && holds(&directory, "ann-4711"));
    reading.execute_batch("COMMIT").unwrap();
    assert_eq!(erasing.await.unwrap().unwrap().records, 1);
    assert!(!holds(&directory, "ann-4711"));
    log.close().await;
}
