//! A certificate authority for tests.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use tempfile::TempDir;

/// An authority with a directory for what it signs.
pub(crate) struct Pki {
    directory: TempDir,
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
}

/// What a server needs, in files.
#[derive(Debug, Clone)]
pub(crate) struct ServerFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
    pub(crate) client_ca: PathBuf,
}

/// A certificate and its key in PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("an authority");
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            authority_pem: certificate.pem(),
            authority: Issuer::new(params, key),
        }
    }

    pub(crate) fn authority_pem(&self) -> String {
        self.authority_pem.clone()
    }

    /// Signs a client certificate with URI names.
    pub(crate) fn client(&self, uris: &[&str]) -> Signed {
        let name = |uri: &&str| SanType::URI((*uri).try_into().expect("IA5"));
        self.sign(uris.iter().map(name).collect(), ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Signs a server certificate for `localhost` and writes all files to its own directory.
    pub(crate) fn server_files(&self) -> ServerFiles {
        self.server_files_in(self.directory.path())
    }

    /// As [`Pki::server_files`], replacing what is in another directory.
    pub(crate) fn server_files_in(&self, directory: &Path) -> ServerFiles {
        let server = self.server();
        ServerFiles {
            certificate: write(directory, "server.pem", &server.certificate),
            private_key: write(directory, "server.key", &server.key),
            client_ca: write(directory, "ca.pem", &self.authority_pem),
        }
    }

    /// Signs a server certificate for `localhost`.
    pub(crate) fn server(&self) -> Signed {
        let name = SanType::DnsName("localhost".try_into().expect("IA5"));
        self.sign(vec![name], ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn sign(&self, names: Vec<SanType>, usage: ExtendedKeyUsagePurpose) -> Signed {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.authority).expect("signed");
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn write(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    // The first time there is nothing to replace.
    let _ = fs::remove_file(&path);
    let mut options = OpenOptions::new();
    let mut file = options.create_new(true).write(true).mode(0o600).open(&path).expect("a file");
    file.write_all(content.as_bytes()).expect("written");
    path
}
