//! Erases what is held of a user, in steps that hold nobody up.
//!
//! A reader looks for the records, a window of sequences at a time; the writer overwrites them where they are, as tombstones of
//! the same length. So nothing is moved, no page keeps a copy, and the room is free when retention gets there. In the end
//! the write-ahead log is moved into the database and cut off: until then it holds the pages as they were.
//!
//! A call that is cut short has erased what its steps have committed; the next one does the rest.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::{sync::oneshot, time::Instant};

use super::{
    AppendError, Command, Embedded, EraseError, Erased, Log,
    schema::{self, Kind},
};

/// Sequences that one read looks through.
const WINDOW: u64 = 16_384;
/// Records, and bytes of bodies, that one transaction overwrites.
const STEP_RECORDS: usize = 256;
const STEP_BYTES: u64 = 4 << 20;
/// How long to wait for those who read the database as it was, and how often to ask.
const READERS_WAIT: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(50);

/// Records to overwrite.
pub struct Step {
    sequences: Vec<u64>,
    reply: oneshot::Sender<Result<u64, EraseError>>,
}

impl Step {
    /// Overwrites the records and answers; `run` does it, and knows what a failure means.
    pub fn run(self, run: impl FnOnce(&[u64]) -> Result<u64, EraseError>) {
        let erased = run(&self.sequences);
        // Nobody may be there to hear it.
        let _ = self.reply.send(erased);
    }
}

impl From<AppendError> for EraseError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full => Self::Full,
            AppendError::Busy => Self::Busy,
            AppendError::Closed => Self::Closed,
        }
    }
}

/// The whole of it, as the writer's customer.
pub async fn erase(log: &Embedded, user_id: &str, endpoint: Option<&str>) -> Result<Erased, EraseError> {
    let through = log.head().borrow().sequence;
    let mut next = log.locate(0).await?.floor.sequence + 1;
    let mut records = 0;
    while next <= through {
        let last = through.min(next + WINDOW - 1);
        let (user, at) = (user_id.to_owned(), endpoint.map(str::to_owned));
        let found = log.readers.with(move |reading| find(reading, next, last, &user, at.as_deref())).await?;
        for sequences in steps(&found) {
            records += ask(log, |reply| Command::Erase(Step { sequences, reply })).await?;
        }
        next = last + 1;
    }
    let deadline = Instant::now() + READERS_WAIT;
    while !ask(log, Command::Scrub).await? {
        if Instant::now() >= deadline {
            return Err(EraseError::Busy);
        }
        tokio::time::sleep(AGAIN).await;
    }
    Ok(Erased { records, through })
}

async fn ask<T>(
    log: &Embedded,
    command: impl FnOnce(oneshot::Sender<Result<T, EraseError>>) -> Command,
) -> Result<T, EraseError> {
    let (reply, answer) = oneshot::channel();
    log.commands.send(command(reply)).map_err(|_| EraseError::Closed)?;
    // The writer ended without an answer.
    answer.await.unwrap_or(Err(EraseError::Closed))
}

/// Cuts what was found, sequences with the bytes of their bodies, into steps.
fn steps(found: &[(u64, u64)]) -> Vec<Vec<u64>> {
    let mut steps: Vec<Vec<u64>> = Vec::new();
    let mut bytes = 0;
    for &(sequence, size) in found {
        match steps.last_mut() {
            Some(step) if step.len() < STEP_RECORDS && bytes + size <= STEP_BYTES => step.push(sequence),
            _ => {
                steps.push(vec![sequence]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    steps
}

/// The user's records from `first` to `last`, with the bytes of their bodies. Reads no bodies.
fn find(
    connection: &mut Connection,
    first: u64,
    last: u64,
    user_id: &str,
    endpoint: Option<&str>,
) -> rusqlite::Result<Vec<(u64, u64)>> {
    connection
        .prepare_cached(
            "SELECT sequence, length(body) FROM events
             WHERE sequence BETWEEN ?1 AND ?2 AND user_id = ?3 AND source > 0 AND (?4 IS NULL OR endpoint = ?4)",
        )?
        .query_map(params![first.cast_signed(), last.cast_signed(), user_id, endpoint], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        })?
        .collect()
}

/// Overwrites records, in one transaction; how many were still there.
pub fn overwrite(connection: &Connection, sequences: &[u64]) -> rusqlite::Result<u64> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut erased = 0;
    for sequence in sequences {
        erased += u64::from(overwrite_one(connection, sequence.cast_signed())?);
    }
    if erased > 0 {
        schema::needs_kinds(connection)?;
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(erased)
}

/// All columns keep their length, and so does the row; see [`Kind`].
fn overwrite_one(connection: &Connection, sequence: i64) -> rusqlite::Result<bool> {
    let found = connection
        .prepare_cached("SELECT source FROM events WHERE sequence = ? AND source > 0")?
        .query_row([sequence], |row| row.get(0).map(Kind::of))
        .optional()?;
    let Some(kind) = found else { return Ok(false) };
    connection
        .prepare_cached(&format!(
            // The id of a callback begins with its user's.
            "UPDATE events SET source = ?2, id = CASE WHEN instr(id, user_id) > 0 THEN {id} ELSE id END,
                user_id = {user_id}, traceparent = {traceparent}, content_encoding = {content_encoding},
                signature = zeroblob(length(signature)), body = zeroblob(length(body))
             WHERE sequence = ?1",
            id = zeros("id"),
            user_id = zeros("user_id"),
            traceparent = zeros("traceparent"),
            content_encoding = zeros("content_encoding"),
        ))?
        .execute(params![sequence, Kind { is_erased: true, ..kind }.code()])?;
    overwrite_reporters(connection, sequence - 1, sequence)?;
    Ok(true)
}

/// Overwrites where reports come from, of those after one sequence up to another.
pub fn overwrite_reporters(connection: &Connection, after: i64, through: i64) -> rusqlite::Result<()> {
    let (origin, session) = (zeros("origin"), zeros("session"));
    connection
        .prepare_cached(&format!(
            "UPDATE reports SET origin = {origin}, session = {session} WHERE sequence > ? AND sequence <= ?"
        ))?
        .execute([after, through])?;
    Ok(())
}

/// As much text as stands in a column, of nothing but zeros.
fn zeros(column: &str) -> String {
    format!("CAST(zeroblob(length(CAST({column} AS BLOB))) AS TEXT)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_bounded_by_records_and_bytes_and_leave_nothing_out() {
        let small: Vec<_> = (1..=600).map(|sequence| (sequence, 10)).collect();
        assert_eq!(steps(&small).iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 88]);
        let large: Vec<_> = [1 << 20, 5 << 20, 3 << 20, 1 << 20, 1].into_iter().enumerate().collect();
        let large: Vec<_> = large.into_iter().map(|(n, size)| (n as u64, size)).collect();
        assert_eq!(steps(&large), [vec![0], vec![1], vec![2, 3], vec![4]]);
        assert!(steps(&[]).is_empty());
    }
}
