//! Bodies on the disk: encrypted with the first key, read with any, and never silently left out.

use rusqlite::Connection;

use super::*;

const SECRET: &str = "what nobody is to read on the disk";

fn open(directory: &Directory, keys: &[&str]) -> Result<Embedded, OpenError> {
    Embedded::open(&directory.encrypted(DEFAULT, keys))
}

async fn body(log: &Embedded, sequence: u64) -> Bytes {
    log.get(sequence).await.unwrap().unwrap().body
}

#[tokio::test]
async fn bodies_are_nowhere_on_the_disk_and_come_back() {
    let directory = Directory::new();
    let log = open(&directory, &["a"]).unwrap();
    store(&log, record(1, SECRET)).await;
    assert_eq!(body(&log, 1).await, SECRET);
    assert_eq!(log.append(record(1, SECRET)).await, Ok(Appended::Repeated { sequence: 1 }));
    let other = log.append(record(1, "other")).await;
    assert_eq!(other, Ok(Appended::Conflicting { sequence: 2, conflicts_with: 1 }));
    let slice = log.read(1, 2, SECRET.len() as u64 - 1).await.unwrap();
    let sizes: Vec<_> = slice.records.iter().map(|record| (record.body.len(), record.body_bytes)).collect();
    assert_eq!(sizes, [(0, SECRET.len() as u64), (5, 5)]);
    assert!(!holds(&directory, SECRET));
    log.close().await;
    assert!(!holds(&directory, SECRET));
}

#[tokio::test]
async fn a_key_is_rotated_and_goes_when_retention_has_removed_what_it_encrypted() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    store(&log, record("plain", "0")).await;
    log.close().await;

    let options = directory.encrypted(DEFAULT, &["a"]);
    let log = Embedded::open(&options).unwrap();
    store(&log, record("by a", "1")).await;
    // While it runs: new ones by b, old ones by a, which can't be given up.
    options.keys.replace(vec![key("b"), key("a")]).unwrap();
    store(&log, record("by b", "2")).await;
    let missing = options.keys.replace(vec![key("b")]).unwrap_err();
    assert_eq!(missing, keys::MissingKey(key("a").id()));
    for (sequence, expected) in [(1, "0"), (2, "1"), (3, "2")] {
        assert_eq!(body(&log, sequence).await, expected);
    }
    log.close().await;

    for (keys, needed) in [(&["a"][..], "b"), (&["b"], "a"), (&["c", "b"], "a")] {
        let error = open(&directory, keys).err().expect("a key is missing");
        assert!(
            matches!(&error, OpenError::Key { source } if *source == keys::MissingKey(key(needed).id())),
            "{error}"
        );
        assert!(error.is_configuration() && error.to_string().contains("--encryption-key-file"), "{error}");
    }
    assert!(matches!(Embedded::open(&directory.options(DEFAULT)), Err(OpenError::Key { .. })));

    let few = Settings { retention: Some(Duration::ZERO), ..DEFAULT };
    let log = Embedded::open(&directory.encrypted(few, &["b", "a"])).unwrap();
    conformance::until_empty(&log).await;
    store(&log, record("by b again", "3")).await;
    conformance::until_empty(&log).await;
    log.close().await;
    let log = open(&directory, &["b"]).unwrap();
    log.close().await;
    // What b has in use may still come.
    assert!(open(&directory, &["a"]).is_err());
}

#[tokio::test]
async fn a_body_that_was_changed_or_moved_is_told_and_not_left_out() {
    let directory = Directory::new();
    let log = open(&directory, &["a"]).unwrap();
    store(&log, record(1, "one")).await;
    store(&log, record(2, "two")).await;
    log.close().await;
    let mv = "UPDATE events SET body = (SELECT body FROM events WHERE sequence = 2) WHERE sequence = 1";
    Connection::open(directory.path("events.db")).unwrap().execute_batch(mv).unwrap();
    let log = open(&directory, &["a"]).unwrap();
    let error = log.get(1).await.unwrap_err().to_string();
    assert!(error.contains("#1") && error.contains("changed"), "{error}");
    assert_eq!(body(&log, 2).await, "two");
    assert!(log.read(1, 2, u64::MAX).await.is_err());
    log.close().await;
}

/// The rules of version 2: it takes nothing with a greater user_version, names its columns where it reads, and fills
/// `seen` and `reports` by position.
#[tokio::test]
async fn the_version_before_can_use_a_log_in_which_nothing_new_is_used() {
    const VERSION_2: &str = "
        INSERT INTO events (sequence, received_at, record_check, conflicts_with, source, endpoint, id, type_name, user_id,
            traceparent, content_encoding, signature, body) VALUES (2, 9e15, 7, 0, 1, 'smile', 'x', '', '', '', '', x'', x'');
        INSERT INTO seen VALUES (2, 9e15, 5, 6);
        INSERT INTO reports VALUES (3, 9e15, 5, 6, 7, '', '');
        DELETE FROM reports;
        UPDATE log SET floor_sequence = 0, floor_check = 0, evicted_sequence = 0, evicted_check = 0;
        SELECT id, floor_sequence, floor_check, evicted_sequence, evicted_check FROM log;";
    let version = |directory: &Directory| -> i64 {
        let database = Connection::open(directory.path("events.db")).unwrap();
        database.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    };
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    store(&log, record(1, "b")).await;
    log.close().await;
    assert_eq!(version(&directory), 2);
    Connection::open(directory.path("events.db")).unwrap().execute_batch(VERSION_2).unwrap();
    // And forward again.
    let log = directory.log(DEFAULT);
    assert_eq!(log.get(2).await.unwrap().unwrap().id, "x");
    assert_eq!(log.erase("nobody", None).await.unwrap().records, 0);
    assert_eq!(version(&directory), 2);
    let ann = NewRecord { user_id: "ann".into(), ..record(3, "b") };
    store(&log, ann).await;
    log.erase("ann", None).await.unwrap();
    log.close().await;
    assert_eq!(version(&directory), 3, "a tombstone would be an event without a body to version 2");

    let directory = Directory::new();
    let log = open(&directory, &["a"]).unwrap();
    assert_eq!(version(&directory), 2);
    store(&log, record(1, "b")).await;
    log.close().await;
    assert_eq!(version(&directory), 3);
}

/// A later version that only adds leaves `user_version` as it is.
#[tokio::test]
async fn a_log_with_additions_of_a_later_version_is_used() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    store(&log, record(1, "b")).await;
    log.close().await;
    let later =
        "CREATE TABLE later (a); ALTER TABLE log ADD COLUMN b INTEGER NOT NULL DEFAULT 0; UPDATE log SET version = 4";
    Connection::open(directory.path("events.db")).unwrap().execute_batch(later).unwrap();
    let log = directory.log(DEFAULT);
    assert_eq!(store(&log, record(2, "b")).await, 2);
    log.close().await;
    let database = Connection::open(directory.path("events.db")).unwrap();
    let version: i64 = database.query_row("SELECT version FROM log", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 4, "what is there stays said");
}
