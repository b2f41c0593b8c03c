//! The quota of reports by browsers: anybody who has a token can send them, so they may only ever take what is set aside
//! for them, and the oldest go first.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Position, recent::Recent, schema};

/// Reports that one step removes: no less than a group of the writer adds.
const STEP: i64 = 1024;
/// What a report takes besides its body: columns, ids, and its part of a page.
const OVERHEAD_BYTES: u64 = 512;
/// From half a page on, a body has pages to itself.
const PAGE_BYTES: u64 = 8192;

/// What a report with a body of `length` bytes takes of the quota.
pub fn cost(length: usize) -> u64 {
    let bytes = length as u64 + OVERHEAD_BYTES;
    if bytes > PAGE_BYTES / 2 { bytes.next_multiple_of(PAGE_BYTES) } else { bytes }
}

/// The reports that are held, as a whole.
pub struct Reports {
    quota: u64,
    bytes: u64,
    /// Everything up to this sequence is removed, by the quota or by retention.
    removed: i64,
}

impl Reports {
    pub fn load(connection: &Connection, quota: u64) -> rusqlite::Result<Self> {
        let log = schema::log_row(connection)?;
        let removed = log.floor.sequence.max(log.evicted.sequence).cast_signed();
        let mut reports = Self { quota, bytes: 0, removed };
        reports.bytes = reports.held_through(connection, i64::MAX)?;
        Ok(reports)
    }

    /// What the held ones up to a sequence take.
    pub fn held_through(&self, connection: &Connection, sequence: i64) -> rusqlite::Result<u64> {
        connection
            .prepare_cached("SELECT coalesce(sum(bytes), 0) FROM reports WHERE sequence > ? AND sequence <= ?")?
            .query_row(params![self.removed, sequence], |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
    }

    /// One more is stored.
    pub fn add(&mut self, length: usize) {
        self.bytes += cost(length);
    }

    /// Retention has removed everything up to a sequence, `bytes` of reports among it.
    pub fn removed(&mut self, sequence: i64, bytes: u64) {
        self.removed = self.removed.max(sequence);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn are_too_many(&self) -> bool {
        self.bytes > self.quota
    }

    /// Removes the oldest beyond the quota, or the oldest whatever they take. True if there may be more to remove.
    pub fn remove(&mut self, connection: &Connection, all: bool, recent: &Recent) -> rusqlite::Result<bool> {
        let mut excess = if all { self.bytes } else { self.bytes.saturating_sub(self.quota) };
        if excess == 0 {
            return Ok(false);
        }
        let (mut last, mut bytes) = (None, 0);
        {
            let mut oldest = connection
                .prepare_cached("SELECT sequence, bytes FROM reports WHERE sequence > ? ORDER BY sequence LIMIT ?")?;
            let mut oldest = oldest.query(params![self.removed, STEP])?;
            while excess > 0
                && let Some(row) = oldest.next()?
            {
                let size = row.get::<_, i64>(1)?.cast_unsigned();
                excess = excess.saturating_sub(size);
                bytes += size;
                last = Some(row.get::<_, i64>(0)?);
            }
        }
        let Some(last) = last else { return Ok(false) };
        let check: Option<i64> = connection
            .prepare_cached("SELECT record_check FROM events WHERE sequence = ?")?
            .query_row([last], |row| row.get(0))
            .optional()?;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        connection
            .prepare_cached(
                "DELETE FROM events WHERE sequence IN
                    (SELECT sequence FROM reports WHERE sequence > ? AND sequence <= ?)",
            )?
            .execute(params![self.removed, last])?;
        connection
            .prepare_cached("UPDATE log SET evicted_sequence = ?, evicted_check = ?")?
            .execute(params![last, check.unwrap_or(0)])?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        self.removed(last, bytes);
        let at = Position { sequence: last.cast_unsigned(), check: check.unwrap_or(0).cast_unsigned() };
        recent.evicted(at.sequence);
        tracing::warn!(
            up_to = at.sequence,
            "callbacks were removed: they take more than their quota, or the disk is full"
        );
        Ok(excess > 0)
    }
}
