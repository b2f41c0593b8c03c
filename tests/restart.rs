//! A restart as Kubernetes does it, under load: a service that sends to whoever is ready, SIGTERM, and a new process on the same
//! data directory, at once or afterwards; and the same after kill -9. Every webhook is answered with 200, if not at its first try
//! then at one of the two more that Smile makes; no event is lost; a subscriber goes on where it was.

mod support;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use smile_relay::event::pb::relay_service_client::RelayServiceClient;
use support::{
    Place, Relay,
    client::{Follower, Reader, Sender, body, everything},
    eventually,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// Smile's tries: the first, and two more. Smile leaves some dozens of seconds between them.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(3);
/// Webhooks begin at this pace, whatever becomes of those before.
const PACE: Duration = Duration::from_millis(10);
/// How often probes ask. Kubernetes counts in seconds.
const PROBE: Duration = Duration::from_millis(50);
/// As long as it takes for a probe to be heard of, several times over.
const DRAIN_DELAY: &str = "--drain-delay=300ms";
/// Longer than any end takes.
const LOCK_TIMEOUT: &str = "--lock-timeout=60s";

/// A process behind the service.
#[derive(Clone)]
struct Target {
    admin: String,
    grpc: String,
    sender: Sender,
}

impl Target {
    fn of(relay: &Relay) -> Self {
        Self { admin: relay.admin.clone(), grpc: relay.grpc.clone(), sender: Sender::new(relay) }
    }

    async fn is_ready(&self) -> bool {
        let asked = async {
            let mut stream = TcpStream::connect(&self.admin).await.ok()?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            answer.starts_with("HTTP/1.1 200 ").then_some(())
        };
        tokio::time::timeout(Duration::from_secs(1), asked).await.is_ok_and(|ready| ready.is_some())
    }
}

/// Sends to whoever is ready, as far as it has heard.
#[derive(Default)]
struct Service {
    targets: Mutex<Vec<Target>>,
    ready: Mutex<Option<Target>>,
}

impl Service {
    async fn probe(self: Arc<Self>) {
        loop {
            let targets = self.targets.lock().unwrap().clone();
            let mut ready = None;
            for target in targets {
                if target.is_ready().await {
                    ready = Some(target);
                }
            }
            *self.ready.lock().unwrap() = ready;
            tokio::time::sleep(PROBE).await;
        }
    }

    fn add(&self, relay: &Relay) {
        self.targets.lock().unwrap().push(Target::of(relay));
    }

    fn remove(&self, relay: &Relay) {
        self.targets.lock().unwrap().retain(|target| target.admin != relay.admin);
    }

    fn ready(&self) -> Option<Target> {
        self.ready.lock().unwrap().clone()
    }
}

/// What became of all webhooks.
#[derive(Default)]
struct Sent {
    /// When each answer of 200 came.
    answers: Mutex<Vec<Instant>>,
    /// How many tries each id took; 0 if none was enough.
    tries: Mutex<HashMap<String, usize>>,
    /// What tries were answered with that failed; 0 for no answer.
    failures: Mutex<HashMap<u16, usize>>,
    number: AtomicUsize,
}

impl Sent {
    async fn send(self: Arc<Self>, service: Arc<Service>, id: String) {
        for tried in 1..=TRIES {
            let status = match service.ready() {
                Some(target) => target.sender.try_send(body(&id)).await.unwrap_or(0),
                None => 0,
            };
            if status == 200 {
                self.answers.lock().unwrap().push(Instant::now());
                self.tries.lock().unwrap().insert(id, tried);
                return;
            }
            *self.failures.lock().unwrap().entry(status).or_default() += 1;
            tokio::time::sleep(PAUSE).await;
        }
        self.tries.lock().unwrap().insert(id, 0);
    }

    fn answered(&self) -> usize {
        self.answers.lock().unwrap().len()
    }

    /// True if something has become of the first so many.
    fn all_ended(&self, count: usize) -> bool {
        let tries = self.tries.lock().unwrap();
        (0..count).all(|n| tries.contains_key(&format!("et-{n}")))
    }

    /// The longest time since `begun` in which nothing was answered.
    fn window(&self, begun: Instant) -> Duration {
        let answers = self.answers.lock().unwrap();
        let since: Vec<_> = answers.iter().copied().filter(|at| *at >= begun).collect();
        let after = since.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0]));
        after.chain(since.first().map(|first| *first - begun)).max().unwrap_or_default()
    }
}

/// Begins a webhook at each tick until `stop`, and waits for what became of all.
async fn load(sent: Arc<Sent>, service: Arc<Service>, stop: CancellationToken) {
    let mut sending = JoinSet::new();
    let mut tick = tokio::time::interval(PACE);
    while !stop.is_cancelled() {
        tick.tick().await;
        let id = format!("et-{}", sent.number.fetch_add(1, SeqCst));
        sending.spawn(Arc::clone(&sent).send(Arc::clone(&service), id));
    }
    while let Some(result) = sending.join_next().await {
        result.unwrap();
    }
}

/// Follows whoever is ready, from the last cursor on, until `stop`; and how the streams ended.
async fn follow(service: Arc<Service>, stop: CancellationToken) -> (Follower, Vec<String>) {
    let (mut follower, mut ends) = (Follower::default(), Vec::new());
    while !stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let Some(target) = service.ready() else { continue };
        let Ok(channel) = Channel::from_shared(format!("http://{}", target.grpc)).unwrap().connect().await else {
            continue;
        };
        let Ok(reader) = Reader::open(&mut RelayServiceClient::new(channel), follower.request()).await else {
            continue;
        };
        let end = follower.follow(reader).await;
        ends.push(format!("{:?}", end.code()));
    }
    (follower, ends)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_webhook_is_answered_and_no_event_lost() {
    let place = Place::default();
    let service = Arc::new(Service::default());
    let mut relay = place.start(&[DRAIN_DELAY]);
    service.add(&relay);
    let probing = tokio::spawn(Arc::clone(&service).probe());
    let (sent, stop, done) = (Arc::new(Sent::default()), CancellationToken::new(), CancellationToken::new());
    let loading = tokio::spawn(load(Arc::clone(&sent), Arc::clone(&service), stop.clone()));
    let following = tokio::spawn(follow(Arc::clone(&service), done.clone()));
    let under_load = |more: usize| {
        let enough = sent.answered() + more;
        eventually("there is load", || (sent.answered() >= enough).then_some(()));
    };

    for round in 0..13 {
        under_load(30);
        let begun = Instant::now();
        let how = match round {
            0..5 => "SIGTERM, the new one at once",
            5..10 => "SIGTERM, the new one afterwards",
            _ => "kill -9",
        };
        let next = match round {
            0..5 => {
                relay.signal(Signal::TERM);
                let next = place.spawn(&[DRAIN_DELAY, LOCK_TIMEOUT]);
                service.add(&next);
                assert_eq!(relay.until_exit().code(), Some(0), "{how}");
                service.remove(&relay);
                next
            }
            5..10 => {
                relay.signal(Signal::TERM);
                assert_eq!(relay.until_exit().code(), Some(0), "{how}");
                service.remove(&relay);
                let next = place.spawn(&[DRAIN_DELAY]);
                service.add(&next);
                next
            }
            _ => {
                relay.signal(Signal::KILL);
                let next = place.spawn(&[DRAIN_DELAY, LOCK_TIMEOUT]);
                service.add(&next);
                relay.until_exit();
                service.remove(&relay);
                next
            }
        };
        relay = next;
        relay.until_ready();
        under_load(30);
        // Smile's tries are over before there is another restart.
        let begun_by_now = sent.number.load(SeqCst);
        eventually("all are answered, or given up", || sent.all_ended(begun_by_now).then_some(()));
        println!("{how}: nobody answered for {:?}", sent.window(begun));
    }
    stop.cancel();
    loading.await.unwrap();
    done.cancel();
    assert!(relay.stop().success());
    let (mut follower, ends) = following.await.unwrap();
    probing.abort();

    let relay = place.start(&[]);
    let stored = everything(&relay).await;
    follower.catch_up(&relay).await;
    let tries = sent.tries.lock().unwrap().clone();
    let count = |wanted: usize| tries.values().filter(|tries| **tries == wanted).count();
    println!(
        "{} webhooks: {} answered with 200 at once, {} at the second try, {} at the third; failed tries by status: {:?}; \
         streams ended with {ends:?}",
        tries.len(),
        count(1),
        count(2),
        count(3),
        sent.failures.lock().unwrap()
    );
    assert_eq!(count(0), 0, "some were never answered with 200");
    // No try was refused for good: what failed was met by nobody, or told to come again.
    let failures: HashSet<_> = sent.failures.lock().unwrap().keys().copied().collect();
    assert!(failures.is_subset(&HashSet::from([0, 503])), "{failures:?}");
    let ids: Vec<_> = stored.iter().map(|event| event.id.as_str()).collect();
    let unique: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "each is there once");
    let lost: Vec<_> = tries.keys().filter(|id| !unique.contains(id.as_str())).collect();
    assert!(lost.is_empty() && unique.len() == tries.len(), "answered with 200 and lost: {lost:?}");
    assert!(follower.ids() == ids, "the subscriber has all of them, once and in order");
    assert!(ends.len() >= 13, "it was cut off each time: {ends:?}");
}
