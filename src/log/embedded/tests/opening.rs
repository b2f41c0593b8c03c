//! Opening a directory: whose it is, what is in it, and whether it will do.

use rusqlite::Connection;

use super::*;

#[tokio::test]
async fn a_second_log_in_the_same_directory_is_refused_until_the_first_is_closed() {
    let directory = Directory::new();
    let first = directory.log(DEFAULT);
    store(&first, record(1, "b")).await;
    let error = Embedded::open(&directory.options(DEFAULT)).err().expect("it is in use");
    assert!(matches!(error, OpenError::Locked { .. }) && !error.is_configuration(), "{error}");
    assert!(error.to_string().contains("--lock-timeout"), "{error}");
    first.close().await;
    assert_eq!(directory.log(DEFAULT).head().borrow().sequence, 1);
}

#[tokio::test]
async fn a_second_log_takes_over_when_the_first_lets_go() {
    let directory = Directory::new();
    let first = directory.log(DEFAULT);
    store(&first, record(1, "b")).await;
    let waiting = Options { lock_timeout: Duration::from_millis(100), ..directory.options(DEFAULT) };
    let started = Instant::now();
    assert!(matches!(Embedded::open(&waiting), Err(OpenError::Locked { .. })));
    assert!(started.elapsed() >= waiting.lock_timeout, "it has not waited");

    let waiting = Options { lock_timeout: Duration::from_mins(1), ..waiting };
    let second = tokio::task::spawn_blocking(move || Embedded::open(&waiting));
    first.close().await;
    let second = second.await.unwrap().unwrap();
    assert_eq!(store(&second, record(2, "b")).await, 2);
    // Dropped, not closed: lets go as well.
    drop(second);
    let third = Options { lock_timeout: Duration::from_mins(1), ..directory.options(DEFAULT) };
    assert_eq!(Embedded::open(&third).unwrap().head().borrow().sequence, 2);
}

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_is() {
    let database = |sql: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        Connection::open(file.path()).unwrap().execute_batch(sql).unwrap();
        fs::read(file.path()).unwrap()
    };
    let contents = [
        ("a database of something else", database("CREATE TABLE log (id)")),
        ("a database of something else", database("PRAGMA application_id = 7; CREATE TABLE events (id)")),
        ("no database", b"not a database".to_vec()),
        ("no database", vec![b'x'; 10_000]),
    ];
    for (why, content) in contents {
        let directory = Directory::new();
        fs::write(directory.path("events.db"), &content).unwrap();
        let error = Embedded::open(&directory.options(DEFAULT)).err().expect(why);
        assert!(matches!(&error, OpenError::Foreign { reason, .. } if reason == why), "{error}");
        assert!(error.is_configuration());
        assert!(fs::read(directory.path("events.db")).unwrap() == content, "{why}: it was changed");
        assert!(!directory.path("events.db-wal").exists(), "{why}: something was left behind");
    }
}

#[tokio::test]
async fn a_log_of_a_newer_version_is_refused_and_left_as_it_is() {
    let directory = Directory::new();
    directory.log(DEFAULT).close().await;
    let path = directory.path("events.db");
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 4").unwrap();
    let before = fs::read(&path).unwrap();
    let error = Embedded::open(&directory.options(DEFAULT)).err().expect("it is newer");
    assert!(matches!(error, OpenError::Newer { found: 4, known: 3, .. }), "{error}");
    assert!(fs::read(&path).unwrap() == before, "it was changed");
}

#[tokio::test]
async fn a_log_of_an_older_version_goes_on() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    store(&log, record("x", "body")).await;
    log.close().await;
    let version_1 = "DROP TABLE keys; ALTER TABLE log DROP COLUMN version; DROP TABLE reports; ALTER TABLE log DROP COLUMN evicted_sequence;
                     ALTER TABLE log DROP COLUMN evicted_check; PRAGMA user_version = 1;";
    Connection::open(directory.path("events.db")).unwrap().execute_batch(version_1).unwrap();
    let log = directory.log(DEFAULT);
    assert_eq!(log.get(1).await.unwrap().unwrap().body, "body");
    assert_eq!(log.append(record("x", "body")).await, Ok(Appended::Repeated { sequence: 1 }));
    let report = NewRecord { source: EventSource::Widget, ..record("y", "{}") };
    assert_eq!(store(&log, report).await, 2);
    log.close().await;
}

#[test]
fn memory_is_refused_as_a_disk_unless_allowed() {
    const TMPFS: i64 = 0x0102_1994;
    if !rustix::fs::statfs("/dev/shm").is_ok_and(|found| found.f_type == TMPFS) {
        return;
    }
    let directory = Directory(tempfile::tempdir_in("/dev/shm").unwrap());
    let options = Options { allow_any_filesystem: false, ..directory.options(DEFAULT) };
    let error = Embedded::open(&options).err().expect("it is in memory");
    assert!(matches!(&error, OpenError::Filesystem { kind, .. } if kind == "tmpfs"), "{error}");
    assert!(!directory.path("events.db").exists());
    directory.log(DEFAULT);
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = Directory::new();
    fs::write(directory.path("file"), "").unwrap();
    let mut places = vec![directory.path("file"), directory.path("file").join("below"), "/proc/nowhere".into()];
    if !rustix::process::geteuid().is_root() {
        let read_only = directory.path("read-only");
        std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o500).create(&read_only).unwrap();
        places.push(read_only);
    }
    for data_dir in places {
        let options = Options { data_dir: data_dir.clone(), ..directory.options(DEFAULT) };
        let error = Embedded::open(&options).err().expect("it can't be used");
        assert!(matches!(error, OpenError::Unusable { .. }) && error.is_configuration(), "{error}");
        assert!(error.to_string().contains(data_dir.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn a_new_log_is_as_designed() {
    let directory = Directory::new();
    let data_dir = directory.path("not/there/yet");
    let options = Options { data_dir: data_dir.clone(), ..directory.options(DEFAULT) };
    let log = Embedded::open(&options).unwrap();
    store(&log, record(1, "b")).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&data_dir).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "bodies are personal");
    let database = Connection::open(data_dir.join("events.db")).unwrap();
    let pragma = |name: &str| -> String {
        database
            .query_row(&format!("SELECT {name} FROM pragma_{name}"), [], |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    };
    assert_eq!(pragma("auto_vacuum"), "Integer(2)");
    assert_eq!(pragma("page_size"), "Integer(8192)");
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(fs::metadata(data_dir.join("reserve")).unwrap().len(), 8 << 20);
}
