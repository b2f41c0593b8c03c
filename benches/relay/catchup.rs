//! (d) How fast a subscriber that comes back gets what it missed: 200,000 events from the disk, by a relay that was just
//! started; beside reading the same rows with bare rusqlite.
//!
//! One subscriber, and fifty at once, each on a connection of its own. The file is in the kernel's cache: what is
//! measured is the way through the relay, not the disk.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use prost::Message;
use smile_relay::event::pb::{StartPosition, SubscribeRequest, subscribe_request::Start};
use tokio::runtime::Runtime;

use super::{
    fanout::SUBSCRIBE,
    figures::{median, percent, print_table, short},
    floor_rows, machine,
    server::Place,
    streams::{Call, Pace},
    webhooks,
};
use crate::Effort;

const EVENTS: usize = 200_000;
const SUBSCRIBERS: [usize; 2] = [1, 50];

pub fn run(runtime: &Runtime, effort: Effort) {
    let place = Place::new();
    let count = effort.of(EVENTS);
    runtime.block_on(fill(&place, count));
    let mut floors = Vec::new();
    let mut relays = vec![(Vec::new(), Vec::new()); SUBSCRIBERS.len()];
    for _ in 0..effort.repetitions {
        floors.push(rows_a_second(&place));
        for (subscribers, (rates, cpu)) in SUBSCRIBERS.into_iter().zip(&mut relays) {
            let (took, cpu_micros) = runtime.block_on(replay(&place, subscribers, count));
            let delivered = (count * subscribers) as f64;
            rates.push(delivered / took);
            cpu.push(cpu_micros / delivered);
        }
    }
    let floor = median(&floors);
    let mut rows = vec![vec!["rows read by rusqlite".into(), short(floor), short(1e6 / floor), percent(1.0)]];
    for (subscribers, (rates, cpu)) in SUBSCRIBERS.into_iter().zip(relays) {
        let rate = median(&rates);
        let name = if subscribers == 1 { "one subscriber".into() } else { format!("{subscribers} at once, together") };
        rows.push(vec![name, short(rate), short(median(&cpu)), percent(rate / floor)]);
    }
    print_table(
        &format!("(d) Catching up with {} events", short(count as f64)),
        &["", "events a second", "CPU us for an event", "of the floor"],
        &rows,
    );
}

async fn fill(place: &Place, count: usize) {
    let relay = place.relay();
    let mut connections = webhooks::connect(place, relay.http(), 256).await;
    let mut left = count;
    while left > 0 {
        let now = left.min(20_000);
        connections = webhooks::send_all(connections, webhooks::prepare(now)).await;
        left -= now;
    }
    drop(connections);
    relay.stop();
}

fn rows_a_second(place: &Place) -> f64 {
    let program = std::env::current_exe().expect("this program is there");
    let mut command = Command::new(program);
    command.args([floor_rows::ROLE, &place.file("data/events.db")]).stdin(Stdio::null()).stdout(Stdio::piped());
    let child = machine::on_server_core(|| command.spawn()).expect("this program is there");
    let output = child.wait_with_output().expect("it is ours");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("it prints a number")
}

/// Reads everything by so many at once; the seconds it took, and the relay's CPU time in microseconds.
async fn replay(place: &Place, subscribers: usize, count: usize) -> (f64, f64) {
    let relay = place.relay();
    let request = SubscribeRequest {
        start: Some(Start::Position(StartPosition::Earliest.into())),
        stop_when_caught_up: true,
        ..SubscribeRequest::default()
    };
    let request = request.encode_to_vec();
    let call = Call { address: relay.streams(), path: SUBSCRIBE, request: &request, pace: Pace::Keen };
    let (cpu, began) = (relay.cpu_micros(), Instant::now());
    let streams = call.open(subscribers, 1, |_| ()).await;
    streams.counts.until("ended", subscribers as u64, |counts| &counts.ended).await;
    let took = began.elapsed().as_secs_f64();
    assert_eq!(streams.counts.events(), (count * subscribers) as u64, "everybody gets everything, once");
    (took, relay.cpu_micros() - cpu)
}
