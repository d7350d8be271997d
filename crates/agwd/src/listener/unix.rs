//! The unix socket's place in the file system.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::net::UnixListener;

/// Everyone may knock; who comes in is decided by the peer's user.
const MODE: u32 = 0o666;

/// The file of a unix socket, removed on drop.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    path: PathBuf,
}

/// Why there is no socket.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct UnixSocketError {
    /// The socket's path.
    pub path: PathBuf,
    /// The operating system's words.
    pub source: io::Error,
}

impl UnixSocket {
    /// Makes the socket; one that an earlier process left behind is replaced, one that somebody
    /// listens at is not.
    pub(crate) fn bind(path: &Path) -> Result<(UnixListener, Self), UnixSocketError> {
        let bind = || {
            remove_abandoned(path)?;
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, Permissions::from_mode(MODE))?;
            Ok(listener)
        };
        let listener =
            bind().map_err(|source| UnixSocketError { path: path.to_owned(), source })?;
        Ok((listener, Self { path: path.to_owned() }))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // It is gone already, or the directory is: nothing is left to tidy up.
        let _ = fs::remove_file(&self.path);
    }
}

fn remove_abandoned(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let is_abandoned =
        metadata.file_type().is_socket() && UnixStream::connect(path).is_err_and(is_refused);
    if is_abandoned {
        return fs::remove_file(path);
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_in_use_is_left_alone_and_an_abandoned_one_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("iq.sock");
        let (listener, socket) = UnixSocket::bind(&path).expect("a socket");
        let refused = UnixSocket::bind(&path).expect_err("in use");
        assert_eq!(refused.source.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        std::mem::forget(socket);
        let (_listener, socket) = UnixSocket::bind(&path).expect("abandoned");
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("iq.sock");
        fs::write(&path, "precious").expect("written");
        UnixSocket::bind(&path).expect_err("no socket");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    }
}
