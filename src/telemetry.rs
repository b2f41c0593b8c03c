//! What an operator sees: log lines, the admin listener with probes and metrics, and what is sent to a collector.
//!
//! Promises: nothing here costs an event more than some additions to counters; what has to be worked out is worked out when
//! it is asked for. Nothing of a body, no secret and nobody's name is in a log line, a metric or a span. Nobody who looks,
//! or fails to, holds up the relay.

pub mod admin;
mod certificates;
mod classic;
mod log_gauges;
pub mod logs;
pub mod otlp;
mod process;
mod readiness;
mod scrape;

pub use self::{
    certificates::Certificates,
    readiness::{LOG_FAILED, Readiness, STARTING},
    scrape::Scrape,
};
