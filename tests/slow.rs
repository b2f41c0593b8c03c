//! Promises 6 and 9: a slow subscriber harms only itself, and memory is bounded by configuration, not by traffic.
//!
//! What is meant by slow: it has opened its stream, has read its first checkpoint, and reads no more. Bounds of memory
//! are for a debug build; what is usual was measured and stands beside each.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use http::uri::PathAndQuery;
use smile_relay::event::pb::{
    ListEventsRequest, ListEventsResponse, SubscribeRequest, relay_service_client::RelayServiceClient,
};
use support::{
    PATIENCE, Place, Relay,
    client::{Reader, Sender, body, large_body, large_typed_body},
    eventually,
    stream::{assert_same, sequences},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, transport::Channel};
use tonic_prost::ProstCodec;

type Client = RelayServiceClient<Channel>;

const MB: u64 = 1 << 20;

/// So many streams, with their first checkpoints read.
async fn open(client: &Client, streams: usize, request: &SubscribeRequest) -> Vec<Reader> {
    let opening = (0..streams).map(|_| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { Reader::open(&mut client, request).await.unwrap() }
    });
    stream::iter(opening).buffer_unordered(64).collect().await
}

async fn until(what: &str, counter: &AtomicU64, value: u64) {
    let waiting = async {
        while counter.load(Ordering::Relaxed) < value {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("{what}: {} of {value} in {PATIENCE:?}", counter.load(Ordering::Relaxed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_read_holds_up_nobody() {
    const LIVE: usize = 20;
    const BATCHES: u64 = 16;
    const BATCH: u64 = 250;
    let place = Place::default();
    // The feed keeps a small part of what the stalled one misses.
    let relay = place.start(&["--feed-cache=1MiB"]);
    let sender = Sender::new(&relay);
    // With its raw bodies it misses some 16 MB, of which a few hundred KB can be on the way.
    let request = SubscribeRequest { include_raw_body: true, ..SubscribeRequest::default() };
    let mut stalled_client = relay.grpc_with_windows(64 << 10, 64 << 10).await;
    let mut stalled = Reader::open(&mut stalled_client, request).await.unwrap();
    let seen: Vec<_> = (0..LIVE).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let mut live = Vec::new();
    for seen in seen.clone() {
        let mut client = relay.grpc().await;
        let mut reader = Reader::open(&mut client, SubscribeRequest::default()).await.unwrap();
        live.push(tokio::spawn(async move {
            for expected in 1..=BATCHES * BATCH {
                let event = reader.next().await.unwrap().unwrap();
                assert_eq!(event.sequence, expected);
                seen.store(expected, Ordering::Relaxed);
            }
        }));
    }
    let mut resident = Vec::new();
    for batch in 0..BATCHES {
        let bodies = (batch * BATCH..(batch + 1) * BATCH).map(|number| large_body(&format!("et-{number}"), 4_000));
        sender.send_all(bodies, 32).await;
        // Nobody gets ahead: all live ones have this batch before the next one is sent, and the stalled one has not
        // read anything yet.
        for (number, seen) in seen.iter().enumerate() {
            until(&format!("live stream {number}"), seen, (batch + 1) * BATCH).await;
        }
        resident.push(relay.resident_bytes());
    }
    for reading in live {
        reading.await.unwrap();
    }
    let grown = resident.last().unwrap().saturating_sub(resident[0]);
    eprintln!("resident after each batch, in MB: {:?}", resident.iter().map(|bytes| bytes / MB).collect::<Vec<_>>());
    // Usual: 5 MB, of the dedupe window and the database's caches.
    assert!(grown < 16 * MB, "{resident:?}");

    // When it reads again, it gets everything.
    let got = sequences(&stalled.take((BATCHES * BATCH) as usize).await);
    assert_same(&got, &(1..=BATCHES * BATCH).collect::<Vec<_>>(), "what the stalled one gets in the end");
    assert_eq!(sender.send(body("last")).await, 200);
    assert_eq!(sequences(&stalled.take(1).await), [BATCHES * BATCH + 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_stalled_streams_do_not_hold_a_thousand_copies_of_a_large_event() {
    const CONNECTIONS: usize = 4;
    const STREAMS: usize = 1_000;
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let request = SubscribeRequest { max_event_bytes: 16 << 20, ..SubscribeRequest::default() };
    // What the feed and the intake take of one such event is not what is asked here.
    assert_eq!(sender.send(large_typed_body("before", 6_000_000)).await, 200);
    let before = relay.resident_bytes();
    let mut readers = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = relay.grpc_with_windows(64 << 10, 16 << 20).await.max_decoding_message_size(16 << 20);
        readers.extend(open(&client, STREAMS / CONNECTIONS, &request).await);
    }
    assert_eq!(relay.metric("smile_relay_streams"), STREAMS as f64);
    let idle = relay.resident_bytes();
    assert_eq!(sender.send(large_typed_body("large", 6_000_000)).await, 200);
    // All have begun with it, and are stuck in the middle.
    eventually("all streams have begun with the large event", || {
        (relay.metric("smile_relay_delivered_events_total") == STREAMS as f64).then_some(())
    });
    let mut most = 0;
    let mut delivered = 0.0;
    eventually("no stream gets any further", || {
        most = most.max(relay.resident_bytes());
        let now = relay.metric("smile_relay_delivered_bytes_total");
        std::thread::sleep(Duration::from_millis(500));
        (std::mem::replace(&mut delivered, now) == now).then_some(())
    });
    most = most.max(relay.resident_bytes());
    eprintln!(
        "resident: {} MB before, {} MB with {STREAMS} idle streams, {} MB when they are stuck; {} KB queued for each",
        before / MB,
        idle / MB,
        most / MB,
        delivered as u64 / STREAMS as u64 / 1024
    );
    assert!(delivered < (STREAMS * 1_000_000) as f64, "they are stuck: {delivered} bytes");
    // Usual: 6 KB for an idle stream, 90 KB for a stuck one, of which 64 KB at most may wait in its queue.
    assert!(idle.saturating_sub(before) < 40 * MB, "{before} {idle}");
    assert!(most < 200 * MB, "{before} {idle} {most}");

    // They get it whole when they read again, some of them here, and the relay is none the larger for it.
    for connection in 0..CONNECTIONS {
        let reader = &mut readers[connection * STREAMS / CONNECTIONS];
        let event = reader.take(1).await.remove(0);
        assert!(event.id == "large" && event.data.is_some());
    }
    assert!(relay.resident_bytes() < 200 * MB);
    drop(readers);
    eventually("the streams are gone", || (relay.metric("smile_relay_streams") == 0.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_share_a_connection() {
    const STREAMS: usize = 1_000;
    const EVENTS: u64 = 30;
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let client = relay.grpc().await;
    let readers = open(&client, STREAMS, &SubscribeRequest::default()).await;
    assert_eq!(relay.metric("smile_relay_streams"), STREAMS as f64);
    let reading = readers.into_iter().map(|mut reader| {
        tokio::spawn(async move {
            let events = reader.take(EVENTS as usize).await;
            events.into_iter().map(|event| (event.sequence, event.id, event.cursor)).collect::<Vec<_>>()
        })
    });
    let reading: Vec<_> = reading.collect();
    for number in 0..EVENTS {
        assert_eq!(sender.send(body(&format!("et-{number}"))).await, 200);
    }
    let mut first = None;
    for reading in reading {
        let got = reading.await.unwrap();
        let first = first.get_or_insert_with(|| got.clone());
        assert_same(&got, first, "a stream, compared with the first");
    }
    let first = first.unwrap();
    assert!(
        first
            .iter()
            .zip(0..)
            .all(|((sequence, id, _), number)| (*sequence, id) == (number + 1, &format!("et-{number}")))
    );
    eventually("the streams are gone", || (relay.metric("smile_relay_streams") == 0.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_are_not_read_have_bounded_memory_and_stop_nobody_for_long() {
    const LISTS: usize = 200;
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    // A page of nearly 3 MB.
    for number in 0..3 {
        assert_eq!(sender.send(large_typed_body(&format!("et-{number}"), 900_000)).await, 200);
    }
    let mut good = relay.grpc().await;
    assert_eq!(good.list_events(ListEventsRequest::default()).await.unwrap().into_inner().events.len(), 3);
    let before = relay.resident_bytes();
    let channel = Channel::from_shared(format!("http://{}", relay.grpc)).unwrap();
    let channel = channel.initial_stream_window_size(16 << 10).initial_connection_window_size(16 << 20);
    let channel = channel.connect().await.unwrap();
    // As a stream of one message, so that it can be left unread.
    let asking = (0..LISTS).map(|_| {
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        async move {
            grpc.ready().await.unwrap();
            let path = PathAndQuery::from_static("/smilerelay.v1.RelayService/ListEvents");
            let request = Request::new(ListEventsRequest::default());
            grpc.server_streaming::<_, ListEventsResponse, _>(request, path, ProstCodec::default()).await
        }
    });
    let answers: Vec<_> = stream::iter(asking).buffer_unordered(LISTS).collect().await;
    let resident = relay.resident_bytes();
    let stalled: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
    eprintln!("resident: {} MB before, {} MB with {} unread lists", before / MB, resident / MB, stalled.len());
    // Usual: 16 of them have a turn, and take 50 MB together.
    assert!(!stalled.is_empty() && resident.saturating_sub(before) < 150 * MB, "{before} {resident}");
    let asking = async {
        while let Err(status) = good.list_events(ListEventsRequest::default()).await {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("a turn, once those who do not read have lost theirs");
    // Who lost it is told so, and not that the page ends there.
    let mut lost = 0;
    for answer in stalled {
        match answer.into_inner().message().await {
            Ok(page) => assert_eq!(page.unwrap().events.len(), 3),
            Err(_) => lost += 1,
        }
    }
    assert!(lost > 0);
}

/// Forwards a connection to the relay until it is told not to any more; then both ends stay open and hear nothing, as
/// when the network between them is cut.
async fn cuttable(relay: &Relay, cut: CancellationToken) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let to = relay.grpc.clone();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        let (mut there, mut back) = ([0; 4096], [0; 4096]);
        loop {
            tokio::select! {
                () = cut.cancelled() => break,
                read = near.read(&mut there) => far.write_all(&there[..read.unwrap()]).await.unwrap(),
                read = far.read(&mut back) => near.write_all(&back[..read.unwrap()]).await.unwrap(),
            }
        }
        std::future::pending::<()>().await;
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_gone_without_a_word_is_noticed() {
    let place = Place::default();
    let relay = place.start(&[]);
    let cut = CancellationToken::new();
    let address = cuttable(&relay, cut.clone()).await;
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut lost = Reader::open(&mut RelayServiceClient::new(channel), SubscribeRequest::default()).await.unwrap();
    // One that reads, and one that only answers pings.
    let mut client = relay.grpc().await;
    let mut good = Reader::open(&mut client, SubscribeRequest::default()).await.unwrap();
    let mut other = relay.grpc_with_windows(64 << 10, 64 << 10).await;
    let mut stalled = Reader::open(&mut other, SubscribeRequest::default()).await.unwrap();
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(body("a")).await, 200);
    assert_eq!(sequences(&lost.take(1).await), [1]);
    assert_eq!(relay.metric("smile_relay_streams"), 3.0);
    cut.cancel();
    eventually("the lost one is given up", || (relay.metric("smile_relay_streams") == 2.0).then_some(()));
    assert_eq!(sender.send(body("b")).await, 200);
    for reader in [&mut good, &mut stalled] {
        assert_eq!(sequences(&reader.take(2).await), [1, 2]);
    }
    assert_eq!(relay.metric("smile_relay_streams"), 2.0, "who answers is not given up");
}
