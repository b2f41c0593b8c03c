//! The quota of reports by browsers: anybody who has a token can send them, so they may only ever take what is set aside
//! for them, and the oldest go first.

use rusqlite::{Connection, OptionalExtension, params};

use super::{NewRecord, Reporter, dedupe::Dedupe, erase, recent::Recent, schema};

/// Reports that one step removes: no less than a group of the writer adds.
const STEP: usize = 1024;
/// The same while the disk is full: each may be on a page of its own, which has to be written before it is free.
const STEP_WHILE_FULL: usize = 64;
/// What a report takes besides the text in its columns: numbers, ids, and its part of a page.
const OVERHEAD_BYTES: usize = 128;
/// From half a page on, a report has pages to itself.
const PAGE_BYTES: u64 = 8192;

/// What a report takes of the quota.
pub fn cost(record: &NewRecord) -> u64 {
    let Reporter { origin, session } = &record.reporter;
    let text = [&record.id, &record.user_id, &record.type_name, &record.endpoint, origin, session];
    let text: usize = text.into_iter().map(String::len).sum();
    let bytes = (record.body.len() + text + OVERHEAD_BYTES) as u64;
    if bytes > PAGE_BYTES / 2 { bytes.next_multiple_of(PAGE_BYTES) } else { bytes }
}

/// The reports that are held, as a whole.
pub struct Reports {
    quota: u64,
    bytes: u64,
    /// The quota was exceeded, and is being made room in: by an eighth, so that it is not exceeded again at once.
    is_shrinking: bool,
    /// Everything up to this sequence is removed, by the quota or by retention.
    removed: i64,
}

impl Reports {
    pub fn load(connection: &Connection, quota: u64) -> rusqlite::Result<Self> {
        let log = schema::log_row(connection)?;
        let removed = log.floor.sequence.max(log.evicted.sequence).cast_signed();
        let mut reports = Self { quota, bytes: 0, is_shrinking: false, removed };
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

    /// Leaves nothing of where those come from that retention removes, up to a sequence: their ids alone are of use still.
    pub fn overwrite_reporters(&self, connection: &Connection, sequence: i64) -> rusqlite::Result<()> {
        erase::overwrite_reporters(connection, self.removed, sequence)
    }

    /// One more is stored. True if that is more than the quota.
    pub fn add(&mut self, record: &NewRecord) -> bool {
        self.bytes += cost(record);
        self.is_shrinking |= self.bytes > self.quota;
        self.is_shrinking
    }

    /// Retention has removed everything up to a sequence, `bytes` of reports among it.
    pub fn removed(&mut self, sequence: i64, bytes: u64) {
        self.removed = self.removed.max(sequence);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the oldest beyond the quota, or while the disk is full the oldest whatever they take, and makes their ids
    /// forgotten. True if there may be more to remove.
    pub fn remove(
        &mut self,
        connection: &Connection,
        is_full: bool,
        dedupe: &mut Dedupe,
        recent: &Recent,
    ) -> rusqlite::Result<bool> {
        let target = match (is_full, self.is_shrinking || self.bytes > self.quota) {
            (true, _) => 0,
            (false, true) => self.quota - self.quota / 8,
            (false, false) => return Ok(false),
        };
        let mut excess = self.bytes.saturating_sub(target);
        let step = if is_full { STEP_WHILE_FULL } else { STEP };
        let (mut gone, mut bytes) = (Vec::new(), 0);
        {
            let mut oldest = connection
                .prepare_cached("SELECT sequence, bytes, id_hash FROM reports WHERE sequence > ? ORDER BY sequence")?;
            let mut oldest = oldest.query([self.removed])?;
            while excess > 0
                && gone.len() < step
                && let Some(row) = oldest.next()?
            {
                let size = row.get::<_, i64>(1)?.cast_unsigned();
                excess = excess.saturating_sub(size);
                bytes += size;
                gone.push((row.get::<_, i64>(0)?, row.get::<_, i64>(2)?.cast_unsigned()));
            }
        }
        let Some(&(last, _)) = gone.last() else {
            self.is_shrinking = false;
            return Ok(false);
        };
        let check: i64 = connection
            .prepare_cached("SELECT record_check FROM events WHERE sequence = ?")?
            .query_row([last], |row| row.get(0))
            .optional()?
            .unwrap_or(0);
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        connection
            .prepare_cached(
                "DELETE FROM events WHERE sequence IN
                    (SELECT sequence FROM reports WHERE sequence > ? AND sequence <= ?)",
            )?
            .execute(params![self.removed, last])?;
        // The last one stays, for its time of receipt: should nothing else be left, no later one may be before it.
        connection
            .prepare_cached("DELETE FROM reports WHERE sequence >= ? AND sequence < ?")?
            .execute(params![self.removed, last])?;
        erase::overwrite_reporters(connection, last - 1, last)?;
        connection
            .prepare_cached("UPDATE log SET evicted_sequence = ?, evicted_check = ?")?
            .execute(params![last, check])?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        for (sequence, id_hash) in &gone {
            dedupe.forget(*id_hash, sequence.cast_unsigned());
        }
        self.removed(last, bytes);
        recent.evicted(last.cast_unsigned());
        let why = if is_full { "the disk is full" } else { "they take more than their quota" };
        tracing::info!(count = gone.len(), up_to = last, why, "callbacks were removed");
        self.is_shrinking = excess > 0;
        Ok(excess > 0)
    }
}
