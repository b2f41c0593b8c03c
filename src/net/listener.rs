//! Listening sockets: bound with a clear answer when that fails, and gone without a trace at the end.
//!
//! A Unix socket is made in a directory of its own that nobody else can enter, given its permissions there, and then
//! renamed to its place. So nobody ever connects to one with the wrong permissions, and there is no moment without a
//! socket where one was before. Two processes that replace the same stale socket at the same instant are not kept
//! apart: the one that comes last has it.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    net::{TcpListener, UnixListener, UnixStream, lookup_host},
    time::timeout,
};

use super::{Address, Peer, address::is_localhost, stream::Stream};

/// How long whoever has a Unix socket may take to accept; it is counted as in use after that, too.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why an address can't be listened on. Each names it.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{0}: another process listens there; end it, or choose another address")]
    InUse(Address),
    #[error("{0}: the name has no address here; write an IP address")]
    NoAddress(Address),
    #[error("{0}: there is something that is not a socket; remove it, or choose another path")]
    NotASocket(Address),
    #[error("{address}: {source}")]
    Io { address: Address, source: io::Error },
}

/// A socket that is listened on. Dropping it closes it and removes a Unix socket's file.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    local: Address,
    /// Removes the file of a Unix socket when dropped.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens on `address`. `unix_mode` are the permissions of a Unix socket: who may connect to it.
    ///
    /// # Errors
    /// If the address is in use, can't be resolved, or the system refuses.
    pub async fn bind(address: &Address, unix_mode: u32) -> Result<Self, BindError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address.clone()),
            _ => BindError::Io { address: address.clone(), source },
        };
        let listener = match address {
            Address::Unix(path) => {
                let (listener, file) = bind_unix(address, path, unix_mode).await?;
                return Ok(Self { kind: Kind::Unix(listener), local: address.clone(), _file: Some(file) });
            }
            Address::Tcp(address) => TcpListener::bind(address).await.map_err(failed)?,
            Address::Host { name, port } => {
                let only_local = is_localhost(name);
                let found: Vec<_> = lookup_host((name.as_str(), *port))
                    .await
                    .map_err(failed)?
                    .filter(|found| !only_local || found.ip().is_loopback())
                    .collect();
                if found.is_empty() {
                    return Err(BindError::NoAddress(address.clone()));
                }
                TcpListener::bind(found.as_slice()).await.map_err(failed)?
            }
        };
        let local = Address::Tcp(listener.local_addr().map_err(failed)?);
        Ok(Self { kind: Kind::Tcp(listener), local, _file: None })
    }

    /// Where it really listens: with the port that the system chose where 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        &self.local
    }

    /// The next connection. Cancelling this loses none.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Fails only on a connection that is gone already, which the first read will tell.
                let _ = stream.set_nodelay(true);
                let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
                Ok((Stream::Tcp(stream), Peer(Some(peer))))
            }
            Kind::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), Peer(None))),
        }
    }
}

async fn bind_unix(address: &Address, path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), BindError> {
    let failed = |source| BindError::Io { address: address.clone(), source };
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => return Err(BindError::NotASocket(address.clone())),
        Ok(_) => match timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
            // Nobody accepts on it, or it went away by itself.
            Ok(Err(e)) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {}
            Ok(Err(e)) if e.kind() == io::ErrorKind::PermissionDenied => return Err(failed(e)),
            // It was accepted, or whoever has it is too busy to.
            _ => return Err(BindError::InUse(address.clone())),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
    }
    let workshop = Workshop::make_beside(path).map_err(failed)?;
    let socket = workshop.0.join("s");
    let listener = UnixListener::bind(&socket).map_err(failed)?;
    fs::set_permissions(&socket, Permissions::from_mode(mode)).map_err(failed)?;
    let identity = identity(&socket).map_err(failed)?;
    fs::rename(&socket, path).map_err(failed)?;
    Ok((listener, SocketFile { path: path.to_owned(), identity }))
}

/// A directory that only we can enter, for as long as the socket is in the making.
struct Workshop(PathBuf);

impl Workshop {
    fn make_beside(path: &Path) -> io::Result<Self> {
        // A short name: a socket's path has 107 bytes at most.
        let name = format!(".{:08x}", rand::random::<u32>());
        let directory = path.parent().unwrap_or(Path::new("")).join(name);
        DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Self(directory))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // The socket is still here only if something failed.
        let _ = fs::remove_file(self.0.join("s"));
        let _ = fs::remove_dir(&self.0);
    }
}

/// The file of a socket in its place. Removed when dropped, unless another process has put its own there.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Nothing depends on it: the next relay replaces what is left.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(directory: &tempfile::TempDir) -> Address {
        Address::Unix(directory.path().join("relay.sock"))
    }

    #[tokio::test]
    async fn tells_the_port_and_who_has_it() {
        let first = Listener::bind(&"127.0.0.1:0".parse().unwrap(), 0).await.unwrap();
        let address = first.local_address().clone();
        assert!(!address.to_string().ends_with(":0"));
        let error = Listener::bind(&address, 0).await.unwrap_err();
        assert!(matches!(error, BindError::InUse(_)));
        assert!(error.to_string().starts_with(&address.to_string()), "{error}");
    }

    #[tokio::test]
    async fn resolves_a_name_when_it_binds() {
        let listener = Listener::bind(&"localhost:0".parse().unwrap(), 0).await.unwrap();
        assert!(listener.local_address().is_local());
        assert!(matches!(listener.local_address(), Address::Tcp(_)));
    }

    #[tokio::test]
    async fn a_unix_socket_has_its_mode_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let address = unix(&directory);
        let listener = Listener::bind(&address, 0o600).await.unwrap();
        let Address::Unix(path) = &address else { unreachable!() };
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "only the socket");
        drop(listener);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_one_in_use_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let address = unix(&directory);
        let Address::Unix(path) = &address else { unreachable!() };
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        assert!(path.exists(), "stale");
        let listener = Listener::bind(&address, 0o660).await.unwrap();
        assert!(matches!(Listener::bind(&address, 0o660).await, Err(BindError::InUse(_))));
        drop(listener);
        fs::write(path, "precious").unwrap();
        assert!(matches!(Listener::bind(&address, 0o660).await, Err(BindError::NotASocket(_))));
        assert_eq!(fs::read(path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn the_socket_of_a_successor_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let address = unix(&directory);
        let Address::Unix(path) = &address else { unreachable!() };
        let listener = Listener::bind(&address, 0o660).await.unwrap();
        fs::remove_file(path).unwrap();
        let _successor = std::os::unix::net::UnixListener::bind(path).unwrap();
        drop(listener);
        assert!(path.exists());
    }
}
