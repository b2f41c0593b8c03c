//! Reads the embedded log: short transactions, off the runtime's threads, a few at a time.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Semaphore;

use super::{Located, Position, ReadError, Record, Slice, schema};
use crate::event::{UnixMicros, pb::EventSource};

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

    pub fn close(&self) {
        self.turns.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Records with sequences from `first` to `last`, without bodies over `body_limit` bytes.
pub fn slice(connection: &mut Connection, first: u64, last: u64, body_limit: u64) -> rusqlite::Result<Slice> {
    let read = connection.transaction()?;
    let (_, floor) = schema::log_row(&read)?;
    let records = read
        .prepare_cached(
            "SELECT sequence, received_at, record_check, conflicts_with, source, endpoint, id, type_name, user_id,
                    traceparent, content_encoding, signature, length(body), CASE WHEN length(body) <= ?3 THEN body END
             FROM events WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence",
        )?
        .query_map(params![signed(first), signed(last), signed(body_limit)], record)?
        .collect::<Result<_, _>>()?;
    Ok(Slice { floor, records })
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let unsigned = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    Ok(Record {
        sequence: unsigned(0)?,
        received_at: row.get(1)?,
        check: unsigned(2)?,
        conflicts_with: unsigned(3)?,
        source: EventSource::try_from(row.get::<_, i32>(4)?).unwrap_or_default(),
        endpoint: row.get(5)?,
        id: row.get(6)?,
        type_name: row.get(7)?,
        user_id: row.get(8)?,
        traceparent: row.get(9)?,
        content_encoding: row.get(10)?,
        signature: Bytes::copy_from_slice(row.get_ref(11)?.as_blob()?),
        body_bytes: unsigned(12)?,
        body: row.get_ref(13)?.as_blob_or_null()?.map(Bytes::copy_from_slice).unwrap_or_default(),
    })
}

/// The newest record with this id: a walk over the narrow table, some 60 ms a million records, then a look at the few
/// whose hash fits.
pub fn find(connection: &mut Connection, endpoint: &str, id: &str) -> rusqlite::Result<Option<u64>> {
    let read = connection.transaction()?;
    let hash = schema::id_hash(endpoint, id);
    let mut candidates = read.prepare_cached("SELECT sequence FROM seen WHERE id_hash = ? ORDER BY sequence DESC")?;
    let mut candidates = candidates.query([hash.cast_signed()])?;
    while let Some(row) = candidates.next()? {
        let sequence: i64 = row.get(0)?;
        let found = read
            .prepare_cached("SELECT endpoint, id FROM events WHERE sequence = ?")?
            .query_row([sequence], |row| Ok(row.get_ref(0)?.as_str()? == endpoint && row.get_ref(1)?.as_str()? == id))
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
    let (_, floor) = schema::log_row(&read)?;
    let newest: Option<i64> = read.query_row("SELECT max(sequence) FROM events", [], |row| row.get(0))?;
    let Some(newest) = newest else { return Ok(floor) };
    let mut at = read.prepare_cached("SELECT received_at, record_check FROM events WHERE sequence = ?")?;
    // The answer is in [low, high]; sequences in between are all held, but a missing one would only cost a step.
    let (mut low, mut high) = (floor.sequence, newest.cast_unsigned());
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let received: Option<i64> = at.query_row([signed(middle)], |row| row.get(0)).optional()?;
        if received.is_some_and(|received| received < since) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    if low == floor.sequence {
        return Ok(floor);
    }
    let check: i64 = at.query_row([signed(low)], |row| row.get(1))?;
    Ok(Position { sequence: low, check: check.cast_unsigned() })
}

/// Where `sequence` stands.
pub fn locate(connection: &mut Connection, sequence: u64) -> rusqlite::Result<Located> {
    let read = connection.transaction()?;
    let (_, floor) = schema::log_row(&read)?;
    if sequence == floor.sequence {
        return Ok(Located { floor, check: Some(floor.check) });
    }
    if sequence == 0 {
        return Ok(Located { floor, check: Some(0) });
    }
    let check = read
        .prepare_cached("SELECT record_check FROM events WHERE sequence = ?")?
        .query_row([signed(sequence)], |row| row.get::<_, i64>(0))
        .optional()?
        .map(i64::cast_unsigned);
    Ok(Located { floor, check })
}

/// Sequences and sizes as SQLite has them; what is beyond its range is beyond every row.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
