//! Whom a webhook is from: the peer, or whom a trusted proxy speaks for; and what that is good for: who may call, who has
//! sent too many wrong signatures, who has too many connections.

mod support;

use std::{net::Ipv4Addr, time::Duration};

use support::{
    Place, Relay,
    client::{body, sign},
    eventually,
    wire::{LOCALHOST, Wire, chunk, connect_tcp, head, tls_for, tls_over},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PROXY: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 8, 0, 1);

/// A right webhook with more lines in its head.
fn webhook(id: &str, more: &[&str]) -> Vec<u8> {
    let body = body(id);
    let (signature, length) =
        (format!("Smile-Signature: {}", sign(body.as_bytes())), format!("Content-Length: {}", body.len()));
    let lines: Vec<_> = [&signature[..], &length].into_iter().chain(more.iter().copied()).collect();
    [head(&lines).as_bytes(), body.as_bytes()].concat()
}

/// The status of a right webhook with these lines, sent from an address.
async fn status(relay: &Relay, from: Ipv4Addr, more: &[&str]) -> u16 {
    let mut connection = Wire::connect_from(relay, from).await;
    connection.send(webhook("et-1", more)).await;
    let answer = connection.answer().await;
    assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none(), "{answer:?}");
    answer.status
}

#[tokio::test]
async fn smile_s_address_can_be_the_only_one_that_may_call() {
    let place = Place::default();
    let relay = place.start(&["--allow-peers=smile", "--trusted-proxy=127.7.0.0/16"]);
    for (from, lines, expected) in [
        (LOCALHOST, vec![], 403),
        (LOCALHOST, vec!["X-Forwarded-For: 18.142.61.230"], 403),
        (STRANGER, vec!["X-Forwarded-For: 18.142.61.230"], 403),
        (PROXY, vec![], 403),
        (PROXY, vec!["X-Forwarded-For: 18.142.61.230"], 200),
        (PROXY, vec!["X-Forwarded-For: 18.142.61.231"], 403),
        (PROXY, vec!["X-Forwarded-For: 18.142.61.230, 203.0.113.9"], 403),
        (
            PROXY,
            vec!["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 18.142.61.230", "X-Forwarded-For: 127.7.0.9"],
            200,
        ),
        (PROXY, vec!["X-Forwarded-For: 18.142.61.230, unknown"], 403),
        // The header that is not set by these proxies.
        (PROXY, vec!["Forwarded: for=18.142.61.230"], 403),
        (PROXY, vec!["Forwarded: for=18.142.61.230", "X-Forwarded-For: 203.0.113.9"], 403),
    ] {
        assert_eq!(status(&relay, from, &lines).await, expected, "{from} {lines:?}");
    }
    assert_eq!(relay.webhooks("forbidden"), 9);
}

#[tokio::test]
async fn the_other_header_counts_where_it_is_the_one_that_proxies_set() {
    let place = Place::default();
    let relay =
        place.start(&["--allow-peers=203.0.113.0/24", "--trusted-proxy=127.7.0.1", "--forwarded-header=forwarded"]);
    assert_eq!(status(&relay, PROXY, &["Forwarded: for=\"203.0.113.9:99\";proto=https"]).await, 200);
    assert_eq!(status(&relay, PROXY, &["X-Forwarded-For: 203.0.113.9"]).await, 403);
    assert_eq!(status(&relay, PROXY, &["Forwarded: for=203.0.113.9", "Forwarded: for=_hidden"]).await, 403);
}

#[tokio::test]
async fn wrong_signatures_are_counted_by_who_sends_them_and_not_by_the_proxy() {
    let place = Place::default();
    let relay = place.start(&["--trusted-proxy=127.7.0.1"]);
    let mut connection = Wire::connect_from(&relay, PROXY).await;
    let mut wrong = async |client: &str| {
        let body = body("et-1");
        let lines = [
            format!("Smile-Signature: {}", "0".repeat(128)),
            format!("Content-Length: {}", body.len()),
            format!("X-Forwarded-For: {client}"),
        ];
        let request = head(&lines.each_ref().map(String::as_str)) + &body;
        connection.send(request).await;
        connection.answer().await.status
    };
    let mut answers = Vec::new();
    while answers.last() != Some(&429) {
        answers.push(wrong("203.0.113.9").await);
        assert!(answers.len() < 10_000, "there is no limit");
    }
    assert_eq!(wrong("203.0.113.10").await, 401, "somebody else behind the same proxy");
    assert_eq!(status(&relay, PROXY, &["X-Forwarded-For: 203.0.113.9"]).await, 200, "a right one");
}

/// A connection that begins with these bytes, and then speaks TLS; None if the relay closes it.
async fn after(relay: &Relay, from: Ipv4Addr, start: &[u8]) -> Option<Wire> {
    let mut stream = connect_tcp(relay, from).await;
    stream.write_all(start).await.unwrap();
    let mut tls = tls_for(&["http/1.1"]);
    tls.resumption = rustls::client::Resumption::disabled();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(tls));
    let connecting = connector.connect("localhost".try_into().unwrap(), stream);
    tokio::time::timeout(support::PATIENCE, connecting).await.expect("an end in time").ok().map(Wire::over)
}

/// A header of version 2 from this address.
fn binary(command: u8, from: [u8; 4], more: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + more.len()).unwrap().to_be_bytes();
    let ports = [0x12, 0x34, 1, 187];
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, 0x11][..], &length, &from, &[127, 0, 0, 1], &ports, more].concat()
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_a_connection_is_before_tls() {
    let place = Place::default();
    let relay =
        place.start(&["--allow-peers=203.0.113.0/24,127.8.0.1", "--trusted-proxy=127.7.0.0/16", "--proxy-protocol"]);
    let client = [203, 0, 113, 9];
    let tlvs = [3, 0, 4, 1, 2, 3, 4];
    for (from, start, lines, expected) in [
        (PROXY, b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\r\n".to_vec(), vec![], Some(200)),
        (PROXY, binary(0x21, client, &[]), vec![], Some(200)),
        (PROXY, binary(0x21, client, &tlvs), vec![], Some(200)),
        (PROXY, binary(0x21, [198, 51, 100, 1], &[]), vec![], Some(403)),
        // A client's own header is not believed, only that of a proxy behind the proxy.
        (PROXY, binary(0x21, [198, 51, 100, 1], &[]), vec!["X-Forwarded-For: 203.0.113.9"], Some(403)),
        (PROXY, binary(0x21, [127, 7, 0, 9], &[]), vec!["X-Forwarded-For: 203.0.113.9"], Some(200)),
        // The proxy itself, and somebody whom it does not know.
        (PROXY, binary(0x20, client, &[]), vec![], Some(403)),
        (PROXY, b"PROXY UNKNOWN\r\n".to_vec(), vec![], Some(403)),
        (PROXY, b"PROXY UNKNOWN\r\n".to_vec(), vec!["X-Forwarded-For: 203.0.113.9"], Some(403)),
        // It has to say it.
        (PROXY, vec![], vec![], None),
        (PROXY, b"PROXY TCP4 nonsense\r\n".to_vec(), vec![], None),
        (PROXY, [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(), vec![], None),
        // Nobody else can, and need not.
        (STRANGER, binary(0x21, client, &[]), vec![], None),
        (STRANGER, vec![], vec![], Some(200)),
        (LOCALHOST, vec![], vec![], Some(403)),
    ] {
        let found = match after(&relay, from, &start).await {
            None => None,
            Some(mut connection) => {
                connection.send(webhook("et-1", &lines)).await;
                Some(connection.answer().await.status)
            }
        };
        assert_eq!(found, expected, "{from} {:?} {lines:?}", String::from_utf8_lossy(&start));
    }
    let said = || relay.log().matches("does not begin with the PROXY protocol").count();
    eventually("it is said", || (said() > 0).then_some(()));
    assert_eq!(said(), 1, "not each time");
    // In pieces, and not in one with the handshake.
    let mut stream = connect_tcp(&relay, PROXY).await;
    for byte in binary(0x21, client, &[]) {
        stream.write_all(&[byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut connection = Wire::over(tls_over(stream, tls_for(&["http/1.1"])).await);
    connection.send(webhook("et-1", &[])).await;
    assert_eq!(connection.answer().await.status, 200);
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_leaves_room_for_others() {
    const EACH: usize = 20;
    let place = Place::default();
    let relay = place.start(&[&format!("--max-connections-per-address={EACH}"), "--trusted-proxy=127.7.0.1"]);
    let mut held = Vec::new();
    for _ in 0..EACH {
        held.push(Wire::connect_from(&relay, STRANGER).await);
    }
    let mut one_more = connect_tcp(&relay, STRANGER).await;
    assert_eq!(one_more.read(&mut [0]).await.unwrap_or(0), 0, "closed at once");
    eventually("it is said", || relay.log().contains("as many connections as it may have").then_some(()));
    // Somebody else, the proxy however often, and the same one again when one of its places is free.
    assert_eq!(status(&relay, LOCALHOST, &[]).await, 200);
    for _ in 0..=EACH {
        held.push(Wire::connect_from(&relay, PROXY).await);
    }
    held.remove(0).cut();
    let again = async {
        loop {
            let mut stream = connect_tcp(&relay, STRANGER).await;
            if tokio::time::timeout(Duration::from_millis(300), stream.read(&mut [0])).await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(support::PATIENCE, again).await.expect("a place is free");
}

#[tokio::test]
async fn who_says_nothing_gives_way_when_all_places_are_taken() {
    const ALL: usize = 12;
    let place = Place::default();
    let relay = place.start(&[&format!("--max-connections={ALL}"), "--trusted-proxy=127.7.0.1"]);
    let mut busy = Wire::connect(&relay).await;
    busy.send(webhook("et-1", &[])).await;
    assert_eq!(busy.answer().await.status, 200);
    // Half of them connect and say nothing, the others shake hands and say nothing.
    let (mut silent, mut half) = (Vec::new(), Vec::new());
    for _ in 0..ALL {
        silent.push(connect_tcp(&relay, STRANGER).await);
        half.push(Wire::connect_from(&relay, STRANGER).await);
    }
    // Long before their time is over.
    let sent = tokio::time::timeout(Duration::from_secs(5), status(&relay, LOCALHOST, &[])).await;
    assert_eq!(sent.expect("an answer at once"), 200);
    assert_eq!(silent[0].read(&mut [0]).await.unwrap_or(0), 0, "the oldest has gone");
    busy.send(webhook("et-2", &[])).await;
    assert_eq!(busy.answer().await.status, 200, "who has asked for something stays");
}

#[tokio::test]
async fn who_sends_a_refused_body_to_its_end_sees_the_answer() {
    let place = Place::default();
    let relay = place.start(&["--max-body=1MiB"]);
    let piece = vec![b'x'; 64 << 10];
    let good = format!("Smile-Signature: {}", sign(b""));
    for (lines, expected) in [
        (vec!["Content-Length: 4194304"], 401),
        (vec!["Transfer-Encoding: chunked"], 401),
        (vec![&good[..], "Content-Length: 4194304"], 413),
        (vec![&good[..], "Transfer-Encoding: chunked"], 413),
    ] {
        let mut connection = Wire::connect(&relay).await;
        connection.send(head(&lines)).await;
        let is_chunked = lines.contains(&"Transfer-Encoding: chunked");
        for _ in 0..64 {
            connection.send(if is_chunked { chunk(&piece) } else { piece.clone() }).await;
        }
        if is_chunked {
            connection.send(b"0\r\n\r\n").await;
        }
        assert_eq!(connection.answer().await.status, expected, "{lines:?}");
        // Nothing is lost: the connection is as good as new.
        connection.send(webhook("et-1", &[])).await;
        assert_eq!(connection.answer().await.status, 200, "{lines:?}");
    }
    // It is not read for ever.
    let mut connection = Wire::connect(&relay).await;
    connection.send(head(&["Content-Length: 1000000000"])).await;
    assert_eq!(connection.answer().await.status, 401);
    assert_eq!(connection.until_closed().await, b"");
}
