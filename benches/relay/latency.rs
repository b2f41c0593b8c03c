//! (c) From the instant at which a webhook is due to be sent until its event is received over a stream, at 1,000 a second;
//! beside what the disk itself needs for an append and its fdatasync.
//!
//! An event can't be there before one fdatasync has ended, and arrives on average in the middle of the one before its own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use prost::Message;
use smile_relay::event::pb::SubscribeResponse;
use tokio::runtime::Runtime;

use super::{
    fanout::SUBSCRIBE,
    figures::{print_table, quantile, short},
    machine::fdatasync_millis,
    server::Place,
    streams::{Call, Pace},
    webhooks::{self, number_of},
};
use crate::Effort;

const RATE: f64 = 1_000.0;
const EVENTS: usize = 6_000;
const SYNCS: usize = 1_000;
const CONNECTIONS: usize = 64;

pub fn run(runtime: &Runtime, effort: Effort) {
    let (mut disk, mut relay) = (Vec::new(), Vec::new());
    let place = Place::new();
    for _ in 0..effort.repetitions {
        disk.extend(fdatasync_millis(place.path(), effort.of(SYNCS)));
        relay.extend(runtime.block_on(measure(effort)));
    }
    let row = |name: &str, millis: &[f64]| {
        let mut row = vec![name.to_owned()];
        row.extend([0.5, 0.99, 0.999].map(|part| short(quantile(millis, part))));
        row
    };
    print_table(
        "(c) From webhook to event, in milliseconds, at 1,000 a second",
        &["", "p50", "p99", "p99.9"],
        &[row("fdatasync of 4 KiB", &disk), row("webhook sent to event received", &relay)],
    );
}

/// How long each event took, in milliseconds.
async fn measure(effort: Effort) -> Vec<f64> {
    let place = Place::new();
    let relay = place.relay();
    let received = Arc::new(Mutex::new(Vec::new()));
    let on_message = {
        let received = Arc::clone(&received);
        move |message: &[u8]| {
            let now = Instant::now();
            let message = SubscribeResponse::decode(message).expect("the relay encodes well");
            let mut received = received.lock().expect("nothing panics under it");
            received.extend(message.events.iter().map(|event| (number_of(&event.id), now)));
        }
    };
    let call = Call { address: relay.streams(), path: SUBSCRIBE, request: &[], pace: Pace::Keen };
    let streams = call.open(1, 1, on_message).await;
    let connections = webhooks::connect(&place, relay.http(), CONNECTIONS).await;
    let connections = webhooks::send_all(connections, webhooks::prepare(1_000)).await;
    let count = effort.of(EVENTS);
    let mut sent = HashMap::with_capacity(count);
    webhooks::send_paced(connections, webhooks::prepare(count), RATE, |number, due| {
        sent.insert(number, due);
    })
    .await;
    streams.counts.until("events", 1_000 + count as u64, |counts| &counts.events).await;
    let received = received.lock().expect("nothing panics under it");
    let took = |(number, at): &(u64, Instant)| sent.get(number).map(|due| (*at - *due).as_secs_f64() * 1e3);
    received.iter().filter_map(took).collect()
}
