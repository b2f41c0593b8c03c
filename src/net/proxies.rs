//! Proxies in front of a listener, and for whom they speak.
//!
//! Promises:
//! - Nobody but a trusted proxy can say that a request is another's. From everybody else the PROXY protocol is bytes that
//!   are no TLS and no HTTP, and forwarding headers are not looked at.
//! - Names are followed from the nearest hop on, and only for as long as each hop is trusted itself: what the first that
//!   is not has written before it counts for nothing.
//! - Where a trusted proxy names somebody in a way that can't be read (`unknown`, a hidden name, nonsense, more hops
//!   than [`HOPS`]), the client is not known. It is then on no list, and never taken for the proxy itself.
//!
//! A proxy that names nobody speaks for itself, as in its health checks.

mod forwarded;
pub(super) mod protocol;

use std::{fmt, net::IpAddr, str::FromStr};

use http::{HeaderMap, HeaderName, header::FORWARDED};

use self::protocol::Named;
use super::{Client, Networks, Peer};

/// How many hops are followed, empty elements counted as well.
const HOPS: usize = 16;

/// The header in which proxies say for whom they speak. The other one is never looked at: a proxy that sets one of them
/// passes the other on as its client wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    #[default]
    XForwardedFor,
    /// As of RFC 7239.
    Forwarded,
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl ForwardedHeader {
    fn name(self) -> &'static HeaderName {
        match self {
            Self::XForwardedFor => &X_FORWARDED_FOR,
            Self::Forwarded => &FORWARDED,
        }
    }
}

/// The name of a header that does not say for whom a proxy speaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a header that is read; write the one that the proxies set: x-forwarded-for or forwarded")]
pub struct UnknownHeader(String);

impl FromStr for ForwardedHeader {
    type Err = UnknownHeader;

    fn from_str(text: &str) -> Result<Self, UnknownHeader> {
        let all = [Self::XForwardedFor, Self::Forwarded];
        let named = all.into_iter().find(|header| text.eq_ignore_ascii_case(header.name().as_str()));
        named.ok_or_else(|| UnknownHeader(text.to_owned()))
    }
}

impl fmt::Display for ForwardedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().as_str())
    }
}

/// The proxies in front of a listener. None by default.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Those whose word is taken.
    pub trusted: Networks,
    /// Whether whoever can connect to a Unix socket is trusted, too.
    pub trusts_unix: bool,
    pub header: ForwardedHeader,
    /// Each connection of a trusted proxy begins with the PROXY protocol.
    pub protocol: bool,
}

/// Who sends what comes over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) client: Client,
    /// It is a trusted proxy, whose requests may be those of others.
    pub(super) is_proxy: bool,
}

impl Proxies {
    /// Who a connection's peer is.
    pub(super) fn sender(&self, peer: Peer) -> Sender {
        match peer.0 {
            Some(address) => self.at(address.ip()),
            None => Sender { client: Client(None), is_proxy: self.trusts_unix },
        }
    }

    /// Who `proxy` says it speaks for on this connection.
    pub(super) fn named(&self, named: Named, proxy: Sender) -> Sender {
        match named {
            Named::Itself => proxy,
            Named::Client(address) => self.at(address),
            Named::Unknown => Sender { client: Client(None), is_proxy: false },
        }
    }

    fn at(&self, address: IpAddr) -> Sender {
        let address = address.to_canonical();
        Sender { client: Client(Some(address)), is_proxy: self.trusted.contains(address) }
    }

    /// Whose request this is, of those that come from `sender`.
    pub(super) fn client(&self, sender: Sender, headers: &HeaderMap) -> Client {
        if !sender.is_proxy {
            return sender.client;
        }
        let mut client = sender.client;
        for (at, hop) in forwarded::hops(self.header, headers).enumerate() {
            // What is between two commas need not be anything.
            if hop.is_empty() && at < HOPS {
                continue;
            }
            let Some(address) = hop.address().filter(|_| at < HOPS) else { return Client(None) };
            client = Client(Some(address));
            if !self.trusted.contains(address) {
                break;
            }
        }
        client
    }
}

#[cfg(test)]
mod tests;
