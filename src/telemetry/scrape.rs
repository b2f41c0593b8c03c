//! One reading of all metrics: for the admin listener, and for a collector. There is one set of them.

use std::sync::Arc;

use prometheus_client::{encoding::text::encode, metrics::info::Info, registry::Registry};

use super::{Certificates, Readiness, log_gauges::LogGauges, process::Process};
use crate::log::Log;

/// The commit that the program was built from, if whoever built it said so (`SMILE_RELAY_COMMIT`).
const COMMIT: &str = match option_env!("SMILE_RELAY_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// All metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scrape {
    registry: Arc<Registry>,
    log: LogGauges,
}

impl Scrape {
    /// Those of the parts, which are in `registry` under their whole names, and those of the whole.
    #[must_use]
    pub fn new(mut registry: Registry, readiness: Readiness, certificates: Certificates) -> Self {
        let build = [("version", env!("CARGO_PKG_VERSION")), ("rustc", env!("SMILE_RELAY_RUSTC")), ("commit", COMMIT)];
        registry.register("smile_relay_build", "What is running: always 1", Info::new(build));
        let log = LogGauges::default();
        registry.register_collector(Box::new(log.clone()));
        registry.register_collector(Box::new(readiness));
        registry.register_collector(Box::new(certificates));
        registry.register_collector(Box::new(Process));
        Self { registry: Arc::new(registry), log }
    }

    /// The log is open: from now on there is something to say of it.
    pub fn watch(&self, log: Arc<dyn Log>) {
        self.log.watch(log);
    }

    /// All metrics as they are now, in the text format of OpenMetrics. None if the runtime is at its end.
    pub async fn read(&self) -> Option<String> {
        self.log.refresh().await;
        let registry = Arc::clone(&self.registry);
        // Files of the kernel are read and, with many streams, much is to be written.
        let text = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            encode(&mut text, &registry).map(|()| text)
        });
        text.await.ok()?.ok()
    }
}
