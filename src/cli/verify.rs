//! `verify`: whether a signature is the one that Smile would send with a body.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::{CliError, input, secret::SecretArgs, sign::signature};

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
    let claimed = parse(&args.signature)?;
    let secret = args.secret.load()?;
    // A plain comparison will do: whoever calls this holds the secret.
    let valid = signature(secret.bytes(), &input::read(&args.file)?) == claimed;
    writeln!(io::stdout(), "{}", if valid { "valid" } else { "invalid" }).map_err(CliError::Output)?;
    if valid { Ok(()) } else { Err(CliError::Said) }
}

fn parse(text: &str) -> Result<[u8; 64], SignatureError> {
    let mut signature = [0; 64];
    hex::decode_to_slice(text.trim(), &mut signature).map_err(|_| SignatureError)?;
    Ok(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hex_of_64_bytes_is_a_signature() {
        assert_eq!(parse(&format!(" {}\n", "aB".repeat(64))).unwrap(), [0xab; 64]);
        for text in ["", "ab", &"zz".repeat(64), &"ab".repeat(65)] {
            assert!(parse(text).is_err());
        }
    }
}
