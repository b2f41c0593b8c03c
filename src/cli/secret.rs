//! A webhook secret, given on the command line, in the environment, or in a file.
//!
//! Promises: flags count over the environment; one trailing newline of a file is not part of the secret; an empty secret
//! is refused, as a signature made with it proves nothing. A secret is never printed, also not by `{:?}`.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    config::{ConfigError, secret_from_file},
    webhook::signature,
};

const SECRET: &str = "SMILE_RELAY_WEBHOOK_SECRET";
const SECRET_FILE: &str = "SMILE_RELAY_WEBHOOK_SECRET_FILE";

// Clap's own `env` would not do: it takes the flag of one and the variable of the other for a conflict.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Secret")]
#[group(multiple = false)]
pub struct SecretArgs {
    /// The webhook secret; others on this machine can see it, so prefer a file [env: SMILE_RELAY_WEBHOOK_SECRET]
    #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
    pub secret: Option<String>,
    /// A file that holds the webhook secret [env: SMILE_RELAY_WEBHOOK_SECRET_FILE]
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
}

impl fmt::Debug for SecretArgs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SecretArgs").field("secret_file", &self.secret_file).finish_non_exhaustive()
    }
}

/// What webhooks are signed with.
#[derive(Clone, Debug)]
pub struct Secret(signature::Secret);

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("no webhook secret: give --secret-file FILE (or --secret), or set {SECRET_FILE} or {SECRET}")]
    Missing,
    #[error("{SECRET} and {SECRET_FILE} are both set: unset one of them")]
    Both,
    #[error(transparent)]
    File(#[from] ConfigError),
    #[error("the webhook secret is empty: a signature made with it would prove nothing")]
    Empty,
}

impl Secret {
    /// # Errors
    /// If it is empty.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, SecretError> {
        signature::Secret::new(bytes.as_ref()).map(Self).map_err(|_| SecretError::Empty)
    }

    /// The signature that Smile would send with a body.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> [u8; signature::SIGNATURE_BYTES] {
        signature::sign(&self.0, body)
    }
}

impl SecretArgs {
    /// # Errors
    /// If there is none, two, or one that can't be read or used.
    pub fn load(&self) -> Result<Secret, SecretError> {
        self.load_with(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn load_with(&self, env: impl Fn(&str) -> Option<OsString>) -> Result<Secret, SecretError> {
        match (&self.secret, &self.secret_file) {
            (Some(secret), _) => return Secret::new(secret.as_bytes()),
            (None, Some(file)) => return Secret::new(secret_from_file("--secret-file", file)?),
            (None, None) => {}
        }
        match (env(SECRET), env(SECRET_FILE)) {
            (Some(_), Some(_)) => Err(SecretError::Both),
            (Some(secret), None) => Secret::new(secret.into_encoded_bytes()),
            (None, Some(file)) => Secret::new(secret_from_file(SECRET_FILE, Path::new(&file))?),
            (None, None) => Err(SecretError::Missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(content: &str) -> Result<Secret, SecretError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        SecretArgs { secret: None, secret_file: Some(path) }.load_with(|_| Some("from the environment".into()))
    }

    /// A secret can't be read, but what it signs can be compared.
    fn is(secret: &Secret, text: &str) -> bool {
        secret.sign(b"body") == Secret::new(text).unwrap().sign(b"body")
    }

    #[test]
    fn one_trailing_newline_of_a_file_is_not_part_of_it() {
        for (content, secret) in
            [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret \n\n", "s3cret \n")]
        {
            assert!(is(&of_file(content).unwrap(), secret), "{content:?}");
        }
        assert!(matches!(of_file("\n"), Err(SecretError::File(_))));
    }

    #[test]
    fn the_environment_serves_where_no_flag_is_given() {
        let none = SecretArgs::default();
        let secret = none.load_with(|name| (name == SECRET).then(|| "a".into())).unwrap();
        assert!(is(&secret, "a"));
        assert!(matches!(none.load_with(|_| Some("a".into())), Err(SecretError::Both)));
        assert!(matches!(none.load_with(|_| None), Err(SecretError::Missing)));
    }

    #[test]
    fn it_is_not_shown() {
        let args = SecretArgs { secret: Some("s3cret".into()), secret_file: None };
        assert!(!format!("{args:?} {:?}", args.load().unwrap()).contains("s3cret"));
    }
}
