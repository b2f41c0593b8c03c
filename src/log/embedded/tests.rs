//! The embedded log does what every log does, and some things that only it has to.

use std::sync::Arc;

use super::*;
use crate::log::conformance::{self, Fixture, Settings};

/// A directory of its own, which goes with it.
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn options(&self, settings: Settings) -> Options {
        Options {
            data_dir: self.0.path().into(),
            allow_any_filesystem: true,
            lock_timeout: Duration::ZERO,
            retention: settings.retention,
            retention_bytes: settings.retention_bytes,
            dedupe_window: settings.dedupe_window,
            dedupe_max_entries: settings.dedupe_max_entries,
            queue_bytes: settings.queue_bytes,
            queue_timeout: settings.queue_timeout,
        }
    }
}

#[tonic::async_trait]
impl Fixture for Directory {
    async fn open(&self, settings: Settings) -> Arc<dyn Log> {
        Arc::new(Embedded::open(&self.options(settings)).unwrap())
    }
}

mod conforms {
    use super::*;
    conformance::suite! { Directory::new() }
}
