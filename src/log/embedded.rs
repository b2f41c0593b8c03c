//! The embedded log: one SQLite database in a directory that this process alone uses.
//!
//! One thread writes (`writer`): it takes all that waits and commits it as a group, with one fsync. Another moves the
//! write-ahead log into the database (`checkpoint`). Readers have connections of their own and short transactions.
//! The database can be read with SQLite's own shell while the relay runs; see `schema` for its tables.
//!
//! A full disk is answered with [`AppendError::Full`] and recovers in place. After any other failure to write, sync or
//! checkpoint, nothing is acknowledged again and [`Health::Failed`] asks the process to end: what the kernel believes
//! about pages whose fsync failed can't be trusted.

pub mod backup;
mod checkpoint;
mod clock;
mod dedupe;
mod disk;
mod erase;
pub mod keys;
mod reader;
mod recent;
mod reports;
mod schema;
mod seal;
mod severity;
mod stats;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    sync::{Semaphore, oneshot, watch},
    time::{Instant, timeout_at},
};

use super::{
    AppendError, Appended, EraseError, Erased, Health, Located, Log, LogId, Metrics, NewRecord, Position, ReadError,
    Record, Reporter, Slice, Stats,
};
use crate::event::UnixMicros;

/// What the embedded log has to know.
#[derive(Clone, Debug)]
pub struct Options {
    pub data_dir: PathBuf,
    /// Also file systems on which a successful fsync promises nothing, or locks may not hold.
    pub allow_any_filesystem: bool,
    /// How long to wait for another process to let go of the directory.
    pub lock_timeout: Duration,
    /// Records older than this are removed.
    pub retention: Option<Duration>,
    /// The oldest records are removed when the database takes more bytes than this.
    pub retention_bytes: Option<u64>,
    /// What reports by browsers may take; the oldest of them are removed when they take more.
    pub report_quota_bytes: u64,
    /// How long, and how many, ids are remembered: so many of webhooks, and so many of reports.
    pub dedupe_window: Duration,
    pub dedupe_max_entries: usize,
    /// Bytes that may wait to be written.
    pub queue_bytes: usize,
    /// How long a record may wait to be written.
    pub queue_timeout: Duration,
    /// What bodies are encrypted with; empty: they are not.
    pub keys: keys::Keyring,
}

/// Why the log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("--data-dir {}: {source}", path.display())]
    Unusable { path: PathBuf, source: std::io::Error },
    #[error(
        "--data-dir {}: it is on a file system ({kind}) on which a stored event may be lost or two relays may meet; use \
         a local disk, or allow it with --allow-any-filesystem", path.display()
    )]
    Filesystem { path: PathBuf, kind: String },
    #[error(
        "--data-dir {}: another process uses it; end that one, choose another directory, or wait for it with \
         --lock-timeout", path.display()
    )]
    Locked { path: PathBuf },
    #[error("--data-dir {}: events.db is not a log of smile-relay's ({reason}); choose another directory", path.display())]
    Foreign { path: PathBuf, reason: String },
    #[error(
        "--data-dir {}: the log was written by a newer version (schema {found}, this version knows {known}); use that \
         version", path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("--encryption-key-file: {source}; give its file as well")]
    Key { source: keys::MissingKey },
    #[error("--data-dir {}: {source}", path.display())]
    Database { path: PathBuf, source: rusqlite::Error },
}

impl OpenError {
    /// True if another configuration would help, false if it is the state of the machine.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        !matches!(self, Self::Locked { .. } | Self::Database { .. })
    }
}

/// What the writer is asked.
enum Command {
    Append(Box<Append>),
    /// Make records tombstones.
    Erase(erase::Step),
    /// Leave nothing of what was removed or overwritten in the write-ahead log. The answer is true once it is done.
    Scrub(oneshot::Sender<Result<bool, EraseError>>),
    /// Finish what is queued, and end.
    Close,
}

/// A record on its way to the disk.
struct Append {
    record: NewRecord,
    /// After this nobody waits for the answer any more.
    deadline: Instant,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
    /// Its share of the queue's bytes, given back when it is dropped.
    _room: tokio::sync::OwnedSemaphorePermit,
}

/// The embedded log, open. Dropping it without `close` is like a crash: nothing acknowledged is lost.
pub struct Embedded {
    id: LogId,
    commands: mpsc::Sender<Command>,
    /// Bytes that may still be queued.
    room: Arc<Semaphore>,
    queue_bytes: usize,
    queue_timeout: Duration,
    head: watch::Receiver<Position>,
    health: watch::Receiver<Health>,
    erasures: watch::Receiver<u64>,
    /// One erasure at a time.
    erasing: Semaphore,
    keys: keys::Keyring,
    readers: reader::Readers,
    /// Filled by the writer; asked before the readers.
    recent: Arc<recent::Recent>,
    /// The writer, which owns all that has to be put in order at the end; taken by `close`.
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What a record costs in the queue besides its body.
const OVERHEAD_BYTES: usize = 1024;

impl Embedded {
    /// Opens the log, or makes a new one. Blocks: for the lock, for recovery, for reading the ids to remember.
    ///
    /// # Errors
    /// Each names the directory and what to do.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        Self::open_observed(options, Metrics::default(), &|| ())
    }

    /// As `open`. Counts in `metrics`, and calls `waits` if another process uses the directory and is waited for.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_observed(options: &Options, metrics: Metrics, waits: &dyn Fn()) -> Result<Self, OpenError> {
        let lock = disk::prepare(options, waits)?;
        let path = options.data_dir.join("events.db");
        let failed = |source| OpenError::Database { path: options.data_dir.clone(), source };
        let connection = schema::open(&options.data_dir, &path)?;
        checkpoint::settle(&connection, &path).map_err(failed)?;
        let row = schema::log_row(&connection).map_err(failed)?;
        keys::check(&connection, &options.keys).map_err(failed)?.map_err(|source| OpenError::Key { source })?;
        let recent = Arc::new(recent::Recent::new(row.floor, row.evicted.sequence));
        let (health_changes, health) = watch::channel(Health::Good);
        let health_changes = Arc::new(health_changes);
        let checkpoints = checkpoint::Checkpoints::start(&path, Arc::clone(&health_changes)).map_err(failed)?;
        let (commands, queue) = mpsc::channel();
        let (writer, head, erasures) =
            writer::Writer::new(connection, options, checkpoints, health_changes, Arc::clone(&recent), lock)
                .map_err(failed)?;
        let writer = writer.counting(metrics);
        let writer = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run(&queue))
            .map_err(|source| OpenError::Unusable { path: options.data_dir.clone(), source })?;
        Ok(Self {
            id: row.id,
            commands,
            room: Arc::new(Semaphore::new(options.queue_bytes)),
            queue_bytes: options.queue_bytes,
            queue_timeout: options.queue_timeout,
            head,
            health,
            erasures,
            erasing: Semaphore::new(1),
            keys: options.keys.clone(),
            readers: reader::Readers::new(path),
            recent,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Where the lock of a data directory is, for messages.
    #[must_use]
    pub fn lock_path(data_dir: &Path) -> PathBuf {
        data_dir.join("lock")
    }
}

#[tonic::async_trait]
impl Log for Embedded {
    fn id(&self) -> LogId {
        self.id
    }

    fn backend(&self) -> &'static str {
        "embedded"
    }

    async fn append(&self, record: NewRecord) -> Result<Appended, AppendError> {
        let deadline = Instant::now() + self.queue_timeout;
        // A record larger than the whole queue takes all of it.
        let cost = (record.body.len() + OVERHEAD_BYTES).min(self.queue_bytes);
        let room = Arc::clone(&self.room).acquire_many_owned(u32::try_from(cost).unwrap_or(u32::MAX));
        let room = match timeout_at(deadline, room).await {
            Ok(Ok(room)) => room,
            Ok(Err(_)) => return Err(AppendError::Closed),
            Err(_) => return Err(AppendError::Busy),
        };
        let (reply, answer) = oneshot::channel();
        let append = Append { record, deadline, reply, _room: room };
        self.commands.send(Command::Append(Box::new(append))).map_err(|_| AppendError::Closed)?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            // The writer ended without an answer.
            Ok(Err(_)) => Err(AppendError::Closed),
            Err(_) => Err(AppendError::Busy),
        }
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    async fn read(&self, first: u64, last: u64, body_limit: u64) -> Result<Slice, ReadError> {
        if let Some(slice) = self.recent.slice(first, last, body_limit) {
            return Ok(slice);
        }
        let keys = self.keys.clone();
        self.readers.with(move |connection| reader::slice(connection, &keys, first, last, body_limit)).await
    }

    async fn get(&self, sequence: u64) -> Result<Option<Record>, ReadError> {
        let keys = self.keys.clone();
        let slice =
            self.readers.with(move |connection| reader::slice(connection, &keys, sequence, sequence, u64::MAX)).await?;
        Ok(slice.records.into_iter().next())
    }

    async fn find(&self, endpoint: &str, id: &str) -> Result<Option<u64>, ReadError> {
        let (endpoint, id) = (endpoint.to_owned(), id.to_owned());
        self.readers.with(move |connection| reader::find(connection, &endpoint, &id)).await
    }

    async fn seek(&self, since: UnixMicros) -> Result<Position, ReadError> {
        self.readers.with(move |connection| reader::seek(connection, since)).await
    }

    async fn locate(&self, sequence: u64) -> Result<Located, ReadError> {
        self.readers.with(move |connection| reader::locate(connection, sequence)).await
    }

    async fn stats(&self) -> Result<Stats, ReadError> {
        self.readers.stats().await
    }

    async fn erase(&self, user_id: &str, endpoint: Option<&str>) -> Result<Erased, EraseError> {
        let _turn = self.erasing.acquire().await.map_err(|_| EraseError::Closed)?;
        erase::erase(self, user_id, endpoint).await
    }

    fn erasures(&self) -> watch::Receiver<u64> {
        self.erasures.clone()
    }

    async fn close(&self) {
        // Fails only if the writer has ended already.
        let _ = self.commands.send(Command::Close);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
        self.readers.close();
    }
}
