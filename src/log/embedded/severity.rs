//! What an error of the database means for the log.

use rusqlite::ErrorCode;

/// How bad an error of the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// There is no room; nothing was written.
    Full,
    /// Somebody else, such as SQLite's shell, holds the database.
    Busy,
    /// Nothing can be trusted any more.
    Fatal,
}

pub fn severity(error: &rusqlite::Error) -> Severity {
    let Some(code) = error.sqlite_error() else { return Severity::Fatal };
    match code.code {
        ErrorCode::DiskFull => Severity::Full,
        // The index of the write-ahead log could not grow: before anything was written.
        _ if code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => Severity::Full,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Severity::Busy,
        _ => Severity::Fatal,
    }
}
