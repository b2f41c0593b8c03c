//! What an operator sees and turns while a relay runs: why it is not ready, what its log says and keeps to itself, the log's
//! level, when its certificates expire.

mod support;

use std::time::Instant;

use smile_relay::event::pb::{StartPosition, SubscribeRequest, subscribe_request::Start};
use support::{
    PATIENCE, Place, Relay,
    client::{Reader, Sender, body_of},
    eventually,
};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

fn health(address: &str) -> HealthClient<Channel> {
    HealthClient::new(Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_waits_for_its_directory_says_so_until_it_has_it() {
    let place = Place::default();
    let first = place.start(&[]);
    let second = place.spawn(&["--lock-timeout=60s"]);
    let reason = "not ready: another process uses the data directory, starting";
    eventually("it says what it waits for", || (second.probe("/readyz") == (503, reason.into())).then_some(()));
    assert_eq!(second.probe("/startupz"), (503, reason.into()));
    assert_eq!(second.probe("/livez").0, 200);
    assert_eq!(second.metric("smile_relay_ready"), 0.0);
    assert_eq!(second.metric(r#"smile_relay_not_ready{reason="another process uses the data directory"}"#), 1.0);
    eventually("it is logged", || second.log().contains("another process uses it: waiting").then_some(()));

    // In step with it, in plaintext, and told of changes.
    let asked = || HealthCheckRequest { service: "smilerelay.v1.RelayService".into() };
    let mut watched = health(&second.admin).watch(asked()).await.unwrap().into_inner();
    let status = async |watched: &mut tonic::Streaming<tonic_health::pb::HealthCheckResponse>| {
        tokio::time::timeout(PATIENCE, watched.message()).await.expect("word in time").unwrap().unwrap().status()
    };
    assert_eq!(status(&mut watched).await, ServingStatus::NotServing);
    assert!(first.stop().success());
    assert_eq!(status(&mut watched).await, ServingStatus::Serving);
    second.until_ready();
    assert_eq!(second.probe("/readyz"), (200, "ready".into()));
    assert_eq!(second.probe("/startupz"), (200, "started".into()));
    for listener in [&second.admin, &second.grpc] {
        let answer = health(listener).check(asked()).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    assert_eq!(second.metric("smile_relay_ready"), 1.0);
    assert!(!second.probe("/metrics").1.contains("smile_relay_not_ready{"));
}

/// Anybody may ask: so it takes little to hold what they ask with, and those who stay keep nobody from asking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_the_health_takes_no_probes_place() {
    let place = Place::default();
    let relay = place.start(&[]);
    for listener in [&relay.admin, &relay.grpc] {
        watch_all(listener).await;
    }
    assert!(relay.stop().success());
}

async fn watch_all(listener: &str) {
    let service = |name: &str| HealthCheckRequest { service: name.into() };
    let mut watched = Vec::new();
    let mut asked = health(listener);
    while watched.len() < 1_000 {
        if watched.len() % 100 == 0 {
            // The admin listener takes no more on a connection.
            asked = health(listener);
        }
        watched.push(asked.watch(service("")).await.unwrap().into_inner());
    }
    let mut asked = health(listener);
    let refused = asked.watch(service("")).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(asked.check(service("")).await.unwrap().into_inner().status(), ServingStatus::Serving);
    // A place is free again as soon as its stream has ended.
    watched.pop();
    let deadline = Instant::now() + PATIENCE;
    while let Err(status) = asked.watch(service("")).await {
        assert!(status.code() == Code::ResourceExhausted && Instant::now() < deadline, "{status:?}");
        tokio::task::yield_now().await;
    }

    let refused = asked.check(service(&"x".repeat(2_000))).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
}

/// The lines of its log with this message.
fn lines(relay: &Relay, message: &str) -> Vec<serde_json::Value> {
    let lines = relay.log();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["fields"]["message"] == message).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_the_file_is_followed_and_events_can_be_found() {
    let place = Place::default();
    let config = place.path().join("relay.toml");
    let write = |text: &str| std::fs::write(&config, text).unwrap();
    write("log-level = \"info\"\n");
    let relay = place.start(&[&format!("--config={}", config.display())]);
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(body_of("et-quiet", "USER_CREATED", "u-secret-1")).await, 200);
    let reloads =
        |result: &str| relay.metric(&format!(r#"smile_relay_reloads_total{{what="log_level",result="{result}"}}"#));

    write("log-level = \"info,smile_relay::webhook=debug\"\n");
    eventually("it is in force", || (reloads("ok") == 1.0).then_some(()));
    assert_eq!(sender.send(body_of("et-said", "ACCOUNT_CONNECTED", "u-secret-2")).await, 200);
    assert_eq!(sender.send(body_of("et-said", "ACCOUNT_CONNECTED", "u-secret-2")).await, 200);
    let said = eventually("both are logged", || {
        let lines = lines(&relay, "webhook");
        (lines.len() == 2).then_some(lines)
    });
    for (line, result) in said.iter().zip(["stored", "duplicate"]) {
        let fields = &line["fields"];
        assert_eq!(line["level"], "DEBUG");
        assert_eq!((&fields["id"], &fields["type"]), (&"et-said".into(), &"ACCOUNT_CONNECTED".into()), "{line}");
        assert_eq!((&fields["endpoint"], &fields["result"]), (&"smile".into(), &result.into()), "{line}");
        assert_eq!(fields["sequence"], 2, "{line}");
    }

    // What can't be used changes nothing, and the rest of the file needs a restart.
    write("log-level = \"loud\"\n");
    eventually("it is refused", || (reloads("failed") == 1.0).then_some(()));
    write("retention = \"7d\"\n");
    eventually("the default is in force", || (reloads("ok") == 2.0).then_some(()));
    eventually("what needs a restart is said", || relay.log().contains("needs a restart").then_some(()));
    assert_eq!(sender.send(body_of("et-quiet-again", "USER_CREATED", "u-secret-3")).await, 200);
    let log = relay.log();
    for hidden in ["u-secret", "somebody", "et-quiet", support::SECRET, "sss_ph"] {
        assert!(!log.contains(hidden), "{hidden}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_wins_over_the_level_of_the_file() {
    let place = Place::default();
    let config = place.path().join("relay.toml");
    std::fs::write(&config, "log-level = \"error\"\n").unwrap();
    // Its other files are followed all the same: a second one shows that a look at them has passed.
    let relay = place.start(&[&format!("--config={}", config.display()), "--log-level=info"]);
    std::fs::write(&config, "log-level = \"trace\"\n").unwrap();
    std::fs::write(place.path().join("secret"), "another-secret-for-tests").unwrap();
    let reloaded = r#"smile_relay_reloads_total{what="webhook_secrets",result="ok"}"#;
    eventually("files were looked at", || (relay.metric(reloaded) == 1.0).then_some(()));
    assert!(!relay.probe("/metrics").1.contains("log_level"));
    assert!(!relay.log().contains(r#""level":"DEBUG""#) && !relay.log().contains(r#""level":"TRACE""#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_says_whose_it_was_and_why() {
    let place = Place::default();
    let mut relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let request = |consumer: &str, stops: bool| SubscribeRequest {
        consumer: consumer.into(),
        stop_when_caught_up: stops,
        start: Some(Start::Position(StartPosition::Earliest.into())),
        ..SubscribeRequest::default()
    };
    for n in 0..3 {
        assert_eq!(sender.send(body_of(&format!("et-{n}"), "USER_CREATED", "u-1")).await, 200);
    }
    Reader::open(&mut relay.grpc().await, request("report", true)).await.unwrap().rest().await;
    let gone = Reader::open(&mut relay.grpc().await, request("gone", false)).await.unwrap();
    let lag = |consumer: &str| format!(r#"smile_relay_consumer_lag_events{{consumer="{consumer}"}}"#);
    assert!(relay.probe("/metrics").1.contains(&lag("gone")));
    drop(gone);
    let ended = |consumer: &str| {
        let lines = lines(&relay, "stream ended");
        lines.into_iter().map(|line| line["fields"].clone()).find(|fields| fields["consumer"] == consumer)
    };
    eventually("it is gone", || ended("gone"));
    assert_eq!(ended("gone").unwrap()["reason"], "client_gone");
    assert!(!relay.probe("/metrics").1.contains(&lag("gone")), "its label goes with it");
    let report = ended("report").unwrap();
    assert_eq!((&report["reason"], &report["events"]), (&"caught_up".into(), &3.into()), "{report}");
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(relay.metric(r#"smile_relay_stream_ends_total{reason="caught_up"}"#), 1.0);

    let mut live = Reader::open(&mut relay.grpc().await, request("live", false)).await.unwrap();
    live.take(3).await;
    eventually("it has caught up", || (relay.metric(&lag("live")) == 0.0).then_some(()));
    relay.signal(rustix::process::Signal::TERM);
    let (_, end) = live.rest().await;
    assert_eq!(end.code(), Code::Unavailable);
    assert_eq!(relay.until_exit().code(), Some(0));
    let last = lines(&relay, "stream ended").pop().unwrap();
    assert_eq!((&last["fields"]["consumer"], &last["fields"]["reason"]), (&"live".into(), &"draining".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_do_not_fit_are_counted_once_by_the_kind_of_problem() {
    let place = Place::default();
    let count = |relay: &Relay, problem: &str| {
        relay.metric(&format!(r#"smile_relay_decode_issues_total{{problem="{problem}"}}"#))
    };
    let odd =
        |id: &str| body_of(id, "ACCOUNT_CONNECTED", "u-1").replace(r#""loginName""#, r#""shoeSize":44,"loginName""#);
    let relay = place.start(&[]);
    let mut live = Reader::open(&mut relay.grpc().await, SubscribeRequest::default()).await.unwrap();
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(odd("et-1")).await, 200);
    assert_eq!(sender.send(body_of("et-2", "ACCOUNT_CONNECTED", "u-1")).await, 200);
    assert_eq!(sender.send("not JSON").await, 200);
    live.take(3).await;
    assert_eq!((count(&relay, "unknown_field"), count(&relay, "not_json")), (1.0, 1.0));
    support::client::everything(&relay).await;
    assert_eq!(count(&relay, "unknown_field"), 1.0, "the past does not count again");
    drop(live);
    assert!(relay.stop().success());
    let relay = place.start(&[]);
    let mut live = Reader::open(&mut relay.grpc().await, SubscribeRequest::default()).await.unwrap();
    support::client::everything(&relay).await;
    assert_eq!(count(&relay, "unknown_field"), 0.0, "nor after a restart");
    assert_eq!(Sender::new(&relay).send(odd("et-4")).await, 200);
    live.take(1).await;
    assert_eq!(count(&relay, "unknown_field"), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_expiry_of_certificates_follows_their_files() {
    let place = Place::default();
    let (cert, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
    let write = |year: i32| {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let pair = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&key, pair.serialize_pem()).unwrap();
        std::fs::write(&cert, params.self_signed(&pair).unwrap().pem()).unwrap();
    };
    write(2030);
    let relay = place.start(&[&format!("--tls-cert={}", cert.display()), &format!("--tls-key={}", key.display())]);
    let expiry = r#"smile_relay_certificate_expiry_timestamp_seconds{listener="public"}"#;
    assert_eq!(relay.metric(expiry), 1_893_456_000.0);
    write(2040);
    eventually("the new one counts", || (relay.metric(expiry) == 2_208_988_800.0).then_some(()));
    assert!(!relay.probe("/metrics").1.contains(r#"listener="grpc""#), "which is plaintext");
}
