//! How much of the disk is taken, and for how long somebody else may hold the database.

use futures_util::{StreamExt, stream};
use rusqlite::Connection;

use super::*;

const MIB: u64 = 1 << 20;
/// What the write-ahead log may grow to: its bound of 128 MiB, and a group on top.
const WAL_BOUND: u64 = 160 * MIB;

/// Appends `mib` records of a mebibyte each, eight at a time, and calls `watch` after each.
async fn fill(log: &Embedded, first: u64, mib: u64, mut watch: impl FnMut()) {
    let body = Bytes::from(vec![7; 1 << 20]);
    let appends = stream::iter(first..first + mib).map(|n| log.append(record(n, body.clone())));
    let mut answers = appends.buffer_unordered(8);
    while let Some(answer) = answers.next().await {
        answer.unwrap();
        watch();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_stays_short_under_sustained_appends() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    let mut longest = 0;
    fill(&log, 0, 300, || longest = longest.max(directory.length("events.db-wal"))).await;
    assert!(longest < WAL_BOUND, "it grew to {} MiB", longest / MIB);
    log.close().await;
    assert_eq!(directory.length("events.db-wal"), 0, "all is moved when it is closed");
    assert!(directory.length("events.db") > 300 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_much_gives_the_room_back_and_keeps_the_write_ahead_log_short() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    fill(&log, 0, 300, || {}).await;
    log.close().await;
    let log = directory.log(Settings { retention_bytes: Some(10 * MIB), ..DEFAULT });
    let mut longest = 0;
    until("the database has shrunk", async || {
        longest = longest.max(directory.length("events.db-wal"));
        (directory.length("events.db") < 64 * MIB).then_some(())
    })
    .await;
    assert!(longest < WAL_BOUND, "the write-ahead log grew to {} MiB", longest / MIB);
    let held = log.read(0, u64::MAX, 0).await.unwrap();
    assert!(held.records.len() < 11 && held.floor.sequence as usize + held.records.len() == 300, "{held:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_by_bytes_keeps_up_with_sustained_appends() {
    let directory = Directory::new();
    let log = directory.log(Settings { retention_bytes: Some(32 * MIB), ..DEFAULT });
    let mut largest = 0;
    fill(&log, 0, 200, || largest = largest.max(directory.length("events.db"))).await;
    assert!(largest < 64 * MIB, "the database grew to {} MiB", largest / MIB);
    let held = until("less is held than the limit", async || {
        let held = log.read(0, u64::MAX, 0).await.unwrap();
        (held.records.len() <= 32).then_some(held)
    })
    .await;
    assert!(held.records.len() > 20, "{} of 32 MiB are left", held.records.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_its_time_holds_nobody_up() {
    let directory = Directory::new();
    let log = directory.log(DEFAULT);
    fill(&log, 0, 1, || {}).await;
    // As somebody with SQLite's shell might.
    let mut shell = Connection::open(directory.path("events.db")).unwrap();
    let reading = shell.transaction().unwrap();
    let count = |reading: &Connection| reading.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0));
    assert_eq!(count(&reading).unwrap(), 1);
    let started = Instant::now();
    let (mut last, mut slowest) = (started, Duration::ZERO);
    fill(&log, 1, 150, || {
        slowest = slowest.max(last.elapsed());
        last = Instant::now();
    })
    .await;
    assert!(slowest < Duration::from_secs(3), "an append took {slowest:?}, all of them {:?}", started.elapsed());
    assert_eq!(count(&reading).unwrap(), 1, "it still reads what was there");
    drop(reading);
    drop(shell);
    // Once it is gone, the write-ahead log is started over and cut.
    let mut next = 1000;
    until("the write-ahead log is short again", async || {
        next += 1;
        fill(&log, next, 1, || {}).await;
        (directory.length("events.db-wal") < WAL_BOUND).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_writer_that_takes_its_time_makes_the_log_busy_and_loses_nothing() {
    let directory = Directory::new();
    let hasty = Settings { queue_timeout: Duration::from_millis(50), queue_bytes: 20_000, ..DEFAULT };
    let log = directory.log(hasty);
    let shell = Connection::open(directory.path("events.db")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    // More than fits, so that some wait for room and others for their turn.
    let appends = (0..10).map(|n| log.append(record(n, vec![1; 9_000])));
    for answer in futures_util::future::join_all(appends).await {
        assert_eq!(answer, Err(AppendError::Busy));
    }
    assert!(started.elapsed() < Duration::from_secs(4), "answered after {:?}", started.elapsed());
    shell.execute_batch("ROLLBACK").unwrap();
    let stored = async || log.append(record(100, "b")).await.is_ok().then_some(());
    until("it stores again", stored).await;
    for n in 0..10 {
        until("the resend is taken", async || log.append(record(n, vec![1; 9_000])).await.ok()).await;
    }
    let found = log.read(0, u64::MAX, 0).await.unwrap().records;
    assert_eq!(found.len(), 11, "each is stored once");
    assert_eq!(*log.health().borrow(), Health::Good);
}

#[tokio::test]
async fn the_reserve_is_made_whole_when_the_log_is_opened() {
    let directory = Directory::new();
    directory.log(DEFAULT).close().await;
    assert_eq!(directory.length("reserve"), 8 * MIB, "kept when it is closed");
    fs::write(directory.path("reserve"), "cut short").unwrap();
    directory.log(DEFAULT).close().await;
    assert_eq!(directory.length("reserve"), 8 * MIB);
    fs::remove_file(directory.path("reserve")).unwrap();
    directory.log(DEFAULT).close().await;
    assert_eq!(directory.length("reserve"), 8 * MIB);
}

/// A writer on what to SQLite is a small disk.
struct SmallDisk {
    directory: Directory,
    commands: mpsc::Sender<Command>,
    head: watch::Receiver<Position>,
    health: watch::Receiver<Health>,
    thread: JoinHandle<()>,
}

impl SmallDisk {
    fn new(bytes: u64) -> Self {
        let directory = Directory::new();
        let options = directory.options(DEFAULT);
        let lock = disk::prepare(&options, &|| ()).unwrap();
        let path = directory.path("events.db");
        let connection = schema::open(directory.0.path(), &path).unwrap();
        let pages = bytes / 8192;
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        let (health_changes, health) = watch::channel(Health::Good);
        let health_changes = Arc::new(health_changes);
        let checkpoints = checkpoint::Checkpoints::start(&path, Arc::clone(&health_changes)).unwrap();
        let recent = Arc::new(recent::Recent::new(Position { sequence: 0, check: 0 }, 0));
        let (writer, head, _) =
            writer::Writer::new(connection, &options, checkpoints, health_changes, recent, lock).unwrap();
        let (commands, queue) = mpsc::channel();
        let thread = std::thread::spawn(move || writer.run(&queue));
        Self { directory, commands, head, health, thread }
    }

    fn append(&self, record: NewRecord) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let append = Append { record, deadline, reply, _room: room };
        self.commands.send(Command::Append(Box::new(append))).unwrap();
        answer.blocking_recv().unwrap()
    }

    fn end(self) {
        drop(self.commands);
        self.thread.join().unwrap();
        assert!(!matches!(&*self.health.borrow(), Health::Failed(_)), "{:?}", *self.health.borrow());
    }
}

#[test]
fn a_full_disk_is_given_the_room_of_the_write_ahead_log() {
    let disk = SmallDisk::new(16 * MIB);
    let append = |n: u64| disk.append(record(n, vec![1; 1 << 20]));
    let full = (1..100).find(|n| append(*n) == Err(AppendError::Full)).expect("it was never full");
    assert!((10..20).contains(&full), "full at {full} MiB");
    let deadline = Instant::now() + Duration::from_secs(60);
    while disk.directory.length("events.db-wal") > 0 {
        assert!(Instant::now() < deadline, "{} bytes are held", disk.directory.length("events.db-wal"));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(append(1), Ok(Appended::Repeated { sequence: 1 }), "what is stored is known");
    assert_eq!(append(full), Err(AppendError::Full), "nothing new is stored");
    assert_eq!(disk.head.borrow().sequence, full - 1);
    disk.end();
}

#[test]
fn on_a_full_disk_reports_make_room_for_webhooks() {
    let disk = SmallDisk::new(16 * MIB);
    assert_eq!(disk.append(record("first", vec![1; 1 << 20])), Ok(Appended::Stored { sequence: 1 }));
    let report = |n: u64| NewRecord { source: EventSource::Widget, ..record(n, vec![1; 60_000]) };
    let full = (1..1000).find(|n| disk.append(report(*n)) == Err(AppendError::Full)).expect("it was never full");
    assert!((200..300).contains(&full), "full at {full} reports");
    let deadline = Instant::now() + Duration::from_secs(60);
    let webhook = || disk.append(record("second", vec![1; 1 << 20]));
    while webhook() == Err(AppendError::Full) {
        assert!(Instant::now() < deadline, "the reports still take all the room");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(matches!(webhook(), Ok(Appended::Repeated { .. })));
    assert_eq!(
        disk.append(record("first", vec![1; 1 << 20])),
        Ok(Appended::Repeated { sequence: 1 }),
        "it is still there"
    );
    disk.end();
}
