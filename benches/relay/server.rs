//! What is measured: a relay or a floor, as a process on a core of its own. Ended when its value is dropped.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, mpsc},
    time::Duration,
};

use nix::{
    sys::signal::{SigSet, Signal, kill},
    unistd::Pid,
};

use super::machine;

/// What webhooks are signed with.
pub const SECRET: &str = "a-secret-for-benchmarks";
/// How long a process may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// The processes that run.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// How a process is asked to end.
fn requests_to_end() -> SigSet {
    SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])
}

/// Ends what was started also when this process is asked to end. Called first, so that all threads leave it to this one.
pub fn end_with_us() {
    let asked = requests_to_end();
    asked.thread_block().expect("these can be blocked");
    std::thread::spawn(move || {
        asked.wait().expect("these can be waited for");
        for running in &*RUNNING.lock().expect("nothing panics under it") {
            // Gone already if it ends just now.
            let _ = kill(*running, Signal::SIGKILL);
        }
        std::process::exit(130);
    });
}

/// A directory on a real disk, removed at the end, with a certificate and a secret.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let place = Self { dir: dir.expect("a directory beside the binary") };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        place.write("cert.pem", made.cert.pem().as_bytes());
        place.write("key.pem", made.signing_key.serialize_pem().as_bytes());
        place.write("secret", SECRET.as_bytes());
        place
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).expect("there is room");
        path
    }

    /// Starts a relay here, on what another may have stored here, and waits until it is ready.
    pub fn relay(&self) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smile-relay"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SMILE_RELAY_")) {
            command.env_remove(name);
        }
        command
            .args(["serve", "--public-listen=127.0.0.1:0", "--grpc-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .args(["--log-format=json", "--tls-cert", &self.file("cert.pem"), "--tls-key", &self.file("key.pem")])
            .args(["--webhook-secret-file", &self.file("secret"), "--data-dir", &self.file("data")])
            .stderr(Stdio::piped());
        let mut child = start(&mut command);
        let output = child.stderr.take().expect("it is piped");
        let mut server = Server { child, http: None, streams: None };
        read_lines(output, |line| {
            let json: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            let field = |name: &str| json["fields"][name].as_str().unwrap_or_default().to_owned();
            let address = || Some(field("address").parse().expect("it prints addresses"));
            match (field("message").as_str(), field("listener").as_str()) {
                ("listening", "public") => server.http = address(),
                ("listening", "grpc") => server.streams = address(),
                ("ready", _) => return true,
                _ => {}
            }
            false
        });
        server
    }

    /// Starts this program as a floor, which prints the address that it listens on.
    pub fn floor(&self, role: &str, args: &[&str]) -> Server {
        let program = std::env::current_exe().expect("this program is there");
        let mut child = start(Command::new(program).arg(role).args(args).stdout(Stdio::piped()));
        let output = child.stdout.take().expect("it is piped");
        let mut server = Server { child, http: None, streams: None };
        read_lines(output, |line| {
            let address = line.parse().ok();
            (server.http, server.streams) = (address, address);
            true
        });
        server
    }
}

fn start(command: &mut Command) -> Child {
    // It inherits what this thread blocks, and has to hear them itself.
    requests_to_end().thread_unblock().expect("these can be let through");
    let child = machine::on_server_core(|| command.stdin(Stdio::null()).spawn()).expect("the program is built");
    requests_to_end().thread_block().expect("these can be blocked");
    RUNNING.lock().expect("nothing panics under it").push(pid_of(&child));
    child
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// Hands on lines until `is_last` says so; then reads the rest for as long as the process lives.
fn read_lines(output: impl Read + Send + 'static, mut is_last: impl FnMut(&str) -> bool) {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens after the start.
            let _ = sender.send(line);
        }
    });
    let mut said = String::new();
    loop {
        let Ok(line) = lines.recv_timeout(PATIENCE) else { panic!("it did not start; it said:\n{said}") };
        if is_last(&line) {
            return;
        }
        said += &line;
        said.push('\n');
    }
}

pub struct Server {
    child: Child,
    http: Option<SocketAddr>,
    streams: Option<SocketAddr>,
}

impl Server {
    /// Where webhooks go.
    pub fn http(&self) -> SocketAddr {
        self.http.expect("it has said where it listens")
    }

    /// Where streams come from.
    pub fn streams(&self) -> SocketAddr {
        self.streams.expect("it has said where it listens")
    }

    /// Its CPU time so far, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        machine::cpu_time(self.child.id()).as_secs_f64() * 1e6
    }

    /// The memory that it really uses, in bytes.
    pub fn resident_bytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("every process has it");
        let kib: f64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number");
        kib * 1024.0
    }

    /// Asks it to end, as an operator does, and waits until it has.
    pub fn stop(mut self) {
        kill(pid_of(&self.child), Signal::SIGTERM).expect("it runs");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        RUNNING.lock().expect("nothing panics under it").retain(|running| *running != pid_of(&self.child));
        // Gone already if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
