//! Throws damaged bodies at the decoder: the samples, cut, crossed, repeated and scrambled. It must never panic, always
//! give the same bytes, keep the body as it is, and give an event that a client can decode.
//!
//! Runs for a second; `SMILE_RELAY_FUZZ_SECONDS` says for how long (`just fuzz`: a minute). A failure prints the seed, and
//! `SMILE_RELAY_FUZZ_SEED` goes through the same bodies again.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use prost::Message;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use smile_relay::event::{cursor::LogId, encode, pb};

#[path = "support/record.rs"]
mod record;

use record::received;

/// Pieces that mean something to a reader of JSON or of Smile's events.
const PIECES: [&[u8]; 30] = [
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"-0",
    b"1e999",
    b"1.50",
    b"99999999999999999999",
    b"\"items\":",
    b"\"values\":",
    b"\"payload\":",
    b"\"data\":",
    b"\"dataPoints\":[],",
    b"\"recordType\":\"X\",",
    b"\"userId\":null,",
    b"\"2026-11-16T01:02:09Z\"",
    b"\xFF",
    b"\xEF\xBB\xBF",
    b"\n",
    b"\0",
];

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().expect(name))
}

#[test]
fn no_body_is_too_damaged() {
    let time = Duration::from_secs(number("SMILE_RELAY_FUZZ_SECONDS").unwrap_or(1));
    let seed = number("SMILE_RELAY_FUZZ_SEED").unwrap_or_else(rand::random);
    let mut paths: Vec<_> = fs::read_dir("samples").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let samples: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    let mut chance = StdRng::seed_from_u64(seed);
    let (start, mut bodies) = (Instant::now(), 0);
    println!("seed {seed}");
    while start.elapsed() < time {
        let mut body = samples.choose(&mut chance).unwrap().clone();
        for _ in 0..chance.random_range(1..8) {
            damage(&mut body, &samples, &mut chance);
        }
        check(body, &mut chance);
        bodies += 1;
    }
    println!("{bodies} bodies");
}

fn damage(body: &mut Vec<u8>, samples: &[Vec<u8>], chance: &mut StdRng) {
    let at = chance.random_range(0..=body.len());
    let end = (at + chance.random_range(0..200)).min(body.len());
    match chance.random_range(0..6) {
        0 => body.truncate(at),
        1 => drop(body.drain(at..end)),
        2 => drop(body.splice(at..end.min(at + 1), PIECES.choose(chance).unwrap().iter().copied())),
        // A part of it again, somewhere else.
        3 => {
            let part = body[at..end].to_vec();
            let to = chance.random_range(0..=body.len());
            body.splice(to..to, part);
        }
        4 => {
            let other = samples.choose(chance).unwrap();
            let from = chance.random_range(0..other.len());
            let part = &other[from..(from + 300).min(other.len())];
            body.splice(at..end, part.iter().copied());
        }
        _ => body[at..end].iter_mut().take(3).for_each(|byte| *byte = chance.random()),
    }
}

fn check(body: Vec<u8>, chance: &mut StdRng) {
    let mut record = received(body);
    // Smile has sent bodies of one type under the name of another.
    if chance.random_ratio(1, 4) {
        let types = (1..=37).map(|number| pb::EventType::try_from(number).unwrap());
        let other = types.collect::<Vec<_>>().choose(chance).unwrap().as_str_name();
        record.type_name = other.trim_start_matches("EVENT_TYPE_").to_owned();
    }
    let encoded = encode::whole(LogId([1; 16]), &record);
    assert_eq!(encoded, encode::whole(LogId([1; 16]), &record));
    let event = pb::Event::decode(&[&encoded.plain[..], &encoded.raw[..]].concat()[..]).unwrap();
    assert_eq!(event.raw_body, record.body);
    assert_eq!(event.id, record.id);
    assert!(event.decode_issues.len() <= 64);
}
