//! The first bytes of a connection: which HTTP it is. They are read before hyper sees the connection, so that a peer
//! that sends nothing, or half a preface, is not hyper's.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::requests::Activity;
use crate::net::stream::Stream;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// The first bytes: as many as it took to tell.
pub(super) struct Opening {
    bytes: [u8; PREFACE.len()],
    length: usize,
}

impl Opening {
    pub(super) fn version(&self) -> Version {
        if self.bytes == *PREFACE { Version::Http2 } else { Version::Http1 }
    }
}

/// Reads until it is clear whether this is an HTTP/2 preface.
pub(super) async fn read(stream: &mut Stream) -> io::Result<Opening> {
    let mut opening = Opening { bytes: [0; PREFACE.len()], length: 0 };
    while opening.length < PREFACE.len() && PREFACE.starts_with(&opening.bytes[..opening.length]) {
        match stream.read(&mut opening.bytes[opening.length..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => opening.length += more,
        }
    }
    Ok(opening)
}

/// A connection from its first byte on, which tells when bytes of a further request arrive.
pub(super) struct Observed {
    stream: Stream,
    opening: Opening,
    /// How much of the opening has been read.
    replayed: usize,
    activity: Arc<Activity>,
}

impl Observed {
    pub(super) fn new(stream: Stream, opening: Opening, activity: Arc<Activity>) -> Self {
        Self { stream, opening, replayed: 0, activity }
    }
}

impl AsyncRead for Observed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let opening = &this.opening.bytes[this.replayed..this.opening.length];
        if !opening.is_empty() {
            let length = opening.len().min(buf.remaining());
            buf.put_slice(&opening[..length]);
            this.replayed += length;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.activity.bytes_arrived();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Observed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
