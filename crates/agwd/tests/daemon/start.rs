//! What keeps the daemon from starting.

use std::net::TcpListener;

use agw_simd::Choice;
use agwd::{Daemon, Engine, Exit, Listen, StartError};

use crate::rig;

#[tokio::test]
async fn an_address_in_use_is_told_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = taken.local_addr().expect("bound");
    let mut config = rig::config();
    config.iq.listen = Listen(Some(address));
    let error = Daemon::start(config).await.err().expect("in use");
    assert!(matches!(error, StartError::Listen { key: "iq.listen", .. }), "{error}");
    assert_eq!(error.exit(), Exit::Unavailable);
    let mut config = rig::config();
    config.admin.listen = address;
    let error = Daemon::start(config).await.err().expect("in use");
    assert!(matches!(error, StartError::Listen { key: "admin.listen", .. }), "{error}");
}

//= tests/spec/iq.md#access
//= type=test
//# A listener off loopback MUST be refused without mutual TLS.
#[tokio::test]
async fn plain_text_off_the_loopback_is_refused() {
    let mut config = rig::config();
    config.iq.listen = Listen(Some(([0, 0, 0, 0], 0).into()));
    let error = Daemon::start(config).await.err().expect("refused");
    assert!(error.to_string().contains("[iq.tls]"), "{error}");
    assert_eq!(error.exit(), Exit::Usage);
    let mut config = rig::config();
    config.admin.listen = ([0, 0, 0, 0], 0).into();
    let error = Daemon::start(config).await.err().expect("refused");
    assert!(error.to_string().contains("admin.listen"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_that_was_chosen_is_told_by_status_and_metrics() {
    let mut config = rig::config();
    config.media.engine = Engine(Choice::Portable);
    let running = rig::start(config).await;
    let status = rig::client(&running).await.status().await.expect("a status");
    assert_eq!(status.engine, "portable");
    let (_, metrics) = rig::get(&running, "/metrics").await;
    let is_told =
        |line: &str| line.starts_with("agwd_build_info{") && line.contains(r#"engine="portable""#);
    assert!(metrics.lines().any(is_told), "{metrics}");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_daemon_gives_its_addresses_back() {
    let running = rig::start(rig::config()).await;
    let mut config = rig::config();
    config.iq.listen = Listen(running.iq_address());
    config.admin.listen = running.admin_address();
    running.shutdown().await;
    rig::start(config).await.shutdown().await;
}
