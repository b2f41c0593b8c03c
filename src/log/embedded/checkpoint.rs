//! Moves the write-ahead log into the database, by a thread and a connection of its own, so that the writer does not.
//!
//! Often, and without waiting for anybody (SQLite's PASSIVE). Under constant writes that never lets the write-ahead log
//! start over, as something new is always in it: the writer does that itself, at a bound, for what little is left then
//! (see `writer`).

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::watch;

use super::{Health, writer};

/// What little was written is moved after this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// The thread that checkpoints.
pub struct Checkpoints {
    /// Dropped to end the thread.
    wake: Option<mpsc::SyncSender<()>>,
    /// Pages in the write-ahead log, as of the last checkpoint.
    pages: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub fn start(path: &Path, health: Arc<watch::Sender<Health>>) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -256;")?;
        // One wish is as good as many.
        let (wake, wishes) = mpsc::sync_channel(1);
        let pages = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&pages);
        let thread = std::thread::Builder::new()
            .name("log-checkpoint".into())
            .spawn(move || {
                while wishes.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Disconnected) {
                    match run(&connection, "PASSIVE") {
                        Ok(in_log) => seen.store(in_log, Ordering::Relaxed),
                        Err(e) => match writer::severity(&e) {
                            writer::Severity::Full | writer::Severity::Busy => {}
                            writer::Severity::Fatal => {
                                health.send_replace(Health::Failed(format!("checkpoint: {e}")));
                                return;
                            }
                        },
                    }
                }
            })
            .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        Ok(Self { wake: Some(wake), pages, thread: Some(thread) })
    }

    /// Asks for a checkpoint soon.
    pub fn wish(&self) {
        if let Some(wake) = &self.wake {
            // Full: it is asked for already.
            let _ = wake.try_send(());
        }
    }

    /// Pages in the write-ahead log, as of the last checkpoint.
    pub fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// The writer has started the write-ahead log over.
    pub fn started_over(&self) {
        self.pages.store(0, Ordering::Relaxed);
    }

    /// Ends the thread, after the checkpoint it is at.
    pub fn end(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs a checkpoint of the given mode; returns the pages in the write-ahead log, 0 if it will start over.
pub fn run(connection: &Connection, mode: &str) -> rusqlite::Result<u64> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        let (busy, in_log, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let done = busy == 0 && in_log == moved && mode != "PASSIVE";
        Ok(if done { 0 } else { in_log.max(0).cast_unsigned() })
    })
}
