//! (e) The memory of a subscriber: idle, and stalled. The difference of the resident memory over 1,000 of them.
//!
//! Idle: the stream is open, and all that came is read. Stalled: its reader takes nothing from the stream while events
//! arrive, until the stream's window (the protocol's 64 KiB) is full, and what is queued for it. Frozen: nothing is read
//! from the socket, and the window is large; so the server's own bound is what limits it. Each on connections of 100
//! streams, and on a connection of its own; beside the floor of (b), which is tonic as it comes.

use std::time::Duration;

use tokio::runtime::Runtime;

use super::{
    fanout::{SUBSCRIBE, an_event},
    figures::{median, print_table, short},
    floor_streams,
    server::{Place, Server},
    streams::{Call, Pace},
    webhooks,
};
use crate::Effort;

const SUBSCRIBERS: usize = 1_000;
/// More than windows and buffers hold: 200 KB for each subscriber.
const EVENTS: usize = 300;
const RATE: f64 = 50.0;

pub fn run(runtime: &Runtime, effort: Effort) {
    let rows = runtime.block_on(async {
        let place = Place::new();
        place.write("message", &an_event(&place).await);
        let mut rows = Vec::new();
        for per_connection in [100, 1] {
            let mut measured = vec![Vec::new(); 6];
            for _ in 0..effort.repetitions.min(3) {
                for (at, pace) in [Pace::Keen, Pace::Stalled, Pace::Frozen].into_iter().enumerate() {
                    measured[2 * at].push(of_floor(&place, pace, per_connection).await);
                    measured[2 * at + 1].push(of_relay(pace, per_connection).await);
                }
            }
            let mut row = vec![per_connection.to_string()];
            row.extend(measured.iter().map(|kib| short(median(kib))));
            rows.push(row);
        }
        rows
    });
    print_table(
        "(e) Memory of a subscriber, in KiB",
        &[
            "streams a connection",
            "idle, floor",
            "idle, relay",
            "stalled, floor",
            "stalled, relay",
            "frozen, floor",
            "frozen, relay",
        ],
        &rows,
    );
}

/// KiB for one subscriber of the relay. Keen ones get no events, and so are idle.
async fn of_relay(pace: Pace, per_connection: usize) -> f64 {
    let place = Place::new();
    let relay = place.relay();
    let connections = webhooks::connect(&place, relay.http(), 8).await;
    let call = Call { address: relay.streams(), path: SUBSCRIBE, request: &[], pace };
    // Before: as much as comes later, and one who wants it, so that all that this takes is there.
    let first = call.open(1, 1, |_| ()).await;
    let connections = webhooks::send_all(connections, webhooks::prepare(EVENTS)).await;
    drop(first);
    let before = settled(&relay).await;
    let _streams = call.open(SUBSCRIBERS, per_connection, |_| ()).await;
    if pace != Pace::Keen {
        webhooks::send_paced(connections, webhooks::prepare(EVENTS), RATE, |_, _| ()).await;
    }
    each(settled(&relay).await - before)
}

/// The same of the floor.
async fn of_floor(place: &Place, pace: Pace, per_connection: usize) -> f64 {
    let rate = if pace == Pace::Keen { 0.001 } else { RATE };
    let floor = place.floor(floor_streams::ROLE, &[&place.file("message"), &rate.to_string()]);
    let call = Call { address: floor.streams(), path: floor_streams::PATH, request: &[], pace };
    drop(call.open(1, 1, |_| ()).await);
    let before = settled(&floor).await;
    let _streams = call.open(SUBSCRIBERS, per_connection, |_| ()).await;
    if pace != Pace::Keen {
        tokio::time::sleep(Duration::from_secs_f64(EVENTS as f64 / RATE)).await;
    }
    each(settled(&floor).await - before)
}

/// The resident memory once all that is under way is done.
async fn settled(server: &Server) -> f64 {
    let mut cpu = server.cpu_micros();
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = server.cpu_micros();
        if now - cpu < 25_000.0 {
            return server.resident_bytes();
        }
        cpu = now;
    }
}

fn each(bytes: f64) -> f64 {
    bytes / 1024.0 / SUBSCRIBERS as f64
}
