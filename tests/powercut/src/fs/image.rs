//! The two images of a disk: what was written, which readers see, and what is durable, which a power cut leaves.
//!
//! Content becomes durable by `Node::sync` of that file and names by `Node::sync` of that directory, nothing else:
//! a file that was synced but whose name was not is gone after `Image::power_cycle`. Content is held in blocks that both
//! images share until one of them is written again, so a sync costs what was written since the last one, and a block
//! that was never written takes no space, as on a real disk. No FUSE, no locks and no switches in here: see `fs.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::Errno;

/// Bytes of a block: the unit of allocation, and of what a cut keeps or loses whole.
pub const BLOCK: u64 = 4096;
/// The inode of the root directory, as FUSE wants it.
pub const ROOT: u64 = 1;

const BLOCK_BYTES: usize = 4096;
type Block = Arc<[u8; BLOCK_BYTES]>;

#[derive(Default)]
struct Content {
    size: u64,
    blocks: BTreeMap<u64, Block>,
}

/// A file's content, twice. Invariant: both images agree in every block that is not in `dirty`.
#[derive(Default)]
pub struct File {
    written: Content,
    durable: Content,
    dirty: BTreeSet<u64>,
}

impl File {
    pub fn size(&self) -> u64 {
        self.written.size
    }

    pub fn blocks(&self) -> u64 {
        self.written.blocks.len() as u64
    }

    /// How many blocks a write of `length` bytes at `offset` would have to allocate.
    pub fn blocks_needed(&self, offset: u64, length: u64) -> u64 {
        if length == 0 {
            return 0;
        }
        let range = offset / BLOCK..=(offset + length - 1) / BLOCK;
        let present = self.written.blocks.range(range.clone()).count() as u64;
        range.end() - range.start() + 1 - present
    }

    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let available = self.written.size.saturating_sub(offset);
        let mut data = vec![0; length.min(usize::try_from(available).unwrap_or(usize::MAX))];
        for (block, start, part) in pieces(offset, data.len()) {
            if let Some(content) = self.written.blocks.get(&block) {
                let end = start + part.len();
                data[part].copy_from_slice(&content[start..end]);
            }
        }
        data
    }

    pub fn write(&mut self, offset: u64, data: &[u8]) {
        for (block, start, part) in pieces(offset, data.len()) {
            let end = start + part.len();
            self.block_mut(block)[start..end].copy_from_slice(&data[part]);
        }
        self.written.size = self.written.size.max(offset + data.len() as u64);
    }

    /// Takes the space of a range without changing what is read there.
    pub fn allocate(&mut self, offset: u64, length: u64) {
        for block in offset / BLOCK..(offset + length).div_ceil(BLOCK) {
            self.block_mut(block);
        }
    }

    /// A truncation or an extension, which is as little durable as a write.
    pub fn resize(&mut self, size: u64) {
        let dropped = self.written.blocks.split_off(&size.div_ceil(BLOCK));
        self.dirty.extend(dropped.into_keys());
        // Whoever extends the file again must read zeros there.
        let tail = usize::try_from(size % BLOCK).expect("smaller than a block");
        if tail != 0 && self.written.blocks.contains_key(&(size / BLOCK)) {
            self.block_mut(size / BLOCK)[tail..].fill(0);
        }
        self.written.size = size;
    }

    fn block_mut(&mut self, block: u64) -> &mut [u8; BLOCK_BYTES] {
        self.dirty.insert(block);
        let content = self.written.blocks.entry(block);
        Arc::make_mut(content.or_insert_with(|| Arc::new([0; BLOCK_BYTES])))
    }

    fn sync(&mut self) {
        for block in std::mem::take(&mut self.dirty) {
            match self.written.blocks.get(&block) {
                Some(content) => self.durable.blocks.insert(block, Arc::clone(content)),
                None => self.durable.blocks.remove(&block),
            };
        }
        self.durable.size = self.written.size;
    }

    /// Falls back to the durable image, into which `survives` may let single unsynced blocks through.
    fn power_cycle(&mut self, survives: &mut impl FnMut() -> bool) -> Unsynced {
        let mut unsynced = Unsynced::default();
        for block in std::mem::take(&mut self.dirty) {
            unsynced.blocks += 1;
            if let Some(content) = self.written.blocks.remove(&block)
                && survives()
            {
                unsynced.survived += 1;
                let end = ((block + 1) * BLOCK).min(self.written.size);
                self.durable.size = self.durable.size.max(end);
                self.durable.blocks.insert(block, content);
            }
            if let Some(content) = self.durable.blocks.get(&block) {
                self.written.blocks.insert(block, Arc::clone(content));
            }
        }
        self.written.size = self.durable.size;
        unsynced
    }
}

/// A range of bytes as (block, where in the block it starts, which bytes of the range).
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = offset + done as u64;
        let start = usize::try_from(position % BLOCK).expect("smaller than a block");
        let part = done..length.min(done + BLOCK_BYTES - start);
        done = part.end;
        (!part.is_empty()).then_some((position / BLOCK, start, part))
    })
}

/// What a power cut found unsynced, and how much of it reached the disk all the same.
#[derive(Clone, Copy, Default, Debug)]
pub struct Unsynced {
    pub blocks: u64,
    pub survived: u64,
}

/// A directory's names, twice.
#[derive(Default)]
pub struct Directory {
    written: BTreeMap<OsString, u64>,
    durable: BTreeMap<OsString, u64>,
}

impl Directory {
    pub fn entries(&self) -> impl Iterator<Item = (&OsStr, u64)> {
        self.written.iter().map(|(name, inode)| (name.as_os_str(), *inode))
    }
}

pub enum Kind {
    File(File),
    Directory(Directory),
}

pub struct Node {
    pub kind: Kind,
    /// The name it was given last, by which the switches of `fs.rs` select files.
    pub name: OsString,
    pub mode: u16,
    pub modified: SystemTime,
    /// Whether the written image still has a name for it.
    pub linked: bool,
    /// Open handles: an unlinked file keeps its space until the last one is closed.
    pub opened: u32,
}

impl Node {
    fn new(kind: Kind, name: &OsStr, mode: u16) -> Self {
        let modified = SystemTime::now();
        Self { kind, name: name.to_owned(), mode, modified, linked: true, opened: 0 }
    }

    pub fn file(&mut self) -> Result<&mut File, Errno> {
        match &mut self.kind {
            Kind::File(file) => Ok(file),
            Kind::Directory(_) => Err(Errno::EISDIR),
        }
    }

    fn directory(&mut self) -> Result<&mut Directory, Errno> {
        match &mut self.kind {
            Kind::Directory(directory) => Ok(directory),
            Kind::File(_) => Err(Errno::ENOTDIR),
        }
    }

    /// Makes durable what fsync of this node makes durable: a file's content, or a directory's names.
    pub fn sync(&mut self) {
        match &mut self.kind {
            Kind::File(file) => file.sync(),
            Kind::Directory(directory) => directory.durable.clone_from(&directory.written),
        }
    }
}

/// All nodes. A node that lost its name stays until the next power cycle, as the durable image may still name it.
pub struct Image {
    nodes: HashMap<u64, Node>,
    next_inode: u64,
}

impl Image {
    pub fn new() -> Self {
        let root = Node::new(Kind::Directory(Directory::default()), OsStr::new(""), 0o755);
        Self { nodes: HashMap::from([(ROOT, root)]), next_inode: ROOT + 1 }
    }

    pub fn node(&mut self, inode: u64) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&inode).ok_or(Errno::ENOENT)
    }

    pub fn lookup(&mut self, parent: u64, name: &OsStr) -> Result<u64, Errno> {
        let directory = self.node(parent)?.directory()?;
        directory.written.get(name).copied().ok_or(Errno::ENOENT)
    }

    pub fn create(&mut self, parent: u64, name: &OsStr, kind: Kind, mode: u16) -> Result<u64, Errno> {
        let inode = self.next_inode;
        let directory = self.node(parent)?.directory()?;
        if directory.written.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        directory.written.insert(name.to_owned(), inode);
        self.nodes.insert(inode, Node::new(kind, name, mode));
        self.next_inode += 1;
        Ok(inode)
    }

    /// Takes a name away, of a file or of an empty directory (the kernel has checked which of them the caller means).
    pub fn remove(&mut self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        let inode = self.lookup(parent, name)?;
        let node = self.node(inode)?;
        if node.directory().is_ok_and(|directory| !directory.written.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        node.linked = false;
        self.node(parent)?.directory()?.written.remove(name);
        Ok(())
    }

    pub fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr), replace: bool) -> Result<(), Errno> {
        let inode = self.lookup(from.0, from.1)?;
        match self.lookup(to.0, to.1) {
            Ok(present) if present == inode => return Ok(()),
            Ok(_) if !replace => return Err(Errno::EEXIST),
            Ok(_) => self.remove(to.0, to.1)?,
            Err(_) => {}
        }
        self.node(to.0)?.directory()?.written.insert(to.1.to_owned(), inode);
        self.node(from.0)?.directory()?.written.remove(from.1);
        to.1.clone_into(&mut self.node(inode)?.name);
        Ok(())
    }

    /// Blocks that the written image occupies. A handful of files: counting them anew is cheaper than keeping count right.
    pub fn blocks(&self) -> u64 {
        let occupying = self.nodes.values().filter(|node| node.linked || node.opened > 0);
        occupying.map(|node| if let Kind::File(file) = &node.kind { file.blocks() } else { 0 }).sum()
    }

    /// The power was gone and is back: the durable image is all there is. `survives` is asked for each unsynced block.
    pub fn power_cycle(&mut self, mut survives: impl FnMut() -> bool) -> Unsynced {
        let mut unsynced = Unsynced::default();
        let mut found = vec![(ROOT, OsString::new())];
        let mut kept = HashMap::new();
        while let Some((inode, name)) = found.pop() {
            let Some(mut node) = self.nodes.remove(&inode) else { continue };
            match &mut node.kind {
                Kind::File(file) => {
                    let lost = file.power_cycle(&mut survives);
                    unsynced.blocks += lost.blocks;
                    unsynced.survived += lost.survived;
                }
                Kind::Directory(directory) => {
                    directory.written.clone_from(&directory.durable);
                    found.extend(directory.durable.iter().map(|(name, inode)| (*inode, name.clone())));
                }
            }
            kept.insert(inode, Node { name, linked: true, opened: 0, ..node });
        }
        self.nodes = kept;
        unsynced
    }
}
