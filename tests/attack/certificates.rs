//! C1: peers without a certificate that counts.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use agw_iq::client::IqClient;
use agw_tests::{Authority, Gateway, PATIENCE, Subject, directory};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::row::Row;
use crate::scene;

/// What a client of HTTP/2 says first, and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const URI: &str = "spiffe://example.net/pcscf/1";

#[test]
fn without_a_good_certificate_of_the_authority_nobody_is_served() {
    let Some(_) = scene::stage() else { return };
    let mut row = Row::new("C1", "no certificate, or one that does not count");
    let (authority, other) = (Authority::new(), Authority::new());
    let gateway = gateway(&authority);
    let iq = gateway.daemon.iq;
    let good = || Subject::client(&[URI]);
    let signed = |subject: Subject| Some(authority.sign(subject));
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    let bad = [
        ("none", None),
        ("of itself", Some(good().signed_by_itself())),
        ("of another authority", Some(other.sign(good()))),
        ("expired", signed(good().years(2001, 2002))),
        ("of the future", signed(good().years(2090, 2091))),
        ("for servers", signed(good().purpose(server))),
        ("for signing code", signed(good().purpose(ExtendedKeyUsagePurpose::CodeSigning))),
        ("with two URIs", signed(Subject::client(&[URI, "spiffe://example.net/emsc/1"]))),
        ("without a name", signed(Subject::client(&[]))),
        ("with the operator's name", signed(Subject::client(&["local"]))),
    ];
    let attempt = |shown: Option<(String, String)>, version| {
        is_served(iq, &config(&authority, shown.as_ref(), version))
    };
    assert!(attempt(signed(good()), &TLS13), "the right certificate is served");
    assert!(!attempt(signed(good()), &TLS12), "TLS 1.2");
    row.tried(1);
    for (what, shown) in bad {
        for _ in 0..5 {
            assert!(!attempt(shown.clone(), &TLS13), "a certificate {what} is served");
            row.tried(1);
        }
    }
    // Without TLS at all, and noise.
    for said in [PREFACE, &[0x16, 3, 1, 0xFF, 0xFF, 0, 0], &[0; 300], b"GET / HTTP/1.1\r\n\r\n"] {
        assert!(!answers_settings(&mut connected(iq), said));
        row.tried(1);
    }
    let told = gateway.log().matches("connection refused").count();
    assert!(told >= 50, "{told} refusals are in the log");
    gateway.wait(gateway.iq.status()).expect("the controller goes on");
}

#[test]
fn a_listener_off_the_loopback_does_not_start_without_certificates() {
    let Some(_) = scene::stage() else { return };
    let mut row = Row::new("C1", "no certificate, or one that does not count");
    for address in ["192.0.2.1:7400", "0.0.0.0:7400", "[::]:7400", "[2001:db8:2::1]:7400"] {
        let finished = crate::scene::refused_to_start(&[&format!("iq.listen={address}")]);
        assert_eq!(finished.status.code(), Some(64), "{}", finished.output);
        assert!(finished.output.contains("iq.listen"), "{}", finished.output);
        row.tried(1);
    }
}

/// A gateway with certificates, and its controller.
fn gateway(authority: &Authority) -> Gateway {
    let directory = directory();
    let settings = authority.settings(&directory);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let tls = authority.shown(authority.sign(Subject::client(&[URI])));
    let gateway = Gateway::over(directory, &settings, "https", Some(tls));
    let _: &IqClient = &gateway.iq;
    gateway
}

/// How a client connects that shows this certificate, if any.
fn config(
    authority: &Authority,
    shown: Option<&(String, String)>,
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
    roots.add(root).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots);
    let mut config = match shown {
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("a certificate")
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Whether the gateway speaks HTTP/2 with a client.
fn is_served(iq: SocketAddr, config: &Arc<ClientConfig>) -> bool {
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let session = ClientConnection::new(Arc::clone(config), name).expect("a session");
    answers_settings(&mut StreamOwned::new(session, connected(iq)), PREFACE)
}

fn connected(iq: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(iq).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Whether these words are answered with a frame of HTTP/2, and not with an end.
fn answers_settings(stream: &mut (impl io::Read + io::Write), said: &[u8]) -> bool {
    let mut frame = [0; 9];
    let spoken = stream.write_all(said).and_then(|()| stream.flush());
    spoken.and_then(|()| stream.read_exact(&mut frame)).is_ok()
}
