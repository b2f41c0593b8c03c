//! smile-relay: Smile's webhooks in, durable, out as typed events over gRPC.
//!
//! The parts, in the order in which an event travels:
//!
//! - [`net`]: listeners, TLS, and the loop that serves HTTP on all of them.
//! - [`webhook`]: Smile's webhooks come in. Routes, signatures, limits; answers only what the log has stored.
//! - [`callback`]: the Wink Widget's callbacks come in, from users' browsers, with tokens that this relay has signed.
//! - [`log`]: the durable, ordered log. One trait; the embedded store is SQLite.
//! - [`event`]: what an event is. Its received form, its typed protobuf view, cursors, filters. No I/O.
//! - [`feed`]: the encoded, shared view of the log. Pages, caches, the tail.
//! - [`identity`]: who calls, and what it may.
//! - `jws`: signatures of JSON web tokens, of callers and of browsers.
//! - [`grpc`]: the services. Requests in, the feed's bytes out, errors mapped.
//!
//! And around them:
//!
//! - [`config`]: flags, environment and file, to one checked configuration.
//! - [`telemetry`]: log lines, metrics, traces, probes.
//! - [`relay`]: composes the parts, binds, runs, drains. The only one that knows them all.
//! - [`cli`]: the commands, a file each.

pub mod callback;
pub mod cli;
pub mod config;
pub mod event;
pub mod feed;
pub mod grpc;
pub mod identity;
mod jws;
pub mod log;
pub mod net;
pub mod relay;
pub mod telemetry;
pub mod webhook;
