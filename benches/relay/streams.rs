//! gRPC streams over HTTP/2, read by a client that does next to nothing: it takes frames apart and counts.
//!
//! A client library would cost more than what is measured. This one knows the few frames that a stream is made of; it
//! opens all streams of a connection at once, answers settings and pings, and hands over whole gRPC messages.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use nix::sys::socket::{setsockopt, sockopt::TcpMaxSeg};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::AbortHandle,
};

/// How a reader reads.
#[derive(Clone, Copy, PartialEq)]
pub enum Pace {
    /// All that comes; nothing ever has to wait for it.
    Keen,
    /// Nothing is taken from the streams: their windows (the protocol's 64 KiB) are full after as much. The connection
    /// is looked after.
    Stalled,
    /// Nothing is read from the socket any more once the streams are open. Their windows are as large as those of many
    /// clients (1 MiB), and never full.
    Frozen,
}

impl Pace {
    fn stream_window(self) -> u32 {
        match self {
            Self::Keen => LARGEST_WINDOW,
            Self::Stalled => 65_535,
            Self::Frozen => 1 << 20,
        }
    }
}

/// What was read so far, of all streams together.
#[derive(Default)]
pub struct Counts {
    /// Streams whose answer has begun with a message (or, from a floor, with its head).
    pub opened: AtomicU64,
    pub events: AtomicU64,
    pub ended: AtomicU64,
}

impl Counts {
    pub fn events(&self) -> u64 {
        self.events.load(Relaxed)
    }

    /// Waits until `count` has come to `wanted`.
    ///
    /// # Panics
    /// If it takes a minute.
    pub async fn until(&self, what: &str, wanted: u64, count: impl Fn(&Self) -> &AtomicU64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while count(self).load(Relaxed) < wanted {
            assert!(Instant::now() < deadline, "{what}: {} of {wanted}", count(self).load(Relaxed));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Open streams. Closed when dropped.
pub struct Streams {
    pub counts: Arc<Counts>,
    readers: Vec<AbortHandle>,
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.readers.iter().for_each(AbortHandle::abort);
    }
}

/// What is asked for, by whom.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub address: SocketAddr,
    /// `/package.Service/Method`
    pub path: &'a str,
    /// An encoded message.
    pub request: &'a [u8],
    pub pace: Pace,
}

impl Call<'_> {
    /// Opens `count` streams, so many on each connection, and reads them. `on_message` gets each message.
    pub async fn open(
        self,
        count: usize,
        per_connection: usize,
        on_message: impl FnMut(&[u8]) + Clone + Send + 'static,
    ) -> Streams {
        let counts = Arc::new(Counts::default());
        let mut readers = Vec::new();
        let mut left = count;
        while left > 0 {
            let here = left.min(per_connection);
            left -= here;
            let socket = TcpSocket::new_v4().expect("there are file descriptors");
            if self.pace == Pace::Frozen {
                // What the kernel keeps of it is not what is measured; on loopback, with its large segments, that is a lot.
                socket.set_recv_buffer_size(16 << 10).expect("it is allowed");
                setsockopt(&socket, TcpMaxSeg, &1_400).expect("it is allowed");
            }
            let mut socket = socket.connect(self.address).await.expect("it listens");
            socket.set_nodelay(true).expect("it is open");
            socket.write_all(&self.opening(here)).await.expect("it is open");
            let connection = Connection {
                socket,
                streams: (0..here).map(|_| Pending::default()).collect(),
                unacknowledged: 0,
                freezes: self.pace == Pace::Frozen,
                opened: 0,
                counts: Arc::clone(&counts),
                on_message: on_message.clone(),
            };
            readers.push(tokio::spawn(connection.read()).abort_handle());
        }
        counts.until("streams opened", count as u64, |counts| &counts.opened).await;
        Streams { counts, readers }
    }

    /// All that a client has to say: the preface, its settings, and a request for each stream.
    fn opening(&self, count: usize) -> Vec<u8> {
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut settings = Vec::new();
        for (setting, value) in [(0x2_u16, 0_u32), (0x4, self.pace.stream_window())] {
            settings.extend_from_slice(&setting.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        put_frame(&mut out, SETTINGS, 0, 0, &settings);
        put_frame(&mut out, WINDOW_UPDATE, 0, 0, &(LARGEST_WINDOW - 65_535).to_be_bytes());
        // POST and http are in HPACK's table; the rest is written out, names by their numbers there where they have one.
        let mut head = vec![0x83, 0x86];
        let mut put = |name: &[u8], value: &str| {
            head.extend_from_slice(name);
            head.push(u8::try_from(value.len()).ok().filter(|length| *length < 127).expect("it is short"));
            head.extend_from_slice(value.as_bytes());
        };
        put(&[0x04], self.path);
        put(&[0x01], "localhost");
        put(&[0x0f, 0x10], "application/grpc");
        put(b"\x00\x02te", "trailers");
        let mut message = vec![0];
        message.extend_from_slice(&u32::try_from(self.request.len()).expect("it is short").to_be_bytes());
        message.extend_from_slice(self.request);
        for stream in 0..count {
            let id = u32::try_from(2 * stream + 1).expect("there are not as many");
            put_frame(&mut out, HEADERS, END_HEADERS, id, &head);
            put_frame(&mut out, DATA, END_STREAM, id, &message);
        }
        out
    }
}

const LARGEST_WINDOW: u32 = (1 << 31) - 1;
const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

fn put_frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, content: &[u8]) {
    let length = u32::try_from(content.len()).expect("it is short").to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(content);
}

/// What has come of a stream's next message.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    has_opened: bool,
}

/// One connection and its streams.
struct Connection<F> {
    socket: TcpStream,
    streams: Vec<Pending>,
    /// Bytes read that the peer was not given back yet.
    unacknowledged: u32,
    /// Reads no more once all streams are open.
    freezes: bool,
    opened: usize,
    counts: Arc<Counts>,
    on_message: F,
}

impl<F: FnMut(&[u8])> Connection<F> {
    async fn read(mut self) {
        // Grown where a frame is larger.
        let mut buffer = vec![0; 32 << 10];
        let mut filled = 0;
        let mut answers = Vec::new();
        loop {
            let read = self.socket.read(&mut buffer[filled..]).await.expect("the connection is kept");
            if read == 0 {
                return;
            }
            filled += read;
            let mut at = 0;
            while let Some(frame) = whole_frame(&buffer[at..filled]) {
                self.take(frame, &mut answers);
                at += frame.len();
            }
            buffer.copy_within(at..filled, 0);
            filled -= at;
            if filled == buffer.len() || read == buffer.len() {
                buffer.resize((buffer.len() * 2).min(1 << 20), 0);
            }
            if self.unacknowledged > LARGEST_WINDOW / 4 {
                put_frame(&mut answers, WINDOW_UPDATE, 0, 0, &self.unacknowledged.to_be_bytes());
                self.unacknowledged = 0;
            }
            if !answers.is_empty() {
                self.socket.write_all(&answers).await.expect("the connection is kept");
                answers.clear();
            }
            if self.freezes && self.opened == self.streams.len() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn take(&mut self, frame: &[u8], answers: &mut Vec<u8>) {
        let (head, content) = frame.split_at(FRAME_HEAD);
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize / 2;
        match kind {
            DATA => {
                self.unacknowledged += u32::try_from(content.len()).expect("frames are small");
                self.take_data(stream, content);
            }
            HEADERS if flags & END_STREAM != 0 => {
                self.counts.ended.fetch_add(1, Relaxed);
            }
            SETTINGS if flags & ACK == 0 => put_frame(answers, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => put_frame(answers, PING, ACK, 0, content),
            RST_STREAM | GOAWAY => panic!("the peer gives up: frame {kind}, {content:?}"),
            _ => {}
        }
    }

    fn take_data(&mut self, stream: usize, content: &[u8]) {
        let pending = &mut self.streams[stream];
        if !pending.has_opened && !content.is_empty() {
            pending.has_opened = true;
            self.opened += 1;
            self.counts.opened.fetch_add(1, Relaxed);
        }
        // Nearly always a frame holds whole messages, which are read where they are.
        if pending.bytes.is_empty() {
            let read = take_messages(content, &self.counts, &mut self.on_message);
            pending.bytes.extend_from_slice(&content[read..]);
        } else {
            pending.bytes.extend_from_slice(content);
            let read = take_messages(&pending.bytes, &self.counts, &mut self.on_message);
            pending.bytes.drain(..read);
        }
    }
}

/// Hands over all whole messages; how many bytes they take.
fn take_messages(bytes: &[u8], counts: &Counts, mut on_message: impl FnMut(&[u8])) -> usize {
    let mut read = 0;
    let mut events = 0;
    while let Some(message) = whole_message(&bytes[read..]) {
        events += count_events(message);
        on_message(message);
        read += MESSAGE_HEAD + message.len();
    }
    counts.events.fetch_add(events, Relaxed);
    read
}

fn whole_frame(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_be_bytes([0, *bytes.first()?, *bytes.get(1)?, *bytes.get(2)?]) as usize;
    bytes.get(..FRAME_HEAD + length)
}

/// A flag and the length.
const MESSAGE_HEAD: usize = 5;

fn whole_message(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_be_bytes(bytes.get(1..MESSAGE_HEAD)?.try_into().ok()?) as usize;
    bytes.get(MESSAGE_HEAD..MESSAGE_HEAD + length)
}

/// How often field 1, which is `events`, is in a message of which all fields are messages.
pub fn count_events(mut message: &[u8]) -> u64 {
    let mut events = 0;
    while let Some((&key, rest)) = message.split_first() {
        let mut length = 0;
        let mut at = 0;
        loop {
            length |= usize::from(rest[at] & 0x7f) << (7 * at);
            at += 1;
            if rest[at - 1] < 0x80 {
                break;
            }
        }
        events += u64::from(key == 0x0a);
        message = &rest[at + length..];
    }
    events
}
