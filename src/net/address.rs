//! Where to listen, as it is written in the configuration: `127.0.0.1:50051`, `localhost:50051`, `unix:/run/x.sock`.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp(SocketAddr),
    /// A host's name, resolved when it is bound.
    Host {
        name: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address to listen on; write HOST:PORT, as in 127.0.0.1:50051 or [::1]:50051, or unix:PATH")]
pub struct AddressError(String);

impl Address {
    /// True if only this machine can connect, so that plaintext is no risk.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            // Bound to loopback addresses only, whatever the resolver says; see `Listener::bind`.
            Self::Host { name, .. } => is_localhost(name),
            Self::Unix(_) => true,
        }
    }
}

pub(super) fn is_localhost(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() || path.contains('\0') { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        let (name, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        // What consists of digits and dots only is a mistyped IP address, which resolvers read in surprising ways.
        let is_number = name.chars().all(|c| c.is_ascii_digit() || c == '.');
        if is_number || !name.chars().all(is_name) {
            return Err(wrong());
        }
        Ok(Self::Host { name: name.to_owned(), port: port.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_prints_every_form() {
        for text in ["127.0.0.1:50051", "[::1]:1", "0.0.0.0:0", "localhost:50051", "unix:/run/x.sock", "unix:x.sock"] {
            assert_eq!(address(text).to_string(), text);
        }
        for text in ["", ":1", "127.0.0.1", "127.0.0.1:65536", "127.0.0:1", "::1:1", "http://a:1", "a b:1", "unix:"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn knows_what_only_this_machine_can_reach() {
        for text in ["127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "Localhost:1", "unix:/x"] {
            assert!(address(text).is_local(), "{text}");
        }
        for text in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.example:1"] {
            assert!(!address(text).is_local(), "{text}");
        }
    }
}
