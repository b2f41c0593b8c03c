//! gRPC responses over HTTP/2: a body of ready bytes, and the status in the trailers.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::{Status, body::Body};

/// What a response is made of.
pub enum Piece {
    Data(Bytes),
    /// The last one.
    End(Status),
}

/// A response with these pieces.
pub fn stream(pieces: impl Stream<Item = Piece> + Send + 'static) -> Response<Body> {
    let frames = pieces.map(|piece| {
        Ok::<_, Infallible>(match piece {
            Piece::Data(bytes) => Frame::data(bytes),
            Piece::End(status) => Frame::trailers(trailers(&status)),
        })
    });
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The response to a unary call: one message.
pub fn message(message: Bytes) -> Response<Body> {
    stream(stream::iter([Piece::Data(message), Piece::End(Status::ok(""))]))
}

/// The response to a call that failed before there was anything to send.
pub fn error(status: Status) -> Response<Body> {
    status.into_http()
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // A message that fits no header: the code alone has to do.
        trailers.insert("grpc-status", (status.code() as i32).into());
    }
    trailers
}
