//! Where a named `tail` was: a file that holds one cursor.
//!
//! Promises: the file holds the old cursor or the new one, whatever happens in between. A name has one user at a time. A
//! file that holds no cursor is an error, never a silent start from elsewhere.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::PathBuf,
};

use crate::cli::{client::is_cursor, refusal::Refusal};

#[derive(Debug)]
pub struct Place {
    file: PathBuf,
    /// Written first, then renamed to `file`.
    new: PathBuf,
    /// Holds the lock on the name for as long as it is open.
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("nowhere to keep the place of --name: set XDG_STATE_HOME or HOME")]
    NoHome,
    #[error("another `tail --name {name}` is running: end it, or take another name")]
    InUse { name: String },
    #[error("cannot keep the place of --name in {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} holds no cursor; remove it, or start over with --since or --from-start", path.display())]
    Damaged { path: PathBuf },
    #[error("--name {name} can't go on where it was: {refusal}")]
    Unusable { name: String, refusal: Box<Refusal> },
}

impl PlaceError {
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoHome)
    }
}

/// A name that can be part of a file's name.
///
/// # Errors
/// If it is none.
pub fn name(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err("expected at most 64 letters, digits, dots, underscores and hyphens, no dot first".to_owned())
    }
}

impl Place {
    /// # Errors
    /// If it can't be kept anywhere, or is in use.
    pub fn open(name: &str, state_home: impl FnOnce() -> Option<PathBuf>) -> Result<Self, PlaceError> {
        let dir = state_home().ok_or(PlaceError::NoHome)?.join("smile-relay/cursors");
        fs::create_dir_all(&dir).map_err(|source| PlaceError::Io { path: dir.clone(), source })?;
        // No name starts with a dot, so these are nobody's places.
        let lock = dir.join(format!(".{name}.lock"));
        let io = |source| PlaceError::Io { path: lock.clone(), source };
        let file = File::create(&lock).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PlaceError::InUse { name: name.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        Ok(Self { file: dir.join(name), new: dir.join(format!(".{name}.new")), _lock: file })
    }

    /// The kept cursor; None if there is none yet.
    ///
    /// # Errors
    /// If there is something, but it can't be read.
    pub fn read(&self) -> Result<Option<String>, PlaceError> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
            Err(source) => return Err(PlaceError::Io { path: self.file.clone(), source }),
        };
        let cursor = text.trim();
        if is_cursor(cursor) {
            Ok(Some(cursor.to_owned()))
        } else {
            Err(PlaceError::Damaged { path: self.file.clone() })
        }
    }

    /// Puts a new cursor in place of the old one. On return it survives a power cut.
    ///
    /// Under a flood of events this is slow, but the slower it is, the more events the relay puts into one message, and
    /// there is one cursor a message.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn keep(&self, cursor: &str) -> Result<(), PlaceError> {
        let written = || {
            let mut new = File::create(&self.new)?;
            writeln!(new, "{cursor}")?;
            new.sync_all()?;
            fs::rename(&self.new, &self.file)
        };
        written().map_err(|source| PlaceError::Io { path: self.file.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::cursor::{LogId, Position, encode};

    #[test]
    fn what_is_kept_is_found_again() {
        let home = tempfile::tempdir().unwrap();
        let open = || Place::open("audit", || Some(home.path().to_owned()));
        let cursor = |sequence| encode(LogId([1; 16]), Position { sequence, check: 5 });
        let place = open().unwrap();
        assert_eq!(place.read().unwrap(), None);
        place.keep(&cursor(1)).unwrap();
        place.keep(&cursor(2)).unwrap();
        assert!(matches!(open(), Err(PlaceError::InUse { .. })));
        drop(place);
        assert_eq!(open().unwrap().read().unwrap(), Some(cursor(2)));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_start_from_elsewhere() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::open("audit", || Some(home.path().to_owned())).unwrap();
        for content in [&b""[..], b"nonsense\n", b"\xff\xfe"] {
            fs::write(&place.file, content).unwrap();
            assert!(matches!(place.read(), Err(PlaceError::Damaged { .. })));
        }
    }

    #[test]
    fn a_name_can_be_no_path() {
        assert!(name("audit-2.prod_x").is_ok());
        for text in ["", ".", "..", ".hidden", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(name(text).is_err(), "{text:?}");
        }
    }
}
