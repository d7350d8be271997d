//! The unix socket.

use agw_iq::client::IqClient;
use agwd::{Config, Listen};
use tempfile::TempDir;

use crate::rig;

fn config(directory: &TempDir) -> Config {
    let mut config = rig::config();
    config.iq.listen = Listen(None);
    config.iq.unix_socket = Some(directory.path().join("iq.sock"));
    config
}

async fn answers(directory: &TempDir) -> bool {
    let address = format!("unix:{}", directory.path().join("iq.sock").display());
    match IqClient::connect(&address, None).await {
        Ok(client) => client.status().await.is_ok(),
        Err(_) => false,
    }
}

//= tests/spec/iq.md#access
//= type=test
//# A unix socket MUST admit only the configured users.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemons_own_user_may_use_the_socket() {
    let directory = tempfile::tempdir().expect("a directory");
    let running = rig::start(config(&directory)).await;
    assert_eq!(running.iq_address(), None);
    assert!(answers(&directory).await);
    running.shutdown().await;
    assert!(!directory.path().join("iq.sock").exists());
}

//= tests/spec/iq.md#access
//= type=test
//# A unix socket MUST admit only the configured users.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_not_named_may_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = config(&directory);
    config.iq.unix_uids = Some(vec![u32::MAX - 1]);
    let running = rig::start(config).await;
    assert!(!answers(&directory).await);
    let (_, metrics) = rig::get(&running, "/metrics").await;
    let refused = "agwd_connections_refused_total{listener=\"unix\",reason=\"user\"}";
    assert!(metrics.lines().any(|line| line.starts_with(refused)));
    running.shutdown().await;
}
