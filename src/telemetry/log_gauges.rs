//! What the log holds and takes, as metrics: asked for just before they are shown, and not shown if nobody can say.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use tokio::time::timeout;

use crate::log::{Log, Received, Stats};

/// How long a scrape waits for a log that is held up.
const PATIENCE: Duration = Duration::from_secs(2);

/// The log, once it is open. Cheap to clone.
#[derive(Clone, Default)]
pub struct LogGauges {
    log: Arc<OnceLock<Arc<dyn Log>>>,
    seen: Arc<Mutex<Option<Stats>>>,
}

impl fmt::Debug for LogGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogGauges").field(&self.seen).finish()
    }
}

impl LogGauges {
    /// The log is open.
    pub fn watch(&self, log: Arc<dyn Log>) {
        // There is one log.
        let _ = self.log.set(log);
    }

    /// Asks the log.
    pub async fn refresh(&self) {
        let Some(log) = self.log.get() else { return };
        let stats = timeout(PATIENCE, log.stats()).await.ok().and_then(Result::ok);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }
}

impl Collector for LogGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(stats) = *self.seen.lock().unwrap_or_else(PoisonError::into_inner) else { return Ok(()) };
        let mut gauge = |name, help, value: Option<Value>| {
            let Some(value) = value else { return Ok(()) };
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        let sequence = |at: Option<Received>| at.map(|at| Value::Count(at.sequence));
        #[allow(clippy::cast_precision_loss, reason = "microseconds since 1970 fit for another 200 years")]
        let time = |at: Option<Received>| at.map(|at| Value::Seconds(at.at as f64 / 1e6));
        gauge("smile_relay_log_oldest_sequence", "The sequence of the oldest event kept.", sequence(stats.oldest))?;
        gauge("smile_relay_log_newest_sequence", "The sequence of the newest event kept.", sequence(stats.newest))?;
        gauge(
            "smile_relay_log_oldest_timestamp_seconds",
            "When the oldest event kept was received.",
            time(stats.oldest),
        )?;
        gauge(
            "smile_relay_log_newest_timestamp_seconds",
            "When the newest event kept was received.",
            time(stats.newest),
        )?;
        gauge(
            "smile_relay_log_bytes",
            "What the log takes on its disk, with its write-ahead log.",
            Some(Value::Count(stats.bytes)),
        )?;
        gauge(
            "smile_relay_data_dir_free_bytes",
            "What is left on the disk of the data directory.",
            Some(Value::Count(stats.free_bytes)),
        )?;
        gauge(
            "smile_relay_data_dir_size_bytes",
            "The size of the disk of the data directory.",
            Some(Value::Count(stats.total_bytes)),
        )
    }
}

enum Value {
    Count(u64),
    Seconds(f64),
}

impl EncodeGaugeValue for Value {
    fn encode(&self, encoder: &mut prometheus_client::encoding::GaugeValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.encode(encoder),
            Self::Seconds(seconds) => seconds.encode(encoder),
        }
    }
}
