//! Who reads, and how far behind: what is counted of each stream, and what is said when it ends.
//!
//! Costs a stream one store for each message. What is shown is worked out when it is asked for.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::log::Position;

/// Consumers that have labels of their own; those that come when there are as many share [`OTHER`]. Names are chosen by
/// clients.
const NAMED: usize = 100;
const OTHER: &str = "other";
/// Those that give no name.
const UNNAMED: &str = "unnamed";
/// Nobody was there any more to take the stream's next message.
const CLIENT_GONE: &str = "client_gone";
/// The reasons that are there from the start, as 0. All others are reasons of `status` as well.
const REASONS: [&str; 6] = [CLIENT_GONE, "caught_up", "draining", "stream_age", "cursor_expired", "log_unavailable"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndLabels {
    reason: String,
}

/// All open streams. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Consumers {
    open: Arc<Open>,
    delivered: Counter,
    ends: Family<EndLabels, Counter>,
}

#[derive(Debug, Default)]
struct Open {
    /// Where the streams of each consumer stand.
    streams: Mutex<BTreeMap<String, HashMap<u64, Arc<AtomicU64>>>>,
    next: AtomicU64,
    /// The newest event; known once the log is open.
    head: OnceLock<watch::Receiver<Position>>,
}

impl Consumers {
    pub fn register(registry: &mut Registry) -> Self {
        let consumers = Self::default();
        for reason in REASONS {
            drop(consumers.ends.get_or_create(&EndLabels { reason: reason.to_owned() }));
        }
        registry.register(
            "smile_relay_delivered_events",
            "Events put on streams, counted once for each stream",
            consumers.delivered.clone(),
        );
        registry.register("smile_relay_stream_ends", "Ended streams by the reason", consumers.ends.clone());
        registry.register_collector(Box::new(Shown(Arc::clone(&consumers.open))));
        consumers
    }

    /// From now on it is known how far behind streams are.
    pub fn follow(&self, head: watch::Receiver<Position>) {
        // The first one is the log's; there is no other.
        let _ = self.open.head.set(head);
    }

    /// A stream of `consumer` begins after the sequence `position`.
    pub fn begin(&self, consumer: String, position: u64) -> Reading {
        let position = Arc::new(AtomicU64::new(position));
        let id = self.open.next.fetch_add(1, Relaxed);
        let mut streams = self.open.lock();
        let name = if consumer.is_empty() { UNNAMED } else { &consumer };
        let name = if streams.contains_key(name) || streams.len() < NAMED { name } else { OTHER }.to_owned();
        streams.entry(name.clone()).or_default().insert(id, Arc::clone(&position));
        drop(streams);
        Reading {
            consumers: self.clone(),
            name,
            id,
            consumer,
            position,
            began: Instant::now(),
            events: 0,
            reason: None,
        }
    }
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, HashMap<u64, Arc<AtomicU64>>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open stream; it has ended when this is dropped.
pub struct Reading {
    consumers: Consumers,
    /// Under this and `id` it is found among the open ones.
    name: String,
    id: u64,
    /// As the client has said.
    consumer: String,
    position: Arc<AtomicU64>,
    began: Instant,
    events: u64,
    reason: Option<String>,
}

impl Reading {
    /// All up to this sequence has been taken.
    pub fn stands_at(&self, sequence: u64) {
        self.position.store(sequence, Relaxed);
    }

    /// So many events more were put on the stream.
    pub fn delivered(&mut self, events: u64) {
        self.events += events;
        self.consumers.delivered.inc_by(events);
    }

    /// The stream ends by itself, with `status`.
    pub fn ends(&mut self, status: &Status) {
        let details = status.get_error_details();
        self.reason = Some(match (status.code(), details.error_info()) {
            (Code::Ok, _) => "caught_up".to_owned(),
            // Our own reasons, of which there are few.
            (_, Some(info)) => info.reason.to_lowercase(),
            (_, None) => "other".to_owned(),
        });
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut streams = self.consumers.open.lock();
        if let Some(of_consumer) = streams.get_mut(&self.name) {
            of_consumer.remove(&self.id);
            if of_consumer.is_empty() {
                streams.remove(&self.name);
            }
        }
        drop(streams);
        let reason = self.reason.take().unwrap_or_else(|| CLIENT_GONE.to_owned());
        tracing::info!(
            consumer = self.consumer,
            reason,
            events = self.events,
            seconds = self.began.elapsed().as_secs_f64(),
            "stream ended"
        );
        self.consumers.ends.get_or_create(&EndLabels { reason }).inc();
    }
}

#[derive(Debug)]
struct Shown(Arc<Open>);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(head) = self.0.head.get().map(|head| head.borrow().sequence) else { return Ok(()) };
        let furthest = |streams: &HashMap<u64, Arc<AtomicU64>>| {
            let behind = streams.values().map(|position| head.saturating_sub(position.load(Relaxed)));
            (streams.len() as u64, behind.max().unwrap_or(0))
        };
        let shown: Vec<_> = self.0.lock().iter().map(|(name, streams)| (name.clone(), furthest(streams))).collect();
        let mut lag = encoder.encode_descriptor(
            "smile_relay_consumer_lag_events",
            "How many sequences the furthest stream of a consumer is behind the newest event; of 100 consumers, others \
             share a label.",
            None,
            MetricType::Gauge,
        )?;
        for (name, (_, behind)) in &shown {
            ConstGauge::new(*behind).encode(lag.encode_family(&[("consumer", name.as_str())])?)?;
        }
        let mut streams = encoder.encode_descriptor(
            "smile_relay_consumer_streams",
            "Open streams of a consumer, labelled as its lag is.",
            None,
            MetricType::Gauge,
        )?;
        for (name, (open, _)) in &shown {
            ConstGauge::new(*open).encode(streams.encode_family(&[("consumer", name.as_str())])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn names_are_bounded_and_go_with_their_streams() {
        let mut registry = Registry::default();
        let consumers = Consumers::register(&mut registry);
        let (_head, follow) = watch::channel(Position { sequence: 50, check: 0 });
        assert!(!shown(&registry).contains("lag_events"), "nobody knows before there is a log");
        consumers.follow(follow);
        let ahead = consumers.begin("billing".into(), 49);
        let behind = consumers.begin("billing".into(), 8);
        let unnamed = consumers.begin(String::new(), 50);
        let text = shown(&registry);
        for line in [
            "smile_relay_consumer_lag_events{consumer=\"billing\"} 42\n",
            "smile_relay_consumer_streams{consumer=\"billing\"} 2\n",
            "smile_relay_consumer_lag_events{consumer=\"unnamed\"} 0\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        behind.stands_at(50);
        assert!(shown(&registry).contains("smile_relay_consumer_lag_events{consumer=\"billing\"} 1\n"));
        drop((ahead, behind, unnamed));
        assert!(!shown(&registry).contains("consumer=\""), "{}", shown(&registry));

        let mut many: Vec<_> = (0..500).map(|n| consumers.begin(format!("c{n}"), 0)).collect();
        let text = shown(&registry);
        assert_eq!(text.matches("smile_relay_consumer_lag_events{").count(), NAMED + 1);
        assert!(text.contains("smile_relay_consumer_streams{consumer=\"other\"} 400\n"), "{text}");
        many[0].ends(&crate::grpc::status::draining());
        many[1].ends(&Status::ok(""));
        drop(many);
        let text = shown(&registry);
        for (reason, count) in [("draining", 1), ("caught_up", 1), (CLIENT_GONE, 501)] {
            let line = format!("smile_relay_stream_ends_total{{reason=\"{reason}\"}} {count}\n");
            assert!(text.contains(&line), "{line}: {text}");
        }
    }
}
