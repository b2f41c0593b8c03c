//! Which ids were stored, within the window: in memory, 18 to 39 bytes each, rebuilt from the table of the ids. Those of
//! webhooks and those of reports are remembered apart, so that no flood of the one makes the other forgotten.
//!
//! A hash that is known is only a hint; whether a record really repeats another is decided by comparing it with the
//! stored one, or with its hashes where that was removed or erased.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    LogId, NewRecord, Position,
    keys::Keyring,
    schema::{self, Ids, Kind},
    seal,
};
use crate::event::UnixMicros;

/// How many ids are forgotten in one step.
const STEP: usize = 1024;

pub struct Dedupe {
    ids: Ids,
    /// By `id_hash`: the first record stored under it in the window.
    first: HashMap<u64, u64, BuildHasherDefault<AsItIs>>,
    /// Further records under an `id_hash`, in their order: other bodies under one id, or another id of the same hash.
    /// Rare; but should somebody send thousands of bodies under one id, only those of the same hash are compared.
    further: HashMap<u64, VecDeque<Further>>,
    /// Everything in the table up to this sequence is forgotten here.
    forgotten: u64,
    /// How many records are remembered.
    remembered: usize,
    max_entries: usize,
}

struct Further {
    sequence: u64,
    body_hash: u64,
}

/// What a new record is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same as the record with this sequence.
    Repeats(u64),
    /// New; another body is stored under its id with this sequence, or 0 if none is.
    New { conflicts_with: u64 },
}

impl Dedupe {
    /// Reads the ids of the window.
    pub fn load(connection: &Connection, ids: Ids, since: UnixMicros, max_entries: usize) -> rusqlite::Result<Self> {
        let mut dedupe =
            Self { ids, first: HashMap::default(), further: HashMap::new(), forgotten: 0, remembered: 0, max_entries };
        let table = ids.table();
        // The newest first, so that no more is read than is kept; then in their order. Twice, as a list of them all would
        // take more memory than what is remembered.
        let mut newest =
            connection.prepare(&format!("SELECT sequence, received_at FROM {table} ORDER BY sequence DESC"))?;
        let mut rows = newest.query([])?;
        let mut kept = 0;
        while let Some(row) = rows.next()? {
            if kept == max_entries || row.get::<_, i64>(1)? < since {
                dedupe.forgotten = row.get::<_, i64>(0)?.cast_unsigned();
                break;
            }
            kept += 1;
        }
        dedupe.first.reserve(kept);
        let mut ordered = connection.prepare(&format!(
            "SELECT sequence, id_hash, body_hash FROM {table} WHERE sequence > ? ORDER BY sequence"
        ))?;
        let mut rows = ordered.query([dedupe.forgotten.cast_signed()])?;
        while let Some(row) = rows.next()? {
            let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            dedupe.remember(number(1)?, number(2)?, number(0)?);
        }
        Ok(dedupe)
    }

    /// Compares `record` with what is stored. Sees what the open transaction has stored as well, if it is remembered.
    pub fn relation(
        &self,
        connection: &Connection,
        unsealing: Unsealing<'_>,
        id_hash: u64,
        body_hash: u64,
        record: &NewRecord,
    ) -> rusqlite::Result<Relation> {
        let Some(&first) = self.first.get(&id_hash) else { return Ok(Relation::New { conflicts_with: 0 }) };
        let mut conflicts_with = match self.stored(connection, unsealing, first, id_hash, record)? {
            Stored::Same => return Ok(Relation::Repeats(first)),
            Stored::OtherBody => first,
            Stored::OtherId => 0,
        };
        let Some(further) = self.further.get(&id_hash) else { return Ok(Relation::New { conflicts_with }) };
        for Further { sequence, .. } in further.iter().filter(|further| further.body_hash == body_hash) {
            if matches!(self.stored(connection, unsealing, *sequence, id_hash, record)?, Stored::Same) {
                return Ok(Relation::Repeats(*sequence));
            }
        }
        // The newest variant is named.
        for Further { sequence, .. } in further.iter().rev() {
            if matches!(self.stored(connection, unsealing, *sequence, id_hash, record)?, Stored::OtherBody) {
                conflicts_with = *sequence;
                break;
            }
        }
        Ok(Relation::New { conflicts_with })
    }

    pub fn remember(&mut self, id_hash: u64, body_hash: u64, sequence: u64) {
        self.remembered += 1;
        if *self.first.entry(id_hash).or_insert(sequence) != sequence {
            self.further.entry(id_hash).or_default().push_back(Further { sequence, body_hash });
        }
    }

    /// Takes back what was remembered of records that were not committed after all.
    pub fn forget(&mut self, id_hash: u64, sequence: u64) {
        let Some(first) = self.first.get_mut(&id_hash) else { return };
        let Some(further) = self.further.get_mut(&id_hash) else {
            if *first == sequence {
                self.first.remove(&id_hash);
                self.remembered -= 1;
            }
            return;
        };
        let forgotten = if *first == sequence {
            further.pop_front().map(|next| *first = next.sequence)
        } else {
            let at = further.binary_search_by_key(&sequence, |further| further.sequence).ok();
            at.and_then(|at| further.remove(at)).map(|_| ())
        };
        self.remembered -= usize::from(forgotten.is_some());
        if further.is_empty() {
            self.further.remove(&id_hash);
        }
    }

    /// Forgets some of what is past the window or beyond the number of entries. True if there may be more of it.
    pub fn shrink(&mut self, connection: &Connection, since: UnixMicros) -> rusqlite::Result<bool> {
        let beyond = self.remembered.saturating_sub(self.max_entries);
        let table = self.ids.table();
        let mut rows = connection.prepare_cached(&format!(
            "SELECT sequence, received_at, id_hash FROM {table} WHERE sequence > ? ORDER BY sequence LIMIT ?"
        ))?;
        let mut rows = rows.query(params![self.forgotten.cast_signed(), STEP.cast_signed()])?;
        let mut forgotten = 0;
        while let Some(row) = rows.next()? {
            if forgotten >= beyond && row.get::<_, i64>(1)? >= since {
                return Ok(false);
            }
            let sequence = row.get::<_, i64>(0)?.cast_unsigned();
            self.forget(row.get::<_, i64>(2)?.cast_unsigned(), sequence);
            self.forgotten = sequence;
            forgotten += 1;
        }
        Ok(forgotten == STEP)
    }

    /// Everything up to this sequence is forgotten.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub fn remembered(&self) -> usize {
        self.remembered
    }
}

/// What is stored under a sequence, compared with a new record.
enum Stored {
    Same,
    OtherBody,
    OtherId,
}

/// What it takes to compare with an encrypted body.
#[derive(Clone, Copy)]
pub struct Unsealing<'a> {
    pub log: LogId,
    pub keys: &'a Keyring,
}

impl Dedupe {
    fn stored(
        &self,
        connection: &Connection,
        unsealing: Unsealing<'_>,
        sequence: u64,
        id_hash: u64,
        new: &NewRecord,
    ) -> rusqlite::Result<Stored> {
        let found = connection
            .prepare_cached(
                // A body of another length is not read.
                "SELECT endpoint, id, source, record_check,
                        CASE WHEN length(body) = ?2 + (source >= 16) * ?3 THEN body END
                 FROM events WHERE sequence = ?1 AND source > 0",
            )?
            .query_row(
                params![sequence.cast_signed(), new.body.len().cast_signed(), seal::OVERHEAD.cast_signed()],
                |row| {
                    let same_id = row.get_ref(0)?.as_str()? == new.endpoint && row.get_ref(1)?.as_str()? == new.id;
                    let check = row.get::<_, i64>(3)?.cast_unsigned();
                    let same_body = match row.get_ref(4)?.as_blob_or_null()? {
                        Some(sealed) if Kind::of(row.get(2)?).is_sealed => {
                            // One that can't be decrypted any more is compared by its hash.
                            match seal::open(unsealing.keys, unsealing.log, Position { sequence, check }, sealed) {
                                Ok(body) => body == new.body,
                                Err(_) => return Ok(None),
                            }
                        }
                        body => body.is_some_and(|body| body == new.body),
                    };
                    Ok(Some(match (same_id, same_body) {
                        (true, true) => Stored::Same,
                        (true, false) => Stored::OtherBody,
                        (false, _) => Stored::OtherId,
                    }))
                },
            )
            .optional()?;
        if let Some(Some(found)) = found {
            return Ok(found);
        }
        // It was removed or erased; 128 bits of two hashes are left of it.
        let hashes = connection
            .prepare_cached(&format!("SELECT id_hash, body_hash FROM {} WHERE sequence = ?", self.ids.table()))?
            .query_row([sequence.cast_signed()], |row| {
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
            })
            .optional()?;
        Ok(match hashes {
            Some((id, body)) if id == id_hash && body == schema::body_hash(&new.body) => Stored::Same,
            Some((id, _)) if id == id_hash => Stored::OtherBody,
            _ => Stored::OtherId,
        })
    }
}

/// The keys are hashes already.
#[derive(Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 keys are hashed");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
