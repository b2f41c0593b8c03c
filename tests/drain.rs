//! The end of a relay: SIGTERM and Ctrl-C lose nothing that was acknowledged, answer what is under way, give subscribers
//! everything and a word to come back, and take no longer than they may.

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use smile_relay::event::pb::SubscribeRequest;
use support::{
    Place, Relay,
    client::{Follower, Reader, Sender, body, everything, large_body, sign},
    eventually,
    wire::{self, LOCALHOST, Wire, Wire2, head, pieces, post, post2},
};
use tokio::io::AsyncWriteExt;
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_types::StatusExt;

/// The end that a stream has to have: come back, with what you have, after a moment.
#[track_caller]
fn assert_draining(end: &Status) {
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    let details = end.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{end:?}"));
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("DRAINING", "smile-relay"));
    assert!(details.retry_info().is_some_and(|retry| retry.retry_delay.is_some()), "{end:?}");
}

/// Follows from the beginning until the stream ends.
async fn following(relay: &Relay) -> tokio::task::JoinHandle<(Follower, Status)> {
    let mut follower = Follower::default();
    let reader = Reader::open(&mut relay.grpc().await, follower.request()).await.unwrap();
    tokio::spawn(async move {
        let end = follower.follow(reader).await;
        (follower, end)
    })
}

fn until_draining(relay: &Relay) {
    eventually("the relay drains", || relay.log().contains(r#""message":"draining""#).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_it_ends_under_load() {
    for signal in [Signal::TERM, Signal::INT, Signal::TERM] {
        let place = Place::default();
        let mut relay = place.start(&[]);
        let followers = [following(&relay).await, following(&relay).await];
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let is_ending = Arc::new(AtomicBool::new(false));
        let sending: Vec<_> = (0..8)
            .map(|n| {
                let sender = if n < 4 { Sender::new(&relay) } else { Sender::http2(&relay) };
                let (acknowledged, is_ending) = (Arc::clone(&acknowledged), Arc::clone(&is_ending));
                tokio::spawn(async move {
                    for m in 0.. {
                        let id = format!("s{n}-{m}");
                        match sender.try_send(body(&id)).await {
                            Some(200) => acknowledged.lock().unwrap().push(id),
                            // There is nobody any more.
                            None if is_ending.load(SeqCst) => return,
                            other => panic!("{id}: {other:?}"),
                        }
                    }
                })
            })
            .collect();
        eventually("there is load", || (acknowledged.lock().unwrap().len() > 300).then_some(()));
        is_ending.store(true, SeqCst);
        let began = Instant::now();
        relay.signal(signal);
        let exit = relay.until_exit();
        assert_eq!(exit.code(), Some(0), "{signal:?}");
        // Far from its 20 s: nobody has to be waited for.
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        for sending in sending {
            sending.await.unwrap();
        }
        let acknowledged = acknowledged.lock().unwrap().clone();

        let relay = place.start(&[]);
        let stored = everything(&relay).await;
        let ids: Vec<_> = stored.iter().map(|event| event.id.as_str()).collect();
        let lost: Vec<_> = acknowledged.iter().filter(|id| !ids.contains(&id.as_str())).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        println!("{signal:?}: {} acknowledged, {} stored", acknowledged.len(), ids.len());
        for follower in followers {
            let (mut follower, end) = follower.await.unwrap();
            assert_draining(&end);
            assert_eq!(follower.ids(), ids, "a subscriber has got everything that was stored");
            let word = follower.last_word.take().expect("a checkpoint before the end");
            assert_eq!(Some(word.cursor), stored.last().map(|event| event.cursor.clone()));
            assert!(word.caught_up);
            follower.catch_up(&relay).await;
            assert_eq!(follower.ids(), ids, "and nothing is left to be had");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_answered_and_told_that_it_is_the_last() {
    let place = Place::default();
    let mut relay = place.start(&["--drain-timeout=60s"]);
    let follower = following(&relay).await;
    // An idle connection, and requests in several states: waiting for the log, and with half their bodies here.
    let mut idle = Wire::connect(&relay).await;
    idle.send(post(&sign(b"{}"), b"{}")).await;
    assert_eq!(idle.answer().await.status, 200);
    let before = relay.verified_bytes();
    let lock = place.hold_write_lock();
    let mut whole = Vec::new();
    let mut size = 0;
    for n in 0..4 {
        let body = body(&format!("whole-{n}"));
        size += body.len();
        let mut connection = Wire::connect(&relay).await;
        connection.send(post(&sign(body.as_bytes()), body.as_bytes())).await;
        whole.push(connection);
    }
    let mut whole2 = Vec::new();
    for n in 0..2 {
        let body = body(&format!("whole2-{n}"));
        size += body.len();
        let mut connection = Wire2::connect(&relay).await;
        let request = post2(&relay, Some(&sign(body.as_bytes())), pieces([body.into()], true));
        whole2.push(tokio::spawn(async move { connection.request(request).await }));
    }
    let mut half = Vec::new();
    for n in 0..2 {
        let body = body(&format!("half-{n}"));
        let request = post(&sign(body.as_bytes()), body.as_bytes());
        let mut connection = Wire::connect(&relay).await;
        connection.send(&request[..request.len() - 50]).await;
        half.push((connection, request[request.len() - 50..].to_vec()));
    }
    eventually("the whole ones are verified", || (relay.verified_bytes() - before == size).then_some(()));

    relay.signal(Signal::TERM);
    until_draining(&relay);
    assert_eq!(idle.until_closed().await, b"", "an idle connection is closed");
    eventually("nobody can connect", || std::net::TcpStream::connect(&relay.public).is_err().then_some(()));
    for (connection, rest) in &mut half {
        connection.send(rest).await;
    }
    let expected = size + body("half-0").len() + body("half-1").len();
    eventually("the halves are verified", || (relay.verified_bytes() - before == expected).then_some(()));
    drop(lock);
    for connection in whole.iter_mut().chain(half.iter_mut().map(|(connection, _)| connection)) {
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{answer:?}");
        assert_eq!(connection.until_closed().await, b"");
    }
    for answer in whole2 {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    assert_eq!(relay.until_exit().code(), Some(0));
    let (follower, end) = follower.await.unwrap();
    assert_draining(&end);
    let relay = place.start(&[]);
    let stored: Vec<_> = everything(&relay).await.into_iter().map(|event| event.id).collect();
    assert_eq!(stored.len(), 9, "{stored:?}");
    assert_eq!(follower.ids(), stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_the_delay_it_is_not_ready_and_still_serves_and_a_second_signal_ends_it_at_once() {
    let place = Place::default();
    let mut relay = place.start(&["--drain-delay=300s", "--drain-timeout=300s"]);
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(body("before")).await, 200);
    let follower = following(&relay).await;
    let channel =
        |address: &str| tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let mut health = HealthClient::new(channel(&relay.grpc));
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    relay.signal(Signal::TERM);
    eventually("it is not ready", || (relay.probe("/readyz") == (503, "not ready: draining".into())).then_some(()));
    assert_eq!(relay.probe("/livez").0, 200);
    let told = tokio::time::timeout(support::PATIENCE, watched.message()).await.expect("word in time");
    assert_eq!(told.unwrap().unwrap().status(), ServingStatus::NotServing);
    for mut health in [health, HealthClient::new(channel(&relay.admin))] {
        for service in ["", "smilerelay.v1.RelayService"] {
            let asked = HealthCheckRequest { service: service.into() };
            assert_eq!(
                health.check(asked).await.unwrap().into_inner().status(),
                ServingStatus::NotServing,
                "{service:?}"
            );
        }
    }
    // Webhooks and streams are as ever, on connections old and new.
    assert_eq!(sender.send(body("old-connection")).await, 200);
    assert_eq!(Sender::new(&relay).send(body("new-connection")).await, 200);
    assert_eq!(Sender::http2(&relay).send(body("http2")).await, 200);
    let mut live = Reader::open(&mut relay.grpc().await, SubscribeRequest::default()).await.unwrap();
    assert_eq!(sender.send(body("live")).await, 200);
    assert_eq!(live.take(1).await[0].id, "live");
    let expected = ["before", "old-connection", "new-connection", "http2", "live"];
    let stored: Vec<_> = everything(&relay).await.into_iter().map(|event| event.id).collect();
    assert_eq!(stored, expected);

    let began = Instant::now();
    relay.signal(Signal::INT);
    assert_eq!(relay.until_exit().code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(relay.log().contains("second signal"), "{}", relay.log());
    let (follower, end) = follower.await.unwrap();
    assert_ne!(end.code(), Code::Ok);
    assert_eq!(follower.ids(), expected);
    let stored: Vec<_> = everything(&place.start(&[])).await.into_iter().map(|event| event.id).collect();
    assert_eq!(stored, expected, "what was acknowledged is stored all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delay_comes_to_its_end_and_then_it_drains() {
    let place = Place::default();
    let mut relay = place.start(&["--drain-delay=1500ms"]);
    let follower = following(&relay).await;
    let began = Instant::now();
    relay.signal(Signal::TERM);
    eventually("it is not ready", || (relay.probe("/readyz").0 == 503).then_some(()));
    let sender = Sender::new(&relay);
    let mut sent = Vec::new();
    // For as long as it answers.
    loop {
        let id = format!("et-{}", sent.len());
        match sender.try_send(body(&id)).await {
            Some(status) => assert_eq!(status, 200, "{id}"),
            None => break,
        }
        sent.push(id);
    }
    assert_eq!(relay.until_exit().code(), Some(0));
    let took = began.elapsed();
    assert!((Duration::from_millis(1500)..Duration::from_secs(25)).contains(&took), "{took:?}");
    assert!(!sent.is_empty(), "it served during the delay");
    let (follower, end) = follower.await.unwrap();
    assert_draining(&end);
    assert!(follower.ids().starts_with(&sent.iter().map(String::as_str).collect::<Vec<_>>()), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_hold_it_up_beyond_its_time() {
    let place = Place::default();
    let mut relay = place.start(&["--drain-timeout=3s"]);
    let sender = Sender::new(&relay);
    for n in 0..150 {
        assert_eq!(sender.send(large_body(&format!("et-{n}"), 20_000)).await, 200);
    }
    // A subscriber that reads nothing after its first checkpoint: some 3 MB wait for it.
    let stalled = Reader::open(&mut relay.grpc().await, Follower::default().request()).await.unwrap();
    // Idle and half-hearted connections of all kinds, on all listeners.
    let idle = {
        let mut connection = Wire::connect(&relay).await;
        connection.send(post(&sign(b"{}"), b"{}")).await;
        assert_eq!(connection.answer().await.status, 200);
        connection
    };
    let idle2 = wire::connect_tls(&relay, LOCALHOST, wire::tls_for(&["h2"])).await;
    let silent = wire::connect_tcp(&relay, LOCALHOST).await;
    let mut half_a_handshake = wire::connect_tcp(&relay, LOCALHOST).await;
    half_a_handshake.write_all(&[22, 3, 1, 1, 0, 1]).await.unwrap();
    let mut half_a_head = Wire::connect(&relay).await;
    half_a_head.send("POST /webhooks/smile HTTP/1.1\r\nHost: re").await;
    let mut half_a_body = Wire::connect(&relay).await;
    let signature = format!("Smile-Signature: {}", sign(b"never whole"));
    half_a_body.send(head(&[&signature, "Content-Length: 100000"])).await;
    let admin = std::net::TcpStream::connect(&relay.admin).unwrap();
    let grpc = std::net::TcpStream::connect(&relay.grpc).unwrap();

    let began = Instant::now();
    relay.signal(Signal::TERM);
    assert_eq!(relay.until_exit().code(), Some(0));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3 + 4), "{took:?}");
    drop((stalled, idle, idle2, silent, half_a_handshake, half_a_head, half_a_body, admin, grpc));
    assert_eq!(everything(&place.start(&[])).await.len(), 151);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_held_up_does_not_hold_up_the_end_for_long() {
    let place = Place::default();
    let mut relay = place.start(&["--drain-timeout=2s"]);
    assert_eq!(Sender::new(&relay).send(body("stored")).await, 200);
    let before = relay.verified_bytes();
    let lock = place.hold_write_lock();
    let sender = Sender::new(&relay);
    let sending = tokio::spawn(async move { sender.try_send(body("held up")).await });
    eventually("it waits for the log", || (relay.verified_bytes() > before).then_some(()));
    let began = Instant::now();
    relay.signal(Signal::TERM);
    assert_eq!(relay.until_exit().code(), Some(0));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2 + 4), "{took:?}");
    assert_ne!(sending.await.unwrap(), Some(200), "what was not stored was not acknowledged");
    drop(lock);
    let stored: Vec<_> = everything(&place.start(&[])).await.into_iter().map(|event| event.id).collect();
    assert_eq!(stored, ["stored"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_still_waits_for_its_directory_ends_at_once() {
    let place = Place::default();
    let first = place.start(&[]);
    let mut second = place.spawn(&["--lock-timeout=300s"]);
    eventually("the second waits", || second.log().contains("another process uses it").then_some(()));
    let began = Instant::now();
    second.signal(Signal::TERM);
    assert_eq!(second.until_exit().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(Sender::new(&first).send(body("et-1")).await, 200);
}
