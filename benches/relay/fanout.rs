//! (b) What it costs to deliver an event to one more live subscriber; beside a service that only streams ready bytes.
//!
//! Events arrive one by one, steadily, so that each message carries one. The rate falls as subscribers grow in number, so
//! that neither core is ever used up, and it is the CPU time of a delivered event that is compared; "a second" is what it
//! leaves room for on one core. What the relay spends on taking the webhooks in is measured by a run without subscribers
//! at the same rate, and subtracted; so is the floor's clock. To read and encode an event once is part of the delivery.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use prost::Message;
use smile_relay::event::pb::SubscribeRequest;
use tokio::runtime::Runtime;

use super::{
    figures::{median, percent, print_table, short},
    floor_streams,
    server::{Place, Server},
    streams::{Call, Pace, count_events},
    webhooks,
};
use crate::Effort;

pub const SUBSCRIBE: &str = "/smilerelay.v1.RelayService/Subscribe";
const PER_CONNECTION: usize = 100;
/// Subscribers, and events a second.
const LOADS: [(usize, f64); 4] = [(1, 500.0), (10, 500.0), (100, 200.0), (1_000, 50.0)];
/// Before measuring.
const WARM_UP: Duration = Duration::from_millis(700);
const SECONDS: f64 = 6.0;

pub fn run(runtime: &Runtime, effort: Effort) {
    let rows = runtime.block_on(async {
        let place = Place::new();
        place.write("message", &an_event(&place).await);
        let mut measured: Vec<Vec<(f64, f64)>> = vec![Vec::new(); LOADS.len()];
        for _ in 0..effort.repetitions {
            for ((subscribers, rate), measured) in LOADS.into_iter().zip(&mut measured) {
                let floor = cost(&place, Side::Floor, subscribers, rate, effort).await;
                let relay = cost(&place, Side::Relay, subscribers, rate, effort).await;
                measured.push((floor, relay));
            }
        }
        LOADS.iter().zip(measured).map(|(load, measured)| row(*load, &measured)).collect::<Vec<_>>()
    });
    print_table(
        "(b) Delivering an event to a live subscriber",
        &[
            "subscribers",
            "events a second",
            "floor, CPU us",
            "relay, CPU us",
            "floor, a second and core",
            "relay, a second and core",
            "relay / floor",
        ],
        &rows,
    );
}

fn row((subscribers, rate): (usize, f64), measured: &[(f64, f64)]) -> Vec<String> {
    let floor = median(&measured.iter().map(|(floor, _)| *floor).collect::<Vec<_>>());
    let relay = median(&measured.iter().map(|(_, relay)| *relay).collect::<Vec<_>>());
    vec![
        subscribers.to_string(),
        short(rate),
        short(floor),
        short(relay),
        short(1e6 / floor),
        short(1e6 / relay),
        percent(floor / relay),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Floor,
    Relay,
}

/// The CPU time of one delivery, in microseconds.
async fn cost(place: &Place, side: Side, subscribers: usize, rate: f64, effort: Effort) -> f64 {
    let (idle, _) = cpu_a_second(place, side, 0, rate, effort).await;
    let (busy, delivered) = cpu_a_second(place, side, subscribers, rate, effort).await;
    (busy - idle) / delivered
}

/// The CPU time of a second, in microseconds, and the deliveries in it.
async fn cpu_a_second(place: &Place, side: Side, subscribers: usize, rate: f64, effort: Effort) -> (f64, f64) {
    let place_of_log = Place::new();
    let (server, path) = match side {
        Side::Floor => {
            (place.floor(floor_streams::ROLE, &[&place.file("message"), &rate.to_string()]), floor_streams::PATH)
        }
        Side::Relay => (place_of_log.relay(), SUBSCRIBE),
    };
    let seconds = SECONDS * effort.share;
    let call = Call { address: server.streams(), path, request: &[], pace: Pace::Keen };
    let streams = call.open(subscribers, PER_CONNECTION, |_| ()).await;
    let sending = if side == Side::Relay {
        let connections = webhooks::connect(&place_of_log, server.http(), 8).await;
        let count = (rate * (seconds + 1.5 * WARM_UP.as_secs_f64())) as usize;
        Some(tokio::spawn(webhooks::send_paced(connections, webhooks::prepare(count), rate, |_, _| ())))
    } else {
        None
    };
    tokio::time::sleep(WARM_UP).await;
    let (cpu, events, began) = (server.cpu_micros(), streams.counts.events(), Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let took = began.elapsed().as_secs_f64();
    let (cpu, events) = (server.cpu_micros() - cpu, streams.counts.events() - events);
    let expected = rate * took * subscribers as f64;
    if (events as f64) < expected * 0.95 {
        eprintln!("{subscribers} subscribers got {events} events of {expected}: this machine is too busy");
    }
    if let Some(sending) = sending {
        sending.await.expect("it does not panic");
    }
    (cpu / took, events as f64 / took)
}

/// The bytes of a live message with one event, as the relay sends it.
pub async fn an_event(place: &Place) -> Vec<u8> {
    let relay = place.relay();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let request = SubscribeRequest::default().encode_to_vec();
    let call = Call { address: relay.streams(), path: SUBSCRIBE, request: &request, pace: Pace::Keen };
    let streams = call
        .open(1, 1, move |message| {
            if count_events(message) == 1 {
                *kept.lock().expect("nothing panics under it") = message.to_vec();
            }
        })
        .await;
    send_one(place, &relay).await;
    streams.counts.until("the event", 1, |counts| &counts.events).await;
    seen.lock().expect("nothing panics under it").clone()
}

async fn send_one(place: &Place, relay: &Server) {
    let connections = webhooks::connect(place, relay.http(), 1).await;
    webhooks::send_all(connections, webhooks::prepare(1)).await;
}
