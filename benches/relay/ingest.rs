//! (a) How many webhooks a second become durable events, over keep-alive HTTPS; beside a handler that only verifies.
//!
//! Closed loop: each connection sends the next webhook when it has the answer to the last. Both servers have one core to
//! themselves, so the ratio of throughputs is that of the work for one webhook, and says what durability costs. The load
//! has to be far from using up its own core.

use std::time::Instant;

use tokio::runtime::Runtime;

use super::{
    figures::{median, percent, print_table, short},
    floor_http, machine,
    server::{Place, Server},
    webhooks::{self, Connection},
};
use crate::Effort;

const CONNECTIONS: [usize; 2] = [64, 256];
const WEBHOOKS: usize = 40_000;
/// Sent before anything is measured.
const WARM_UP: usize = 4_000;

pub fn run(runtime: &Runtime, effort: Effort) {
    let rows: Vec<_> = CONNECTIONS.iter().map(|&connections| runtime.block_on(compare(connections, effort))).collect();
    print_table(
        "(a) Durable webhooks a second",
        &[
            "connections",
            "floor, a second",
            "relay, a second",
            "relay / floor",
            "floor, CPU us",
            "relay, CPU us",
            "floor CPU / relay CPU",
            "load's core busy",
        ],
        &rows,
    );
}

async fn compare(connections: usize, effort: Effort) -> Vec<String> {
    let place = Place::new();
    let floor = place.floor(floor_http::ROLE, &[&place.file("cert.pem"), &place.file("key.pem")]);
    let relay = place.relay();
    let mut to_floor = webhooks::connect(&place, floor.http(), connections).await;
    let mut to_relay = webhooks::connect(&place, relay.http(), connections).await;
    to_floor = webhooks::send_all(to_floor, webhooks::prepare(WARM_UP)).await;
    to_relay = webhooks::send_all(to_relay, webhooks::prepare(WARM_UP)).await;
    let (mut floors, mut relays) = (Vec::new(), Vec::new());
    for _ in 0..effort.repetitions {
        let one;
        (to_floor, one) = measure(&floor, to_floor, effort).await;
        floors.push(one);
        let one;
        (to_relay, one) = measure(&relay, to_relay, effort).await;
        relays.push(one);
    }
    let of = |all: &[Measured], figure: fn(&Measured) -> f64| median(&all.iter().map(figure).collect::<Vec<_>>());
    let (floor_rate, relay_rate) = (of(&floors, |m| m.per_second), of(&relays, |m| m.per_second));
    let (floor_cpu, relay_cpu) = (of(&floors, |m| m.cpu_micros), of(&relays, |m| m.cpu_micros));
    let busy = floors.iter().chain(&relays).map(|m| m.load_busy).fold(0.0, f64::max);
    vec![
        connections.to_string(),
        short(floor_rate),
        short(relay_rate),
        percent(relay_rate / floor_rate),
        short(floor_cpu),
        short(relay_cpu),
        percent(floor_cpu / relay_cpu),
        percent(busy),
    ]
}

struct Measured {
    per_second: f64,
    /// The server's, for each webhook.
    cpu_micros: f64,
    /// The part of the time for which the load used its core.
    load_busy: f64,
}

async fn measure(server: &Server, connections: Vec<Connection>, effort: Effort) -> (Vec<Connection>, Measured) {
    let count = effort.of(WEBHOOKS);
    let webhooks = webhooks::prepare(count);
    let (cpu, own, began) = (server.cpu_micros(), machine::own_cpu_time(), Instant::now());
    let connections = webhooks::send_all(connections, webhooks).await;
    let took = began.elapsed().as_secs_f64();
    let measured = Measured {
        per_second: count as f64 / took,
        cpu_micros: (server.cpu_micros() - cpu) / count as f64,
        load_busy: (machine::own_cpu_time() - own).as_secs_f64() / took,
    };
    (connections, measured)
}
