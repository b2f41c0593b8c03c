//! The data directory: that it can be trusted, that nobody else uses it, and that there is room to make room.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{Embedded, OpenError, Options};

/// File systems, by the magic number of statfs(2), on which a stored event may be lost with the machine or two relays
/// may meet. Values from linux/magic.h and the kernel's sources.
const UNTRUSTED: &[(u64, &str)] = &[
    (0x0102_1994, "tmpfs"),
    (0x8584_58F6, "ramfs"),
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x6573_5546, "FUSE"),
    (0x5346_414F, "AFS"),
];

/// How often a directory in use is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Held for as long as the directory is used.
pub struct DirectoryLock {
    _file: File,
}

/// Makes sure that the directory is there, is fit, and is ours.
pub fn prepare(options: &Options, waits: &dyn Fn()) -> Result<DirectoryLock, OpenError> {
    let path = &options.data_dir;
    let unusable = |source| OpenError::Unusable { path: path.clone(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
    // Each of the directories may be new, if not of this start then of one that was cut short.
    for parent in path.canonicalize().map_err(unusable)?.ancestors().skip(1) {
        if sync_dir(parent).is_err() {
            // Not ours to open: then it was not made by us either.
            break;
        }
    }
    let kind = rustix::fs::statfs(path).map_err(|e| unusable(e.into()))?.f_type;
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "its type differs between architectures")]
    let untrusted = UNTRUSTED.iter().find(|(magic, _)| *magic == kind as u64 & 0xFFFF_FFFF);
    if let Some((_, name)) = untrusted
        && !options.allow_any_filesystem
    {
        return Err(OpenError::Filesystem { path: path.clone(), kind: (*name).to_owned() });
    }
    lock(options, waits)
}

/// Calls `waits` if it has to wait.
fn lock(options: &Options, waits: &dyn Fn()) -> Result<DirectoryLock, OpenError> {
    let unusable = |source| OpenError::Unusable { path: options.data_dir.clone(), source };
    let path = Embedded::lock_path(&options.data_dir);
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(unusable)?;
    let deadline = Instant::now() + options.lock_timeout;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(DirectoryLock { _file: file }),
            Err(fs::TryLockError::Error(source)) => return Err(unusable(source)),
            Err(fs::TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(OpenError::Locked { path: options.data_dir.clone() });
            }
            Err(fs::TryLockError::WouldBlock) => {
                if !said {
                    tracing::warn!(data_dir = %options.data_dir.display(), "another process uses it: waiting");
                    waits();
                    said = true;
                }
                // The kernel has no lock with a timeout: asking again is the wait.
                std::thread::sleep(LOCK_INTERVAL);
            }
        }
    }
}

/// Makes names in a directory durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// What is left on the directory's file system for this process, and what there is in all, in bytes.
pub fn room(directory: &Path) -> io::Result<(u64, u64)> {
    let found = rustix::fs::statvfs(directory)?;
    Ok((found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize))
}

/// What the database and its write-ahead log take.
pub fn database_bytes(path: &Path) -> u64 {
    let beside =
        |suffix: &str| path.with_file_name(format!("{}{suffix}", path.file_name().unwrap_or_default().display()));
    // The write-ahead log is not always there.
    ["", "-wal", "-shm"]
        .into_iter()
        .filter_map(|suffix| fs::metadata(beside(suffix)).ok())
        .map(|found| found.len())
        .sum()
}

/// A file that takes room for the time when the disk is full: removing old events needs some.
pub struct Reserve {
    path: PathBuf,
    held: bool,
}

/// Room for one step of retention and its write-ahead log, several times over.
const RESERVE_BYTES: u64 = 8 << 20;
/// There has to be as much besides the reserve: else the first event would fill the disk again.
const HEADROOM_BYTES: u64 = 4 << 20;

impl Reserve {
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("reserve"), held: false }
    }

    /// Takes the room. Fails if there is not as much, and then holds none.
    pub fn take(&mut self) -> io::Result<()> {
        if !self.held {
            if let Err(e) = self.write() {
                self.free();
                return Err(e);
            }
            self.held = true;
        }
        Ok(())
    }

    /// Random bytes: a hole would take no room, and zeros none on a file system that compresses.
    fn write(&self) -> io::Result<()> {
        // By its blocks: a file that a power cut left full of holes has the length and not the room.
        if fs::metadata(&self.path).is_ok_and(|found| found.blocks() * 512 >= RESERVE_BYTES) {
            return Ok(());
        }
        let directory = self.path.parent().unwrap_or(&self.path);
        let (free, _) = room(directory)?;
        if free < RESERVE_BYTES + HEADROOM_BYTES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&self.path)?;
        let mut filling = vec![0; 1 << 16];
        for _ in 0..RESERVE_BYTES / filling.len() as u64 {
            rand::fill(&mut filling[..]);
            file.write_all(&filling)?;
        }
        file.sync_all()
    }

    pub fn free(&mut self) {
        // If it can't be removed there is no room to be had from it.
        let _ = fs::remove_file(&self.path);
        self.held = false;
    }

    pub fn is_held(&self) -> bool {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_takes_real_room_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::new(dir.path());
        reserve.take().unwrap();
        let found = fs::metadata(dir.path().join("reserve")).unwrap();
        assert!(found.blocks() * 512 >= RESERVE_BYTES);
        reserve.free();
        assert!(!reserve.is_held() && !dir.path().join("reserve").exists());
    }
}
