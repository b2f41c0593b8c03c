//! Moves the write-ahead log into the database, by a thread and a connection of its own, so that the writer does not.
//!
//! Often, and without waiting for anybody (SQLite's PASSIVE). Under constant writes that never lets the write-ahead log
//! start over, as something new is always in it: the writer does that itself, at a bound, for what little is left then
//! (see `writer`).

use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::watch;

use super::{
    Health, schema,
    severity::{Severity, severity},
};

/// What little was written is moved after this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the writer waits for those who read what would have to go.
const READERS_WAIT: Duration = Duration::from_millis(100);

/// The thread that checkpoints.
pub struct Checkpoints {
    /// Dropped to end the thread.
    wake: Option<mpsc::SyncSender<()>>,
    /// Held by whoever checkpoints, as two can't at the same time.
    turn: Arc<Mutex<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub fn start(path: &Path, health: Arc<watch::Sender<Health>>) -> rusqlite::Result<Self> {
        let connection = schema::connect(path)?;
        connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -256;")?;
        // One wish is as good as many.
        let (wake, wishes) = mpsc::sync_channel(1);
        let turn = Arc::new(Mutex::new(()));
        let turns = Arc::clone(&turn);
        let thread = std::thread::Builder::new()
            .name("log-checkpoint".into())
            .spawn(move || {
                while wishes.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Disconnected) {
                    let _turn = turns.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Err(e) = run(&connection, "PASSIVE")
                        && severity(&e) == Severity::Fatal
                    {
                        health.send_replace(Health::Failed(format!("checkpoint: {e}")));
                        return;
                    }
                }
            })
            .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        Ok(Self { wake: Some(wake), turn, thread: Some(thread) })
    }

    /// Whoever holds this keeps checkpoints from running.
    pub fn turn(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.turn)
    }

    /// Asks for a checkpoint soon.
    pub fn wish(&self) {
        if let Some(wake) = &self.wake {
            // Full: it is asked for already.
            let _ = wake.try_send(());
        }
    }

    /// Runs a checkpoint by the writer's connection. One of our own that is under way is waited for, if `wait` says so.
    pub fn run_in_turn(&self, connection: &Connection, mode: &str, wait: bool) -> rusqlite::Result<Outcome> {
        let turn = self.turn.try_lock().ok();
        let _turn = match turn {
            None if wait => self.turn.lock().unwrap_or_else(PoisonError::into_inner),
            None => return Ok(Outcome::Underway),
            Some(turn) => turn,
        };
        // Somebody who reads in its midst must not make the writer wait for long.
        connection.busy_timeout(READERS_WAIT)?;
        let outcome = run(connection, mode);
        connection.busy_timeout(schema::BUSY_TIMEOUT)?;
        outcome
    }

    /// Ends the thread, after the checkpoint it is at.
    pub fn end(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.end();
    }
}

/// How a checkpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did all that its mode asks for.
    Done,
    /// Somebody else reads what would have to go, or holds the database.
    Held,
    /// Our own other checkpoint is at it.
    Underway,
}

/// Runs a checkpoint of the given mode.
pub fn run(connection: &Connection, mode: &str) -> rusqlite::Result<Outcome> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(if row.get::<_, i64>(0)? == 0 { Outcome::Done } else { Outcome::Held })
    })
}

/// Makes durable what the last process has written. It may have ended between a write and its fsync, or by a failed one:
/// then what is read back is in the kernel's memory only, and must be written again before anybody relies on it.
pub fn settle(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match File::open(log).and_then(|log| log.sync_all()) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(rusqlite::Error::ToSqlConversionFailure(Box::new(e)));
        }
        _ => {}
    }
    match run(connection, "TRUNCATE") {
        Err(e) if severity(&e) == Severity::Fatal => Err(e),
        // What there is no room for, or somebody reads, stays in the write-ahead log, which is durable by now.
        _ => Ok(()),
    }
}

/// Pages in the write-ahead log, from its index: touches no disk.
pub fn pages(connection: &Connection) -> rusqlite::Result<u64> {
    let pages = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| row.get::<_, i64>(1))?;
    Ok(pages.max(0).cast_unsigned())
}
