//! The embedded log does what every log does, and some things that only it has to.

mod crash;
mod encryption;
mod erasing;
mod opening;
mod room;

use std::{
    fs::{self, File},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;

use super::*;
use crate::{
    event::pb::EventSource,
    log::conformance::{self, DEFAULT, Fixture, Settings, until},
};

/// A directory of its own, which goes with it.
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The length of a file in it; 0 if it is not there.
    fn length(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).map_or(0, |found| found.len())
    }

    fn options(&self, settings: Settings) -> Options {
        Options {
            data_dir: self.0.path().into(),
            allow_any_filesystem: true,
            lock_timeout: Duration::ZERO,
            retention: settings.retention,
            retention_bytes: settings.retention_bytes,
            report_quota_bytes: settings.report_quota,
            dedupe_window: settings.dedupe_window,
            dedupe_max_entries: settings.dedupe_max_entries,
            queue_bytes: settings.queue_bytes,
            queue_timeout: settings.queue_timeout,
            keys: keys::Keyring::default(),
        }
    }

    /// With keys of 64 times the same digit each.
    fn encrypted(&self, settings: Settings, keys: &[&str]) -> Options {
        Options { keys: keys::Keyring::new(keys.iter().map(|digit| key(digit)).collect()), ..self.options(settings) }
    }

    fn log(&self, settings: Settings) -> Embedded {
        Embedded::open(&self.options(settings)).unwrap()
    }
}

#[tonic::async_trait]
impl Fixture for Directory {
    async fn open(&self, settings: Settings) -> Arc<dyn Log> {
        Arc::new(self.log(settings))
    }
}

/// The same log, with bodies encrypted.
struct Encrypted(Directory);

#[tonic::async_trait]
impl Fixture for Encrypted {
    async fn open(&self, settings: Settings) -> Arc<dyn Log> {
        Arc::new(Embedded::open(&self.0.encrypted(settings, &["a"])).unwrap())
    }
}

mod conforms_encrypted {
    use super::*;
    conformance::suite! { Encrypted(Directory::new()) }
}

mod conforms {
    use super::*;
    conformance::suite! { Directory::new() }
}

fn key(digit: &str) -> keys::Key {
    keys::Key::from_hex(digit.repeat(64).as_bytes()).unwrap()
}

/// True if this stands in any file of the directory, by an independent witness.
fn holds(directory: &Directory, needle: &str) -> bool {
    let grep = std::process::Command::new("grep").args(["-rqaF", "--", needle]).arg(directory.0.path()).status();
    match grep.unwrap().code() {
        Some(code @ 0..=1) => code == 0,
        other => panic!("grep ended with {other:?}"),
    }
}

fn record(id: impl ToString, body: impl Into<Bytes>) -> NewRecord {
    NewRecord {
        source: EventSource::Webhook,
        endpoint: "smile".into(),
        id: id.to_string(),
        type_name: "USER_CREATED".into(),
        user_id: String::new(),
        signature: Bytes::from_static(&[7; 64]),
        traceparent: String::new(),
        content_encoding: String::new(),
        reporter: Reporter::default(),
        body: body.into(),
    }
}

async fn store(log: &Embedded, record: NewRecord) -> u64 {
    let id = record.id.clone();
    match log.append(record).await {
        Ok(Appended::Stored { sequence }) => sequence,
        other => panic!("{id}: not stored as new: {other:?}"),
    }
}
