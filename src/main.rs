//! Parse, run, one line for what went wrong, the exit code. All else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    smile_relay::cli::main()
}
