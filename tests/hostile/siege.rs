//! A relay that is attacked, and webhooks that come meanwhile as if nothing were the matter.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use crate::support::{
    PATIENCE, Place, Relay,
    client::{Sender, body, sign},
    wire::{LOCALHOST, Wire, post},
};

/// How long each attack lasts at least.
fn time() -> Duration {
    let seconds = std::env::var("HOSTILE_SECONDS").map_or(2, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

const MIB: u64 = 1 << 20;
/// Good webhooks that each sender gets through before an attack is over.
const ENOUGH: usize = 10;
/// How often memory is looked at, and how long a good sender waits between two webhooks.
const STEP: Duration = Duration::from_millis(20);

/// Attacks are made one at a time, so that what is measured is that of one.
static ALONE: Mutex<()> = Mutex::const_new(());

pub struct Siege {
    pub relay: Relay,
    pub stop: CancellationToken,
    /// What the attackers have done so far, in whatever unit is theirs.
    pub blows: AtomicUsize,
    pub connections: AtomicUsize,
    /// Answers to good webhooks, by whether each had a connection of its own.
    answered: [AtomicUsize; 2],
    _place: Place,
    _alone: MutexGuard<'static, ()>,
}

/// The address of an attacker: good senders have none of these.
pub fn attacker(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 66, u8::try_from(n / 250 % 250).unwrap(), u8::try_from(1 + n % 250).unwrap())
}

impl Siege {
    /// A relay as it is by default.
    pub async fn begin() -> Self {
        Self::begin_with(&[], &[]).await
    }

    /// A relay with these flags and variables.
    pub async fn begin_with(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let alone = ALONE.lock().await;
        let place = Place::default();
        let relay = place.spawn_with(flags, |command| {
            command.envs(variables.iter().copied());
        });
        relay.until_ready();
        let sender = Sender::new(&relay);
        for n in 0..50 {
            assert_eq!(sender.send(body(&format!("before-{n}"))).await, 200);
        }
        Self {
            relay,
            stop: CancellationToken::new(),
            blows: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            answered: Default::default(),
            _place: place,
            _alone: alone,
        }
    }

    /// One more blow, or several. False once it is over.
    pub fn struck(&self, blows: usize) -> bool {
        self.blows.fetch_add(blows, Relaxed);
        !self.stop.is_cancelled()
    }

    pub fn is_over(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Runs an attack, which has to end when it is told to. Every webhook sent meanwhile has to be answered with 200, and the
    /// relay's memory may grow by so many MiB.
    pub async fn withstands(&self, what: &str, blow: &str, attack: impl Future<Output = ()>, growth: u64) {
        let before = self.relay.resident_bytes();
        let began = Instant::now();
        let clock = async {
            tokio::time::sleep(time()).await;
            while self.answered.iter().any(|answered| answered.load(Relaxed) < ENOUGH) {
                assert!(began.elapsed() < time() + PATIENCE, "{what}: hardly any good webhook comes through");
                tokio::time::sleep(STEP).await;
            }
            self.stop.cancel();
        };
        let ((), (), kept, fresh, most) =
            tokio::join!(clock, attack, self.good(false), self.good(true), self.most_memory());
        let seconds = began.elapsed().as_secs_f64();
        let grown = most.saturating_sub(before) / MIB;
        println!(
            "{what}: {:.0} {blow} a second, {} connections; memory {} MiB and {grown} more (at most {growth})",
            self.blows.load(Relaxed) as f64 / seconds,
            self.connections.load(Relaxed),
            before / MIB,
        );
        for (over, good) in [("one connection", &kept), ("a new connection each", &fresh)] {
            println!("  good webhooks over {over}: {}", good.said(seconds));
        }
        for good in [kept, fresh] {
            assert!(good.refused.is_empty(), "{what}: good webhooks were refused: {:?}", good.refused);
        }
        assert!(grown <= growth, "{what}: {grown} MiB more");
        // And afterwards it is as ever.
        assert_eq!(Sender::new(&self.relay).send(body("after")).await, 200);
    }

    /// Sends webhooks until it is over.
    async fn good(&self, fresh: bool) -> Good {
        let mut good = Good { times: Vec::new(), refused: Vec::new() };
        let mut kept = None;
        while !self.is_over() {
            let body = body(&format!("good-{fresh}-{}", good.times.len() + good.refused.len()));
            let began = Instant::now();
            let mut connection = match kept.take() {
                Some(kept) => kept,
                None => Wire::connect_from(&self.relay, LOCALHOST).await,
            };
            connection.send(post(&sign(body.as_bytes()), body.as_bytes())).await;
            match connection.try_answer().await.map(|answer| answer.status) {
                Some(200) => good.times.push(began.elapsed()),
                other => good.refused.push(other),
            }
            self.answered[usize::from(fresh)].fetch_add(1, Relaxed);
            if !fresh {
                kept = Some(connection);
            }
            tokio::time::sleep(STEP).await;
        }
        good.times.sort();
        good
    }

    async fn most_memory(&self) -> u64 {
        let mut most = 0;
        while !self.is_over() {
            most = most.max(self.relay.resident_bytes());
            tokio::time::sleep(STEP).await;
        }
        most.max(self.relay.resident_bytes())
    }
}

struct Good {
    /// Of those that were answered with 200, sorted.
    times: Vec<Duration>,
    refused: Vec<Option<u16>>,
}

impl Good {
    fn said(&self, seconds: f64) -> String {
        let at =
            |part: usize| self.times.get(self.times.len().saturating_sub(1) * part / 100).copied().unwrap_or_default();
        let (all, rate) = (self.times.len(), self.times.len() as f64 / seconds);
        format!(
            "{all} of {} kept, {rate:.0} a second; p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
            all + self.refused.len(),
            at(50),
            at(99),
            at(100)
        )
    }
}
