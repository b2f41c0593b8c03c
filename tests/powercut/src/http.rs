//! HTTP/1.1 over a plain socket, just enough for a load that must know to the microsecond when it sent what.
//!
//! One request at a time on a connection that is kept alive. An answer is read to its end before it is handed back;
//! whatever is not a complete answer is an `io::Error`, so a connection that broke is never taken for a refusal.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for the relay's own 10 s in its writer's queue.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Connection {
    stream: BufReader<TcpStream>,
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub retry_after: Option<String>,
    /// The server closes the connection after this answer.
    pub closing: bool,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub fn get(&mut self, path: &str) -> io::Result<Response> {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n").as_bytes())
    }

    pub fn post(&mut self, path: &str, header: (&str, &str), body: &[u8]) -> io::Result<Response> {
        let (name, value) = header;
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{name}: {value}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.exchange(&request)
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Response> {
        self.stream.get_mut().write_all(request)?;
        let status_line = self.line()?;
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| malformed(&status_line))?;
        let mut response = Response { status, retry_after: None, closing: false, body: Vec::new() };
        let mut length = None;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed(&line))?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = Some(value.parse().map_err(|_| malformed(&line))?),
                "retry-after" => response.retry_after = Some(value.to_owned()),
                "connection" => response.closing = value.eq_ignore_ascii_case("close"),
                "transfer-encoding" => return Err(malformed(&line)),
                _ => {}
            }
        }
        response.body.resize(length.unwrap_or(0), 0);
        self.stream.read_exact(&mut response.body)?;
        Ok(response)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn malformed(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not understood in an answer: {line:?}"))
}
