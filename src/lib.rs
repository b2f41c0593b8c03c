//! smile-relay: Smile's webhooks in, durable, out as typed events over gRPC.
//!
//! The parts, in the order in which an event travels:
//!
//! - [`event`]: what an event is. Its received form, its typed protobuf view, cursors, filters. No I/O.
//! - [`log`]: the durable, ordered log. One trait; the embedded store is SQLite.
//! - [`cli`]: the commands, a file each. The ends of the way as people use it: what sends an event, what prints one.

pub mod cli;
pub mod event;
pub mod feed;
pub mod grpc;
pub mod log;
