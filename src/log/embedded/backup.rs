//! Copies a log while a relay writes it: one read transaction over the whole, in a process of its own.
//!
//! Promises: the copy is the log as it was at one instant, without the rooms of what is removed; it has its name only once it is
//! whole and on stable storage; nothing that is there is ever replaced. The relay goes on receiving meanwhile; its
//! write-ahead log grows by what arrives, as the old pages are still being read.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::{OpenError, disk, schema};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} is there already, and no backup replaces anything; choose another name", path.display())]
    Exists { path: PathBuf },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("--data-dir {}: there is no log (events.db)", path.display())]
    NoLog { path: PathBuf },
    #[error(transparent)]
    Log(#[from] OpenError),
    #[error("the log could not be copied: {0}")]
    Copy(#[source] rusqlite::Error),
}

impl BackupError {
    /// True if another name or directory would help.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Exists { .. } | Self::NoLog { .. } => true,
            Self::Log(error) => error.is_configuration(),
            Self::File { .. } | Self::Copy(_) => false,
        }
    }
}

/// A copy that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The newest event in it.
    pub latest: u64,
    pub bytes: u64,
}

/// Copies the log in `data_dir` to `file`. Blocks.
///
/// # Errors
/// Each names the file or the directory. Nothing is left behind.
pub fn backup(data_dir: &Path, file: &Path) -> Result<Copied, BackupError> {
    let database = data_dir.join("events.db");
    if !database.exists() {
        return Err(BackupError::NoLog { path: data_dir.into() });
    }
    // Not by its target: a link that leads nowhere is there as well.
    if fs::symlink_metadata(file).is_ok() {
        return Err(BackupError::Exists { path: file.into() });
    }
    let mut partial = file.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    let copied = copy(data_dir, &database, &partial, file);
    if copied.is_err() {
        // What can't be removed may never have been made.
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn copy(data_dir: &Path, database: &Path, partial: &Path, file: &Path) -> Result<Copied, BackupError> {
    let failed = |source| BackupError::File { path: file.into(), source };
    let source =
        Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(BackupError::Copy)?;
    source.busy_timeout(schema::BUSY_TIMEOUT).map_err(BackupError::Copy)?;
    schema::check(&source, data_dir)?;
    // Made here, as SQLite would let others read it.
    File::options().create_new(true).write(true).mode(0o600).open(partial).map_err(failed)?;
    let name = partial.to_str().ok_or_else(|| failed(io::Error::other("the name has to be UTF-8")))?;
    source.execute("VACUUM INTO ?", [name]).map_err(BackupError::Copy)?;
    let copy = Connection::open_with_flags(partial, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(BackupError::Copy)?;
    let latest = schema::newest(&copy).map_err(BackupError::Copy)?.sequence;
    copy.close().map_err(|(_, error)| BackupError::Copy(error))?;
    let written = File::open(partial).map_err(failed)?;
    written.sync_all().map_err(failed)?;
    let bytes = written.metadata().map_err(failed)?.len();
    if fs::symlink_metadata(file).is_ok() {
        return Err(BackupError::Exists { path: file.into() });
    }
    fs::rename(partial, file).map_err(failed)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk::sync_dir(directory).map_err(failed)?;
    Ok(Copied { latest, bytes })
}
