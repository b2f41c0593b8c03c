//! A disk whose power can be cut: an in-memory FUSE file system that forgets whatever was not synced.
//!
//! `Disk` is the disk with its switches, cheap to clone and shared between the kernel's requests and the scenarios;
//! `Mounted` is one mount of it. The disk promises:
//! - content is durable only after fsync or fdatasync of its file, names only after fsync of their directory (strict
//!   POSIX; no relaxation proved necessary: SQLite syncs the directory of a new WAL itself);
//! - after `power_cut` every change and every sync fails with EIO, and nothing more becomes durable;
//! - after `power_on` only the durable image is left, and the disk is healthy again;
//! - `fail_syncs`, `lie` and `set_capacity` do what they say from the moment they return, and statfs agrees.
//!
//! The kernel's page cache stays on in its write-through mode: write(2) arrives here before it returns, and shared
//! mappings (SQLite's -shm file) work. Locks are the kernel's own.

mod image;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use nix::mount::{MntFlags, umount2};

use crate::{Outcome, wait_until};
use image::{BLOCK, Directory, File, Image, Kind, ROOT};

pub use image::Unsynced;

/// The kernel may believe what it was told for as long as it likes: nobody else changes this file system.
const ALWAYS: Duration = Duration::from_secs(24 * 60 * 60);
/// For the same reason opening a file need not drop its cached pages, nor unmap those of a shared mapping.
const KEEP: FopenFlags = FopenFlags::FOPEN_KEEP_CACHE;
const AMPLE: u64 = 16 << 30;

#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

struct State {
    image: Image,
    powered: bool,
    lying: bool,
    /// fsync fails for files whose names end so.
    failing: Option<String>,
    first_failure: Option<Instant>,
    /// In bytes.
    capacity: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            image: Image::new(),
            powered: true,
            lying: false,
            failing: None,
            first_failure: None,
            capacity: AMPLE,
        })))
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no request panics")
    }

    /// From now on every change and every sync fails. What was read may still be read: the dying process can't tell.
    pub fn power_cut(&self) {
        self.state().powered = false;
    }

    /// Drops what was not durable and heals the disk. Only while it is not mounted, or the kernel's caches would go on
    /// showing what is gone. A real disk may well have written some blocks that nobody synced, in any order:
    /// `survives` decides that for each of them.
    pub fn power_on(&self, survives: impl FnMut() -> bool) -> Unsynced {
        let mut state = self.state();
        state.powered = true;
        state.lying = false;
        state.failing = None;
        state.first_failure = None;
        state.image.power_cycle(survives)
    }

    /// From now on fsync fails with EIO for every file whose name ends with `suffix` (`""`: for all, and directories).
    pub fn fail_syncs(&self, suffix: &str) {
        self.state().failing = Some(suffix.to_owned());
    }

    /// When the first fsync failed because of `fail_syncs`, taken before the caller was told.
    pub fn first_failed_sync(&self) -> Option<Instant> {
        self.state().first_failure
    }

    /// From now on fsync succeeds and makes nothing durable, as if the database ran with synchronous=OFF.
    pub fn lie(&self) {
        self.state().lying = true;
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Bytes that are taken now.
    pub fn used(&self) -> u64 {
        self.state().image.blocks() * BLOCK
    }

    pub fn mount(&self, directory: &Path) -> io::Result<Mounted> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("powercut".into()), MountOption::NoAtime];
        let session = fuser::spawn_mount(Requests(self.clone()), directory, &config)?;
        Ok(Mounted { session: Some(session), directory: directory.to_owned() })
    }
}

impl State {
    fn powered(&self) -> Result<(), Errno> {
        if self.powered { Ok(()) } else { Err(Errno::EIO) }
    }

    fn room_for(&self, blocks: u64) -> Result<(), Errno> {
        let free = (self.capacity / BLOCK).saturating_sub(self.image.blocks());
        if blocks <= free { Ok(()) } else { Err(Errno::ENOSPC) }
    }

    /// All or nothing: SQLite would retry the rest of a short write, and get ENOSPC for that.
    fn write(&mut self, inode: u64, offset: u64, data: &[u8]) -> Result<(), Errno> {
        self.powered()?;
        let needed = self.image.node(inode)?.file()?.blocks_needed(offset, data.len() as u64);
        if needed > 0 {
            self.room_for(needed)?;
        }
        let node = self.image.node(inode)?;
        node.modified = SystemTime::now();
        node.file()?.write(offset, data);
        Ok(())
    }

    fn allocate(&mut self, inode: u64, offset: u64, length: u64, mode: i32) -> Result<(), Errno> {
        // Linux's FALLOC_FL_KEEP_SIZE. Whoever asks for more (holes, collapsing) is told to do it by hand.
        const KEEP_SIZE: i32 = 1;
        if mode & !KEEP_SIZE != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        self.powered()?;
        let needed = self.image.node(inode)?.file()?.blocks_needed(offset, length);
        self.room_for(needed)?;
        let file = self.image.node(inode)?.file()?;
        file.allocate(offset, length);
        if mode & KEEP_SIZE == 0 && offset + length > file.size() {
            file.resize(offset + length);
        }
        Ok(())
    }

    fn sync(&mut self, inode: u64) -> Result<(), Errno> {
        self.powered()?;
        let node = self.image.node(inode)?;
        if let Some(suffix) = &self.failing
            && node.name.as_encoded_bytes().ends_with(suffix.as_bytes())
        {
            self.first_failure.get_or_insert_with(Instant::now);
            return Err(Errno::EIO);
        }
        if !self.lying {
            node.sync();
        }
        Ok(())
    }

    fn create(&mut self, parent: u64, name: &OsStr, kind: Kind, mode: u32) -> Result<FileAttr, Errno> {
        self.powered()?;
        let permissions = u16::try_from(mode & 0o7777).expect("twelve bits");
        let inode = self.image.create(parent, name, kind, permissions)?;
        self.attributes(inode)
    }

    fn attributes(&mut self, inode: u64) -> Result<FileAttr, Errno> {
        let node = self.image.node(inode)?;
        let (kind, size, blocks) = match &node.kind {
            Kind::File(file) => (FileType::RegularFile, file.size(), file.blocks()),
            Kind::Directory(_) => (FileType::Directory, 0, 0),
        };
        Ok(FileAttr {
            ino: INodeNo(inode),
            size,
            blocks: blocks * (BLOCK / 512),
            atime: node.modified,
            mtime: node.modified,
            ctime: node.modified,
            crtime: node.modified,
            kind,
            perm: node.mode,
            nlink: u32::from(node.linked),
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: u32::try_from(BLOCK).expect("a small constant"),
            flags: 0,
        })
    }
}

/// One mount of a disk. Dropping it unmounts, come what may.
pub struct Mounted {
    session: Option<BackgroundSession>,
    directory: PathBuf,
}

impl Mounted {
    /// Waits for the kernel to let go of the files of processes that have just ended.
    pub fn unmount(mut self) -> Outcome {
        wait_until("the disk can be unmounted", Duration::from_secs(10), || {
            Ok(umount2(&self.directory, MntFlags::empty()).ok())
        })?;
        self.session.take().expect("taken only here").join()?;
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // Whoever still uses it is cut off with it; the session sees the unmount and does not repeat it.
            let _ = umount2(&self.directory, MntFlags::MNT_DETACH);
            drop(session);
        }
    }
}

/// The kernel's requests: each takes the lock, so the disk's switches fall between two of them, never into one.
struct Requests(Disk);

/// Answers a request with what it came to.
macro_rules! answer {
    ($reply:ident, $result:expr, $value:pat => $answer:expr) => {
        match $result {
            Ok($value) => $answer,
            Err(error) => $reply.error(error),
        }
    };
}

impl Filesystem for Requests {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut state = self.0.state();
        let found = state.image.lookup(parent.0, name).and_then(|inode| state.attributes(inode));
        answer!(reply, found, attributes => reply.entry(&ALWAYS, &attributes, Generation(0)));
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer!(reply, self.0.state().attributes(inode.0), attributes => reply.attr(&ALWAYS, &attributes));
    }

    /// Of a file's attributes only the size is content; mode and time are kept, and survive a cut, as nobody asks.
    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut state = self.0.state();
        let mut set = || {
            state.powered()?;
            let node = state.image.node(inode.0)?;
            if let Some(mode) = mode {
                node.mode = u16::try_from(mode & 0o7777).expect("twelve bits");
            }
            if let Some(size) = size {
                node.modified = SystemTime::now();
                node.file()?.resize(size);
            }
            state.attributes(inode.0)
        };
        answer!(reply, set(), attributes => reply.attr(&ALWAYS, &attributes));
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let made = self.0.state().create(parent.0, name, Kind::Directory(Directory::default()), mode);
        answer!(reply, made, attributes => reply.entry(&ALWAYS, &attributes, Generation(0)));
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: i32, reply: ReplyCreate) {
        let mut state = self.0.state();
        let made = state.create(parent.0, name, Kind::File(File::default()), mode);
        answer!(reply, made, attributes => {
            state.image.node(attributes.ino.0).expect("just made").opened += 1;
            reply.created(&ALWAYS, &attributes, Generation(0), FileHandle(0), KEEP);
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut state = self.0.state();
        answer!(reply, state.powered().and_then(|()| state.image.remove(parent.0, name)), () => reply.ok());
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.unlink(request, parent, name, reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mut state = self.0.state();
        let mut rename = || {
            state.powered()?;
            if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
                return Err(Errno::EINVAL);
            }
            state.image.rename((parent.0, name), (new_parent.0, new_name), flags.is_empty())
        };
        answer!(reply, rename(), () => reply.ok());
    }

    fn open(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        answer!(reply, self.0.state().image.node(inode.0), node => {
            node.opened += 1;
            reply.opened(FileHandle(0), KEEP);
        });
    }

    fn release(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        answer!(reply, self.0.state().image.node(inode.0), node => {
            node.opened -= 1;
            reply.ok();
        });
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut state = self.0.state();
        let file = state.image.node(inode.0).and_then(|node| node.file());
        answer!(reply, file, file => reply.data(&file.read(offset, size as usize)));
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = u32::try_from(data.len()).expect("the kernel sends at most 16 MiB");
        answer!(reply, self.0.state().write(inode.0, offset, data), () => reply.written(written));
    }

    fn fallocate(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        answer!(reply, self.0.state().allocate(inode.0, offset, length, mode), () => reply.ok());
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer!(reply, self.0.state().sync(inode.0), () => reply.ok());
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer!(reply, self.0.state().sync(inode.0), () => reply.ok());
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let mut state = self.0.state();
        let listed: Vec<_> = match state.image.node(inode.0) {
            Ok(node) => match &node.kind {
                Kind::Directory(directory) => directory.entries().map(|(name, at)| (name.to_owned(), at)).collect(),
                Kind::File(_) => return reply.error(Errno::ENOTDIR),
            },
            Err(error) => return reply.error(error),
        };
        // Only the kernel's cached `..` knows the parent, and it does not ask us for its number.
        let dots = [(".".into(), inode.0), ("..".into(), ROOT)];
        for (place, (name, at)) in (1..).zip(dots.into_iter().chain(listed)).skip(usize::try_from(offset).unwrap_or(0))
        {
            let kind = state.attributes(at).map_or(FileType::RegularFile, |attributes| attributes.kind);
            if reply.add(INodeNo(at), place, kind, &name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let state = self.0.state();
        let (total, used) = (state.capacity / BLOCK, state.image.blocks());
        let free = total.saturating_sub(used);
        let block = u32::try_from(BLOCK).expect("a small constant");
        reply.statfs(total, free, free, 1 << 20, 1 << 20, block, 255, block);
    }
}
