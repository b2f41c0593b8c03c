//! What it costs to turn a stored webhook into an encoded event, beside what `serde_json` takes to read the same bytes:
//! into plain structs for a small event, into a `Value` for a large one. And what it costs to make the form of it that a
//! redaction leaves, beside decoding it again. All in one run, turn by turn, so that the ratios
//! hold whatever the machine does besides. And the memory that a large event takes meanwhile, in a process of its own, as
//! memory that was used before and freed would hide it. Exits with 1 if a goal is missed.

use std::{
    env, fs,
    hint::black_box,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use serde::Deserialize;
use smile_relay::event::{cursor::LogId, encode, record::Record, redaction::Redaction};

#[path = "../tests/support/payload.rs"]
mod payload;
#[path = "../tests/support/record.rs"]
mod record;

use record::received;

/// As the relay has it: what is beside it gets the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SMALL: &str = r#"{"id":"et-87b32fa00c334137aa08a5cebbecc3f3","version":1,"type":"ACCOUNT_CONNECTED","createdAt":"2026-11-16T01:02:09Z","data":{"userId":"tenantId-848a77e544ff4e37b4c1d18df5ff59b9","accountId":"a-c3fd87066d3f4766a048c0503cac6d04","loginName":"isagani.aragon@example.com","providers":["alon_ph"]}}"#;
const LOG: LogId = LogId([5; 16]);
/// The turns that are taken of each.
const TURNS: usize = 60;

/// A small event as one would read it who knows that it is right.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "only read into")]
struct Event {
    id: String,
    version: u32,
    r#type: String,
    created_at: String,
    data: AccountConnected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "only read into")]
struct AccountConnected {
    user_id: String,
    account_id: String,
    login_name: Option<String>,
    providers: Vec<String>,
}

/// What the process is started with that measures memory; the path of a body follows.
const MEMORY: &str = "--memory-of";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    if let [_, first, path] = &args[..]
        && first == MEMORY
    {
        println!("{}", memory_of(path));
        return ExitCode::SUCCESS;
    }
    let small = received(SMALL);
    let large = received(payload::task_finished("et-1", 740, ""));
    println!("small: {} bytes; large: {} bytes", small.body.len(), large.body.len());

    let [ours, structs] = turns(
        20_000,
        &mut [&mut || encoded(&small), &mut || {
            black_box(serde_json::from_slice::<Event>(&small.body).unwrap());
        }],
    );
    let [ours_large, value] = turns(
        1,
        &mut [&mut || encoded(&large), &mut || {
            black_box(serde_json::from_slice::<serde_json::Value>(&large.body).unwrap());
        }],
    );

    let redaction = Redaction::new(&["identity.fullName".to_owned(), "loginName".to_owned()]).expect("they are fields");
    let (small_whole, large_whole) = (encode::whole(LOG, &small), encode::whole(LOG, &large));
    let [redacted] = turns(20_000, &mut [&mut || drop(black_box(encode::redacted(&small_whole, &redaction)))]);
    let [redacted_large] = turns(1, &mut [&mut || drop(black_box(encode::redacted(&large_whole, &redaction)))]);

    let rate = |time: Duration| large.body.len() as f64 / time.as_secs_f64() / 1e6;
    let of_structs = ours.as_secs_f64() / structs.as_secs_f64();
    let of_value = rate(ours_large) / rate(value);
    println!("| what | ours | beside it | ratio | goal |");
    println!("| --- | --- | --- | --- | --- |");
    println!(
        "| small event, decoded and encoded | {:.2} us | plain structs: {:.2} us | {of_structs:.2} | at most 2 |",
        micros(ours),
        micros(structs)
    );
    println!(
        "| large event, decoded and encoded | {:.0} MB/s | `Value`: {:.0} MB/s | {of_value:.2} | at least 0.5 |",
        rate(ours_large),
        rate(value)
    );
    let of_small = redacted.as_secs_f64() / ours.as_secs_f64();
    let of_large = redacted_large.as_secs_f64() / ours_large.as_secs_f64();
    println!(
        "| small event, redacted | {:.2} us | decoded and encoded: {:.2} us | {of_small:.2} | at most 1 |",
        micros(redacted),
        micros(ours)
    );
    println!(
        "| large event, redacted | {:.0} MB/s | decoded and encoded: {:.0} MB/s | {of_large:.2} | at most 1 |",
        rate(redacted_large),
        rate(ours_large)
    );
    let memory = memory_apart(&large.body);
    let of_body = memory / large.body.len() as f64;
    println!(
        "| memory while the large event is decoded, with its body | {:.1} MB | the body: {:.1} MB | {of_body:.2} | at most 4 |",
        memory / 1e6,
        large.body.len() as f64 / 1e6
    );
    let goals =
        [micros(ours) <= 3.0, of_structs <= 2.0, of_value >= 0.5, of_small <= 1.0, of_large <= 1.0, of_body <= 4.0];
    if goals.iter().all(|&reached| reached) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// As [`memory_of`], in a process of its own.
fn memory_apart(body: &[u8]) -> f64 {
    let file = tempfile::NamedTempFile::new().expect("there is a temporary directory");
    fs::write(file.path(), body).expect("it can be written");
    let this = env::current_exe().expect("it runs");
    let output = Command::new(this).arg(MEMORY).arg(file.path()).output().expect("it can be run again");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("it said {output:?}"))
}

/// The most bytes of memory that this process held at a time while it decoded the body, beyond what it held before it read it.
fn memory_of(path: &str) -> u64 {
    encoded(&received(SMALL));
    let before = status("VmRSS:");
    let body = fs::read(path).expect("it was written");
    let read = status("VmRSS:") - before;
    let record = received(body);
    let start = status("VmRSS:");
    // Forgets the most that was held before.
    fs::write("/proc/self/clear_refs", "5").expect("Linux has it");
    encoded(&record);
    read + status("VmHWM:") - start
}

/// A line of the kernel's account of this process, in bytes.
fn status(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let value = status.lines().find_map(|text| text.strip_prefix(line)).expect("it has this line");
    let kib: u64 = value.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kib * 1024
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn encoded(record: &Record) {
    black_box(encode::whole(LOG, black_box(record)));
}

/// The median time of each, turn by turn, so that all meet the same weather.
fn turns<const N: usize>(times: u32, each: &mut [&mut dyn FnMut(); N]) -> [Duration; N] {
    let mut taken = [const { Vec::new() }; N];
    for _ in 0..TURNS {
        for (run, taken) in each.iter_mut().zip(&mut taken) {
            let start = Instant::now();
            (0..times).for_each(|_| run());
            taken.push(start.elapsed() / times);
        }
    }
    taken.map(|mut taken| {
        taken.sort();
        taken[TURNS / 2]
    })
}
