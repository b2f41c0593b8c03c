//! Cuts the power of a disk under the real smile-relay, and looks for every event that it acknowledged.
//!
//! In the order in which a scenario (`main.rs`) uses them:
//! - [`fs`]: the disk, a FUSE file system that forgets what was not synced when its power is cut;
//! - [`relay`]: the real binary: started, asked, ended;
//! - [`machine`]: the disk with the relay on it, and the order in which things end;
//! - [`load`]: signed webhooks over keep-alive connections, and what became of each;
//! - [`ledger`]: what was promised to their sender, held against what the relay lists;
//! - [`http`]: the few lines of HTTP/1.1 that the load and the probes need.

pub mod fs;
pub mod http;
pub mod ledger;
pub mod load;
pub mod machine;
pub mod relay;

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Failures end a scenario and are read by people: text says best what was expected and what was seen.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Asks again and again until `probe` has an answer, for at most `within`.
pub fn wait_until<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            return Err(format!("waited in vain for {within:?} until {what}").into());
        }
        sleep(Duration::from_millis(2));
    }
}
