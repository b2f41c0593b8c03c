//! smile-relay: Smile's webhooks in, durable, out as typed events over gRPC.
//!
//! The parts, in the order in which an event travels:
//!
//! - [`net`]: listeners, TLS, and the loop that serves HTTP on all of them.
//! - [`webhook`]: Smile's webhooks come in: signature, limits, one durable answer.
//! - [`event`]: what an event is. Its received form, its typed protobuf view, cursors, filters. No I/O.
//! - [`log`]: the durable, ordered log. One trait; the embedded store is SQLite.

pub mod event;
pub mod log;
pub mod net;
pub mod webhook;
