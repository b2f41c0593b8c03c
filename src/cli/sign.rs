//! `sign`: the signature that Smile would send with a body.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::{CliError, input, secret::SecretArgs};

const EXAMPLES: &str = "\
Examples:
  smile-relay sign body.json --secret-file secret
  curl -k https://127.0.0.1:8443/webhooks/smile --data-binary @body.json \\
    -H \"$(smile-relay sign body.json --secret-file secret --header)\"";

/// Print the signature of a webhook's body: its HMAC-SHA512 in hex.
///
/// The bytes are signed as they are: a newline that an editor adds at the end counts.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SignArgs {
    /// The body; - for stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print it as an HTTP header, `Smile-Signature: ...`
    #[arg(long)]
    pub header: bool,
    #[command(flatten)]
    pub secret: SecretArgs,
}

/// # Errors
/// If the body or the secret can't be read.
pub fn run(args: &SignArgs) -> Result<(), CliError> {
    let secret = args.secret.load()?;
    let signature = faster_hex::hex_string(&secret.sign(&input::read(&args.file)?));
    let name = if args.header { "Smile-Signature: " } else { "" };
    writeln!(io::stdout(), "{name}{signature}").map_err(CliError::Output)
}
