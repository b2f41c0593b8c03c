//! Promise 3: nothing unauthentic is accepted; and the answers over HTTP. What is authentic has `authentic.rs`.
//!
//! Wrong signatures are sent from many addresses of the loopback network, a few from each: from a single one they would
//! soon be answered with 429 instead of 401, which has a test of its own.

mod support;

use std::{
    collections::HashMap,
    io::Write,
    net::Ipv4Addr,
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use smile_relay::event::pb::{DecodeProblem, EventType};
use support::{
    PATIENCE, Place, SECRET,
    client::{Sender, body, everything, sign, sign_with},
    program::{finish, openssl_sign},
    stream::issues,
    wire::{self, Answer, LOCALHOST, Wire, Wire2, chunk, head, pieces, post, post2, tls_for},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What every error's body has: a code and a message, and nothing else.
#[track_caller]
fn assert_error(status: u16, body: &[u8], expected: u16, code: &str) {
    assert_eq!(status, expected, "{}", String::from_utf8_lossy(body));
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_else(|e| panic!("{e}: {body:?}"));
    let error = json["error"].as_object().unwrap_or_else(|| panic!("{json}"));
    assert_eq!(error["code"], code, "{json}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
    assert!(error.len() == 2 && json.as_object().unwrap().len() == 1, "{json}");
}

#[track_caller]
fn assert_refused(answer: &Answer, expected: u16, code: &str) {
    assert_error(answer.status, &answer.body, expected, code);
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
}

/// Addresses of this machine, so many requests from each.
fn addresses(requests_each: usize) -> impl Iterator<Item = Ipv4Addr> {
    (0..=u8::MAX).flat_map(move |last| std::iter::repeat_n(Ipv4Addr::new(127, 1, 7, last), requests_each))
}

// --- the wire

#[tokio::test]
async fn both_versions_of_http_come_over_both_versions_of_tls() {
    let place = Place::default();
    let relay = place.start(&[]);
    let mut sent = Vec::new();
    for (tls, version) in [(&rustls::version::TLS12, "tls12"), (&rustls::version::TLS13, "tls13")] {
        for (offered, spoken) in [
            (&["h2", "http/1.1"][..], Some("h2")),
            (&["http/1.1", "h2"], Some("h2")),
            (&["h2"], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&[], None),
        ] {
            let mut config = support::client::tls_config(&[tls]);
            config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
            let mut stream = wire::connect_tls(&relay, LOCALHOST, config).await;
            let session = stream.get_ref().1;
            assert_eq!(session.protocol_version(), Some(tls.version));
            assert_eq!(session.alpn_protocol(), spoken.map(str::as_bytes), "{offered:?}");
            let id = format!("{version}-{}", offered.join("-"));
            let body = Bytes::from(body(&id));
            if spoken == Some("h2") {
                let request = post2(&relay, Some(&sign(&body)), pieces([body.clone()], true));
                let answer = Wire2::over(stream).await.request(request).await;
                assert_eq!((answer.status(), answer.version()), (http::StatusCode::OK, http::Version::HTTP_2));
            } else {
                stream.write_all(&post(&sign(&body), &body)).await.unwrap();
                let mut answer = [0; 15];
                tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
                assert_eq!(answer, *b"HTTP/1.1 200 OK", "{}", String::from_utf8_lossy(&answer));
            }
            sent.push(id);
        }
    }
    // A protocol that is not spoken is no connection.
    let stream = wire::connect_tcp(&relay, LOCALHOST).await;
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(tls_for(&["spdy/3"])));
    connector.connect("localhost".try_into().unwrap(), stream).await.unwrap_err();
    let ids: Vec<_> = everything(&relay).await.into_iter().map(|event| event.id).collect();
    assert_eq!(ids, sent);
}

/// The first message of a handshake as a client of this version sends it, with what every version needs.
fn client_hello(version: [u8; 2]) -> Vec<u8> {
    let extension = |number: u8, body: &[u8]| [&[0, number, 0, u8::try_from(body.len()).unwrap()], body].concat();
    let extensions = [
        extension(10, &[0, 4, 0, 29, 0, 23]),           // groups: x25519, P-256
        extension(11, &[1, 0]),                         // points: uncompressed
        extension(13, &[0, 8, 4, 3, 8, 4, 4, 1, 2, 3]), // signatures: ECDSA and RSA with SHA-256, ECDSA with SHA-1
    ]
    .concat();
    // ECDHE-ECDSA and ECDHE-RSA with AES-128 by GCM, which TLS 1.2 brought, and by CBC, which the older ones know.
    let suites = [0xC0, 0x2B, 0xC0, 0x2F, 0xC0, 0x09, 0xC0, 0x13];
    let two = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    let hello =
        [&version[..], &[7; 32], &[0], &two(suites.len()), &suites, &[1, 0], &two(extensions.len()), &extensions]
            .concat();
    let message = [&[1, 0][..], &two(hello.len()), &hello].concat();
    [&[22, 3, 1][..], &two(message.len()), &message].concat()
}

#[tokio::test]
async fn older_versions_of_tls_are_refused() {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    let place = Place::default();
    let relay = place.start(&[]);
    for (version, name, expected) in [
        // That this one is answered shows that the others are refused for their version.
        ([3, 3], "TLS 1.2", HANDSHAKE),
        ([3, 2], "TLS 1.1", ALERT),
        ([3, 1], "TLS 1.0", ALERT),
        ([3, 0], "SSL 3.0", ALERT),
    ] {
        let mut stream = wire::connect_tcp(&relay, LOCALHOST).await;
        stream.write_all(&client_hello(version)).await.unwrap();
        let mut answer = [0; 7];
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer in time");
        read.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(answer[0], expected, "{name}: {answer:?}");
        if expected == ALERT {
            assert_eq!(answer[5..], [2, 70], "{name}: fatal, protocol_version");
            // And nothing goes on after it.
            let mut rest = Vec::new();
            let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end in time");
            assert!(rest.is_empty(), "{name}: {rest:?}");
        }
    }
    // Plain HTTP to the HTTPS listener is not served either.
    let mut stream = wire::connect_tcp(&relay, LOCALHOST).await;
    let body = body("plain");
    stream.write_all(&post(&sign(body.as_bytes()), body.as_bytes())).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end in time");
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
    assert!(everything(&relay).await.is_empty());
}

// --- promise 3: signatures

#[tokio::test]
async fn what_openssl_signs_is_stored() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let bodies: Vec<Bytes> = vec![
        body("et-openssl").into(),
        Bytes::from_static(b"{\"id\":\"newline\"}\n"),
        Bytes::from_static(b"\0\x01\xff\r\n"),
        Bytes::new(),
        Bytes::from((0..=u8::MAX).cycle().take(100_000).collect::<Vec<_>>()),
    ];
    for body in &bodies {
        let signature = openssl_sign(SECRET, body);
        let answer = sender.post("/webhooks/smile", Some(&signature), body.clone()).await;
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &br#"{"status":"stored"}"#[..]));
    }
    let events = everything(&relay).await;
    assert_eq!(events.iter().map(|event| event.raw_body.clone()).collect::<Vec<_>>(), bodies);
    for (event, body) in events.iter().zip(&bodies) {
        assert_eq!(event.signature, openssl_sign(SECRET, body), "as it came, for whoever wants to check it again");
    }
}

#[tokio::test]
async fn every_flipped_bit_of_a_body_is_refused() {
    let place = Place::default();
    let relay = place.start(&[]);
    let right = *br#"{"id":"et-1","type":"TASK_STARTED"}"#;
    let signature = sign(&right);
    let mut from = addresses(20);
    let mut connection = (LOCALHOST, Wire::connect(&relay).await);
    for bit in 0..right.len() * 8 {
        let mut wrong = right;
        wrong[bit / 8] ^= 1 << (bit % 8);
        let from = from.next().unwrap();
        if connection.0 != from {
            connection = (from, Wire::connect_from(&relay, from).await);
        }
        connection.1.send(post(&signature, &wrong)).await;
        let answer = connection.1.answer().await;
        assert_eq!(answer.status, 401, "bit {bit}: {answer:?}");
        assert_refused(&answer, 401, "bad_signature");
    }
    // Nor a byte more, a byte less, or none.
    let mut connection = Wire::connect_from(&relay, Ipv4Addr::new(127, 1, 8, 1)).await;
    for wrong in
        [&right[1..], &right[..right.len() - 1], b"", &[&right[..], b"\n"].concat(), &[&right[..], b"\0"].concat()]
    {
        connection.send(post(&signature, wrong)).await;
        assert_refused(&connection.answer().await, 401, "bad_signature");
    }
    connection.send(post(&signature, &right)).await;
    assert_eq!(connection.answer().await.status, 200, "the body that was signed");
    let events = everything(&relay).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].raw_body, right[..]);
}

#[tokio::test]
async fn every_flipped_bit_of_a_signature_is_refused() {
    let place = Place::default();
    let relay = place.start(&[]);
    let body = body("et-1");
    let right = sign(body.as_bytes());
    let mut from = addresses(20);
    let mut connection = (LOCALHOST, Wire::connect(&relay).await);
    let mut same = Vec::new();
    let mut statuses: HashMap<u16, usize> = HashMap::new();
    for bit in 0..right.len() * 8 {
        let mut wrong = right.clone().into_bytes();
        wrong[bit / 8] ^= 1 << (bit % 8);
        let flipped = wrong[bit / 8];
        let from = from.next().unwrap();
        if connection.0 != from {
            connection = (from, Wire::connect_from(&relay, from).await);
        }
        let length = format!("Content-Length: {}", body.len());
        let head = head(&[&length, "Smile-Signature: @"]);
        let (before, after) = head.split_once('@').unwrap();
        connection.1.send([before.as_bytes(), &wrong, after.as_bytes(), body.as_bytes()].concat()).await;
        let answer = connection.1.answer().await;
        *statuses.entry(answer.status).or_default() += 1;
        let expected = if flipped.is_ascii_control() {
            // Not HTTP at all: the request is refused before anybody looks for a signature, and the connection closed.
            connection.0 = LOCALHOST;
            400
        } else if wrong.eq_ignore_ascii_case(right.as_bytes()) {
            same.push(bit);
            200
        } else {
            401
        };
        assert_eq!(answer.status, expected, "bit {bit}, which makes {flipped:#x}: {answer:?}");
        if expected == 401 {
            assert_refused(&answer, 401, "bad_signature");
        }
    }
    println!("{statuses:?}");
    let letters = right.bytes().filter(u8::is_ascii_alphabetic).count();
    assert_eq!(same.len(), letters, "the case of a letter is no part of the signature");
    let events = everything(&relay).await;
    assert_eq!(events.len(), 1, "all that was accepted is one event: {events:?}");
}

#[tokio::test]
async fn a_signature_that_can_not_be_one_is_refused_before_the_body_is_read() {
    let place = Place::default();
    let relay = place.start(&[]);
    let body = body("et-1");
    let good = sign(body.as_bytes());
    let header = |value: &str| format!("Smile-Signature: {value}");
    let cases: Vec<(&str, Vec<String>)> = vec![
        ("missing", vec![]),
        ("empty", vec![header("")]),
        ("short", vec![header(&good[1..])]),
        ("an odd number of digits", vec![header(&good[..127])]),
        ("half", vec![header(&good[..64])]),
        ("long", vec![header(&format!("{good}0"))]),
        ("twice as long", vec![header(&format!("{good}{good}"))]),
        ("not hexadecimal", vec![header(&format!("g{}", &good[1..]))]),
        ("a space within", vec![header(&format!("{} {}", &good[..64], &good[65..]))]),
        ("not ASCII", vec![header(&format!("é{}", &good[2..]))]),
        ("with a prefix", vec![header(&format!("sha512={good}"))]),
        ("in base64", vec![header(&"A".repeat(88))]),
        ("twice the right one", vec![header(&good), header(&good)]),
        ("the right one and another", vec![header(&good), header(&"0".repeat(128))]),
        ("a list", vec![header(&format!("{good}, {good}"))]),
        ("under another name", vec![format!("X-Smile-Signature: {good}")]),
    ];
    let mut from = addresses(1);
    for (case, signature) in &cases {
        // Only the head of a large request: whoever wants the body first would wait for ever.
        let mut lines: Vec<&str> = signature.iter().map(String::as_str).collect();
        lines.push("Content-Length: 10000000");
        let mut connection = Wire::connect_from(&relay, from.next().unwrap()).await;
        connection.send(head(&lines)).await;
        let answer = connection.answer().await;
        println!("{case}: {}", answer.status);
        assert_refused(&answer, 401, "bad_signature");
        // And a body of unknown length.
        lines.pop();
        lines.push("Transfer-Encoding: chunked");
        let mut connection = Wire::connect_from(&relay, from.next().unwrap()).await;
        connection.send(head(&lines)).await;
        assert_refused(&connection.answer().await, 401, "bad_signature");
        // With the right body it is no better.
        lines.pop();
        let length = format!("Content-Length: {}", body.len());
        lines.push(&length);
        let mut connection = Wire::connect_from(&relay, from.next().unwrap()).await;
        connection.send([head(&lines).as_bytes(), body.as_bytes()].concat()).await;
        assert_refused(&connection.answer().await, 401, "bad_signature");
    }
    // The same over HTTP/2.
    for signature in [None, Some("abc"), Some("")] {
        let mut connection = Wire2::connect(&relay).await;
        let answer = connection.request(post2(&relay, signature, pieces([], false))).await;
        assert_error(answer.status().as_u16(), answer.body(), 401, "bad_signature");
    }
    // One that can be right is not answered before there is a body to compare it with.
    let mut connection = Wire::connect(&relay).await;
    let request = post(&good, body.as_bytes());
    let (start, end) = request.split_at(request.len() - 1);
    connection.send(start).await;
    assert!(connection.is_silent_for(Duration::from_millis(300)).await);
    connection.send(end).await;
    assert_eq!(connection.answer().await.status, 200);
    assert_eq!(everything(&relay).await.len(), 1);
}

#[tokio::test]
async fn a_signature_in_upper_case_or_among_spaces_is_accepted() {
    let place = Place::default();
    let relay = place.start(&[]);
    let mut connection = Wire::connect(&relay).await;
    let forms: [fn(&str) -> String; 4] = [
        str::to_uppercase,
        |hex| format!("  \t {hex}"),
        |hex| format!("{hex} \t "),
        |hex| format!("   {}{}  ", hex[..64].to_uppercase(), &hex[64..]),
    ];
    for (n, form) in forms.iter().enumerate() {
        let body = body(&format!("et-{n}"));
        connection.send(post(&form(&sign(body.as_bytes())), body.as_bytes())).await;
        assert_eq!(connection.answer().await.status, 200, "form {n}");
    }
    // The header's name has no case.
    for name in ["smile-signature", "SMILE-SIGNATURE"] {
        let body = body(name);
        let request = String::from_utf8(post(&sign(body.as_bytes()), body.as_bytes())).unwrap();
        connection.send(request.replace("Smile-Signature", name)).await;
        assert_eq!(connection.answer().await.status, 200, "{name}");
    }
    // HTTP/2 leaves the spaces of a value where they are.
    let body = body("et-h2");
    let signature = format!("  {} ", sign(body.as_bytes()));
    let answer =
        Wire2::connect(&relay).await.request(post2(&relay, Some(&signature), pieces([body.into()], true))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(everything(&relay).await.len(), 7);
}

#[tokio::test]
async fn too_many_wrong_signatures_are_answered_429_and_a_right_one_never() {
    let place = Place::default();
    let relay = place.start(&[]);
    let noisy = Ipv4Addr::new(127, 1, 9, 1);
    let mut connection = Wire::connect_from(&relay, noisy).await;
    let wrong = post(&"0".repeat(128), b"{}");
    let mut before = 0;
    let limited = loop {
        connection.send(&wrong).await;
        let answer = connection.answer().await;
        if answer.status == 429 {
            break answer;
        }
        assert_refused(&answer, 401, "bad_signature");
        before += 1;
        assert!(before < 100_000, "there is no limit");
    };
    assert!(before >= 50, "only {before} were answered with 401");
    assert_refused(&limited, 429, "too_many_bad_signatures");
    assert!(limited.header("retry-after").is_some(), "{limited:?}");
    // As many right ones as one likes, among wrong ones, from the same address.
    for n in 0..200 {
        let body = body(&format!("et-{n}"));
        connection.send(post(&sign(body.as_bytes()), body.as_bytes())).await;
        assert_eq!(connection.answer().await.status, 200, "webhook {n}");
        connection.send(&wrong).await;
        assert!(matches!(connection.answer().await.status, 401 | 429));
    }
    // Elsewhere it is as ever.
    let mut other = Wire::connect_from(&relay, Ipv4Addr::new(127, 1, 9, 2)).await;
    other.send(&wrong).await;
    assert_refused(&other.answer().await, 401, "bad_signature");
    assert!(relay.webhooks("limited") >= 1);
    assert_eq!(everything(&relay).await.len(), 200);
}

#[tokio::test]
async fn the_bytes_as_they_came_are_verified_whatever_they_are_said_to_be() {
    let place = Place::default();
    let relay = place.start(&[]);
    let plain = body("et-zipped").into_bytes();
    let zipped = finish(Command::new("gzip").args(["-c", "-n"]), &plain).ok().stdout;
    assert!(zipped.starts_with(b"\x1f\x8b"), "gzip's own bytes");
    let send = async |lines: &[&str], signature: String, body: &[u8]| {
        let mut connection = Wire::connect(&relay).await;
        let own = [format!("Smile-Signature: {signature}"), format!("Content-Length: {}", body.len())];
        let lines: Vec<&str> = own.iter().map(String::as_str).chain(lines.iter().copied()).collect();
        connection.send([head(&lines).as_bytes(), body].concat()).await;
        connection.answer().await.status
    };
    assert_eq!(
        send(&["Content-Encoding: gzip"], sign(&plain), &zipped).await,
        401,
        "what comes out of it is not signed"
    );
    assert_eq!(send(&["Content-Encoding: gzip"], sign(&zipped), &zipped).await, 200);
    let mut expected = vec![zipped];
    for (n, line) in [
        "Content-Encoding: br",
        "Content-Encoding: no-such-thing",
        "Content-Type: text/plain; charset=utf-16",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: ,;",
        "Accept: image/png",
    ]
    .into_iter()
    .enumerate()
    {
        let body = body(&format!("et-{n}")).into_bytes();
        assert_eq!(send(&[line], sign(&body), &body).await, 200, "{line}");
        expected.push(body);
    }
    // Without a Content-Type, as `head` makes them, but for those that have one above.
    let bare = body("et-bare").into_bytes();
    assert_eq!(send(&[], sign(&bare), &bare).await, 200);
    expected.push(bare);
    // Chunks are how it came, not what was signed; a trailer is no part of either.
    let chunked = body("et-chunked").into_bytes();
    let mut connection = Wire::connect(&relay).await;
    let signature = format!("Smile-Signature: {}", sign(&chunked));
    connection.send(head(&[&signature, "Transfer-Encoding: chunked", "Trailer: Smile-Signature"])).await;
    for piece in chunked.chunks(7) {
        connection.send(chunk(piece)).await;
    }
    connection.send("0\r\nSmile-Signature: 00\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200);
    expected.push(chunked);
    // A sender that asks before it sends is told to go on, if there is a use in it.
    let asked = body("et-asked").into_bytes();
    let request = post(&sign(&asked), &asked);
    let request = String::from_utf8(request).unwrap().replace("Host:", "Expect: 100-continue\r\nHost:");
    let (start, rest) = request.split_once("\r\n\r\n").unwrap();
    let mut connection = Wire::connect(&relay).await;
    connection.send(format!("{start}\r\n\r\n")).await;
    assert_eq!(connection.answer().await.status, 100);
    connection.send(rest).await;
    assert_eq!(connection.answer().await.status, 200);
    expected.push(asked);
    let mut connection = Wire::connect(&relay).await;
    connection.send(format!("{start}\r\n\r\n").replace("Smile-Signature", "Another")).await;
    assert_refused(&connection.answer().await, 401, "bad_signature");

    let events = everything(&relay).await;
    let stored: Vec<_> = events.iter().map(|event| event.raw_body.to_vec()).collect();
    assert!(stored == expected, "{stored:?}\n{expected:?}");
    // Only the typed view looks into it, if it can.
    assert_eq!((events[0].id.as_str(), events[0].r#type()), ("et-zipped", EventType::AccountConnected));
    assert_eq!(issues(&events[0]), []);
    for event in &events[1..3] {
        assert_eq!(issues(event), [("", DecodeProblem::ContentEncoding)], "{event:?}");
    }
    assert!(events[3..].iter().all(|event| event.decode_issues.is_empty()), "{events:?}");
}

#[tokio::test]
async fn any_of_several_secrets_verifies() {
    let place = Place::default();
    let second = place.path().join("second");
    std::fs::write(&second, "second-secret \n").unwrap();
    let third = place.path().join("third");
    std::fs::File::create(&third).unwrap().write_all(b"\xff\0\x80 not text\r\n").unwrap();
    let relay = place.start(&[
        &format!("--webhook-secret-file={}", second.display()),
        &format!("--webhook-secret-file={}", third.display()),
        "--webhook-secret=fourth-secret",
    ]);
    let sender = Sender::new(&relay);
    let post = async |id: &str, signature: String| {
        sender.post("/webhooks/smile", Some(&signature), body(id)).await.status().as_u16()
    };
    for (id, secret) in [("a", SECRET), ("b", "second-secret "), ("d", "fourth-secret")] {
        assert_eq!(post(id, openssl_sign(secret, body(id).as_bytes())).await, 200, "{secret:?}");
    }
    let mut mac = <hmac::Hmac<sha2::Sha512> as hmac::KeyInit>::new_from_slice(b"\xff\0\x80 not text").unwrap();
    hmac::Mac::update(&mut mac, body("c").as_bytes());
    assert_eq!(
        post("c", faster_hex::hex_string(&hmac::Mac::finalize(mac).into_bytes())).await,
        200,
        "bytes that are no text"
    );
    for secret in ["second-secret", "second-secret \n", "another", "fourth-secret\n"] {
        assert_eq!(post("x", sign_with(secret, body("x").as_bytes())).await, 401, "{secret:?}");
    }
    assert_eq!(everything(&relay).await.len(), 4);
}

#[tokio::test]
async fn each_endpoint_has_its_secrets_its_peers_and_its_ids() {
    let place = Place::default();
    let config = place.path().join("relay.toml");
    std::fs::write(place.path().join("sandbox-secret"), "from-a-file\n").unwrap();
    let text = format!(
        r#"
        [endpoints.sandbox]
        secret-files = ["{}"]
        secrets = ["from-the-table"]
        [endpoints.guarded]
        secrets = ["guarded-secret"]
        allow-peers = ["127.2.0.0/16", "192.0.2.1/32"]
        "#,
        place.path().join("sandbox-secret").display()
    );
    std::fs::write(&config, text).unwrap();
    let relay = place.start(&[&format!("--config={}", config.display())]);
    let post = async |from: [u8; 4], endpoint: &str, secret: &str, id: &str| {
        let body = body(id);
        let request = String::from_utf8(post(&sign_with(secret, body.as_bytes()), body.as_bytes())).unwrap();
        let mut connection = Wire::connect_from(&relay, from.into()).await;
        connection.send(request.replacen("/webhooks/smile", &format!("/webhooks/{endpoint}"), 1)).await;
        connection.answer().await
    };
    let (here, friend) = ([127, 0, 0, 1], [127, 2, 3, 4]);
    assert_eq!(post(here, "smile", SECRET, "et-1").await.status, 200);
    assert_eq!(post(here, "sandbox", "from-a-file", "et-1").await.status, 200);
    assert_eq!(post(here, "sandbox", "from-the-table", "et-2").await.status, 200);
    assert_eq!(post(friend, "guarded", "guarded-secret", "et-1").await.status, 200);
    // One endpoint's secret opens no other.
    assert_refused(&post(here, "sandbox", SECRET, "et-3").await, 401, "bad_signature");
    assert_refused(&post(here, "smile", "from-a-file", "et-3").await, 401, "bad_signature");
    assert_refused(&post(friend, "guarded", SECRET, "et-3").await, 401, "bad_signature");
    // Whoever is not on the list is not even asked for a signature.
    assert_refused(&post(here, "guarded", "guarded-secret", "et-3").await, 403, "forbidden");
    assert_refused(&post([127, 3, 0, 1], "guarded", "wrong", "et-3").await, 403, "forbidden");
    let mut connection = Wire::connect(&relay).await;
    let unsigned = head(&["Content-Length: 10000000"]).replace("smile", "guarded");
    connection.send(unsigned).await;
    assert_refused(&connection.answer().await, 403, "forbidden");
    let stored: Vec<_> = everything(&relay).await.into_iter().map(|event| (event.endpoint, event.id)).collect();
    let expected = [("smile", "et-1"), ("sandbox", "et-1"), ("sandbox", "et-2"), ("guarded", "et-1")];
    assert_eq!(stored, expected.map(|(endpoint, id)| (endpoint.to_owned(), id.to_owned())));
}

// --- the answers

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_no_post_405_and_nothing_sent_is_repeated() {
    const MARK: &str = "xyzzy-plugh";
    let place = Place::default();
    let relay = place.start(&[]);
    for sender in [Sender::new(&relay), Sender::http2(&relay)] {
        let send = async |method: Method, path: &str| {
            let body = format!(r#"{{"id":"{MARK}"}}"#);
            let request = http::Request::builder()
                .method(method)
                .uri(format!("{}{path}", sender.base()))
                .header("Smile-Signature", sign(body.as_bytes()))
                .header("X-Mark", MARK)
                .header("User-Agent", MARK);
            let answer = sender.request(request.body(Full::new(body.into())).unwrap()).await;
            let all = format!("{answer:?}");
            assert!(!all.contains(MARK), "it repeats what was sent: {all}");
            answer
        };
        for path in [
            "/",
            "/webhooks",
            "/webhooks/",
            "/webhooks/xyzzy-plugh",
            "/webhooks/SMILE",
            "/webhooks/smile/",
            "/webhooks/smile/xyzzy-plugh",
            "/webhooks/smil",
            "//webhooks/smile",
            "/webhooks/%73mile/x",
            "/webhooks/{endpoint}",
            "/metrics",
            "/readyz",
            "/smilerelay.v1.RelayService/GetRelayInfo",
            "/?xyzzy-plugh",
        ] {
            for method in [Method::POST, Method::GET] {
                let answer = send(method, path).await;
                assert_error(answer.status().as_u16(), answer.body(), 404, "not_found");
            }
        }
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
            let answer = send(method, "/webhooks/smile?xyzzy-plugh").await;
            assert_eq!(answer.headers()["allow"], "POST");
            assert_error(answer.status().as_u16(), answer.body(), 405, "method_not_allowed");
        }
        let answer = send(Method::HEAD, "/webhooks/smile").await;
        assert_eq!((answer.status().as_u16(), answer.headers()["allow"].as_bytes()), (405, &b"POST"[..]));
        assert!(answer.body().is_empty());
        // A query is nobody's business, and no reason to refuse.
        assert_eq!(send(Method::POST, "/webhooks/smile?a=b").await.status(), 200);
    }
    let mut connection = Wire::connect(&relay).await;
    connection.send(post(&"ab".repeat(64), MARK.as_bytes())).await;
    let answer = connection.answer().await;
    assert!(!format!("{answer:?}").contains("abab") && !format!("{answer:?}").contains(MARK), "{answer:?}");
    assert_refused(&answer, 401, "bad_signature");
    assert_eq!(everything(&relay).await.len(), 1);
}

#[tokio::test]
async fn what_is_larger_than_allowed_is_413() {
    const LIMIT: usize = 64 << 10;
    let place = Place::default();
    let relay = place.start(&["--max-body=64KiB"]);
    let fits = support::client::large_body("et-fits", LIMIT);
    assert_eq!(fits.len(), LIMIT);
    let signature = format!("Smile-Signature: {}", sign(fits.as_bytes()));

    // By its announced length, before the body comes.
    for length in [LIMIT + 1, 1 << 40] {
        let mut connection = Wire::connect(&relay).await;
        connection.send(head(&[&signature, &format!("Content-Length: {length}")])).await;
        assert_refused(&connection.answer().await, 413, "too_large");
    }
    let mut request = post2(&relay, Some(&sign(fits.as_bytes())), pieces([], false));
    request.headers_mut().insert("content-length", (LIMIT + 1).into());
    let answer = Wire2::connect(&relay).await.request(request).await;
    assert_error(answer.status().as_u16(), answer.body(), 413, "too_large");

    // By what has come, as soon as it is too much.
    let mut connection = Wire::connect(&relay).await;
    connection.send(head(&[&signature, "Transfer-Encoding: chunked"])).await;
    connection.send(chunk(fits.as_bytes())).await;
    assert!(connection.is_silent_for(Duration::from_millis(200)).await, "so far it fits");
    connection.send(b"1\r\n}").await;
    assert_refused(&connection.answer().await, 413, "too_large");
    let body = pieces([Bytes::from(fits.clone()), Bytes::from_static(b"}")], false);
    let answer = Wire2::connect(&relay).await.request(post2(&relay, Some(&sign(fits.as_bytes())), body)).await;
    assert_error(answer.status().as_u16(), answer.body(), 413, "too_large");

    // Exactly as much as allowed, in every way.
    let mut connection = Wire::connect(&relay).await;
    connection.send(post(&sign(fits.as_bytes()), fits.as_bytes())).await;
    assert_eq!(connection.answer().await.status, 200);
    connection.send(head(&[&signature, "Transfer-Encoding: chunked"])).await;
    for piece in fits.as_bytes().chunks(1000) {
        connection.send(chunk(piece)).await;
    }
    connection.send("0\r\n\r\n").await;
    assert_eq!(connection.answer().await.body, r#"{"status":"duplicate"}"#);
    let body = pieces([Bytes::from(fits.clone())], true);
    let answer = Wire2::connect(&relay).await.request(post2(&relay, Some(&sign(fits.as_bytes())), body)).await;
    assert_eq!(answer.body(), r#"{"status":"duplicate"}"#);
    let events = everything(&relay).await;
    assert_eq!(events.len(), 1);
    assert!(events[0].raw_body == fits);
    assert_eq!(relay.webhooks("too_large"), 5);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let place = Place::default();
    let relay = place.start(&[]);
    let body = body("et-1");
    let signature = format!("Smile-Signature: {}", sign(body.as_bytes()));
    let length = format!("Content-Length: {}", body.len());
    // All of these wait at the same time.
    let stalled = async |line: &str, start: Vec<u8>| {
        let began = Instant::now();
        let mut connection = Wire::connect(&relay).await;
        connection.send([head(&[&signature, line]).as_bytes(), &start].concat()).await;
        assert_refused(&connection.answer().await, 408, "too_slow");
        // The rest of it would be taken for another request.
        let after = String::from_utf8(connection.until_closed().await).unwrap();
        assert_eq!(after, "", "closed after the answer");
        began.elapsed()
    };
    let stalled_http2 = async {
        let began = Instant::now();
        let start = pieces([Bytes::from_static(b"{\"id\":")], false);
        let request = post2(&relay, Some(&sign(body.as_bytes())), start);
        let answer = Wire2::connect(&relay).await.request(request).await;
        assert_error(answer.status().as_u16(), answer.body(), 408, "too_slow");
        began.elapsed()
    };
    let slow_but_steady = async {
        // A byte now and then, and whole before its time is over: not stalled.
        let mut connection = Wire::connect(&relay).await;
        let request = post(&sign(body.as_bytes()), body.as_bytes());
        let (start, end) = request.split_at(request.len() - 8);
        connection.send(start).await;
        for byte in end.chunks(1) {
            tokio::time::sleep(Duration::from_millis(900)).await;
            connection.send(byte).await;
        }
        assert_eq!(connection.answer().await.status, 200);
    };
    let (a, b, c, d, ()) = tokio::join!(
        stalled(&length, body.as_bytes()[..body.len() - 1].to_vec()),
        stalled(&length, Vec::new()),
        stalled("Transfer-Encoding: chunked", chunk(b"{")),
        stalled_http2,
        slow_but_steady,
    );
    for took in [a, b, c, d] {
        assert!((Duration::from_secs(9)..Duration::from_secs(40)).contains(&took), "{took:?}");
    }
    assert_eq!(everything(&relay).await.len(), 1, "the one that came slowly");
}
