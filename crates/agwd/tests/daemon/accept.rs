//! The accept loop under peers that say nothing, or too much.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use agwd::Running;

use crate::rig;

async fn silent(running: &Running) -> TcpStream {
    let address: SocketAddr = running.iq_address().expect("a TCP listener");
    TcpStream::connect(address).await.expect("connected")
}

/// Waits until the gateway has closed the connection.
async fn is_closed(mut stream: TcpStream) -> bool {
    let mut octets = [0; 64];
    loop {
        match stream.read(&mut octets).await {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_silent_peers_do_not_keep_a_controller_out() {
    let running = rig::start(rig::config()).await;
    let mut silents = Vec::new();
    for _ in 0..600 {
        silents.push(silent(&running).await);
    }
    let gateway = rig::client(&running).await;
    gateway.status().await.expect("an answer");
    assert!(is_closed(silents.remove(0)).await, "the oldest made room");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_says_nothing_is_cut_off() {
    let mut config = rig::config();
    config.iq.handshake_timeout_ms = 100;
    let running = rig::start(config).await;
    assert!(is_closed(silent(&running).await).await);
    let mut half = silent(&running).await;
    half.write_all(b"PRI * HTTP/2.0\r\n").await.expect("sent");
    assert!(is_closed(half).await);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_speaks_something_else_is_cut_off() {
    let running = rig::start(rig::config()).await;
    let mut other = silent(&running).await;
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
    assert!(is_closed(other).await);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_as_many_connections_as_configured_and_no_more() {
    let mut config = rig::config();
    config.iq.max_connections = 1;
    let running = rig::start(config).await;
    let first = rig::client(&running).await;
    first.status().await.expect("an answer");
    let mut second = silent(&running).await;
    second.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
    assert!(is_closed(second).await);
    first.status().await.expect("still an answer");
    let (_, metrics) = rig::get(&running, "/metrics").await;
    let refused = "agwd_connections_refused_total{listener=\"tcp\",reason=\"connections\"} 1";
    assert!(metrics.lines().any(|line| line == refused));
    running.shutdown().await;
}
