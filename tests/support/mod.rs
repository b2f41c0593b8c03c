//! Starts the real binary on free ports, and talks HTTPS, gRPC and signals to it, as others do.
//!
//! Every relay is ended, and every directory removed, when its value is dropped. What a relay has logged is printed if
//! the test fails.
#![allow(dead_code, reason = "each test file uses a part of this")]

pub mod client;
pub mod files;
pub mod identity;
pub mod payload;
pub mod program;
pub mod stream;
pub mod wire;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use smile_relay::event::pb::relay_service_client::RelayServiceClient;
use tonic::transport::Channel;

/// The secret that webhooks are signed with here.
pub const SECRET: &str = "a-secret-for-tests";
/// Long enough for a loaded machine; nothing waits as long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where a relay keeps its things. Outlives the relay, so that another can be started on it.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Default for Place {
    fn default() -> Self {
        // Beside the binary: on a real disk, which the temporary directory may not be.
        let dir = tempfile::Builder::new().prefix("place-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::write(dir.path().join("secret"), SECRET).unwrap();
        Self { dir }
    }
}

impl Place {
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Starts a relay here and waits until it is ready.
    pub fn start(&self, more: &[&str]) -> Relay {
        let relay = self.spawn(more);
        relay.until_ready();
        relay
    }

    /// Starts a relay here and waits until it listens.
    pub fn spawn(&self, more: &[&str]) -> Relay {
        let is_plain_http = more.iter().any(|arg| arg.starts_with("--insecure-public-http"));
        Relay::spawn(command().args(self.args(more)), is_plain_http)
    }

    /// As `spawn`, with what `prepare` changes: its environment, say.
    pub fn spawn_with(&self, more: &[&str], prepare: impl FnOnce(&mut Command)) -> Relay {
        let mut command = command();
        prepare(command.args(self.args(more)));
        Relay::spawn(&mut command, false)
    }

    /// The command line of a relay here.
    pub fn args(&self, more: &[&str]) -> Vec<String> {
        let said = |prefix: &str| more.iter().any(|arg| arg.starts_with(prefix));
        let mut args = vec![
            "serve".to_owned(),
            "--public-listen=127.0.0.1:0".to_owned(),
            "--grpc-listen=127.0.0.1:0".to_owned(),
            "--admin-listen=127.0.0.1:0".to_owned(),
            format!("--data-dir={}", self.data_dir().display()),
            "--log-format=json".to_owned(),
        ];
        // What is said counts instead.
        args.retain(|arg| arg.split_once('=').is_none_or(|(flag, _)| !said(flag)));
        args.push(format!("--webhook-secret-file={}", self.path().join("secret").display()));
        if !said("--tls-") && !said("--insecure-public-http") {
            args.push("--tls-self-signed".to_owned());
        }
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        args
    }

    /// Keeps everybody else from writing to the log, for as long as the value lives.
    pub fn hold_write_lock(&self) -> rusqlite::Connection {
        let database = rusqlite::Connection::open(self.data_dir().join("events.db")).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        database
    }
}

/// The binary, or another that SMILE_RELAY_BIN names, with a clean environment.
pub fn command() -> Command {
    let binary = std::env::var_os("SMILE_RELAY_BIN");
    let mut command = Command::new(binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_smile-relay").into()));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SMILE_RELAY_")) {
        command.env_remove(name);
    }
    command
}

/// A running relay.
pub struct Relay {
    child: Child,
    /// What it has logged so far.
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    pub public: String,
    /// The first one's.
    pub grpc: String,
    pub admin: String,
    pub is_plain_http: bool,
}

impl Relay {
    fn spawn(command: &mut Command, is_plain_http: bool) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary is built");
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (addresses, listening) = mpsc::channel();
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                kept.lock().unwrap().push(line);
                let field = |name: &str| json["fields"][name].as_str().map(str::to_owned);
                if field("message").as_deref() == Some("listening") {
                    let _ = addresses.send((field("listener").unwrap(), field("address").unwrap()));
                }
            }
        });
        let mut relay = Self {
            child,
            log,
            reader: Some(reader),
            public: String::new(),
            grpc: String::new(),
            admin: String::new(),
            is_plain_http,
        };
        while relay.public.is_empty() || relay.grpc.is_empty() || relay.admin.is_empty() {
            let Ok((listener, address)) = listening.recv_timeout(PATIENCE) else {
                panic!("the relay does not listen; it said:\n{}", relay.log());
            };
            match listener.as_str() {
                "public" => relay.public = address,
                "grpc" if relay.grpc.is_empty() => relay.grpc = address,
                "admin" => relay.admin = address,
                _ => {}
            }
        }
        relay
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub fn until_ready(&self) {
        eventually("the relay is ready", || (self.probe("/readyz").0 == 200).then_some(()));
    }

    /// Status and body of a GET of the admin listener; status 0 if it can't be reached.
    pub fn probe(&self, path: &str) -> (u16, String) {
        use std::io::{Read, Write};
        let answer = || -> std::io::Result<String> {
            let mut stream = std::net::TcpStream::connect(&self.admin)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let Ok(answer) = answer() else { return (0, String::new()) };
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// The value of a metric, by its name with labels as they are printed; 0 if it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        self.sample(name).map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// How many webhooks to the endpoint `smile` came to this.
    pub fn webhooks(&self, result: &str) -> usize {
        let (_, text) = self.probe("/metrics");
        let of_any_type = |line: &&str| {
            line.starts_with(r#"smile_relay_webhooks_total{endpoint="smile","#)
                && line.contains(&format!(r#"result="{result}"}}"#))
        };
        let count =
            |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<usize>().ok()).expect("a count");
        text.lines().filter(of_any_type).map(count).sum()
    }

    /// The bytes of all webhooks to the endpoint `smile` whose signature was right.
    pub fn verified_bytes(&self) -> usize {
        self.counter(r#"smile_relay_webhook_bytes_total{endpoint="smile"}"#)
    }

    fn counter(&self, name: &str) -> usize {
        self.sample(name).map_or(0, |value| value.parse().expect("a count"))
    }

    fn sample(&self, name: &str) -> Option<String> {
        let (_, text) = self.probe("/metrics");
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next().map(str::to_owned)
    }

    /// Memory that is really used, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// A gRPC client with the limits that clients have by default.
    pub async fn grpc(&self) -> RelayServiceClient<Channel> {
        let channel = Channel::from_shared(format!("http://{}", self.grpc)).unwrap().connect().await.unwrap();
        RelayServiceClient::new(channel)
    }

    /// A gRPC client on a connection of its own, with what it lets the relay send before it has read it: on each
    /// stream, and on all together.
    pub async fn grpc_with_windows(&self, stream: u32, connection: u32) -> RelayServiceClient<Channel> {
        let endpoint = Channel::from_shared(format!("http://{}", self.grpc)).unwrap();
        let endpoint = endpoint.initial_stream_window_size(stream).initial_connection_window_size(connection);
        RelayServiceClient::new(endpoint.connect().await.unwrap())
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits until it has ended. Blocks: a test with open connections needs a runtime with several threads, or
    /// the relay waits for clients that can't hear it.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.until_exit()
    }

    /// Waits until it ends by itself.
    pub fn until_exit(&mut self) -> ExitStatus {
        let exited = eventually("the relay has ended", || self.child.try_wait().unwrap());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        exited
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Gone already if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the relay {} said:\n{}\n---", self.pid(), self.log());
        }
    }
}

/// Waits until `condition` gives something.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
