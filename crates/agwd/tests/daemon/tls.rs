//! Certificates on both sides.

use std::fs;
use std::net::SocketAddr;

use agw_iq::client::{IqClient, Tls};
use agw_iq::pb;
use agwd::Running;
use tempfile::TempDir;

use crate::rig;
use crate::testing::{Pki, ServerFiles, Signed};

const PCSCF: &str = "spiffe://example.net/pcscf/1";
const EMSC: &str = "spiffe://example.net/emsc/1";

async fn start(pki: &Pki) -> (Running, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let ServerFiles { certificate, private_key, client_ca } = pki.server_files_in(directory.path());
    let mut config = rig::config();
    config.iq.tls = Some(agwd::Tls { certificate, private_key, client_ca });
    (rig::start(config).await, directory)
}

/// A controller with a certificate, if the gateway answers it.
async fn connect(running: &Running, server: &Pki, client: Signed) -> Option<IqClient> {
    let port = running.iq_address().expect("a TCP listener").port();
    let tls = Tls {
        authority_pem: server.authority_pem(),
        certificate_pem: client.certificate,
        key_pem: client.key,
        server_name: Some("localhost".to_owned()),
    };
    let client = IqClient::connect(&format!("https://127.0.0.1:{port}"), Some(tls)).await.ok()?;
    client.status().await.ok()?;
    Some(client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_certificate_of_the_client_authority_opens_the_door() {
    let (pki, stranger) = (Pki::new(), Pki::new());
    let (running, _files) = start(&pki).await;
    assert!(connect(&running, &pki, pki.client(&[PCSCF])).await.is_some());
    assert!(
        connect(&running, &pki, stranger.client(&[PCSCF])).await.is_none(),
        "another authority"
    );
    assert!(connect(&running, &pki, pki.server()).await.is_none(), "not for clients");
    assert!(connect(&running, &pki, pki.client(&[PCSCF, EMSC])).await.is_none(), "two names");
    assert!(connect(&running, &pki, pki.client(&["local"])).await.is_none(), "the operator's name");
    let plain = format!("http://{}", running.iq_address().expect("a TCP listener"));
    let plain = match IqClient::connect(&plain, None).await {
        Ok(client) => client.status().await.is_ok(),
        Err(_) => false,
    };
    assert!(!plain, "plain text");
    let (_, metrics) = rig::get(&running, "/metrics").await;
    for reason in ["tls", "identity"] {
        let refused =
            format!("agwd_connections_refused_total{{listener=\"tcp\",reason=\"{reason}\"}}");
        assert!(metrics.lines().any(|line| line.starts_with(&refused)), "{reason}");
    }
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_sees_and_changes_its_own_contexts_only() {
    let pki = Pki::new();
    let (running, _files) = start(&pki).await;
    let pcscf = connect(&running, &pki, pki.client(&[PCSCF])).await.expect("connected");
    let emsc = connect(&running, &pki, pki.client(&[EMSC])).await.expect("connected");
    let mut events = emsc.events(Some(0), 0).await.expect("a stream");
    let peer: SocketAddr = ([127, 0, 0, 1], 9).into();
    let reserve = || rig::reserve("core", rig::stream(peer));
    let context_id = pcscf.reserve_and_configure(reserve()).await.expect("room").context_id;
    let contexts = pcscf.contexts(false).await.expect("its own");
    assert_eq!(contexts[0].controller, PCSCF);
    assert!(emsc.contexts(false).await.expect("none").is_empty());
    let release = pb::Release { context_id, termination_id: 0, ..Default::default() };
    let refused = emsc.release(release).await.expect_err("another's");
    assert_eq!(refused.reason.as_deref(), Some("UNKNOWN_CONTEXT"));
    pcscf.release(release).await.expect("its own");

    let own = emsc.reserve_and_configure(reserve()).await.expect("room").context_id;
    let first = events.message().await.expect("an event").expect("more").event.expect("one");
    assert_eq!((first.subject, first.sequence), (None, 1), "the gateway has started");
    let event = events.message().await.expect("an event").expect("more").event.expect("one");
    let subject = event.subject.map(|subject| subject.context_id);
    assert_eq!((subject, event.sequence), (Some(own), 4), "events 2 and 3 are another's");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_changes_certificates_for_new_connections_and_a_failed_one_nothing() {
    let (old, new) = (Pki::new(), Pki::new());
    let (running, files) = start(&old).await;
    let before = connect(&running, &old, old.client(&[PCSCF])).await.expect("connected");
    fs::write(files.path().join("server.pem"), "noise").expect("written");
    running.reload_certificates().expect_err("no certificate");
    assert!(connect(&running, &old, old.client(&[PCSCF])).await.is_some());

    new.server_files_in(files.path());
    running.reload_certificates().expect("good files");
    assert!(connect(&running, &new, new.client(&[PCSCF])).await.is_some());
    assert!(connect(&running, &new, old.client(&[PCSCF])).await.is_none());
    before.status().await.expect("the old connection goes on");
    running.shutdown().await;
}
