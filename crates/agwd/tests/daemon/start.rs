//! What keeps the daemon from starting.

use std::net::TcpListener;

use agwd::{Daemon, Exit, Listen, StartError};

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
async fn a_stopped_daemon_gives_its_addresses_back() {
    let running = rig::start(rig::config()).await;
    let mut config = rig::config();
    config.iq.listen = Listen(running.iq_address());
    config.admin.listen = running.admin_address();
    running.shutdown().await;
    rig::start(config).await.shutdown().await;
}
