//! The machine: its cores and who gets which, and what it says of itself.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

use super::figures::{quantile, short};

/// Where what is measured runs.
const SERVER_CORE: usize = 0;
/// Where the load runs.
const LOAD_CORE: usize = 1;

/// Puts this process, which makes the load, on its core.
pub fn pin_load() {
    assert!(std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2), "two cores are needed");
    pin(LOAD_CORE);
}

/// Runs `start` such that the processes that it starts run on the server's core.
pub fn on_server_core<T>(start: impl FnOnce() -> T) -> T {
    pin(SERVER_CORE);
    let started = start();
    pin(LOAD_CORE);
    started
}

fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core).expect("the core's number is small");
    sched_setaffinity(Pid::from_raw(0), &set).expect("there is such a core");
}

/// The CPU time of a process so far, all its threads together.
pub fn cpu_time(pid: u32) -> Duration {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed())).expect("the process runs");
    clock_gettime(clock).expect("the process runs").into()
}

/// The CPU time of this process so far.
pub fn own_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every process has this clock").into()
}

/// The machine and the time, in a line or two.
pub fn describe(place: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models: Vec<&str> =
        cpus.lines().filter(|line| line.starts_with("model name")).filter_map(|line| line.split(": ").nth(1)).collect();
    let kernel = read("/proc/sys/kernel/osrelease");
    let sync = fdatasync_millis(place, 200);
    format!(
        "{} cores, {}; Linux {}; {}, fdatasync of 4 KiB p50 {} ms, p99 {} ms; {}\n",
        models.len(),
        models.first().unwrap_or(&"unknown"),
        kernel.trim(),
        file_system(place),
        short(quantile(&sync, 0.5)),
        short(quantile(&sync, 0.99)),
        humantime::format_rfc3339_seconds(SystemTime::now()),
    )
}

/// The kind of the file system that a path is on.
fn file_system(place: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut columns = line.split(' ').skip(1);
            Some((columns.next()?, columns.next()?))
        })
        .filter(|(mount, _)| place.starts_with(mount))
        .max_by_key(|(mount, _)| mount.len())
        .map_or("unknown file system".into(), |(_, kind)| kind.into())
}

/// What appending 4 KiB to a file and fdatasync take, in milliseconds, so many times in a row.
pub fn fdatasync_millis(place: &Path, times: usize) -> Vec<f64> {
    let path = place.join("fdatasync");
    let mut file = File::create(&path).expect("a file in the place");
    let block = [7; 4096];
    let taken = (0..times)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&block).expect("there is room");
            file.sync_data().expect("the disk is sound");
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    fs::remove_file(path).expect("the file is there");
    taken
}
