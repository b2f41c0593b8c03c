//! What memory there is, and what of it the budgets take where nobody said how much.
//!
//! Promises: the limit is the smallest that any control group of this process has, of version 1 or 2; none if it can't be
//! read. What is set is never changed, and no budget gets more than it has without a limit. A body of `--max-body` always
//! fits in the budget for bodies.
//!
//! Under a limit, all of these full at once take three quarters of it at most, unless `--max-body` is more than a sixth of
//! it. What is left is for an idle relay, SQLite's cache and large events on their way: see `IN_HAND`. `largest_body` says what
//! there is room for in daily use.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Settings, Volume};
use crate::webhook;

/// What a connection to the public listener takes, beside what of a body is charged: TLS, and a buffer with a piece that waits
/// for room (HTTP/1.1), or half as much that nobody has read (HTTP/2).
const CONNECTION_BYTES: u64 = 128 << 10;
/// What an id takes that is remembered, where the table of them has just grown.
const ID_BYTES: u64 = 36;
/// What has no share of its own: SQLite's caches, a few dozen streams, and what the relay runs from.
const REST_BYTES: u64 = 32 << 20;
/// What large events take on their way, in bodies: one that is stored, which SQLite copies twice, two that are read and
/// decoded, each twice, and one to spare, such as what waits to be redacted.
const IN_HAND: u64 = 8;
/// Fewer connections would not let Smile in beside a few strangers.
const FEWEST_CONNECTIONS: usize = 64;

/// The memory limit that this process runs under; None if there is none.
#[must_use]
pub fn limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_of(&groups, Path::new("/sys/fs/cgroup"))
}

/// As `limit`, of a process in these `groups`, as /proc/PID/cgroup lists them, which are mounted at `mount`.
fn limit_of(groups: &str, mount: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        match controllers {
            "" => least(mount, path, "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                least(&mount.join("memory"), path, "memory.limit_in_bytes")
            }
            _ => None,
        }
    });
    limits.min()
}

/// The smallest number in `file` of the group at `path` and of those that it is in. A path that is not there is that of a
/// container on its host: the mount is then the container's own group.
fn least(mount: &Path, path: &str, file: &str) -> Option<u64> {
    let group = PathBuf::from(path.trim_start_matches('/'));
    let number = |group: &Path| fs::read_to_string(mount.join(group).join(file)).ok()?.trim().parse().ok();
    // Version 1 has no word for none, and says the largest number of whole pages.
    group.ancestors().filter_map(number).filter(|bytes| *bytes < 1 << 60).min()
}

/// What fits in `limit`, of what `said` leaves open and `standard` has a default for.
pub fn fitting(limit: u64, said: &Settings, standard: &Settings) -> Settings {
    let share =
        |part: u64, standard: Option<Volume>| standard.map(|most| Volume((limit / part).max(64 << 10).min(most.0)));
    let max_body = said.max_body.or(standard.max_body).and_then(|most| usize::try_from(most.0).ok());
    let floor = max_body.map_or(0, |max_body| (webhook::least_budget(max_body) as u64).next_multiple_of(1 << 20));
    let body_budget = standard.body_budget.map(|most| Volume((limit / 4).max(floor).min(most.0)));
    let connections = usize::try_from(limit / 4 / CONNECTION_BYTES).unwrap_or(usize::MAX).max(FEWEST_CONNECTIONS);
    let ids = usize::try_from(limit / 8 / ID_BYTES / tables(said)).unwrap_or(usize::MAX).max(1);
    let most = |count: usize, standard: Option<usize>| standard.map(|most| count.min(most));
    let max_connections = most(connections, standard.max_connections);
    // All windows together are half of what all connections take; few connections may have more each.
    let open = said.max_connections.or(max_connections).unwrap_or(connections).max(1);
    Settings {
        body_budget,
        feed_cache: share(8, standard.feed_cache),
        write_queue: share(4, standard.write_queue),
        max_connections,
        max_connections_per_address: most(open.div_ceil(2), standard.max_connections_per_address),
        http2_window: share(8_u64.saturating_mul(open as u64), standard.http2_window),
        dedupe_max_entries: most(ids, standard.dedupe_max_entries),
        ..Settings::default()
    }
}

/// How many tables of ids there are: callbacks have one of their own.
fn tables(settings: &Settings) -> u64 {
    if settings.callback_key_file.as_ref().is_some_and(|files| !files.is_empty()) { 2 } else { 1 }
}

/// The largest body that can be decoded under `limit` beside what stays in memory: the cache and the ids.
#[must_use]
pub fn largest_body(limit: u64, settings: &Settings) -> Volume {
    let cache = settings.feed_cache.map_or(0, |cache| cache.0);
    let ids = settings.dedupe_max_entries.map_or(0, |ids| (ids as u64).saturating_mul(ID_BYTES * tables(settings)));
    let left = limit.saturating_sub(REST_BYTES).saturating_sub(cache.saturating_add(ids));
    // In whole MiB, as people write it; less than one is nothing to set.
    Volume(((left / IN_HAND) >> 20).max(1) << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::defaults;

    const MIB: u64 = 1 << 20;
    /// What version 1 says where there is no limit.
    const NONE: &str = "9223372036854771712\n";

    /// A mount with these files.
    fn mount(files: &[(&str, &str)]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = mount.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        mount
    }

    #[test]
    fn the_smallest_limit_of_all_groups_holds() {
        let read = |groups: &str, files: &[(&str, &str)]| limit_of(groups, mount(files).path());
        // Version 2: a container that sees its own group as the root, a service, one within another, none.
        assert_eq!(read("0::/\n", &[("memory.max", "67108864\n")]), Some(64 * MIB));
        assert_eq!(read("0::/a.slice/b\n", &[("a.slice/b/memory.max", "1048576\n")]), Some(MIB));
        let nested = [("a/memory.max", "1048576\n"), ("a/b/memory.max", "max\n"), ("a/b/c/memory.max", "2097152\n")];
        assert_eq!(read("0::/a/b/c\n", &nested), Some(MIB));
        assert_eq!(read("0::/a\n", &[("a/memory.max", "max\n")]), None);
        assert_eq!(read("0::/a\n", &[]), None, "the host's root has no such file");
        // Version 1: the same, and a container that sees its path on the host.
        let file = "memory/kubepods/x/memory.limit_in_bytes";
        let groups = "5:cpu,cpuacct:/y\n4:memory:/kubepods/x\n1:name=systemd:/\n";
        assert_eq!(read(groups, &[("memory/memory.limit_in_bytes", NONE), (file, "67108864\n")]), Some(64 * MIB));
        assert_eq!(read(groups, &[(file, NONE)]), None);
        assert_eq!(read(groups, &[("memory/memory.limit_in_bytes", "67108864\n")]), Some(64 * MIB));
        let groups = "4:hugetlb,memory:/\n0::/\n";
        assert_eq!(read(groups, &[("memory/memory.limit_in_bytes", "1048576\n")]), Some(MIB));
        // What is no such list.
        for groups in ["", "nonsense", "4:memory", "0::/../../x", "::"] {
            assert_eq!(read(groups, &[]), None, "{groups:?}");
        }
    }

    fn fit(limit: u64, said: &Settings) -> [u64; 7] {
        let fitting = fitting(limit, said, &defaults());
        let of = |volume: Option<Volume>| volume.unwrap().0;
        [
            of(fitting.body_budget),
            of(fitting.feed_cache),
            of(fitting.write_queue),
            fitting.max_connections.unwrap() as u64,
            fitting.max_connections_per_address.unwrap() as u64,
            fitting.dedupe_max_entries.unwrap() as u64,
            of(fitting.http2_window),
        ]
    }

    #[test]
    fn budgets_are_shares_of_the_limit() {
        let small = Settings { max_body: Some(Volume(4 * MIB)), ..Settings::default() };
        assert_eq!(fit(64 * MIB, &small), [16 * MIB, 8 * MIB, 16 * MIB, 128, 64, 233_016, MIB / 16]);
        assert_eq!(fit(128 * MIB, &small), [32 * MIB, 16 * MIB, 32 * MIB, 256, 128, 466_033, MIB / 16]);
        assert_eq!(
            fit(16 << 30, &small),
            [64 * MIB, 64 * MIB, 64 * MIB, 10_000, 1_000, 1_000_000, (16 << 30) / 8 / 10_000],
            "no more than without a limit"
        );
        let few = Settings { max_connections: Some(16), ..small };
        assert_eq!(fit(64 * MIB, &few)[4..], [8, 233_016, MIB / 2], "fewer connections have larger windows");
        let many = Settings { max_connections: Some(usize::MAX), ..few };
        assert_eq!(fit(64 * MIB, &many)[4..], [1_000, 233_016, MIB / 16], "to be refused, and not here");
        let callbacks = Settings { callback_key_file: Some(vec!["key".into()]), ..Settings::default() };
        assert_eq!(fit(64 * MIB, &callbacks)[5], 116_508, "callbacks have a table of their own");
        // A body of the largest size fits whatever the limit is.
        let [body_budget, ..] = fit(64 * MIB, &Settings::default());
        assert_eq!(body_budget, 22 * MIB);
        for limit in [0, 1, MIB, 20 * MIB] {
            let [body_budget, _, _, connections, ..] = fit(limit, &Settings::default());
            assert!(body_budget as usize >= webhook::least_budget(16 << 20) && connections >= 64, "{limit}");
        }
    }

    #[test]
    fn what_can_be_decoded_is_what_is_left() {
        let settings = |limit: u64| {
            let defaults = defaults();
            crate::config::settings::overlay(defaults.clone(), &fitting(limit, &Settings::default(), &defaults))
        };
        for (limit, largest) in [(0, 1), (64, 2), (128, 8), (224, 17), (384, 33)] {
            assert_eq!(largest_body(limit * MIB, &settings(limit * MIB)), Volume(largest * MIB), "{limit}");
        }
    }
}
