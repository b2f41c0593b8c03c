//! Reads the embedded log: short transactions, off the runtime's threads, a few at a time.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use tokio::sync::Semaphore;

use super::{
    Located, LogId, Position, ReadError, Record, Reporter, Slice, Stats,
    keys::Keyring,
    schema::{self, Kind},
    seal, stats,
};
use crate::event::UnixMicros;

/// Reads at once. More would wait for the same disk and the same cores.
const CONNECTIONS: usize = 4;

/// Connections for reading, opened when needed and kept.
pub struct Readers {
    path: PathBuf,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub fn new(path: PathBuf) -> Self {
        Self { path, turns: Arc::new(Semaphore::new(CONNECTIONS)), idle: Arc::default() }
    }

    /// Runs `read` on a connection.
    pub async fn with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| ReadError("it is closed".into()))?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let run = move || {
            let _turn = turn;
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = kept.map_or_else(|| schema::open_for_reading(&path), Ok)?;
            let result = read(&mut connection)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            Ok(result)
        };
        tokio::task::spawn_blocking(run)
            .await
            .map_err(|e| ReadError(e.to_string()))?
            .map_err(|e: rusqlite::Error| ReadError(e.to_string()))
    }

    /// What the log holds and takes.
    pub async fn stats(&self) -> Result<Stats, ReadError> {
        let path = self.path.clone();
        self.with(move |connection| stats::read(connection, &path)).await
    }

    pub fn close(&self) {
        self.turns.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Records with sequences from `first` to `last`, without bodies over `body_limit` bytes.
pub fn slice(
    connection: &mut Connection,
    keys: &Keyring,
    first: u64,
    last: u64,
    body_limit: u64,
) -> rusqlite::Result<Slice> {
    let read = connection.transaction()?;
    let log = schema::log_row(&read)?;
    let records = read
        .prepare_cached(
            // What is no report (2, and 18 if it is encrypted; see Kind) is not looked for among the reports, and of what is
            // erased there is no body.
            "SELECT e.sequence, e.received_at, record_check, conflicts_with, source, endpoint, id, type_name, user_id,
                    traceparent, content_encoding, signature, length(body),
                    CASE WHEN source > 0 AND length(body) - (source >= 16) * ?4 <= ?3 THEN body END, origin, session
             FROM events e LEFT JOIN reports r ON r.sequence = CASE WHEN source IN (2, 18) THEN e.sequence END
             WHERE e.sequence BETWEEN ?1 AND ?2 ORDER BY e.sequence",
        )?
        .query_map(params![signed(first), signed(last), signed(body_limit), seal::OVERHEAD.cast_signed()], |row| {
            record(row, log.id, keys)
        })?
        .collect::<Result<_, _>>()?;
    Ok(Slice { floor: log.floor, evicted: log.evicted.sequence, records })
}

fn record(row: &Row<'_>, log: LogId, keys: &Keyring) -> rusqlite::Result<Record> {
    let unsigned = |at| unsigned(row, at);
    let Kind { source, is_sealed, is_erased } = Kind::of(row.get(4)?);
    // What was overwritten has its length still.
    let text = |at| if is_erased { Ok(String::new()) } else { row.get(at) };
    let stored = row.get_ref(13)?.as_blob_or_null()?;
    let body = match stored {
        Some(stored) if is_sealed => {
            let at = Position { sequence: unsigned(0)?, check: unsigned(2)? };
            seal::open(keys, log, at, stored)
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(13, Type::Blob, Box::new(error)))?
        }
        stored => stored.map(Bytes::copy_from_slice).unwrap_or_default(),
    };
    let overhead = if is_sealed { seal::OVERHEAD as u64 } else { 0 };
    Ok(Record {
        sequence: unsigned(0)?,
        received_at: row.get(1)?,
        check: unsigned(2)?,
        conflicts_with: unsigned(3)?,
        source,
        endpoint: row.get(5)?,
        id: row.get::<_, String>(6).map(|id| if is_erased && is_overwritten(&id) { String::new() } else { id })?,
        type_name: row.get(7)?,
        user_id: text(8)?,
        traceparent: text(9)?,
        content_encoding: text(10)?,
        signature: if is_erased { Bytes::new() } else { Bytes::copy_from_slice(row.get_ref(11)?.as_blob()?) },
        is_erased,
        body_bytes: if is_erased { 0 } else { unsigned(12)?.saturating_sub(overhead) },
        body,
        reporter: Reporter {
            origin: row.get::<_, Option<_>>(14)?.unwrap_or_default(),
            session: row.get::<_, Option<_>>(15)?.unwrap_or_default(),
        },
    })
}

/// An erased record's text is zeros; see `erase`.
fn is_overwritten(text: &str) -> bool {
    text.bytes().all(|byte| byte == 0)
}

/// The newest record with this id: a walk over the narrow tables, some 60 ms a million records, then a look at the few
/// whose hash fits.
pub fn find(connection: &mut Connection, endpoint: &str, id: &str) -> rusqlite::Result<Option<u64>> {
    let read = connection.transaction()?;
    let hash = schema::id_hash(endpoint, id);
    let mut candidates = read.prepare_cached(
        "SELECT sequence FROM seen WHERE id_hash = ?1
         UNION ALL SELECT sequence FROM reports WHERE id_hash = ?1 ORDER BY sequence DESC",
    )?;
    let mut candidates = candidates.query([hash.cast_signed()])?;
    while let Some(row) = candidates.next()? {
        let sequence: i64 = row.get(0)?;
        let found = read
            .prepare_cached("SELECT endpoint, id, source FROM events WHERE sequence = ?")?
            .query_row([sequence], |row| {
                // Of an id that was overwritten, the hash is left.
                let is_gone = Kind::of(row.get(2)?).is_erased && is_overwritten(row.get_ref(1)?.as_str()?);
                Ok(row.get_ref(0)?.as_str()? == endpoint && (is_gone || row.get_ref(1)?.as_str()? == id))
            })
            .optional()?;
        if found == Some(true) {
            return Ok(Some(sequence.cast_unsigned()));
        }
    }
    Ok(None)
}

/// The place before the first record received at or after `since`: a binary search, as times follow sequences.
pub fn seek(connection: &mut Connection, since: UnixMicros) -> rusqlite::Result<Position> {
    let read = connection.transaction()?;
    let floor = schema::log_row(&read)?.floor;
    let newest: Option<i64> = read.query_row("SELECT max(sequence) FROM events", [], |row| row.get(0))?;
    let Some(newest) = newest else { return Ok(floor) };
    // The last one held up to a sequence: that of a report that was removed is missing.
    let mut up_to = read.prepare_cached(
        "SELECT sequence, record_check, received_at FROM events WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1",
    )?;
    let mut found = floor;
    // The answer is the last record held in [low, high] that came before, or what was found so far.
    let (mut low, mut high) = (floor.sequence, newest.cast_unsigned());
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let held = up_to
            .query_row([signed(middle)], |row| {
                let at = Position { sequence: unsigned(row, 0)?, check: unsigned(row, 1)? };
                Ok((at, row.get::<_, i64>(2)?))
            })
            .optional()?;
        match held {
            Some((at, received_at)) if received_at >= since => high = at.sequence.saturating_sub(1).max(low),
            Some((at, _)) => (found, low) = (at, middle),
            None => low = middle,
        }
    }
    Ok(found)
}

/// Where `sequence` stands.
pub fn locate(connection: &mut Connection, sequence: u64) -> rusqlite::Result<Located> {
    let read = connection.transaction()?;
    let log = schema::log_row(&read)?;
    let located = |check| Located { floor: log.floor, evicted: log.evicted.sequence, check };
    if sequence == log.floor.sequence {
        return Ok(located(Some(log.floor.check)));
    }
    if sequence == 0 {
        return Ok(located(Some(0)));
    }
    let check = read
        .prepare_cached("SELECT record_check FROM events WHERE sequence = ?")?
        .query_row([signed(sequence)], |row| row.get::<_, i64>(0))
        .optional()?
        .map(i64::cast_unsigned);
    Ok(located(check))
}

fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

/// Sequences and sizes as SQLite has them; what is beyond its range is beyond every row.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
