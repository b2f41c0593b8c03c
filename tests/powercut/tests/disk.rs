//! The disk itself, through the kernel: what a cut leaves and what it takes, and what SQLite makes of it.
//!
//! Needs root and /dev/fuse. A scenario is only worth as much as what is shown here.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use powercut::fs::{Disk, Mounted};
use tempfile::TempDir;

const BLOCK: u64 = 4096;
const BLOCK_BYTES: usize = 4096;

struct Bench {
    // Dropped in this order: an open mount would keep its directory from being removed.
    mounted: Option<Mounted>,
    disk: Disk,
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let disk = Disk::default();
        let mounted = Some(disk.mount(directory.path()).unwrap());
        Self { mounted, disk, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file whose name is durable, and whose content is `content`, synced.
    fn durable_file(&self, name: &str, content: &[u8]) -> File {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.path(name)).unwrap();
        file.write_all_at(content, 0).unwrap();
        file.sync_all().unwrap();
        self.sync_names();
        file
    }

    fn sync_names(&self) {
        File::open(self.directory.path()).unwrap().sync_all().unwrap();
    }

    fn power_cycle(&mut self, survives: bool) {
        self.disk.power_cut();
        self.mounted.take().unwrap().unmount().unwrap();
        self.disk.power_on(|| survives);
        self.mounted = Some(self.disk.mount(self.directory.path()).unwrap());
    }
}

fn failed_with<T>(result: std::io::Result<T>, errno: Errno) -> bool {
    result.is_err_and(|error| error.raw_os_error() == Some(errno as i32))
}

#[test]
fn a_cut_takes_what_was_not_synced() {
    let mut bench = Bench::new();
    let file = bench.durable_file("log", b"kept");
    file.write_all_at(b"lost", 4).unwrap();
    file.write_all_at(b"lost too", 10 * BLOCK).unwrap();
    assert_eq!(fs::read(bench.path("log")).unwrap()[..8], *b"keptlost");
    drop(file);
    bench.power_cycle(false);
    assert_eq!(fs::read(bench.path("log")).unwrap(), b"kept");
}

#[test]
fn fdatasync_keeps_what_was_written_before_it() {
    let mut bench = Bench::new();
    let file = bench.durable_file("log", &[1; 3 * BLOCK_BYTES]);
    file.write_all_at(&[2; BLOCK_BYTES], BLOCK / 2).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(&[3; BLOCK_BYTES], BLOCK / 2).unwrap();
    drop(file);
    bench.power_cycle(false);
    let half = BLOCK_BYTES / 2;
    let expected = [vec![1; half], vec![2; 2 * half], vec![1; 3 * half]].concat();
    assert_eq!(fs::read(bench.path("log")).unwrap(), expected);
}

#[test]
fn a_synced_file_is_gone_if_its_name_was_not_synced() {
    let mut bench = Bench::new();
    fs::create_dir(bench.path("kept")).unwrap();
    bench.sync_names();
    fs::write(bench.path("kept/log"), "content").unwrap();
    File::open(bench.path("kept/log")).unwrap().sync_all().unwrap();
    bench.power_cycle(false);
    assert!(bench.path("kept").is_dir());
    assert!(!bench.path("kept/log").exists());
}

#[test]
fn unlinks_and_renames_last_only_once_the_directory_is_synced() {
    let mut bench = Bench::new();
    for name in ["removed", "replaced", "renamed"] {
        drop(bench.durable_file(name, name.as_bytes()));
    }
    fs::remove_file(bench.path("removed")).unwrap();
    fs::rename(bench.path("renamed"), bench.path("replaced")).unwrap();
    assert!(!bench.path("removed").exists() && !bench.path("renamed").exists());
    bench.power_cycle(false);
    for name in ["removed", "replaced", "renamed"] {
        assert_eq!(fs::read(bench.path(name)).unwrap(), name.as_bytes());
    }

    fs::remove_file(bench.path("removed")).unwrap();
    fs::rename(bench.path("renamed"), bench.path("replaced")).unwrap();
    bench.sync_names();
    bench.power_cycle(false);
    let names: Vec<_> = fs::read_dir(bench.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["replaced"]);
    assert_eq!(fs::read(bench.path("replaced")).unwrap(), b"renamed");
}

#[test]
fn a_truncation_is_as_little_durable_as_a_write() {
    let mut bench = Bench::new();
    let content = vec![7; 3 * BLOCK_BYTES];
    let file = bench.durable_file("log", &content);
    file.set_len(5).unwrap();
    file.set_len(BLOCK).unwrap();
    assert_eq!(fs::read(bench.path("log")).unwrap()[..8], [7, 7, 7, 7, 7, 0, 0, 0]);
    drop(file);
    bench.power_cycle(false);
    assert_eq!(fs::read(bench.path("log")).unwrap(), content);

    let file = File::options().write(true).open(bench.path("log")).unwrap();
    file.set_len(5).unwrap();
    file.sync_all().unwrap();
    file.set_len(2 * BLOCK).unwrap();
    drop(file);
    bench.power_cycle(false);
    assert_eq!(fs::read(bench.path("log")).unwrap(), [7; 5]);
}

#[test]
fn without_power_nothing_changes_and_everything_fails() {
    let bench = Bench::new();
    let file = bench.durable_file("log", b"kept");
    bench.disk.power_cut();
    assert!(failed_with(file.write_all_at(b"x", 0), Errno::EIO));
    assert!(failed_with(file.sync_all(), Errno::EIO));
    assert!(failed_with(file.set_len(0), Errno::EIO));
    assert!(failed_with(File::open(bench.directory.path()).unwrap().sync_all(), Errno::EIO));
    assert!(failed_with(File::create(bench.path("new")), Errno::EIO));
    assert!(failed_with(fs::remove_file(bench.path("log")), Errno::EIO));
    assert!(failed_with(fs::rename(bench.path("log"), bench.path("new")), Errno::EIO));
    assert_eq!(fs::read(bench.path("log")).unwrap(), b"kept");
}

#[test]
fn unsynced_blocks_may_survive_a_cut() {
    let mut bench = Bench::new();
    let file = bench.durable_file("log", b"kept");
    file.write_all_at(b"survived", 2 * BLOCK).unwrap();
    drop(file);
    bench.power_cycle(true);
    let content = fs::read(bench.path("log")).unwrap();
    assert_eq!((&content[..4], &content[2 * BLOCK_BYTES..]), (&b"kept"[..], &b"survived"[..]));
}

#[test]
fn a_lying_disk_forgets_what_it_confirmed() {
    let mut bench = Bench::new();
    let file = bench.durable_file("log", b"kept");
    bench.disk.lie();
    file.write_all_at(b"lost", 4).unwrap();
    file.sync_all().unwrap();
    drop(file);
    bench.power_cycle(false);
    assert_eq!(fs::read(bench.path("log")).unwrap(), b"kept");
    fs::write(bench.path("log"), "honest again").unwrap();
    File::open(bench.path("log")).unwrap().sync_all().unwrap();
    bench.power_cycle(false);
    assert_eq!(fs::read(bench.path("log")).unwrap(), b"honest again");
}

#[test]
fn syncs_fail_for_the_files_that_were_named() {
    let mut bench = Bench::new();
    let (wal, other) = (bench.durable_file("db-wal", b"kept"), bench.durable_file("db", b""));
    assert!(bench.disk.first_failed_sync().is_none());
    bench.disk.fail_syncs("-wal");
    wal.write_all_at(b"lost", 4).unwrap();
    assert!(failed_with(wal.sync_all(), Errno::EIO));
    assert!(failed_with(wal.sync_data(), Errno::EIO));
    other.write_all_at(b"kept", 0).unwrap();
    other.sync_all().unwrap();
    assert!(bench.disk.first_failed_sync().is_some());
    drop((wal, other));
    bench.power_cycle(false);
    assert_eq!(fs::read(bench.path("db-wal")).unwrap(), b"kept");
    assert_eq!(fs::read(bench.path("db")).unwrap(), b"kept");
}

#[test]
fn a_full_disk_says_so_until_it_has_room() {
    let bench = Bench::new();
    bench.disk.set_capacity(10 * BLOCK);
    let file = bench.durable_file("log", &vec![1; 8 * BLOCK_BYTES]);
    let sparse = bench.durable_file("sparse", b"");
    sparse.set_len(1 << 30).unwrap();
    assert_eq!(sparse.metadata().unwrap().blocks(), 0);
    let statistics = statvfs(bench.directory.path()).unwrap();
    assert_eq!((statistics.blocks(), statistics.blocks_available(), statistics.fragment_size()), (10, 2, BLOCK));

    assert!(failed_with(file.write_all_at(&[1; 3 * BLOCK_BYTES], 8 * BLOCK), Errno::ENOSPC));
    file.write_all_at(&[1; 2 * BLOCK_BYTES], 8 * BLOCK).unwrap();
    assert!(failed_with(sparse.write_all_at(b"x", 0), Errno::ENOSPC));
    file.write_all_at(b"what is there may be written again", 0).unwrap();

    // Space comes back with the last handle, not with the name.
    fs::remove_file(bench.path("log")).unwrap();
    assert!(failed_with(sparse.write_all_at(b"x", 0), Errno::ENOSPC));
    drop(file);
    let freed = || bench.disk.used() == 0;
    powercut::wait_until("the file is released", std::time::Duration::from_secs(5), || Ok(freed().then_some(())))
        .unwrap();
    sparse.write_all_at(b"x", 0).unwrap();

    bench.disk.set_capacity(0);
    assert!(failed_with(sparse.write_all_at(b"x", BLOCK), Errno::ENOSPC));
    bench.disk.set_capacity(2 * BLOCK);
    sparse.write_all_at(b"x", BLOCK).unwrap();
}

#[test]
fn space_can_be_reserved() {
    let bench = Bench::new();
    bench.disk.set_capacity(10 * BLOCK);
    let file = bench.durable_file("reserve", b"");
    let reserve =
        |length: u64| Command::new("fallocate").arg("-l").arg(length.to_string()).arg(bench.path("reserve")).output();
    assert!(reserve(8 * BLOCK).unwrap().status.success());
    assert_eq!((file.metadata().unwrap().len(), bench.disk.used()), (8 * BLOCK, 8 * BLOCK));
    assert!(!reserve(11 * BLOCK).unwrap().status.success());
}

#[test]
fn locks_exclude() {
    let bench = Bench::new();
    let (one, other) = (bench.durable_file("lock", b""), File::open(bench.path("lock")).unwrap());
    one.lock().unwrap();
    assert!(other.try_lock().is_err());
    one.unlock().unwrap();
    assert!(other.try_lock().is_ok());
    assert_eq!(File::create_new(bench.path("lock")).unwrap_err().kind(), ErrorKind::AlreadyExists);
}

/// A sqlite3 shell that is spoken to, so that it can be killed without closing its database.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn open(database: &Path) -> Self {
        let mut command = Command::new("sqlite3");
        command.arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// Runs a statement whose last line of output is returned.
    fn ask(&mut self, statement: &str) -> String {
        writeln!(self.input, "{statement}\nSELECT 'over';").unwrap();
        let mut last = String::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "sqlite3 ended at: {statement}");
            if line == "over\n" {
                return last.trim_end().to_owned();
            }
            last = line;
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Commits 300 rows, the last of them long after a checkpoint, cuts the power and counts what is left.
fn rows_left(synchronous: &str) -> u32 {
    let mut bench = Bench::new();
    let database = bench.path("log.db");
    let mut writer = Shell::open(&database);
    writer.ask("PRAGMA journal_mode = WAL; CREATE TABLE event(id INTEGER PRIMARY KEY, body BLOB);");
    writer.ask(&format!("PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 200;"));
    for row in 1..=300 {
        writer.ask(&format!("INSERT INTO event VALUES({row}, randomblob(5000));"));
    }
    // Through the shared mapping of the -shm file and the locks, which another process must see too.
    assert_eq!(Shell::open(&database).ask("SELECT count(*) FROM event;"), "300");
    bench.disk.power_cut();
    drop(writer);
    bench.power_cycle(false);
    if !database.exists() {
        return 0;
    }
    let mut reader = Shell::open(&database);
    assert_eq!(reader.ask("PRAGMA integrity_check;"), "ok");
    let left = reader.ask("SELECT count(*) FROM event;").parse().unwrap();
    assert_eq!(reader.ask("SELECT coalesce(max(id), 0) FROM event;").parse(), Ok(left));
    left
}

#[test]
fn sqlite_keeps_what_it_committed_only_if_it_syncs() {
    if Command::new("sqlite3").arg("-version").output().is_err() {
        eprintln!("skipped: there is no sqlite3 here");
        return;
    }
    assert_eq!(rows_left("FULL"), 300);
    let left = rows_left("NORMAL");
    assert!((1..300).contains(&left), "synchronous=NORMAL keeps what was checkpointed, not {left} of 300 rows");
    // The table itself was made with synchronous=FULL, the shell's default.
    assert_eq!(rows_left("OFF"), 0);
}
