//! Programs that run to their end: the binary's other commands, and `openssl` as an independent witness.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
};

use super::{PATIENCE, command, eventually};

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Finished {
    pub fn stdout(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text on stdout")
    }

    pub fn lines(&self) -> Vec<&str> {
        self.stdout().lines().collect()
    }

    /// What it said on stderr, apart from log lines.
    pub fn said(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| !line.starts_with("{\"timestamp\"")).collect()
    }

    /// The one line that says why it failed.
    ///
    /// # Panics
    /// If there is none, or something else besides log lines.
    pub fn error(&self) -> &str {
        let said = self.said();
        assert!(said.len() == 1 && said[0].starts_with("error: "), "one line, `error: ...`, was expected: {self:#?}");
        said[0]
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }
}

/// Runs the binary to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    finish(command().args(args), b"")
}

/// Runs a program to its end, with this on its stdin.
///
/// # Panics
/// If it does not end within [`PATIENCE`].
pub fn finish(command: &mut Command, stdin: &[u8]) -> Finished {
    let shown = format!("{command:?}");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may well not want to read it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    until_finished(child, &shown)
}

/// Waits for a program's end.
pub fn until_finished(child: Child, what: &str) -> Finished {
    let pid = rustix::process::Pid::from_child(&child);
    let (finished, end) = mpsc::channel();
    std::thread::spawn(move || finished.send(child.wait_with_output().unwrap()));
    let output = end.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let output = end.recv().unwrap();
        panic!("{what} has not ended within {PATIENCE:?}; it said {output:?}");
    });
    Finished {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The HMAC-SHA512 of `body` as OpenSSL makes it, in lower-case hex.
pub fn openssl_sign(secret: &str, body: &[u8]) -> String {
    let signed = finish(Command::new("openssl").args(["dgst", "-sha512", "-hmac", secret]), body).ok();
    let hex = signed.stdout().trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(hex.len(), 128, "{signed:?}");
    hex
}

/// A program that goes on, read line by line. Ended when dropped.
pub struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, stdout, stderr }
    }

    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it has printed so many lines.
    pub fn until_lines(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} lines are printed; {:?}", self.stderr()), || {
            Some(self.stdout()).filter(|lines| lines.len() >= count)
        })
    }

    /// Waits until it says something on stderr.
    pub fn until_said(&self, what: &str) {
        eventually(&format!("it says {what:?}"), || self.stderr().iter().any(|line| line.contains(what)).then_some(()));
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it ends by itself, and for its last lines; the exit code, None for a signal.
    pub fn until_exit(&mut self) -> Option<i32> {
        let exit = eventually("the program has ended", || self.child.try_wait().unwrap());
        // The readers hold the other halves until they have come to the end.
        for lines in [&self.stdout, &self.stderr] {
            eventually("its output is read", || (Arc::strong_count(lines) == 1).then_some(()));
        }
        exit.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(output: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let kept = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            kept.lock().unwrap().push(line);
        }
    });
    lines
}
