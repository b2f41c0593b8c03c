//! A place with certificates, keys and what is none of them, to point configurations at.

use std::{fs, path::PathBuf};

use super::Place;

/// A place with files to point at.
pub struct Files {
    pub place: Place,
}

impl Files {
    pub fn new() -> Self {
        let place = Place::default();
        let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (ours, other) = (pair(), pair());
        let files = Self { place };
        files.write("cert.pem", ours.cert.pem());
        files.write("key.pem", ours.signing_key.serialize_pem());
        files.write("other-key.pem", other.signing_key.serialize_pem());
        files.write("text.pem", "not PEM");
        files.write("empty", "");
        files.write("newline", "\n");
        files
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The arguments of a relay here that would start, without those that begin like `without`, and with `more`, in
    /// which `@` stands for the place.
    pub fn args(&self, without: &[&str], more: &[&str]) -> Vec<String> {
        let place = self.place.path().display().to_string();
        let more: Vec<_> = more.iter().map(|arg| arg.replace('@', &place)).collect();
        let more: Vec<_> = more.iter().map(String::as_str).collect();
        let mut args = self.place.args(&more)[1..].to_vec();
        args.retain(|arg| more.contains(&arg.as_str()) || !without.iter().any(|without| arg.starts_with(without)));
        args
    }
}
