//! Secrets, keys and certificates that change in their files while the relay runs, as Kubernetes changes them.
//!
//! Promises: what is new is in force within some [`INTERVAL`]s, without a connection that is dropped. What can't be used
//! (empty, unreadable, a certificate without its key) leaves the last good one in force; that is logged and counted, once for
//! each change.

use std::{path::PathBuf, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3Default;

/// How often the files are looked at. Their content is compared: times and inodes say little where files are symbolic
/// links that are changed as a whole.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    what: &'static str,
    result: &'static str,
}

/// How often files were read again, by what is in them and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    reloads: Family<Labels, Counter>,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "smile_relay_reloads",
            "Changed files with secrets, keys or certificates that were read again: ok, or failed",
            metrics.reloads.clone(),
        );
        metrics
    }

    fn of(&self, what: &'static str, result: &'static str) -> Counter {
        self.reloads.get_or_create_owned(&Labels { what, result })
    }
}

type Apply = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Some files, and what puts their content in force.
pub struct Reload {
    /// What is in them, in a word.
    what: &'static str,
    files: Vec<PathBuf>,
    apply: Apply,
    ok: Counter,
    failed: Counter,
}

impl Reload {
    pub fn new(
        what: &'static str,
        files: Vec<PathBuf>,
        metrics: &Metrics,
        apply: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let (ok, failed) = (metrics.of(what, "ok"), metrics.of(what, "failed"));
        Self { what, files, apply: Box::new(apply), ok, failed }
    }

    /// Tells one content from another; of what can't be read, one reason from another.
    fn content(&self) -> u64 {
        let mut content = Xxh3Default::new();
        for file in &self.files {
            match std::fs::read(file) {
                Ok(bytes) => {
                    content.update(&bytes.len().to_le_bytes());
                    content.update(&bytes);
                }
                Err(error) => content.update(error.kind().to_string().as_bytes()),
            }
        }
        content.digest()
    }

    fn run(&self) {
        match (self.apply)() {
            Ok(()) => {
                self.ok.inc();
                tracing::info!(what = self.what, "read again: the new content is in force");
            }
            Err(error) => {
                self.failed.inc();
                tracing::error!(what = self.what, %error, "the new content can't be used; the last good one stays in force");
            }
        }
    }
}

/// Follows the files until `stop`. What is in them now is taken to be in force.
pub async fn follow(reloads: Vec<Reload>, stop: CancellationToken) {
    let reloads: Arc<[Reload]> = reloads.into_iter().filter(|reload| !reload.files.is_empty()).collect();
    if reloads.is_empty() {
        return;
    }
    let mut known: Vec<Option<u64>> = vec![None; reloads.len()];
    loop {
        let (looked_at, before) = (Arc::clone(&reloads), known);
        let look = move || -> Vec<Option<u64>> {
            let each = looked_at.iter().zip(before).map(|(reload, before)| {
                let content = reload.content();
                if before.is_some_and(|before| before != content) {
                    reload.run();
                }
                Some(content)
            });
            each.collect()
        };
        // Fails only if the runtime ends.
        let Ok(found) = tokio::task::spawn_blocking(look).await else { return };
        known = found;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}
