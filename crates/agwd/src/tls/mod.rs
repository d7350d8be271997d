//! Certificates of the Iq listener: TLS 1.3, a client certificate or nothing.

mod identity;
#[cfg(test)]
mod tests;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use agw_iq::ConnectedPeer;

use crate::config::{Roles, Tls};
use crate::expiry::is_over;
use identity::identity;

pub(crate) use identity::IdentityError;

/// The only protocol on top of TLS: HTTP/2.
const ALPN: &[u8] = b"h2";

/// The certificates in force; new connections use those of the last good reload.
pub(crate) struct Certificates {
    files: Tls,
    roles: Roles,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    expiry: i64,
}

/// Why certificates cannot be used; those in force stay so.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{}: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file holds no certificate.
    #[error("{}: holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The server certificate cannot be read.
    #[error("{}: not a certificate", .0.display())]
    NotCertificate(PathBuf),
    /// The server certificate has expired.
    #[error("{}: expired on {end}", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// When, in UTC.
        end: String,
    },
    /// Others than the owner may read the private key.
    #[error("{}: mode {mode:04o} lets others read the private key, it must be 0600, 0400 or, \
             owned by root, 0640", path.display())]
    KeyMode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The private key belongs to somebody else.
    #[error("{}: the private key must belong to root or the daemon's user, not user {uid}",
            path.display())]
    KeyOwner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Certificate and key do not fit, or cannot be used.
    #[error("{}: {source}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// The client authorities cannot be used.
    #[error("{}: {source}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: VerifierBuilderError,
    },
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what is wrong with it.
    pub(crate) fn load(files: Tls, roles: Roles) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(load(&files)?);
        Ok(Self { files, roles, current })
    }

    /// Who the holder of a certificate that verified is, and what it may do.
    ///
    /// # Errors
    /// [`IdentityError`] tells why it is not served.
    pub(crate) fn peer(&self, certificate: &[u8]) -> Result<ConnectedPeer, IdentityError> {
        let controller = identity(certificate)?;
        //= tests/spec/iq.md#access
        //# A certificate whose name has no role MUST be refused where roles are configured.
        let role = self.roles.of(&controller).ok_or(IdentityError::NoRole)?;
        Ok(ConnectedPeer { controller, role })
    }

    /// Reads the files again; new connections use them, old ones go on.
    ///
    /// # Errors
    /// [`TlsError`]; what was in force stays in force.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(load(&self.files)?));
        Ok(())
    }

    /// What the next connection is accepted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }

    /// When the server certificate expires, in seconds since the epoch.
    pub(crate) fn expiry(&self) -> i64 {
        self.current.load().expiry
    }
}

fn load(files: &Tls) -> Result<Loaded, TlsError> {
    let Tls { certificate, private_key, client_ca } = files;
    let chain = certificates(certificate)?;
    let end = chain
        .first()
        .and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok())
        .map(|(_, leaf)| leaf.validity().not_after)
        .ok_or_else(|| TlsError::NotCertificate(certificate.clone()))?;
    let expiry = end.timestamp();
    //= tests/spec/iq.md#access
    //# A certificate that has expired MUST NOT be put in force.
    if is_over(expiry) {
        return Err(TlsError::Expired { path: certificate.clone(), end: end.to_string() });
    }
    let mut roots = RootCertStore::empty();
    for authority in certificates(client_ca)? {
        roots
            .add(authority)
            .map_err(|source| TlsError::Unusable { path: client_ca.clone(), source })?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|source| TlsError::Authorities { path: client_ca.clone(), source })?;
    let unusable = |source| TlsError::Unusable { path: certificate.clone(), source };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key(private_key)?)
        .map_err(unusable)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would outlive a change of the authorities.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Loaded { config: Arc::new(config), expiry })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (text, _) = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(certificates)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (text, metadata) = read(path)?;
    let (mode, uid) = (metadata.mode() & 0o7777, metadata.uid());
    if uid != 0 && uid != agw_net::effective_uid() {
        return Err(TlsError::KeyOwner { path: path.to_owned(), uid });
    }
    let others = if uid == 0 { 0o037 } else { 0o077 };
    if mode & others != 0 {
        return Err(TlsError::KeyMode { path: path.to_owned(), mode });
    }
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|source| TlsError::Pem { path: path.to_owned(), source })
}

/// A file's content, wiped after use, with the metadata of the very file that was read.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Metadata), TlsError> {
    let open = || {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let octets = usize::try_from(metadata.len()).unwrap_or_default();
        // One allocation, so that growing leaves no copy behind.
        let mut text = Zeroizing::new(Vec::with_capacity(octets + 1));
        file.read_to_end(&mut text)?;
        Ok((text, metadata))
    };
    open().map_err(|source| TlsError::Read { path: path.to_owned(), source })
}
