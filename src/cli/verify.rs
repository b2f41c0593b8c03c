//! `verify`: whether a signature is the one that Smile would send with a body.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::{CliError, input, secret::SecretArgs};
use crate::webhook::signature;

const EXAMPLES: &str = "\
Examples:
  smile-relay verify body.json --signature 5f2a... --secret-file secret
  smile-relay events get 42 --raw | smile-relay verify - --signature 5f2a... --secret-file secret";

/// Check a webhook's signature.
///
/// Prints `valid` and exits with 0, or `invalid` and exits with 1. The bytes must be those that were sent, without a newline that an editor adds.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The body; - for stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the header Smile-Signature held: 128 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub signature: String,
    #[command(flatten)]
    pub secret: SecretArgs,
}

#[derive(Debug, thiserror::Error)]
#[error("--signature must be 128 hexadecimal digits: the hex of an HMAC-SHA512")]
pub struct SignatureError;

/// # Errors
/// If the signature is wrong, or something can't be read.
pub fn run(args: &VerifyArgs) -> Result<(), CliError> {
    let claimed = signature::parse(args.signature.as_bytes()).ok_or(SignatureError)?;
    let secret = args.secret.load()?;
    // A plain comparison will do: whoever calls this holds the secret.
    let valid = secret.sign(&input::read(&args.file)?) == claimed;
    writeln!(io::stdout(), "{}", if valid { "valid" } else { "invalid" }).map_err(CliError::Output)?;
    if valid { Ok(()) } else { Err(CliError::Said) }
}
