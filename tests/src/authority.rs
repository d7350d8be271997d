//! A certificate authority for controllers and gateways.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use agw_iq::client::Tls;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType,
};
use tempfile::TempDir;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

/// What is in a certificate.
pub struct Subject {
    parameters: CertificateParams,
}

impl Subject {
    /// The holder of a name, a URI or a DNS name, and of the address of the loopback.
    ///
    /// # Panics
    ///
    /// When the name cannot be one.
    #[must_use]
    pub fn named(name: &str, purpose: ExtendedKeyUsagePurpose) -> Self {
        let mut names = vec!["127.0.0.1".to_owned()];
        names.extend((!name.contains("://")).then(|| name.to_owned()));
        let mut parameters = CertificateParams::new(names).expect("parameters");
        if name.contains("://") {
            let uri = name.try_into().expect("a URI");
            parameters.subject_alt_names.push(SanType::URI(uri));
        }
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages = vec![purpose];
        Self { parameters }
    }

    /// A client with URI names.
    ///
    /// # Panics
    ///
    /// When a name cannot be one.
    #[must_use]
    pub fn client(uris: &[&str]) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = |uri: &&str| SanType::URI((*uri).try_into().expect("IA5"));
        parameters.subject_alt_names = uris.iter().map(uri).collect();
        Self { parameters }
    }

    /// The same for another purpose.
    #[must_use]
    pub fn purpose(mut self, purpose: ExtendedKeyUsagePurpose) -> Self {
        self.parameters.extended_key_usages = vec![purpose];
        self
    }

    /// The same, valid through these years.
    #[must_use]
    pub fn years(mut self, first: i32, last: i32) -> Self {
        self.parameters.not_before = rcgen::date_time_ymd(first, 1, 1);
        self.parameters.not_after = rcgen::date_time_ymd(last, 12, 31);
        self
    }

    /// A certificate and its key in PEM, signed by nobody but itself.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn signed_by_itself(self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = self.parameters.self_signed(&key).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// An authority.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "agw test authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Self { issuer: Issuer::new(parameters, key), certificate }
    }

    /// Its own certificate in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate with its key, in PEM.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn sign(&self, subject: Subject) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = subject.parameters.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// What a controller of this name shows and whom it trusts.
    #[must_use]
    pub fn controller(&self, name: &str, trusted: &Self) -> Tls {
        trusted.shown(self.sign(Subject::named(name, ExtendedKeyUsagePurpose::ClientAuth)))
    }

    /// A certificate with its key for a client that trusts this authority.
    #[must_use]
    pub fn shown(&self, (certificate_pem, key_pem): (String, String)) -> Tls {
        Tls { authority_pem: self.pem(), certificate_pem, key_pem, server_name: None }
    }

    /// Writes the gateway's own certificate, key and authority.
    pub fn equip(&self, directory: &Path, clients: &Self) {
        self.equip_with(gateway(), directory, clients);
    }

    /// The same with a certificate that expired long ago.
    pub fn equip_expired(&self, directory: &Path) {
        self.equip_with(gateway().years(2001, 2002), directory, self);
    }

    fn equip_with(&self, subject: Subject, directory: &Path, clients: &Self) {
        let (certificate, key) = self.sign(subject);
        write(&directory.join("server.pem"), &certificate);
        write(&directory.join("server.key"), &key);
        write(&directory.join("ca.pem"), &clients.pem());
    }

    /// Writes them, and tells the settings of a gateway that uses them.
    #[must_use]
    pub fn settings(&self, directory: &TempDir) -> Vec<String> {
        self.equip(directory.path(), self);
        let path = |name: &str| directory.path().join(name).display().to_string();
        let files =
            [("certificate", "server.pem"), ("private_key", "server.key"), ("client_ca", "ca.pem")];
        files.map(|(key, file)| format!("iq.tls.{key}={}", path(file))).into()
    }
}

fn gateway() -> Subject {
    Subject::named("gateway", ExtendedKeyUsagePurpose::ServerAuth)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}
