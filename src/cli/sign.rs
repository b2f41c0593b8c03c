//! `sign`: the signature that Smile would send with a body.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

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
    let signature = hex::encode(signature(secret.bytes(), &input::read(&args.file)?));
    let name = if args.header { "Smile-Signature: " } else { "" };
    writeln!(io::stdout(), "{name}{signature}").map_err(CliError::Output)
}

/// The HMAC-SHA512 of a body.
pub(super) fn signature(secret: &[u8], body: &[u8]) -> [u8; 64] {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret).expect("a key of any length will do");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_4231() {
        assert_eq!(
            hex::encode(signature(b"Jefe", b"what do ya want for nothing?")),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b\
             636e070a38bce737"
        );
    }
}
