//! The tables of the embedded log, and its versions.
//!
//! - `events`: a row a record, by sequence alone. There is no other index: one on random ids would cost more than all
//!   else together (measured: three to four times the CPU of an append).
//! - `seen`: a narrow row a record: hashes of its id and of its body. Rebuilds the ids to remember at start, and finds
//!   records by id, without touching bodies. Kept until the record is gone and the dedupe window has passed; that of the
//!   last record stays, for its time of receipt.
//! - `reports`: the same for reports by browsers, which stand in it instead of in `seen`, with what they take and where
//!   they come from. What is removed to keep the quota goes from here as well, but for the last one.
//! - `log`: one row: the log's id; the last record that retention removed, whose check old cursors still need; the last
//!   report that was removed to keep the quota; and the version of the tables.
//! - `keys`: a row a key that bodies are encrypted with, by its id, which is no secret.
//!
//! What is removed or overwritten is overwritten with zeros on the disk as well (SQLite's `secure_delete`).
//!
//! Versions: `log.version` says which tables there are. SQLite's own `user_version` is the oldest version of this program
//! that can use the log, which is what each of them looks at: a newer version that only adds, and of whose additions
//! nothing is in use, leaves it as it was. So a newer program can be replaced by the one before it.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig, params};
use xxhash_rust::xxh3::xxh3_64;

use super::{LogId, OpenError, Position};
use crate::event::pb::EventSource;

/// "SmRl": marks the database file as ours.
const APPLICATION_ID: i64 = 0x536D_526C;
const VERSION: i64 = 3;
/// The oldest version that copes with a log in which nothing is encrypted or erased, and with any other.
const COMPATIBLE_FROM: i64 = 2;
const COMPATIBLE_FROM_WITH_KINDS: i64 = 3;

/// How long to wait for somebody else who holds the database, such as SQLite's shell.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What brings a log to each version from the one before.
const VERSIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3];

const VERSION_1: &str = "
    CREATE TABLE log (
        only            INTEGER PRIMARY KEY CHECK (only = 1),
        id              BLOB NOT NULL,
        floor_sequence  INTEGER NOT NULL,
        floor_check     INTEGER NOT NULL
    );
    CREATE TABLE events (
        sequence        INTEGER PRIMARY KEY,
        received_at     INTEGER NOT NULL,       -- microseconds since 1970, UTC
        record_check    INTEGER NOT NULL,
        conflicts_with  INTEGER NOT NULL,       -- a sequence, or 0
        source          INTEGER NOT NULL,       -- see Kind
        endpoint        TEXT NOT NULL,
        id              TEXT NOT NULL,
        type_name       TEXT NOT NULL,
        user_id         TEXT NOT NULL,
        traceparent     TEXT NOT NULL,
        content_encoding TEXT NOT NULL,
        signature       BLOB NOT NULL,
        body            BLOB NOT NULL           -- last: large ones continue in overflow pages
    );
    CREATE TABLE seen (
        sequence        INTEGER PRIMARY KEY,
        received_at     INTEGER NOT NULL,
        id_hash         INTEGER NOT NULL,       -- of endpoint and id
        body_hash       INTEGER NOT NULL
    );
";

const VERSION_2: &str = "
    CREATE TABLE reports (
        sequence        INTEGER PRIMARY KEY,
        received_at     INTEGER NOT NULL,
        id_hash         INTEGER NOT NULL,
        body_hash       INTEGER NOT NULL,
        bytes           INTEGER NOT NULL,       -- what it takes of the quota
        origin          TEXT NOT NULL,
        session         TEXT NOT NULL
    );
    ALTER TABLE log ADD COLUMN evicted_sequence INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE log ADD COLUMN evicted_check INTEGER NOT NULL DEFAULT 0;
";

const VERSION_3: &str = "
    CREATE TABLE keys (
        id              BLOB PRIMARY KEY,
        last_sequence   INTEGER NOT NULL        -- of what is encrypted with it; the largest number for the key in use
    ) WITHOUT ROWID;
    ALTER TABLE log ADD COLUMN version INTEGER NOT NULL DEFAULT 2;
";

/// What the column `source` says of a record: the number of its source, 16 more if its body is encrypted, and the negative of
/// that once it is erased, but 0 of a webhook that was not encrypted. So an erased row takes as many bytes as before, and
/// is overwritten where it is: SQLite would leave copies of rows that it has to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub source: EventSource,
    pub is_sealed: bool,
    pub is_erased: bool,
}

const SEALED: i32 = 16;

impl Kind {
    pub fn code(self) -> i32 {
        let code = self.source as i32 + if self.is_sealed { SEALED } else { 0 };
        match (self.is_erased, code) {
            (false, code) => code,
            (true, 1) => 0,
            (true, code) => -code,
        }
    }

    pub fn of(code: i32) -> Self {
        let whole = if code == 0 { 1 } else { code.saturating_abs() };
        let is_sealed = whole >= SEALED;
        let source = EventSource::try_from(if is_sealed { whole - SEALED } else { whole }).unwrap_or_default();
        Self { source, is_sealed, is_erased: code <= 0 }
    }
}

/// Makes earlier versions refuse the log from now on: they don't know encrypted and erased records. Part of the transaction
/// that stores the first of them.
pub fn needs_kinds(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!("PRAGMA user_version = {COMPATIBLE_FROM_WITH_KINDS}"))
}

/// Where the ids of records are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Of webhooks.
    Seen,
    /// Of reports by browsers.
    Reports,
}

impl Ids {
    pub fn of(source: EventSource) -> Self {
        if source == EventSource::Widget { Self::Reports } else { Self::Seen }
    }

    pub fn table(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Reports => "reports",
        }
    }
}

/// Opens the database for writing, and makes its tables if it is new. Changes nothing in one that is not ours.
pub fn open(data_dir: &Path, path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| failed(data_dir, source);
    let mut connection = connect(path).map_err(failed)?;
    let is_new =
        connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let tables = if is_new { 0 } else { check(&connection, data_dir)? };
    configure(&connection).map_err(failed)?;
    if tables < VERSION {
        upgrade(&mut connection, tables).map_err(failed)?;
    }
    super::disk::sync_dir(data_dir).map_err(|source| OpenError::Unusable { path: data_dir.into(), source })?;
    Ok(connection)
}

/// Makes sure that a database is a log, and one that this version can use; the version of its tables.
pub fn check(connection: &Connection, data_dir: &Path) -> Result<i64, OpenError> {
    let number = |sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|source| failed(data_dir, source))
    };
    if number("PRAGMA application_id")? != APPLICATION_ID {
        return Err(OpenError::Foreign { path: data_dir.into(), reason: "a database of something else".into() });
    }
    let found = number("PRAGMA user_version")?;
    if found > VERSION {
        return Err(OpenError::Newer { path: data_dir.into(), found, known: VERSION });
    }
    // Until version 2, the one number said both.
    let has_version = "SELECT count(*) FROM pragma_table_info('log') WHERE name = 'version'";
    if number(has_version)? == 1 { number("SELECT version FROM log") } else { Ok(found) }
}

fn failed(data_dir: &Path, source: rusqlite::Error) -> OpenError {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            OpenError::Foreign { path: data_dir.into(), reason: "no database".into() }
        }
        _ => OpenError::Database { path: data_dir.into(), source },
    }
}

/// A connection that can write. Closing it moves nothing: after a failed fsync that could destroy what is still there,
/// as the kernel may have dropped the pages it could not write.
pub fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // Page size and auto_vacuum count only before the first table. 8 KiB pages: the least CPU for groups of 16 to 256
    // events of 700 bytes, and the shortest p99 together with 16 KiB (4, 8 and 16 KiB measured).
    connection.execute_batch(
        "PRAGMA page_size = 8192;
         PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA temp_store = MEMORY;
         PRAGMA secure_delete = ON;
         PRAGMA cache_size = -4096;",
    )?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Brings a log from version `found`, 0 for a new one, to this version's.
fn upgrade(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let tables = connection.transaction()?;
    for version in VERSIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tables.execute_batch(version)?;
    }
    if found == 0 {
        let id: [u8; 16] = rand::random();
        tables.execute("INSERT INTO log (only, id, floor_sequence, floor_check) VALUES (1, ?, 0, 0)", params![id])?;
    }
    tables.execute("UPDATE log SET version = ?", [VERSION])?;
    tables.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {COMPATIBLE_FROM};"
    ))?;
    tables.commit()
}

/// A connection that can only read.
pub fn open_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.execute_batch("PRAGMA cache_size = -1024;")?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// The one row of `log`.
#[derive(Clone, Copy)]
pub struct LogRow {
    pub id: LogId,
    /// The last record that retention removed.
    pub floor: Position,
    /// The last report that was removed to keep the quota.
    pub evicted: Position,
}

pub fn log_row(connection: &Connection) -> rusqlite::Result<LogRow> {
    let mut row = connection
        .prepare_cached("SELECT id, floor_sequence, floor_check, evicted_sequence, evicted_check FROM log")?;
    row.query_row([], |row| {
        let unsigned = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let position = |at| Ok::<_, rusqlite::Error>(Position { sequence: unsigned(at)?, check: unsigned(at + 1)? });
        Ok(LogRow { id: LogId(row.get(0)?), floor: position(1)?, evicted: position(3)? })
    })
}

/// The newest record ever stored. The last ones may all be removed.
pub fn newest(connection: &Connection) -> rusqlite::Result<Position> {
    let held = connection
        .query_row("SELECT sequence, record_check FROM events ORDER BY sequence DESC LIMIT 1", [], |row| {
            Ok(Position {
                sequence: row.get::<_, i64>(0)?.cast_unsigned(),
                check: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        })
        .optional()?;
    let log = log_row(connection)?;
    let newest = [held, Some(log.floor), Some(log.evicted)].into_iter().flatten().max_by_key(|at| at.sequence);
    Ok(newest.unwrap_or_default())
}

/// What `seen` keeps of an id.
pub fn id_hash(endpoint: &str, id: &str) -> u64 {
    let mut bytes = Vec::with_capacity(endpoint.len() + id.len() + 1);
    bytes.extend_from_slice(endpoint.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(id.as_bytes());
    xxh3_64(&bytes)
}

/// What `seen` keeps of a body.
pub fn body_hash(body: &[u8]) -> u64 {
    xxh3_64(body)
}

/// What cursors carry of a record.
pub fn record_check(sequence: u64, received_at: i64, id_hash: u64, body_hash: u64) -> u64 {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&sequence.to_le_bytes());
    bytes[8..16].copy_from_slice(&received_at.to_le_bytes());
    bytes[16..24].copy_from_slice(&id_hash.to_le_bytes());
    bytes[24..].copy_from_slice(&body_hash.to_le_bytes());
    xxh3_64(&bytes)
}
