//! Parse, run, one line for what went wrong, the exit code. All else is in the library.

use std::process::ExitCode;

/// Bodies and messages are allocated on one thread and freed on another, which glibc's allocator is slow at: it took 30 %
/// of the CPU time of a subscriber catching up. Without huge pages: one for each thread and size of allocation was most of
/// what an idle relay took, 17 MiB in place of 4. SQLite uses it as well (the feature `override`): glibc kept some 7 MiB more
/// for it, in an arena for each thread that reads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    smile_relay::cli::main()
}
