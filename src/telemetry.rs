//! What an operator sees: log lines, and the admin listener with probes and metrics.

pub mod admin;
pub mod logs;
