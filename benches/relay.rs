//! The relay beside its floors: what it costs over the least that such a service could do, as ratios in one run.
//!
//! `cargo bench --bench relay [-- a b c d e] [--quick]` runs the comparisons named, or all; see `benches/README.md`. Each
//! is a file in `benches/relay/`:
//!
//! - a, `ingest`: durable, verified webhooks a second, beside a handler that only verifies and answers
//! - b, `fanout`: CPU of a delivered event, beside a service that only streams ready bytes
//! - c, `latency`: from a webhook sent to its event received, beside the disk's own fdatasync
//! - d, `catchup`: events a second from the disk, beside reading the same rows
//! - e, `memory`: of an idle and of a stalled subscriber
//!
//! What is measured, the relay or a floor, is a process of its own on core 0; this process, the load, stays on core 1.
//! Floors are this program, started with another argument. Relay and floor take turns, and medians are shown.

mod relay {
    pub mod catchup;
    pub mod fanout;
    pub mod figures;
    pub mod floor_http;
    pub mod floor_rows;
    pub mod floor_streams;
    pub mod ingest;
    pub mod latency;
    pub mod machine;
    pub mod memory;
    pub mod server;
    pub mod streams;
    pub mod webhooks;
}

use relay::{
    catchup, fanout, floor_http, floor_rows, floor_streams, ingest, latency, machine, memory,
    server::{Place, end_with_us},
};

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often each measurement is repeated.
    pub repetitions: usize,
    /// A part of the usual amount.
    pub share: f64,
}

impl Effort {
    /// This part of `usual`.
    pub fn of(self, usual: usize) -> usize {
        (usual as f64 * self.share) as usize
    }
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    // Cargo says what this is.
    args.retain(|arg| arg != "--bench");
    let rest: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match args.first().map(String::as_str) {
        Some(floor_http::ROLE) => floor_http::run(&rest),
        Some(floor_streams::ROLE) => floor_streams::run(&rest),
        Some(floor_rows::ROLE) => floor_rows::run(&rest),
        _ => compare(&args),
    }
}

fn compare(args: &[String]) {
    let is_quick = args.iter().any(|arg| arg == "--quick");
    let named: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    if let Some(unknown) = named.iter().find(|name| !["a", "b", "c", "d", "e"].contains(name)) {
        eprintln!("{unknown}: there are the comparisons a, b, c, d and e, and --quick");
        std::process::exit(64);
    }
    let wanted = |name| named.is_empty() || named.contains(&name);
    let effort = if is_quick { Effort { repetitions: 1, share: 0.25 } } else { Effort { repetitions: 5, share: 1.0 } };
    end_with_us();
    machine::pin_load();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("{}", machine::describe(Place::new().path()));
    type Comparison = fn(&tokio::runtime::Runtime, Effort);
    let all: [(&str, Comparison); 5] =
        [("a", ingest::run), ("b", fanout::run), ("c", latency::run), ("d", catchup::run), ("e", memory::run)];
    for (name, run) in all {
        if wanted(name) {
            run(&runtime, effort);
        }
    }
}
