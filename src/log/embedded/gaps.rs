//! Overwrites what SQLite leaves in the unallocated parts of pages: copies of rows that it has moved to balance its trees, which
//! `secure_delete` does not reach.
//!
//! The unallocated part of a page, between its cell pointers and its cells, means nothing to SQLite, and no checksum covers it.
//! So it can be overwritten in the file, and may be half overwritten when the power goes, if nobody else writes meanwhile
//! and the write-ahead log is empty, in which the page could be as it was.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::schema::PAGE_SIZE;

/// Pages that are read at once.
const CHUNK_PAGES: usize = 128;
/// As much as a gap can be.
static ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
/// The first byte of a leaf of a table.
const LEAF: u8 = 13;
/// A leaf's header.
const HEADER: usize = 8;
/// Pages of other kinds begin with a page number, or with a smaller byte: so many pages (1.7 TB) are needed for one that
/// could be taken for a leaf.
const MOST_PAGES: u64 = (LEAF as u64) << 24;

/// The database's file, beside SQLite. Never closed while SQLite has it open: that would undo the locks of the whole process.
pub struct Gaps {
    file: File,
    write_ahead_log: PathBuf,
    /// Whoever holds this keeps checkpoints from writing to the file.
    checkpoints: Arc<Mutex<()>>,
}

impl Gaps {
    pub fn open(path: &Path, checkpoints: Arc<Mutex<()>>) -> io::Result<Self> {
        let mut write_ahead_log = path.as_os_str().to_owned();
        write_ahead_log.push("-wal");
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Self { file, write_ahead_log: write_ahead_log.into(), checkpoints })
    }

    /// The pages with something in their unallocated part, by their place in the file. Reads all of it.
    pub fn find(&self) -> io::Result<Vec<u64>> {
        let pages = self.file.metadata()?.len() / PAGE_SIZE as u64;
        let mut found = Vec::new();
        let mut chunk = vec![0; CHUNK_PAGES * PAGE_SIZE];
        for first in (0..pages.min(MOST_PAGES)).step_by(CHUNK_PAGES) {
            let length = usize::try_from(pages - first).unwrap_or(CHUNK_PAGES).min(CHUNK_PAGES) * PAGE_SIZE;
            {
                let _still = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
                self.file.read_exact_at(&mut chunk[..length], first * PAGE_SIZE as u64)?;
            }
            let dirty = |page: &[u8]| gap(page).is_some_and(|gap| page[gap.clone()] != ZEROS[gap]);
            let pages = (first..).zip(chunk[..length].chunks_exact(PAGE_SIZE));
            found.extend(pages.filter(|(_, page)| dirty(page)).map(|(number, _)| number));
        }
        Ok(found)
    }

    /// Overwrites the unallocated parts of these pages, and syncs. Only for who alone can write. False, and nothing is done, if
    /// the write-ahead log is not empty.
    pub fn clear(&self, pages: &[u64]) -> io::Result<bool> {
        if fs::metadata(&self.write_ahead_log).is_ok_and(|found| found.len() > 0) {
            return Ok(false);
        }
        let mut page = vec![0; PAGE_SIZE];
        let end = self.file.metadata()?.len() / PAGE_SIZE as u64;
        for number in pages.iter().filter(|number| **number < end) {
            let at = number * PAGE_SIZE as u64;
            self.file.read_exact_at(&mut page, at)?;
            if let Some(gap) = gap(&page) {
                self.file.write_all_at(&ZEROS[..gap.len()], at + gap.start as u64)?;
            }
        }
        self.file.sync_all()?;
        Ok(true)
    }
}

/// The unallocated part of a leaf of a table. None of any other page. (That of the first page, which holds the schema alone,
/// begins with the file's header.)
fn gap(page: &[u8]) -> Option<Range<usize>> {
    let number = |at: usize| usize::from(u16::from_be_bytes([page[at], page[at + 1]]));
    let (cells, content) = (number(3), number(5));
    let start = HEADER + 2 * cells;
    (page[0] == LEAF && start <= content && content <= PAGE_SIZE).then_some(start..content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_between_the_pointers_and_the_cells_of_a_leaf_alone() {
        let mut page = vec![7; PAGE_SIZE];
        page[..HEADER].copy_from_slice(&[LEAF, 0, 0, 0, 3, 0x1F, 0x00, 0]);
        assert_eq!(gap(&page), Some(14..0x1F00));
        for (at, wrong) in [(0, 5), (0, 0), (3, 0x1F), (5, 0x21)] {
            let mut page = page.clone();
            page[at] = wrong;
            assert_eq!(gap(&page), None, "{at}");
        }
    }

    #[test]
    fn what_is_in_a_gap_is_found_and_cleared_and_nothing_else_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut content = vec![9; 300 * PAGE_SIZE];
        let leaf = [LEAF, 0, 0, 0, 3, 0x1F, 0x00, 0];
        for page in [1, 130, 299] {
            content[page * PAGE_SIZE..][..HEADER].copy_from_slice(&leaf);
        }
        content[130 * PAGE_SIZE + 14..130 * PAGE_SIZE + 0x1F00].fill(0);
        fs::write(&path, &content).unwrap();
        let gaps = Gaps::open(&path, Arc::default()).unwrap();
        let found = gaps.find().unwrap();
        assert_eq!(found, [1, 299]);
        let log = dir.path().join("file-wal");
        fs::write(&log, "a page").unwrap();
        assert!(!gaps.clear(&found).unwrap());
        assert_eq!(gaps.find().unwrap(), found);
        fs::write(&log, "").unwrap();
        assert!(gaps.clear(&found).unwrap());
        for page in [1, 299] {
            content[page * PAGE_SIZE + 14..page * PAGE_SIZE + 0x1F00].fill(0);
        }
        assert!(fs::read(&path).unwrap() == content);
        assert!(gaps.find().unwrap().is_empty());
    }
}
