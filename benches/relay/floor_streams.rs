//! The floor of (b) and (e): a bare tonic service that streams ready bytes, the same ones to all streams, so many times a
//! second. No log, no position, no filter, no checkpoints.
//!
//! Served as tonic is usually served: by its own `Server`, each stream fed through a channel. Only the codec is its own,
//! so that nothing is encoded anew.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use futures_util::{StreamExt, future::BoxFuture, stream::Map};
use http::{Request, Response};
use tokio::{net::TcpListener, sync::mpsc, time::MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, NamedService, ServerStreamingService},
    transport::{Server, server::TcpIncoming},
};

pub const ROLE: &str = "floor-streams";
pub const PATH: &str = "/bench.Floor/Subscribe";
/// Messages that wait for a stream before it misses some.
const QUEUE: usize = 1024;

/// Streams the content of a file, so many times a second, until it is killed.
pub fn run(args: &[&str]) {
    let [message, rate] = args else { panic!("{ROLE} MESSAGE RATE") };
    let message = Bytes::from(std::fs::read(message).expect("the file is ours"));
    let rate: f64 = rate.parse().expect("a number");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        println!("{}", listener.local_addr().expect("it is bound"));
        let floor = Floor::default();
        tokio::spawn(tick(floor.streams.clone(), message, rate));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let mut server = Server::builder().max_concurrent_streams(10_000);
        server.add_service(floor).serve_with_incoming(incoming).await.expect("it goes on");
    });
}

type Queues = Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>;

async fn tick(streams: Queues, message: Bytes, rate: f64) {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticks.tick().await;
        for stream in &*streams.lock().expect("nothing panics under it") {
            // Full: it is stalled, or gone.
            let _ = stream.try_send(message.clone());
        }
    }
}

#[derive(Clone, Default)]
struct Floor {
    streams: Queues,
}

impl NamedService for Floor {
    const NAME: &'static str = "bench.Floor";
}

/// What the generated code of a service does.
impl tower::Service<Request<Body>> for Floor {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = Subscribe(Arc::clone(&self.streams));
        Box::pin(async move { Ok(Grpc::new(ReadyBytes).server_streaming(call, request).await) })
    }
}

struct Subscribe(Queues);

impl ServerStreamingService<Bytes> for Subscribe {
    type Response = Bytes;
    type ResponseStream = Map<ReceiverStream<Bytes>, fn(Bytes) -> Result<Bytes, Status>>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: tonic::Request<Bytes>) -> Self::Future {
        let (sender, receiver) = mpsc::channel(QUEUE);
        // An empty message, so that the reader knows that it is subscribed.
        sender.try_send(Bytes::new()).expect("it is new");
        self.0.lock().expect("nothing panics under it").push(sender);
        let ok: fn(Bytes) -> Result<Bytes, Status> = Ok;
        ready(Ok(tonic::Response::new(ReceiverStream::new(receiver).map(ok))))
    }
}

/// Messages are bytes that are ready.
#[derive(Clone, Copy)]
struct ReadyBytes;

impl Codec for ReadyBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for ReadyBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for ReadyBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
