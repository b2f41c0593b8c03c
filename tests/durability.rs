//! Promises 1 and 4: nothing acknowledged is lost, and each event is in the log once, whatever is killed and whatever is
//! sent again.
//!
//! Random moments come from a seed that is printed; `SMILE_RELAY_TEST_SEED` gives the same ones again, as far as the
//! machine's own timing lets it.

mod support;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use smile_relay::event::pb::Event;
use support::{
    Place, Relay,
    client::{Follower, Reader, Sender, body, body_of, everything, large_body, sign},
    eventually, program,
    wire::{Wire, Wire2, pieces, post, post2},
};

fn seeded() -> StdRng {
    let seed = std::env::var("SMILE_RELAY_TEST_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("SMILE_RELAY_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

#[track_caller]
fn assert_in_order(events: &[Event]) {
    for pair in events.windows(2) {
        assert!(pair[0].sequence < pair[1].sequence, "#{} before #{}", pair[0].sequence, pair[1].sequence);
        assert!(pair[0].received_at.unwrap().normalized_micros() <= pair[1].received_at.unwrap().normalized_micros());
    }
}

trait Micros {
    fn normalized_micros(self) -> i128;
}

impl Micros for prost_types::Timestamp {
    fn normalized_micros(self) -> i128 {
        i128::from(self.seconds) * 1_000_000 + i128::from(self.nanos / 1000)
    }
}

/// What several senders have sent so far, and what came of it.
#[derive(Default)]
struct Sent {
    /// All that was ever begun to be sent.
    bodies: Mutex<HashMap<String, Bytes>>,
    /// The ids that were answered with 200, of each sender in its order.
    acknowledged: Mutex<HashMap<String, Vec<String>>>,
    acknowledgements: AtomicUsize,
    /// Set before the relay is killed: from then on an answer may fail to come.
    is_over: AtomicBool,
}

impl Sent {
    /// Sends one webhook after the other until there is no answer.
    async fn keep_sending(self: Arc<Self>, sender: Sender, name: String, mut random: StdRng) {
        for n in 0.. {
            let id = format!("{name}-{n}");
            let size = if random.random_bool(0.1) { random.random_range(1_000..100_000) } else { 300 };
            let body = Bytes::from(large_body(&id, size));
            self.bodies.lock().unwrap().insert(id.clone(), body.clone());
            match sender.try_send(body).await {
                Some(200) => {
                    self.acknowledged.lock().unwrap().entry(name.clone()).or_default().push(id);
                    self.acknowledgements.fetch_add(1, SeqCst);
                }
                None if self.is_over.load(SeqCst) => return,
                other => panic!("{id}: {other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_and_is_there_once_and_in_order() {
    const ROUNDS: usize = 15;
    let mut random = seeded();
    let place = Place::default();
    let sent = Arc::new(Sent::default());
    let mut follower = Follower::default();
    for round in 0..ROUNDS {
        let relay = place.start(&[]);
        let reader = Reader::open(&mut relay.grpc().await, follower.request()).await.unwrap();
        let following = tokio::spawn(async move {
            let end = follower.follow(reader).await;
            (follower, end)
        });
        sent.is_over.store(false, SeqCst);
        let before = sent.acknowledgements.load(SeqCst);
        let sending: Vec<_> = (0..6)
            .map(|n| {
                let sender = if n < 4 { Sender::new(&relay) } else { Sender::http2(&relay) };
                let random = StdRng::seed_from_u64(random.random());
                tokio::spawn(Arc::clone(&sent).keep_sending(sender, format!("r{round}-s{n}"), random))
            })
            .collect();
        let enough = before + random.random_range(0..250);
        eventually("enough is acknowledged", || (sent.acknowledgements.load(SeqCst) >= enough).then_some(()));
        // Anywhere in the making of a group.
        std::thread::sleep(Duration::from_micros(random.random_range(0..5_000)));
        sent.is_over.store(true, SeqCst);
        relay.kill();
        for sending in sending {
            sending.await.unwrap();
        }
        let end;
        (follower, end) = following.await.unwrap();
        assert_ne!(end.code(), tonic::Code::Ok, "a stream that was killed does not end well");
    }
    let relay = place.start(&[]);
    let events = everything(&relay).await;
    follower.catch_up(&relay).await;

    println!("{} acknowledged, {} stored", sent.acknowledgements.load(SeqCst), events.len());
    assert_in_order(&events);
    let mut places = HashMap::new();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(places.insert(event.id.clone(), place), None, "{} is there twice", event.id);
        assert!(event.raw_body == sent.bodies.lock().unwrap()[&event.id], "{}: {:?}", event.id, event.raw_body);
        assert_eq!(event.conflicts_with, 0, "{}", event.id);
    }
    for (sender, ids) in &*sent.acknowledged.lock().unwrap() {
        let found: Vec<_> = ids.iter().map(|id| places.get(id).copied()).collect();
        let lost: Vec<_> = ids.iter().zip(&found).filter(|(_, place)| place.is_none()).collect();
        assert!(lost.is_empty(), "of {sender}, acknowledged and lost: {lost:?}");
        assert!(found.is_sorted(), "of {sender}, each sent after the one before was acknowledged: {found:?}");
    }
    let stored: Vec<_> = events.iter().map(|event| (event.sequence, event.id.as_str())).collect();
    let followed: Vec<_> = follower.events.iter().map(|event| (event.sequence, event.id.as_str())).collect();
    let first_difference = stored.iter().zip(&followed).find(|(stored, followed)| stored != followed);
    assert!(stored == followed, "{} stored, {} followed; {first_difference:?}", stored.len(), followed.len());
}

/// Three connections, as Smile's own retries come over any.
fn three(relay: &Relay) -> [Sender; 3] {
    [Sender::new(relay), Sender::new(relay), Sender::http2(relay)]
}

/// The same webhook over each of them at the same time; what was answered to each.
async fn send_copies(senders: &[Sender; 3], body: &Bytes) -> Vec<Option<Bytes>> {
    let sending = senders.iter().map(|sender| async {
        let answer = sender.try_post("smile", body.clone()).await?;
        assert_eq!(answer.status(), 200, "{answer:?}");
        Some(answer.into_body())
    });
    join_all(sending).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_copies_at_once_are_one_event_also_across_a_kill() {
    const STORED: &str = r#"{"status":"stored"}"#;
    const DUPLICATE: &str = r#"{"status":"duplicate"}"#;
    const WEBHOOKS: usize = 60;
    let mut random = seeded();
    let place = Place::default();
    let mut follower = Follower::default();
    let mut ids = Vec::new();
    for round in 0..5 {
        let bodies: Vec<Bytes> = (0..WEBHOOKS).map(|n| body(&format!("r{round}-{n}")).into()).collect();
        ids.extend((0..WEBHOOKS).map(|n| format!("r{round}-{n}")));
        let relay = place.start(&[]);
        let reader = Reader::open(&mut relay.grpc().await, follower.request()).await.unwrap();
        let following = tokio::spawn(async move {
            follower.follow(reader).await;
            follower
        });
        let senders = three(&relay);
        let is_killed = round > 0;
        let progress = Arc::new(AtomicUsize::new(0));
        let sending = {
            let (bodies, progress) = (bodies.clone(), Arc::clone(&progress));
            tokio::spawn(async move {
                let each = bodies.iter().map(|body| async {
                    let answers = send_copies(&senders, body).await;
                    progress.fetch_add(1, SeqCst);
                    answers
                });
                join_all(each).await
            })
        };
        let answers = if is_killed {
            let enough = random.random_range(0..WEBHOOKS);
            eventually("some are answered", || (progress.load(SeqCst) >= enough).then_some(()));
            relay.kill();
            sending.await.unwrap()
        } else {
            let answers = sending.await.unwrap();
            for answers in &answers {
                let stored = answers.iter().filter(|answer| answer.as_deref() == Some(STORED.as_bytes())).count();
                let again = answers.iter().filter(|answer| answer.as_deref() == Some(DUPLICATE.as_bytes())).count();
                assert_eq!((stored, again), (1, 2), "{answers:?}");
            }
            assert_eq!((relay.webhooks("stored"), relay.webhooks("duplicate")), (WEBHOOKS, 2 * WEBHOOKS));
            relay.kill();
            answers
        };
        follower = following.await.unwrap();

        // Smile sends again what it got no answer to; here everything.
        let relay = place.start(&[]);
        let senders = three(&relay);
        let again = join_all(bodies.iter().map(|body| send_copies(&senders, body))).await;
        for (n, (before, after)) in answers.iter().zip(&again).enumerate() {
            assert!(after.iter().all(Option::is_some), "r{round}-{n}: {after:?}");
            let stored = after.iter().flatten().filter(|answer| **answer == STORED).count();
            if before.iter().any(Option::is_some) {
                assert_eq!(stored, 0, "r{round}-{n} was acknowledged before the kill and stored after it");
            }
            assert!(stored <= 1, "r{round}-{n}: {after:?}");
        }
        follower.catch_up(&relay).await;
        relay.kill();
    }
    let relay = place.start(&[]);
    let events = everything(&relay).await;
    assert_in_order(&events);
    let stored: Vec<_> = events.iter().map(|event| event.id.as_str()).collect();
    let distinct: HashSet<_> = stored.iter().copied().collect();
    assert_eq!(stored.len(), distinct.len(), "stored more than once");
    assert_eq!(distinct, ids.iter().map(String::as_str).collect());
    assert_eq!(follower.ids(), stored, "streamed once, and in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_copy_is_acknowledged_before_the_commit() {
    let place = Place::default();
    let relay = place.start(&[]);
    let body = Bytes::from(body("et-1"));
    let lock = place.hold_write_lock();
    let senders = three(&relay);
    let answered = Arc::new(AtomicUsize::new(0));
    let sending = {
        let (answered, body) = (Arc::clone(&answered), body.clone());
        tokio::spawn(async move {
            let each = senders.iter().map(|sender| async {
                let answer = sender.send(body.clone()).await;
                answered.fetch_add(1, SeqCst);
                answer
            });
            join_all(each).await
        })
    };
    eventually("all three are verified", || (relay.verified_bytes() == 3 * body.len()).then_some(()));
    // All three wait for the log now; none may be answered.
    let until = Instant::now() + Duration::from_millis(700);
    while Instant::now() < until {
        assert_eq!(answered.load(SeqCst), 0, "acknowledged before it was stored");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(everything(&relay).await.is_empty());
    drop(lock);
    assert_eq!(sending.await.unwrap(), [200, 200, 200]);
    assert_eq!((relay.webhooks("stored"), relay.webhooks("duplicate")), (1, 2));
    assert_eq!(everything(&relay).await.len(), 1);

    // And if it comes to no commit, there is no acknowledgement.
    let body = Bytes::from(support::client::body("et-2"));
    let lock = place.hold_write_lock();
    let before = relay.verified_bytes();
    let senders = three(&relay);
    let sending =
        tokio::spawn(async move { join_all(senders.iter().map(|sender| sender.try_send(body.clone()))).await });
    let size = support::client::body("et-2").len();
    eventually("all three are verified", || (relay.verified_bytes() - before == 3 * size).then_some(()));
    relay.kill();
    assert_eq!(sending.await.unwrap(), [None, None, None]);
    drop(lock);
    let relay = place.start(&[]);
    assert_eq!(everything(&relay).await.len(), 1);
    assert_eq!(Sender::new(&relay).send(support::client::body("et-2")).await, 200);
    assert_eq!(everything(&relay).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_with_other_bytes_is_another_event_and_says_so() {
    let place = Place::default();
    let relay = place.start(&[]);
    let (a, b) = (body_of("et-1", "ACCOUNT_CONNECTED", "u-1"), body_of("et-1", "ACCOUNT_CONNECTED", "u-2"));
    let sender = Sender::new(&relay);
    for body in [&a, &b, &a, &b] {
        assert_eq!(sender.send(body.clone()).await, 200);
    }
    assert_eq!((relay.webhooks("stored"), relay.webhooks("conflict"), relay.webhooks("duplicate")), (1, 1, 2));
    let check = |events: &[Event]| {
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events[0].raw_body == a && events[1].raw_body == b);
        assert_eq!((events[0].id.as_str(), events[1].id.as_str()), ("et-1", "et-1"));
        assert_eq!((events[0].conflicts_with, events[1].conflicts_with), (0, events[0].sequence));
    };
    check(&everything(&relay).await);
    // It is known after a restart, and a kill, as well.
    assert!(relay.stop().success());
    for _ in 0..2 {
        let relay = place.start(&[]);
        for body in [&a, &b, &b, &a] {
            assert_eq!(Sender::new(&relay).send(body.clone()).await, 200);
        }
        assert_eq!((relay.webhooks("stored"), relay.webhooks("conflict"), relay.webhooks("duplicate")), (0, 0, 4));
        check(&everything(&relay).await);
        relay.kill();
    }
    // A third variant too, and only once.
    let relay = place.start(&[]);
    let c = body_of("et-1", "ACCOUNT_FAILED", "u-1");
    assert_eq!(Sender::new(&relay).send(c.clone()).await, 200);
    assert_eq!(Sender::new(&relay).send(c.clone()).await, 200);
    assert_eq!((relay.webhooks("conflict"), relay.webhooks("duplicate")), (1, 1));
    let events = everything(&relay).await;
    assert_eq!(events.len(), 3);
    assert!([events[0].sequence, events[1].sequence].contains(&events[2].conflicts_with), "{events:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_verified_is_stored_also_when_its_sender_has_gone() {
    let place = Place::default();
    let relay = place.start(&[]);
    // The log is held up, so that all are gone before anything is stored.
    let lock = place.hold_write_lock();
    let mut expected = 0;
    for n in 0..10 {
        let body = Bytes::from(body(&format!("http1-{n}")));
        expected += body.len();
        let mut connection = Wire::connect(&relay).await;
        connection.send(post(&sign(&body), &body)).await;
        eventually("it is verified", || (relay.verified_bytes() == expected).then_some(()));
        connection.cut();
    }
    for n in 0..10 {
        let body = Bytes::from(body(&format!("http2-{n}")));
        expected += body.len();
        let mut connection = Wire2::connect(&relay).await;
        let request = post2(&relay, Some(&sign(&body)), pieces([body], true));
        let asking = tokio::spawn(async move { connection.try_request(request).await });
        eventually("it is verified", || (relay.verified_bytes() == expected).then_some(()));
        // Ends the stream, and the connection with it.
        asking.abort();
    }
    assert_eq!(relay.webhooks("stored"), 0);
    drop(lock);
    eventually("all are stored", || (relay.webhooks("stored") == 20).then_some(()));
    let events = everything(&relay).await;
    let ids: HashSet<_> = events.iter().map(|event| event.id.clone()).collect();
    assert_eq!((events.len(), ids.len()), (20, 20));
    // And they are known, when Smile sends them again.
    assert_eq!(Sender::new(&relay).send(body("http1-3")).await, 200);
    assert_eq!(relay.webhooks("duplicate"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_whole_is_stored_also_when_its_sender_goes_at_once() {
    let place = Place::default();
    let relay = place.start(&[]);
    let mut gone = Vec::new();
    for n in 0..30 {
        let body = body(&format!("et-{n}"));
        let mut connection = Wire::connect(&relay).await;
        connection.send(post(&sign(body.as_bytes()), body.as_bytes())).await;
        // Its end is there before the relay has looked at the request.
        gone.push(connection.end().await);
    }
    eventually("all are stored", || (relay.webhooks("stored") == 30).then_some(()));
    assert_eq!(everything(&relay).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_has_one_relay_at_a_time() {
    let place = Place::default();
    let first = place.start(&[]);
    assert_eq!(Sender::new(&first).send(body("et-1")).await, 200);

    let refused = program::run(place.args(&[]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let error = refused.error();
    assert!(error.contains("--data-dir") && error.contains(&place.data_dir().display().to_string()), "{error}");
    assert!(error.contains("--lock-timeout"), "{error}");
    let began = Instant::now();
    let refused = program::run(place.args(&["--lock-timeout=400ms"]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert!(refused.error().contains("--data-dir"), "{refused:?}");

    // One that waits listens and is not ready, and takes over when the first has ended.
    let second = place.spawn(&["--lock-timeout=120s"]);
    eventually("the second waits", || second.log().contains("another process uses it").then_some(()));
    let (status, why) = second.probe("/readyz");
    assert_eq!((status, why.as_str()), (503, "not ready: another process uses the data directory, starting"));
    assert_eq!(second.probe("/livez").0, 200);
    assert_eq!(Sender::new(&first).send(body("et-2")).await, 200, "the first is as it was");
    assert!(first.stop().success());
    second.until_ready();
    assert_eq!(Sender::new(&second).send(body("et-3")).await, 200);
    // A third one, when the second is killed.
    let third = place.spawn(&["--lock-timeout=120s"]);
    eventually("the third waits", || third.log().contains("another process uses it").then_some(()));
    second.kill();
    third.until_ready();
    assert_eq!(Sender::new(&third).send(body("et-2")).await, 200);
    assert_eq!(third.webhooks("duplicate"), 1);
    let ids: Vec<_> = everything(&third).await.into_iter().map(|event| event.id).collect();
    assert_eq!(ids, ["et-1", "et-2", "et-3"]);
}
