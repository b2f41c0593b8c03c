//! The writer's part in erasing: overwriting records, and what SQLite keeps of them elsewhere. See `erase`.

use std::time::{Duration, Instant};

use super::{
    super::{EraseError, erase},
    Outcome, Writer,
};

/// How long an erasure may look at the pages.
const PAGES_STAY: Duration = Duration::from_mins(10);

impl Writer {
    /// Makes records tombstones.
    pub fn erase(&mut self, sequences: &[u64]) -> Result<u64, EraseError> {
        if self.is_full() {
            return Err(EraseError::Full);
        }
        let erased = erase::overwrite(&self.connection, sequences).map_err(|error| self.failed("erase", &error))?;
        self.recent.erased(sequences.iter().copied().max().unwrap_or(0));
        self.erasures.send_modify(|times| *times += 1);
        self.keep_wal_short();
        Ok(erased)
    }

    /// Moves the write-ahead log into the database and cuts it off, then overwrites the unallocated parts of these pages, which
    /// were found since it was cut off last. False if somebody still reads what would have to go.
    pub fn scrub(&mut self, pages: &[u64]) -> Result<bool, EraseError> {
        if !pages.is_empty() && self.pages_stay.is_none_or(|until| until <= Instant::now()) {
            // They may be elsewhere by now.
            return Err(EraseError::Busy);
        }
        let outcome = self.checkpoints.run_in_turn(&self.connection, "TRUNCATE", true);
        let outcome = outcome.map_err(|error| self.failed("checkpoint", &error))?;
        self.wished_at = 0;
        self.pages_stay = Some(Instant::now() + PAGES_STAY);
        if outcome != Outcome::Done || pages.is_empty() {
            return Ok(outcome == Outcome::Done);
        }
        let cleared = self.clear_gaps(pages).map_err(|error| self.failed("erase", &error))?;
        if cleared {
            self.pages_stay = None;
        }
        Ok(cleared)
    }

    /// False if somebody else has written meanwhile.
    fn clear_gaps(&mut self, pages: &[u64]) -> rusqlite::Result<bool> {
        // Keeps others, such as SQLite's shell, from writing.
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // After a failed write the process has to end, as always.
        let cleared = self.gaps.clear(pages).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        // What is kept of the pages in memory is as they were, and would be written again with the next change.
        self.connection.execute_batch("PRAGMA shrink_memory")?;
        Ok(cleared)
    }
}
