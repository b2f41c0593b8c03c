//! Listeners: addresses, sockets, TLS, and the one loop that serves HTTP on all of them.
//!
//! Promises:
//! - A Unix socket has its permissions before anybody can connect, replaces only one that nobody accepts on, and is
//!   removed at the end.
//! - No peer holds a connection for long without sending a request: handshake, first bytes and request heads have
//!   deadlines, and so has idleness where [`Limits`] set one.
//! - [`serve()`] returns only when every connection and every request of it has ended.
//!
//! Only `relay` binds and serves; the parts give it their routers and find the caller's address in [`Peer`].

mod address;
pub mod answer;
mod client_ca;
mod connection;
mod finish;
mod limits;
mod listener;
mod origin;
mod peer;
mod serve;
mod stream;
pub mod tls;

use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

pub use self::{
    address::{Address, AddressError},
    client_ca::{ClientAuthorities, authorities},
    finish::Finish,
    limits::Limits,
    listener::{BindError, Listener},
    origin::{is_origin, is_web_origin},
    peer::{Connection, PeerCertificate},
    serve::serve,
};

/// Who is at the other end of a connection, in the extensions of each of its requests. Unix sockets have no address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer(pub Option<SocketAddr>);

/// How serving ends.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Accept no more, finish what is under way, and tell clients to go elsewhere.
    pub drain: CancellationToken,
    /// Drop what is left.
    pub abort: CancellationToken,
}
