//! The embedded log does what every log does, and some things that only it has to.

mod crash;
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
        }
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

mod conforms {
    use super::*;
    conformance::suite! { Directory::new() }
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
