//! Listeners: addresses, sockets, TLS, and the one loop that serves HTTP on all of them.
//!
//! Promises:
//! - A Unix socket has its permissions before anybody can connect, replaces only one that nobody accepts on, and is
//!   removed at the end.
//! - No peer holds a connection for long without sending a request: handshake, first bytes and request heads have
//!   deadlines, and so has idleness where [`Limits`] set one.
//! - Where [`Limits`] say so, no address has all connections, and when all are taken those give way that have asked for
//!   nothing yet.
//! - Whom a request is from is what the network says, or a proxy that is trusted; nobody else can choose it ([`Proxies`]).
//! - [`serve()`] returns only when every connection and every request of it has ended.
//!
//! Only `relay` binds and serves; the parts give it their routers and find who calls in [`Peer`] and [`Client`].

mod address;
pub mod answer;
mod client_ca;
mod connection;
mod crowd;
mod finish;
mod limits;
mod listener;
mod networks;
mod newcomers;
mod origin;
mod peer;
mod proxies;
mod seldom;
mod serve;
mod stream;
pub mod tls;

use std::net::{IpAddr, SocketAddr};

use tokio_util::sync::CancellationToken;

pub use self::{
    address::{Address, AddressError},
    client_ca::{ClientAuthorities, authorities},
    finish::Finish,
    limits::Limits,
    listener::{BindError, Listener},
    networks::{Networks, neighbourhood, network},
    origin::{is_origin, is_web_origin},
    peer::{Connection, PeerCertificate},
    proxies::{ForwardedHeader, Proxies, UnknownHeader},
    serve::serve,
};

/// Who is at the other end of a connection, in the extensions of each of its requests. Unix sockets have no address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer(pub Option<SocketAddr>);

/// Whom a request is from, in its extensions: the peer, or whom the peer speaks for if it is a trusted proxy. None if that
/// is not known, or has no address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client(pub Option<IpAddr>);

/// How serving ends.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Accept no more, finish what is under way, and tell clients to go elsewhere.
    pub drain: CancellationToken,
    /// Drop what is left.
    pub abort: CancellationToken,
}
