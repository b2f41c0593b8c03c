//! `smilerelay.v1.RelayService`: from HTTP requests to the calls, and back.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use prost::Message;
use tokio::time::timeout;
use tonic::{
    Status,
    body::Body,
    codec::{Codec, Streaming},
    server::NamedService,
};
use tonic_prost::ProstCodec;
use tower::Service;

use super::{SERVICE, Shared, access::Access, read, redacted, reply, status, subscribe};
use crate::event::pb::GetRelayInfoRequest;

/// The largest request: a filter with all its fields full of long names takes less.
const REQUEST_BYTES: usize = 4 << 20;
/// How long it may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The service.
#[derive(Clone)]
pub struct RelayService {
    shared: Arc<Shared>,
}

impl RelayService {
    pub fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }
}

impl NamedService for RelayService {
    const NAME: &'static str = SERVICE;
}

impl Service<Request<Body>> for RelayService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { Ok(answer(shared, request).await.unwrap_or_else(reply::error)) })
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Body>) -> Result<Response<Body>, Status> {
    let call = request.uri().path().strip_prefix('/').and_then(|path| path.strip_prefix(SERVICE)).unwrap_or_default();
    let call = call.to_owned();
    let access = Access::of(&request)?;
    let shared = redacted::shared(shared, &access)?;
    Ok(match call.as_str() {
        "/Subscribe" => reply::stream(subscribe::open(shared, message(request).await?, access).await?),
        "/ListEvents" => reply::stream(read::list_events(&shared, message(request).await?, &access).await?),
        "/GetEvent" => reply::stream(read::get_event(shared, message(request).await?, &access).await?),
        "/GetRelayInfo" => {
            let GetRelayInfoRequest {} = message(request).await?;
            reply::message(read::get_relay_info(&shared, &access).await?)
        }
        _ => return Err(Status::unimplemented("RelayService has no such call")),
    })
}

/// The one message of a request.
async fn message<M: Message + Default + 'static>(request: Request<Body>) -> Result<M, Status> {
    if request.headers().get("grpc-encoding").is_some_and(|coding| coding != "identity") {
        return Err(Status::unimplemented("requests can't be compressed; grpc-accept-encoding: identity"));
    }
    let decoder = ProstCodec::<(), M>::default().decoder();
    let mut messages = Streaming::new_request(decoder, request.into_body(), None, Some(REQUEST_BYTES));
    let message = timeout(REQUEST_TIMEOUT, messages.message()).await;
    let message = message.map_err(|_| status::asked_too_slowly(REQUEST_TIMEOUT))??;
    message.ok_or_else(|| Status::invalid_argument("the request holds no message"))
}
