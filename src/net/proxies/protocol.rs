//! The PROXY protocol, versions 1 and 2: a proxy's first bytes on a connection, before TLS, that say whose it is.
//!
//! Exactly the header is read, as what follows is TLS's or HTTP's, and no more than a bound of it.

use std::{io, net::IpAddr};

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Whom a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) enum Named {
    /// The proxy speaks for itself (LOCAL).
    Itself,
    Client(IpAddr),
    /// Somebody whose address it does not know, or that is none (UNKNOWN, UNSPEC, a Unix socket).
    Unknown,
}

/// The longest line of version 1, as the protocol says.
const LINE_BYTES: usize = 107;
/// The start of version 2 up to its length.
const START_BYTES: usize = 16;
/// The longest header of version 2 with all that it has beside addresses (TLVs), a client's certificate perhaps.
const HEADER_BYTES: usize = 4096;

/// Reads one header.
pub(in crate::net) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Named> {
    // Neither version has a shorter header than this.
    let mut start = [0; v2::PROTOCOL_PREFIX.len()];
    stream.read_exact(&mut start).await?;
    if start == *v2::PROTOCOL_PREFIX {
        read_binary(stream).await
    } else if start.starts_with(b"PROXY ") {
        read_line(stream, &start).await
    } else {
        Err(malformed())
    }
}

async fn read_binary(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Named> {
    // Not in the future, of which every connection has one.
    let mut header = vec![0; HEADER_BYTES];
    header[..v2::PROTOCOL_PREFIX.len()].copy_from_slice(v2::PROTOCOL_PREFIX);
    stream.read_exact(&mut header[v2::PROTOCOL_PREFIX.len()..START_BYTES]).await?;
    let length = START_BYTES + usize::from(u16::from_be_bytes([header[START_BYTES - 2], header[START_BYTES - 1]]));
    let header = header.get_mut(..length).ok_or_else(malformed)?;
    stream.read_exact(&mut header[START_BYTES..]).await?;
    let header = v2::Header::try_from(&*header).map_err(|_| malformed())?;
    if header.command == v2::Command::Local {
        return Ok(Named::Itself);
    }
    match (header.protocol, header.addresses) {
        (v2::Protocol::Datagram, _) => Err(malformed()),
        (v2::Protocol::Stream, v2::Addresses::IPv4(addresses)) => Ok(Named::Client(addresses.source_address.into())),
        (v2::Protocol::Stream, v2::Addresses::IPv6(addresses)) => Ok(Named::Client(addresses.source_address.into())),
        _ => Ok(Named::Unknown),
    }
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<Named> {
    let mut line = Vec::with_capacity(LINE_BYTES);
    line.extend_from_slice(start);
    // Byte by byte: where the line ends is only known at its end.
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_BYTES {
            return Err(malformed());
        }
        line.push(stream.read_u8().await?);
    }
    let line = str::from_utf8(&line).map_err(|_| malformed())?;
    // Whatever else stands on such a line is to be ignored.
    if line.starts_with("PROXY UNKNOWN ") || line == "PROXY UNKNOWN\r\n" {
        return Ok(Named::Unknown);
    }
    match v1::Header::try_from(line).map_err(|_| malformed())?.addresses {
        v1::Addresses::Tcp4(addresses) => Ok(Named::Client(addresses.source_address.into())),
        v1::Addresses::Tcp6(addresses) => Ok(Named::Client(addresses.source_address.into())),
        v1::Addresses::Unknown => Ok(Named::Unknown),
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no header of the PROXY protocol")
}

#[cfg(test)]
mod tests;
