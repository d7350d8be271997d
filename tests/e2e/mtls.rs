//! Mutual TLS: who may connect, and what a controller sees of others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use agw_iq::client::{CallError, IqClient, Tls};
use agw_tests::{Call, Gateway, Leg, Side, api};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType,
};
use tempfile::TempDir;
use tonic::Code;

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "agw test authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Self { issuer: Issuer::new(parameters, key), certificate }
    }

    /// A certificate with its key, in PEM.
    fn issue(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut names = vec!["127.0.0.1".to_owned()];
        names.extend((!name.contains("://")).then(|| name.to_owned()));
        let mut parameters = CertificateParams::new(names).expect("parameters");
        if name.contains("://") {
            let uri = name.try_into().expect("a URI");
            parameters.subject_alt_names.push(SanType::URI(uri));
        }
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// What a controller shows and whom it trusts.
    pub(crate) fn controller(&self, name: &str, trusted: &Self) -> Tls {
        let (certificate_pem, key_pem) = self.issue(name, ExtendedKeyUsagePurpose::ClientAuth);
        let authority_pem = trusted.certificate.pem();
        Tls { authority_pem, certificate_pem, key_pem, server_name: None }
    }

    /// Writes the gateway's own certificate, key and authority.
    fn equip(&self, directory: &Path, clients: &Self) {
        let (certificate, key) = self.issue("gateway", ExtendedKeyUsagePurpose::ServerAuth);
        write(&directory.join("server.pem"), &certificate);
        write(&directory.join("server.key"), &key);
        write(&directory.join("ca.pem"), &clients.certificate.pem());
    }
}

//= tests/spec/iq.md#access
//= type=test
//# A client certificate that the gateway's authorities did not sign MUST be refused.
#[test]
fn only_a_certificate_of_the_authority_gets_in() {
    let authority = Authority::new();
    let gateway = gateway(&authority, "alg-1");
    let stranger = Authority::new().controller("alg-1", &authority);

    assert!(audit(&gateway, stranger).is_err());

    let address = format!("http://{}", gateway.daemon.iq);
    let plain = gateway.wait(async {
        let client = IqClient::connect(&address, None).await.ok()?;
        client.status().await.ok()
    });
    assert_eq!(plain, None, "without TLS");
    gateway.wait(gateway.iq.status()).expect("the right certificate");
}

#[test]
fn a_controller_does_not_see_contexts_of_another_one() {
    let authority = Authority::new();
    let gateway = gateway(&authority, "alg-1");
    let mut call =
        Call::between(&gateway, Leg::plain(Side::Core.peer()), Leg::plain(Side::Core.peer()));
    let own = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    assert_eq!(own.len(), 1);
    assert!(own[0].controller.contains("alg-1"), "{}", own[0].controller);

    let address = format!("https://{}", gateway.daemon.iq);
    let tls = authority.controller("alg-2", &authority);
    let other = gateway.wait(IqClient::connect(&address, Some(tls))).expect("a connection");

    assert_eq!(gateway.wait(other.contexts(false)).expect("an audit"), []);
    let refused = gateway.wait(other.release(api::release(call.context))).expect_err("not its own");
    assert_eq!(
        (refused.code, refused.reason.as_deref()),
        (Code::NotFound, Some("UNKNOWN_CONTEXT"))
    );
    call.talk();
}

#[test]
fn certificates_are_read_again_on_sighup() {
    let (before, after) = (Authority::new(), Authority::new());
    let gateway = gateway(&before, "alg-1");
    assert!(audit(&gateway, after.controller("alg-1", &after)).is_err());

    after.equip(gateway.daemon.directory.path(), &after);
    gateway.daemon.program.signal("HUP");

    while audit(&gateway, after.controller("alg-1", &after)).is_err() {}
    assert!(audit(&gateway, before.controller("alg-1", &before)).is_err());
    gateway.wait(gateway.iq.status()).expect("an established connection goes on");
}

/// A gateway with certificates, and a controller of that name.
fn gateway(authority: &Authority, controller: &str) -> Gateway {
    gateway_with(agw_tests::directory(), authority, controller, &[])
}

/// A gateway with certificates and other settings, and a controller of that name.
pub(crate) fn gateway_with(
    directory: TempDir,
    authority: &Authority,
    controller: &str,
    others: &[&str],
) -> Gateway {
    authority.equip(directory.path(), authority);
    let path = |name: &str| directory.path().join(name).display().to_string();
    let settings =
        [("certificate", "server.pem"), ("private_key", "server.key"), ("client_ca", "ca.pem")]
            .map(|(key, file)| format!("iq.tls.{key}={}", path(file)));
    let settings: Vec<&str> =
        settings.iter().map(String::as_str).chain(others.iter().copied()).collect();
    let tls = authority.controller(controller, authority);
    Gateway::over(directory, &settings, "https", Some(tls))
}

/// What a controller with these certificates gets.
fn audit(gateway: &Gateway, tls: Tls) -> Result<usize, String> {
    let address = format!("https://{}", gateway.daemon.iq);
    gateway.wait(async {
        let client = IqClient::connect(&address, Some(tls)).await.map_err(|e| e.to_string())?;
        let contexts =
            client.contexts(false).await.map_err(|error: CallError| error.to_string())?;
        Ok(contexts.len())
    })
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}
