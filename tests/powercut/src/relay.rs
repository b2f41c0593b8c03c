//! The real smile-relay as a child process: started, waited for, asked, ended.
//!
//! Nothing outlives the scenario: a `Relay` that is dropped is killed and reaped, and should this program die without a
//! word, the kernel kills the relay for it (setpriv's parent-death signal, as this package forbids unsafe code).

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::http::Connection;
use crate::ledger::Listed;
use crate::{Outcome, wait_until};

/// Recovery included.
const READY_WITHIN: Duration = Duration::from_secs(30);
const LISTED_WITHIN: Duration = Duration::from_secs(60);
const LOG_LINES: usize = 60;

/// How to start it, again and again.
pub struct Recipe {
    pub binary: PathBuf,
    pub data: PathBuf,
    pub secret_file: PathBuf,
    /// For what the command line prints; not on the disk under test.
    pub scratch: PathBuf,
}

pub struct Relay {
    child: Child,
    started: Instant,
    /// Filled by the thread that reads its standard error.
    log: Arc<Mutex<Log>>,
    binary: PathBuf,
    scratch: PathBuf,
}

#[derive(Default)]
struct Log {
    tail: VecDeque<String>,
    listening: HashMap<String, SocketAddr>,
}

/// The one place that knows how the relay says where it listens: the listener's name and its address.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields")?;
    if fields.get("message")?.as_str()? != "listening" {
        return None;
    }
    Some((fields.get("listener")?.as_str()?.to_owned(), fields.get("address")?.as_str()?.parse().ok()?))
}

impl Recipe {
    /// Starts it, without waiting for anything.
    pub fn start(&self) -> Outcome<Relay> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.binary);
        command.args(["serve", "--insecure-public-http", "--public-listen", "127.0.0.1:0"]);
        command.args(["--grpc-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(&self.data).arg("--allow-any-filesystem");
        command.arg("--webhook-secret-file").arg(&self.secret_file).args(["--log-format", "json"]);
        without_settings(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("setpriv can't be started: {error}"))?;
        let lines = BufReader::new(child.stderr.take().expect("piped"));
        let log = Arc::new(Mutex::new(Log::default()));
        let filled = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let mut log = filled.lock().expect("no reader panics");
                log.listening.extend(listening(&line));
                log.tail.push_back(line);
                if log.tail.len() > LOG_LINES {
                    log.tail.pop_front();
                }
            }
        });
        Ok(Relay { child, started: Instant::now(), log, binary: self.binary.clone(), scratch: self.scratch.clone() })
    }
}

impl Relay {
    /// Waits until it serves, and says how long that took since its start.
    pub fn wait_until_ready(&mut self) -> Outcome<Duration> {
        wait_until("the relay is ready", READY_WITHIN, || {
            if let Some(status) = self.exited()? {
                return Err(format!("the relay ended while starting: {status}").into());
            }
            let bound = ["public", "grpc", "admin"].iter().all(|listener| self.address(listener).is_ok());
            Ok((bound && self.readyz().is_ok_and(|status| status == 200)).then(|| self.started.elapsed()))
        })
    }

    pub fn address(&self, listener: &str) -> Outcome<SocketAddr> {
        let log = self.log.lock().expect("no reader panics");
        let address = log.listening.get(listener).copied();
        address.ok_or_else(|| format!("the relay never said where its listener {listener} is").into())
    }

    pub fn readyz(&self) -> Outcome<u16> {
        self.probe("/readyz")
    }

    /// What the admin listener answers to a probe.
    pub fn probe(&self, path: &str) -> Outcome<u16> {
        Ok(Connection::open(self.address("admin")?)?.get(path)?.status)
    }

    /// What is in the log, by way of the relay's own command.
    pub fn list(&self) -> Outcome<Vec<Listed>> {
        let (printed, complained) = (self.scratch.join("events.jsonl"), self.scratch.join("events.err"));
        let mut command = Command::new(&self.binary);
        let address = format!("http://{}", self.address("grpc")?);
        command.args(["events", "list", "--address", &address, "--json", "--all"]);
        without_settings(&mut command);
        command.stdin(Stdio::null()).stdout(File::create(&printed)?).stderr(File::create(&complained)?);
        let mut child = Reaped(command.spawn()?);
        let status = wait_until("the events are listed", LISTED_WITHIN, || Ok(child.0.try_wait()?))?;
        if !status.success() {
            let complaint = std::fs::read_to_string(&complained)?;
            return Err(format!("`events list` failed, {status}: {complaint}").into());
        }
        BufReader::new(File::open(&printed)?).lines().map(|line| listed(&line?)).collect()
    }

    pub fn exited(&mut self) -> Outcome<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub fn wait_for_exit(&mut self, within: Duration) -> Outcome<ExitStatus> {
        wait_until("the relay ends by itself", within, || self.exited())
    }

    /// SIGTERM: the relay may finish what it does.
    pub fn terminate(&self) -> Outcome {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        Ok(())
    }

    /// SIGKILL, and wait until nothing of the process is left. Says how it ended, if it was quicker.
    pub fn kill(&mut self) -> Outcome<Option<ExitStatus>> {
        self.child.kill()?;
        let status = self.child.wait()?;
        Ok((status.signal() != Some(Signal::SIGKILL as i32)).then_some(status))
    }

    pub fn log_tail(&self) -> String {
        let log = self.log.lock().expect("no reader panics");
        log.tail.iter().fold(String::new(), |text, line| text + "  " + line + "\n")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A child that does not outlive its handle.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The relay reads its settings from the environment too (our own `SMILE_RELAY_BIN` is none of them).
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"SMILE_RELAY_")) {
        command.env_remove(name);
    }
}

/// Proto JSON prints a uint64 as a string.
fn listed(line: &str) -> Outcome<Listed> {
    let event: Value = serde_json::from_str(line)?;
    let id = event.get("id").and_then(Value::as_str);
    let sequence = event.get("sequence").and_then(Value::as_str).and_then(|text| text.parse().ok());
    match (id, sequence) {
        (Some(id), Some(sequence)) => Ok(Listed { id: id.to_owned(), sequence }),
        _ => Err(format!("no id or no sequence in a listed event: {line}").into()),
    }
}

/// Whether there is a binary at all, before anything is mounted for it.
pub fn check_binary(path: &Path) -> Outcome {
    if path.is_file() { Ok(()) } else { Err(format!("SMILE_RELAY_BIN: no file at {}", path.display()).into()) }
}
