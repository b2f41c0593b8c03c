//! What strangers can do to the public listener, and to a gRPC listener's health service: each attack for some seconds, while
//! good webhooks arrive, none of which is refused. Memory stays within what is written here beside each attack.
//!
//! `tests/hostile.sh` runs this against the release build, for longer, and prints the figures.

mod frames;
mod siege;
#[path = "../support/mod.rs"]
mod support;

use std::{iter, net::Ipv4Addr, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::ZlibEncoder};
use futures_util::future::join_all;
use http::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use siege::{Siege, attacker};
use support::wire::{self, chunk, connect_tcp, connect_tls, head, post, tls_for};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

/// Longer than the relay takes for anything here that it answers at all.
const SOON: Duration = Duration::from_secs(20);

async fn connect(siege: &Siege, from: Ipv4Addr, protocol: &str) -> TlsStream<TcpStream> {
    siege.connections.fetch_add(1, Relaxed);
    connect_tls(&siege.relay, from, tls_for(&[protocol])).await
}

/// Writes what `next` makes until the relay has enough of it or the time is over, over and over. What the relay says is read
/// and thrown away, unless the attacker is `deaf`. A blow is a piece times `each`.
async fn flood(
    siege: &Siege,
    from: Ipv4Addr,
    protocol: &str,
    opening: &[u8],
    deaf: bool,
    each: usize,
    next: &impl Fn(u32) -> Vec<u8>,
) {
    while !siege.is_over() {
        let (mut reader, mut writer) = tokio::io::split(connect(siege, from, protocol).await);
        let reading = async {
            if deaf {
                siege.stop.cancelled().await;
            }
            let _ = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
        };
        let writing = async {
            if writer.write_all(opening).await.is_err() {
                return;
            }
            for n in 0.. {
                // A relay that reads no more is left alone when it is over.
                let piece = next(n);
                let written = tokio::select! {
                    written = writer.write_all(&piece) => written,
                    () = siege.stop.cancelled() => return,
                };
                if written.is_err() || !siege.struck(each) {
                    return;
                }
            }
        };
        tokio::select! { () = writing => {}, () = reading => {} }
    }
}

/// The same from several addresses, half of them deaf.
async fn floods(
    siege: &Siege,
    attackers: usize,
    protocol: &str,
    opening: Vec<u8>,
    each: usize,
    next: impl Fn(u32) -> Vec<u8>,
) {
    let attack = |n: usize| flood(siege, attacker(n), protocol, &opening, n % 2 == 1, each, &next);
    join_all((0..attackers).map(attack)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_signatures() {
    const AT_ONCE: usize = 50;
    const REFUSED: &[u8] = b"HTTP/1.1 4";
    let siege = Siege::begin().await;
    let batch = post(&"0".repeat(128), support::client::body("et-wrong").as_bytes()).repeat(AT_ONCE);
    let attack = async |n: usize| {
        let mut stream = connect(&siege, attacker(n), "http/1.1").await;
        while !siege.is_over() {
            stream.write_all(&batch).await.unwrap();
            let (mut unread, mut seen) = (Vec::new(), 0);
            while seen < AT_ONCE {
                timeout(SOON, stream.read_buf(&mut unread)).await.expect("an answer in time").unwrap();
                seen += unread.windows(REFUSED.len()).filter(|at| *at == REFUSED).count();
                // What may be the start of another.
                unread.drain(..unread.len().saturating_sub(REFUSED.len() - 1));
            }
            siege.struck(AT_ONCE);
        }
    };
    siege.withstands("wrong signatures", "answers", async { drop(join_all((0..8).map(attack)).await) }, 32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rapid_reset() {
    use frames::*;
    const AT_ONCE: u32 = 100;
    let siege = Siege::begin().await;
    // CVE-2023-44487: streams that are opened and reset at once.
    let batch = |n: u32| {
        let streams = (n * AT_ONCE..(n + 1) * AT_ONCE).map(|n| 1 + 2 * n);
        let pair = |stream| {
            [frame(HEADERS, END_HEADERS, stream, &post_head()), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())]
                .concat()
        };
        streams.flat_map(pair).collect::<Vec<u8>>()
    };
    siege.withstands("rapid reset", "resets", floods(&siege, 8, "h2", opening(), 100, batch), 32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn continuation_flood() {
    use frames::*;
    let siege = Siege::begin().await;
    let piece = |n: u32| {
        let (kind, fields) =
            if n == 0 { (HEADERS, post_head()) } else { (CONTINUATION, field("x", &"y".repeat(16_000))) };
        frame(kind, 0, 1, &fields)
    };
    let attack = floods(&siege, 8, "h2", opening(), 1, piece);
    siege.withstands("continuation flood", "frames", attack, 32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_and_settings() {
    use frames::*;
    const AT_ONCE: usize = 200;
    let siege = Siege::begin().await;
    let batch =
        |_| [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0])].concat().repeat(AT_ONCE / 2);
    let attack = floods(&siege, 8, "h2", opening(), AT_ONCE, batch);
    siege.withstands("pings and settings", "frames", attack, 32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_bombs() {
    use frames::*;
    let siege = Siege::begin().await;
    // One field that is remembered, and then named in a byte each.
    let bomb = |n: u32| {
        let remembered = if n == 0 { remembered("x", &"y".repeat(3_900)) } else { Vec::new() };
        let fields = [post_head(), remembered, vec![0x80 | 62; 10_000]].concat();
        frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * n, &fields)
    };
    let line = |n: u32| {
        if n == 0 {
            b"POST /webhooks/smile HTTP/1.1\r\n".to_vec()
        } else {
            format!("x-{n}: {}\r\n", "y".repeat(8_000)).into_bytes()
        }
    };
    let attack = async {
        tokio::join!(floods(&siege, 4, "h2", opening(), 1, bomb), floods(&siege, 4, "http/1.1", Vec::new(), 1, line));
    };
    siege.withstands("header bombs", "frames or lines", attack, 32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_slow_bodies() {
    const EACH: usize = 900;
    let siege = Siege::begin().await;
    let signature = format!("Smile-Signature: {}", "0".repeat(128));
    let starts = [
        "POST /webhooks/smile HTTP/1.1\r\nHost: ".to_owned(),
        head(&[&signature, "Content-Length: 16777216"]),
        head(&[&signature, "Transfer-Encoding: chunked"]) + "1000000\r\n",
    ];
    let dribble = async |start: &[u8], from: Ipv4Addr| {
        let mut stream = connect(&siege, from, "http/1.1").await;
        let mut piece = start;
        // Whoever is closed stays so: others have come to that end as well.
        while stream.write_all(piece).await.is_ok() && siege.struck(1) {
            piece = b"x";
            tokio::select! { () = siege.stop.cancelled() => break, () = tokio::time::sleep(Duration::from_millis(500)) => {} }
        }
    };
    let all = starts.iter().enumerate().flat_map(|(n, start)| (0..EACH).map(move |_| (start.as_bytes(), attacker(n))));
    let attack = async { drop(join_all(all.map(|(start, from)| dribble(start, from))).await) };
    siege.withstands("slow heads and bodies", "bytes", attack, 256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_are_filled_with_crumbs() {
    use frames::*;
    let siege = Siege::begin().await;
    // Each byte in a frame of its own, which takes more to hold than it carries: the relay may read them, or close the
    // connection, as h2 does, but not gather them.
    let fill = async |n: usize| {
        let opening = [opening(), frame(HEADERS, END_HEADERS, 1, &post_head())].concat();
        let large = frame(DATA, 0, 1, &[b'x'; 16_000]).repeat(8);
        let crumbs = frame(DATA, 0, 1, b"x").repeat(4_000);
        while !siege.is_over() {
            let (mut reader, mut writer) = tokio::io::split(connect(&siege, attacker(n / 100), "h2").await);
            let reading = async { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await };
            let writing = async {
                let _ = writer.write_all(&opening).await;
                let _ = writer.write_all(&large).await;
                while writer.write_all(&crumbs).await.is_ok() && siege.struck(4_000) {}
            };
            tokio::select! {
                () = writing => {},
                _ = reading => {},
                () = siege.stop.cancelled() => return,
            }
        }
    };
    let attack = async { drop(join_all((0..500).map(fill)).await) };
    siege.withstands("windows filled with crumbs", "bytes", attack, 64).await;
}

/// At a gRPC listener, where the health service answers anybody: half of the questions are announced to be as large as they
/// usually may be, and half are small; none comes to its end.
#[tokio::test(flavor = "multi_thread")]
async fn questions_without_an_end() {
    let siege = Siege::begin().await;
    let url = format!("http://{}/grpc.health.v1.Health/Check", siege.relay.grpc);
    let piece = Bytes::from_static(&[b'x'; 16_000]);
    let question = |announced: u32, pieces: usize| {
        let prefix = Bytes::from([&[0][..], &announced.to_be_bytes()].concat());
        let body = wire::pieces(iter::once(prefix).chain(iter::repeat_n(piece.clone(), pieces)), false);
        Request::post(&url).header("content-type", "application/grpc").header("te", "trailers").body(body).unwrap()
    };
    let asking = async |n: usize| {
        while !siege.is_over() {
            siege.connections.fetch_add(1, Relaxed);
            let stream = TokioIo::new(TcpStream::connect(&siege.relay.grpc).await.unwrap());
            let (requests, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            let asked = (0..200).map(|_| {
                siege.struck(1);
                let question = if n.is_multiple_of(2) { question((4 << 20) - 1, 262) } else { question(1_000, 0) };
                requests.clone().send_request(question)
            });
            tokio::select! {
                _ = join_all(asked) => {}
                _ = connection => {}
                () = siege.stop.cancelled() => return,
            }
        }
    };
    let attack = async { drop(join_all((0..40).map(asking)).await) };
    siege.withstands("questions without an end", "questions", attack, 64).await;
}

/// With the limits that a container of 64 MiB has, and the image's setting of the allocator; what it takes stays within that.
/// Most connections are attackers', who leave no room for bodies, and fill what HTTP/2 takes beside it: windows, and requests.
#[tokio::test(flavor = "multi_thread")]
async fn all_there_is_in_a_small_container() {
    use frames::*;
    const SMALL: [&str; 6] = [
        "--max-body=4MiB",
        "--body-budget=16MiB",
        "--feed-cache=8MiB",
        "--max-connections=128",
        "--max-connections-per-address=64",
        "--http2-window=64KiB",
    ];
    let siege = Siege::begin_with(&SMALL, &[("MIMALLOC_PURGE_DELAY", "10")]).await;
    let chunked = head(&[&format!("Smile-Signature: {}", "0".repeat(128)), "Transfer-Encoding: chunked"]);
    let piece = chunk(&[b'x'; 20 << 10]);
    let filling = async |n: usize| {
        while !siege.is_over() {
            let mut stream = connect(&siege, attacker(n), "http/1.1").await;
            let _ = stream.write_all(chunked.as_bytes()).await;
            loop {
                tokio::select! {
                    () = siege.stop.cancelled() => return,
                    written = stream.write_all(&piece) => if written.is_err() || !siege.struck(1) { break },
                }
            }
        }
    };
    let requests = (0..100).map(|n| frame(HEADERS, END_HEADERS, 1 + 2 * n, &post_head()));
    let windows = (0..4).map(|n| frame(DATA, 0, 1 + 2 * n, &[b'x'; 16_000]));
    let opening = [vec![opening()], requests.collect(), windows.collect()].concat().concat();
    let asking = async |n: usize| {
        while !siege.is_over() {
            let mut stream = connect(&siege, attacker(n), "h2").await;
            let _ = stream.write_all(&opening).await;
            siege.struck(1);
            // Until the relay has enough of it.
            let mut unread = tokio::io::sink();
            tokio::select! {
                () = siege.stop.cancelled() => return,
                _ = tokio::io::copy(&mut stream, &mut unread) => {},
            }
        }
    };
    let attack = async {
        tokio::join!(join_all((0..40).map(|n| filling(n / 20))), join_all((0..60).map(|n| asking(2 + n / 20))));
    };
    siege.withstands("all there is in 64 MiB", "pieces and connections", attack, 56).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_fill_all_room_and_stay() {
    const EACH: usize = 900;
    let siege = Siege::begin().await;
    let opening = head(&[&format!("Smile-Signature: {}", "0".repeat(128)), "Transfer-Encoding: chunked"]);
    let piece = chunk(&[b'x'; 20 << 10]);
    let stay = async |from: Ipv4Addr| {
        while !siege.is_over() {
            let mut stream = connect(&siege, from, "http/1.1").await;
            let _ = stream.write_all(opening.as_bytes()).await;
            // Four pieces are a large body.
            while stream.write_all(&piece).await.is_ok() && siege.struck(1) {
                tokio::select! {
                    () = siege.stop.cancelled() => break,
                    () = tokio::time::sleep(Duration::from_millis(800)) => {}
                }
            }
        }
    };
    let attack = async { drop(join_all((0..EACH).map(|_| stay(attacker(0)))).await) };
    siege.withstands("bodies that fill all room", "pieces of 20 KiB", attack, 320).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_bombs() {
    let siege = Siege::begin().await;
    let signature = format!("Smile-Signature: {}", "0".repeat(128));
    let declared = head(&[&signature, "Content-Length: 1099511627776"]);
    let chunked = head(&[&signature, "Transfer-Encoding: chunked"]);
    // 64 MiB of nothing, in 64 KiB; what is wrongly signed is not looked into.
    let mut zipped = ZlibEncoder::new(Vec::new(), Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 64 << 20), &mut zipped).unwrap();
    let zipped = zipped.finish().unwrap();
    let coding = head(&[&signature, "Content-Encoding: deflate", &format!("Content-Length: {}", zipped.len())]);
    let coded = [coding.as_bytes(), &zipped].concat();
    let piece = vec![b'x'; 64 << 10];
    let in_a_chunk = chunk(&piece);
    let attack = async {
        tokio::join!(
            floods(&siege, 4, "http/1.1", declared.into_bytes(), 1, |_| piece.clone()),
            floods(&siege, 8, "http/1.1", chunked.into_bytes(), 1, |_| in_a_chunk.clone()),
            floods(&siege, 2, "http/1.1", Vec::new(), 1, |_| coded.clone()),
        );
    };
    siege.withstands("body bombs", "pieces of 64 KiB", attack, 192).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_are_filled_and_left() {
    use frames::*;
    let siege = Siege::begin().await;
    // As much as a connection's window has room for, in streams that never end.
    let filled = || {
        let stream = |n: u32| {
            [frame(HEADERS, END_HEADERS, 1 + 2 * n, &post_head()), frame(DATA, 0, 1 + 2 * n, &[b'x'; 8_000])].concat()
        };
        (0..8).flat_map(stream).collect::<Vec<u8>>()
    };
    let opening = [opening(), filled()].concat();
    let fill = async |n: usize| {
        let mut stream = connect(&siege, attacker(n / 100), "h2").await;
        let _ = stream.write_all(&opening).await;
        siege.struck(8);
        siege.stop.cancelled().await;
    };
    let attack = async { drop(join_all((0..500).map(fill)).await) };
    siege.withstands("windows filled and left", "streams", attack, 192).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections() {
    // More than there is room for.
    const SILENT: usize = 6_000;
    const HALF: usize = 5_000;
    const HELLO: [u8; 9] = [22, 3, 1, 2, 0, 1, 0, 1, 252];
    let siege = Siege::begin().await;
    let open = async |n: usize| {
        // So many addresses that none has too many.
        let mut stream = connect_tcp(&siege.relay, attacker(n % 40)).await;
        siege.connections.fetch_add(1, Relaxed);
        if n < HALF {
            let _ = stream.write_all(&HELLO).await;
        }
        siege.struck(1);
        siege.stop.cancelled().await;
    };
    let attack = async { drop(join_all((0..HALF + SILENT).map(open)).await) };
    siege.withstands("half-open connections", "connections", attack, 192).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_place_of_tls() {
    let siege = Siege::begin().await;
    let pieces: [&[u8]; 4] =
        [&[0; 5_000], &[0xff; 5_000], b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n", &[22, 3, 1, 0x40, 0, 1, 2, 3]];
    let attack = async |n: usize| {
        while !siege.is_over() {
            let mut stream = connect_tcp(&siege.relay, attacker(n)).await;
            siege.connections.fetch_add(1, Relaxed);
            let _ = stream.write_all(pieces[n % pieces.len()]).await;
            tokio::select! { () = until_closed(&mut stream) => {}, () = siege.stop.cancelled() => {} }
            siege.struck(1);
        }
    };
    siege
        .withstands("garbage in place of TLS", "connections", async { drop(join_all((0..16).map(attack)).await) }, 32)
        .await;
}

async fn until_closed(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_whose_answers_nobody_reads() {
    const AT_ONCE: usize = 100;
    let siege = Siege::begin().await;
    let batch = b"GET /nowhere HTTP/1.1\r\nHost: relay\r\n\r\n".repeat(AT_ONCE);
    let deaf =
        async |n: usize| flood(&siege, attacker(n / 100), "http/1.1", b"", true, AT_ONCE, &|_| batch.clone()).await;
    let attack = async { drop(join_all((0..400).map(deaf)).await) };
    siege.withstands("answers that nobody reads", "requests", attack, 128).await;
}
