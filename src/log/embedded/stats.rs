//! What the embedded log holds and takes: two look-ups at the ends of the table, and what the file system says.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::{Stats, disk};
use crate::log::Received;

/// Of the log whose database is at `path`.
pub fn read(connection: &mut Connection, path: &Path) -> rusqlite::Result<Stats> {
    let read = connection.transaction()?;
    let end = |order: &str| {
        read.prepare_cached(&format!("SELECT sequence, received_at FROM events ORDER BY sequence {order} LIMIT 1"))?
            .query_row([], |row| Ok(Received { sequence: row.get::<_, i64>(0)?.cast_unsigned(), at: row.get(1)? }))
            .optional()
    };
    let (oldest, newest) = (end("ASC")?, end("DESC")?);
    let (free_bytes, total_bytes) = disk::room(path.parent().unwrap_or(path)).unwrap_or_default();
    Ok(Stats { oldest, newest, bytes: disk::database_bytes(path), free_bytes, total_bytes })
}
