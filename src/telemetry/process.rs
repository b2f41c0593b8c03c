//! The process, as the kernel sees it, under the names that all of Prometheus' clients use. Linux only: elsewhere there is
//! nothing to read, and nothing is shown.

use std::{
    fmt, fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use rustix::process::{Resource, getrlimit};

/// Ticks a second of the times in /proc: fixed by the kernel for what it tells programs, on all machines in use today.
const TICKS: f64 = 100.0;

/// Read anew for each scrape.
#[derive(Debug)]
pub struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stat = Stat::read();
        if let Some(stat) = &stat {
            let cpu = encoder.encode_descriptor(
                "process_cpu_seconds",
                "User and system CPU time of the process.",
                None,
                MetricType::Counter,
            )?;
            ConstCounter::new(stat.cpu_seconds).encode(cpu)?;
        }
        let mut gauge = |name, help, value: Option<f64>| match value {
            Some(value) => {
                ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
            }
            None => Ok(()),
        };
        gauge("process_start_time_seconds", "When the process started.", stat.map(|stat| stat.started_at))?;
        gauge("process_resident_memory_bytes", "Memory that is really used.", resident_bytes())?;
        let open = fs::read_dir("/proc/self/fd").ok().map(|files| count(files.count() as u64));
        gauge("process_open_fds", "Open files and connections.", open)?;
        gauge("process_max_fds", "How many may be open.", getrlimit(Resource::Nofile).current.map(count))
    }
}

struct Stat {
    cpu_seconds: f64,
    started_at: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name before may hold anything, spaces and parentheses too.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        // utime, stime and starttime of proc(5), from its third field on.
        Some(Self { cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS, started_at: now - uptime + ticks(19)? / TICKS })
    }
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}

#[allow(clippy::cast_precision_loss, reason = "nobody has that many files")]
fn count(number: u64) -> f64 {
    number as f64
}
