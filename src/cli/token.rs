//! `token`: a new bearer token for gRPC callers, and the line by which the relay knows it.

use std::io::Write;

use clap::Args;

use super::CliError;
use crate::identity::{is_name, tokens};

const EXAMPLES: &str = "\
Examples:
  smile-relay token payroll >payroll.token 2>>tokens
  smile-relay serve --identities identities.toml --grpc-token-file tokens ...
  smile-relay tail --token-file payroll.token

with, in identities.toml:
  [identities.payroll]
  tokens = [\"payroll\"]";

/// Make a bearer token for a service
///
/// Prints the token on stdout, once: it is kept nowhere. Its line for the file of --grpc-token-file, which has no more than
/// a hash of it, goes to stderr.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// What the identities file calls it: letters, digits, `-`, `_` and `.`
    #[arg(value_parser = name)]
    name: String,
}

fn name(text: &str) -> Result<String, &'static str> {
    if is_name(text) { Ok(text.to_owned()) } else { Err("write 1 to 64 letters, digits, `-`, `_` and `.`") }
}

/// # Errors
/// If nothing can be printed.
pub fn run(args: &TokenArgs) -> Result<(), CliError> {
    let (token, line) = tokens::make(&args.name);
    writeln!(std::io::stdout(), "{}", token.as_str()).map_err(CliError::Output)?;
    eprintln!("{line}");
    Ok(())
}
