//! What a process that ended at any moment has left behind.

use rusqlite::Connection;

use super::*;

/// The files of an open log as another process would find them if this one were gone now.
fn as_after_a_crash(directory: &Directory) -> Directory {
    let copy = Directory::new();
    for name in ["events.db", "events.db-wal"] {
        fs::copy(directory.path(name), copy.path(name)).unwrap();
    }
    copy
}

#[tokio::test]
async fn what_is_only_in_the_write_ahead_log_is_made_durable_before_it_is_relied_on() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    for n in 1..=20 {
        store(&log, record(n, vec![1; 10_000])).await;
    }
    let copy = as_after_a_crash(&directory);
    assert!(copy.length("events.db-wal") > 200_000, "nothing was moved yet");
    // The process may have ended between a write and its fsync: what is read back then is in the kernel's memory only,
    // and a repetition of it must not be acknowledged before it is on the disk.
    let again = copy.log(DEFAULT);
    assert_eq!(copy.length("events.db-wal"), 0, "opening moves it to the database, with fsync");
    assert_eq!(again.append(record(20, vec![1; 10_000])).await, Ok(Appended::Repeated { sequence: 20 }));
}

#[tokio::test]
async fn a_write_ahead_log_cut_anywhere_gives_a_dense_beginning() {
    let whole = until("no checkpoint comes between", async || {
        let directory = Directory::new();
        let log = directory.log(DEFAULT);
        let before = fs::read(directory.path("events.db")).unwrap();
        for n in 1..=12 {
            store(&log, record(n, vec![1; 5_000])).await;
        }
        let copy = as_after_a_crash(&directory);
        (fs::read(copy.path("events.db")).unwrap() == before).then_some(copy)
    })
    .await;
    let length = whole.length("events.db-wal");
    let mut seen = 0;
    for cut in (0..=16).map(|part| length * part / 16) {
        let copy = as_after_a_crash(&whole);
        File::options().write(true).open(copy.path("events.db-wal")).unwrap().set_len(cut).unwrap();
        match Embedded::open(&copy.options(DEFAULT)) {
            Ok(log) => {
                let found = log.read(0, u64::MAX, u64::MAX).await.unwrap().records;
                assert!(found.iter().map(|r| r.sequence).eq(1..=found.len() as u64), "cut at {cut}");
                assert!(found.len() >= seen, "cut at {cut}: {} after {seen}", found.len());
                seen = found.len();
                let next = store(&log, record("next", "b")).await;
                assert_eq!(next, seen as u64 + 1, "cut at {cut}");
            }
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
    assert_eq!(seen, 12, "uncut, everything is there");
}
#[tokio::test]
async fn a_log_that_is_dropped_moves_nothing_on_its_way_out() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    store(&log, record(1, "b")).await;
    drop(log);
    // The writer has ended when its lock is free.
    let lock = File::open(Embedded::lock_path(directory.0.path())).unwrap();
    lock.lock().unwrap();
    assert!(directory.length("events.db-wal") > 0, "after a failed fsync nothing may be moved, or cut off");
}
#[tokio::test]
async fn times_of_receipt_go_on_when_everything_was_removed() {
    const FUTURE: i64 = 4_000_000_000_000_000;
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    for n in 1..=3 {
        store(&log, record(n, "b")).await;
    }
    log.close().await;
    // As if the clock had been wrong then.
    let shell = Connection::open(directory.path("events.db")).unwrap();
    for table in ["events", "seen"] {
        shell.execute(&format!("UPDATE {table} SET received_at = ?"), [FUTURE]).unwrap();
    }
    drop(shell);
    // Forgets and removes everything.
    let log = directory.log(Settings { retention_bytes: Some(1), dedupe_max_entries: 0, ..DEFAULT });
    let shell = Connection::open(directory.path("events.db")).unwrap();
    let rows = |table: &str| {
        shell.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    until("it is removed", async || (rows("events") == 0 && rows("seen") <= 1).then_some(())).await;
    log.close().await;
    let log = directory.log(DEFAULT);
    store(&log, record(4, "b")).await;
    let received = log.get(4).await.unwrap().unwrap().received_at;
    assert!(received >= FUTURE, "{received} after {FUTURE}");
}

#[test]
fn a_writer_that_panics_asks_the_process_to_end() {
    let directory = Directory::new();
    let options = directory.options(DEFAULT);
    let lock = disk::prepare(&options, &|| ()).unwrap();
    let path = directory.path("events.db");
    let connection = schema::open(directory.0.path(), &path).unwrap();
    let (health_changes, health) = watch::channel(Health::Good);
    let health_changes = Arc::new(health_changes);
    let checkpoints = checkpoint::Checkpoints::start(&path, Arc::clone(&health_changes)).unwrap();
    let recent = Arc::new(recent::Recent::new(Position { sequence: 0, check: 0 }, 0));
    let (writer, ..) = writer::Writer::new(connection, &options, checkpoints, health_changes, recent, lock).unwrap();
    let thread = std::thread::spawn(move || {
        let _writer = writer;
        std::panic::resume_unwind(Box::new("as a bug would"));
    });
    thread.join().unwrap_err();
    assert!(matches!(&*health.borrow(), Health::Failed(_)), "{:?}", *health.borrow());
}
