//! Events and draining as a controller sees them.

use std::net::SocketAddr;
use std::time::Duration;

use agw_iq::pb;

use crate::rig;

fn peer() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_as_they_happen_and_are_resumed_after_a_number() {
    let running = rig::start(rig::config()).await;
    let gateway = rig::client(&running).await;
    let mut live = gateway.events(None, 0).await.expect("a stream");
    let reserve = rig::reserve("core", rig::stream(peer()));
    let context_id = gateway.reserve_and_configure(reserve).await.expect("room").context_id;
    gateway
        .release(pb::Release { context_id, termination_id: 0, ..Default::default() })
        .await
        .expect("released");
    let mut numbers = Vec::new();
    while numbers.len() < 2 {
        let event = live.message().await.expect("an event").expect("more").event.expect("one");
        numbers.push(event.sequence);
    }
    // The first one is the gateway's own: that it has started.
    assert_eq!(numbers, [2, 3]);
    let mut resumed = gateway.events(Some(2), 0).await.expect("a stream");
    let event = resumed.message().await.expect("an event").expect("more").event.expect("one");
    assert_eq!(event.sequence, 3);
    let beyond = async {
        let mut stream = gateway.events(Some(99), 0).await?;
        stream.message().await.map_err(agw_iq::client::CallError::from)
    };
    let refused = beyond.await.expect_err("a number of another life");
    assert_eq!(refused.reason.as_deref(), Some("EVENTS_GONE"));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_refuses_new_contexts_and_waits_for_those_there_are() {
    let running = rig::start(rig::config()).await;
    let gateway = rig::client(&running).await;
    let reserve = || rig::reserve("core", rig::stream(peer()));
    let context_id = gateway.reserve_and_configure(reserve()).await.expect("room").context_id;
    assert_eq!(rig::get(&running, "/readyz").await, (200, "ready\n".to_owned()));

    assert!(!running.drain(Duration::ZERO).await, "a context is left");
    assert_eq!(rig::get(&running, "/readyz").await, (503, "draining\n".to_owned()));
    assert_eq!(rig::get(&running, "/livez").await, (200, "ok\n".to_owned()));
    let refused = gateway.reserve_and_configure(reserve()).await.expect_err("draining");
    assert_eq!(refused.reason.as_deref(), Some("DRAINING"));

    gateway
        .release(pb::Release { context_id, termination_id: 0, ..Default::default() })
        .await
        .expect("released");
    assert!(running.drain(Duration::from_secs(60)).await);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_gateway_ends_its_event_streams() {
    let running = rig::start(rig::config()).await;
    let gateway = rig::client(&running).await;
    let mut live = gateway.events(None, 0).await.expect("a stream");
    running.shutdown().await;
    assert!(!matches!(live.message().await, Ok(Some(_))));
}
