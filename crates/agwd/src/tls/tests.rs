//! Certificates and identities.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rcgen::{CertificateParams, KeyPair, SanType};

use super::{Certificates, IdentityError, TlsError, identity};
use crate::config::{Roles, Tls};
use crate::testing::{Pki, ServerFiles};
use agw_context::Controller;
use agw_iq::Role;

fn certificate(names: Vec<SanType>) -> Vec<u8> {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.subject_alt_names = names;
    params.self_signed(&key).expect("a certificate").der().to_vec()
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().expect("IA5"))
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("IA5"))
}

fn tls(files: ServerFiles) -> Tls {
    let ServerFiles { certificate, private_key, client_ca } = files;
    Tls { certificate, private_key, client_ca }
}

#[test]
fn a_controller_is_the_one_uri_or_the_one_dns_name() {
    let spiffe = "spiffe://example.net/pcscf/1";
    let table = [
        (vec![uri(spiffe)], Ok(spiffe)),
        (vec![dns("a.example"), uri(spiffe), dns("b.example")], Ok(spiffe)),
        (vec![dns("pcscf.example")], Ok("pcscf.example")),
        (vec![uri(spiffe), uri("spiffe://example.net/emsc/1")], Err((2, 0))),
        (vec![dns("a.example"), dns("b.example")], Err((0, 2))),
        (vec![], Err((0, 0))),
    ];
    for (names, expected) in table {
        let expected = expected
            .map(|name: &str| Controller(name.to_owned()))
            .map_err(|(uris, dns)| IdentityError::NotOne { uris, dns });
        assert_eq!(identity(&certificate(names.clone())), expected, "{names:?}");
    }
}

#[test]
fn no_certificate_makes_its_holder_the_operator() {
    for name in ["local", "", "with space"] {
        assert_eq!(
            identity(&certificate(vec![uri(name)])),
            Err(IdentityError::Refused),
            "{name:?}"
        );
    }
    assert_eq!(identity(b"noise"), Err(IdentityError::Unreadable));
}

//= tests/spec/iq.md#access
//= type=test
//# A certificate whose name has no role MUST be refused where roles are configured.
#[test]
fn a_name_without_a_role_is_refused_once_there_are_roles() {
    let pki = Pki::new();
    let files = tls(pki.server_files());
    let observer = vec!["spiffe://example.net/observer/*".to_owned()];
    let certificates =
        Certificates::load(files, Roles { observer, ..Roles::default() }).expect("good files");
    let peer = |name| certificates.peer(&certificate(vec![uri(name)]));

    let seen = peer("spiffe://example.net/observer/1").expect("a role");
    assert_eq!(seen.role, Role::Observer);
    assert_eq!(peer("spiffe://example.net/pcscf/1"), Err(IdentityError::NoRole));
}

#[test]
fn a_private_key_that_others_may_read_is_refused() {
    let pki = Pki::new();
    let files = tls(pki.server_files());
    for (mode, is_good) in
        [(0o600, true), (0o400, true), (0o644, false), (0o604, false), (0o660, false)]
    {
        fs::set_permissions(&files.private_key, Permissions::from_mode(mode)).expect("a mode");
        let loaded = Certificates::load(files.clone(), Roles::default());
        assert_eq!(loaded.is_ok(), is_good, "{mode:o}");
        let refused = matches!(loaded, Err(TlsError::KeyMode { mode: told, .. }) if told == mode);
        assert_eq!(refused, !is_good, "{mode:o}");
    }
}

#[test]
fn a_failed_reload_leaves_what_was_in_force() {
    let pki = Pki::new();
    let files = tls(pki.server_files());
    let certificates = Certificates::load(files.clone(), Roles::default()).expect("good files");
    let before = certificates.expiry();
    fs::write(&files.certificate, "noise").expect("written");
    assert!(matches!(certificates.reload(), Err(TlsError::NoCertificate(_))));
    assert_eq!(certificates.expiry(), before);
}

#[test]
fn a_missing_file_is_told_by_name() {
    let pki = Pki::new();
    let mut files = tls(pki.server_files());
    files.client_ca = "/nowhere/ca.pem".into();
    let error = Certificates::load(files, Roles::default()).err().expect("refused");
    assert!(error.to_string().starts_with("/nowhere/ca.pem: "), "{error}");
}
