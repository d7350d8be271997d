//! One secured call through the daemon in this process.

use std::net::SocketAddr;

use tokio::net::UdpSocket;

use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_iq::pb::command_reply::Reply;
use agw_srtp::{
    EgressKey, IngressKey, MasterKey, Portable, Protector, SessionParameters, Suite, Unprotector,
};

use crate::rig;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const RTP: [u8; 20] = [0x80, 8, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8];

fn crypto(octet: u8) -> pb::CryptoContext {
    let key = pb::MasterKey {
        key: vec![octet; SUITE.key_len()],
        salt: vec![octet; SUITE.salt_len()],
        ..pb::MasterKey::default()
    };
    pb::CryptoContext {
        suite: pb::Suite::AesCm128HmacSha180.into(),
        keys: vec![key],
        ..pb::CryptoContext::default()
    }
}

fn master(octet: u8) -> MasterKey {
    let (key, salt) = (vec![octet; SUITE.key_len()], vec![octet; SUITE.salt_len()]);
    MasterKey::new(SUITE, &key, &salt).expect("a key")
}

/// Both sides of a call in one transaction: SRTP towards `access`, RTP towards `core`.
async fn set_up(
    gateway: &agw_iq::client::IqClient,
    access: SocketAddr,
    core: SocketAddr,
) -> [pb::TerminationReply; 2] {
    let secured = pb::Stream {
        transport: pb::Transport::Secured.into(),
        ingress_crypto: Some(crypto(1)),
        egress_crypto: Some(crypto(2)),
        ..rig::stream(access)
    };
    let mut towards_core = rig::reserve("core", rig::stream(core));
    towards_core.latest_context = true;
    let commands =
        vec![Command::Reserve(rig::reserve("access", secured)), Command::Reserve(towards_core)];
    let replies = gateway.transact(commands).await.expect("set up");
    let terminations: Vec<_> = replies
        .into_iter()
        .map(|reply| match reply.reply {
            Some(Reply::Termination(termination)) => termination,
            other => panic!("{other:?}"),
        })
        .collect();
    terminations.try_into().expect("two terminations")
}

/// A peer's socket; a port of the gateway's realms cannot be a peer's.
async fn peer() -> UdpSocket {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        if !(40_000..50_000).contains(&socket.local_addr().expect("bound").port()) {
            return socket;
        }
    }
}

async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut octets = [0; 2048];
    let len = socket.recv(&mut octets).await.expect("a packet");
    octets[..len].to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secured_call_is_relayed_both_ways_and_accounted_for() {
    let running = rig::start(rig::config()).await;
    let gateway = rig::client(&running).await;
    let (ue, core) = (peer().await, peer().await);
    let peers = [ue.local_addr().expect("bound"), core.local_addr().expect("bound")];
    let [access_side, core_side] = set_up(&gateway, peers[0], peers[1]).await;

    let key = EgressKey { master: master(1), mki: None, lifetime: SUITE.max_lifetime() };
    let mut protector =
        Protector::new(&Portable, vec![key], SessionParameters::default(), 0).expect("keys");
    let mut buffer = [0; 256];
    buffer[..RTP.len()].copy_from_slice(&RTP);
    let len = protector.protect_srtp(&Portable, &mut buffer, RTP.len()).expect("sealed");
    ue.send_to(&buffer[..len], rig::local(&access_side)).await.expect("sent");
    assert_eq!(receive(&core).await, RTP);

    core.send_to(&RTP, rig::local(&core_side)).await.expect("sent");
    let mut sealed = receive(&ue).await;
    let key = IngressKey { master: master(2), mki: None, lifetime: SUITE.max_lifetime() };
    let mut unprotector =
        Unprotector::new(&Portable, vec![key], SessionParameters::default(), 0).expect("keys");
    let len = sealed.len();
    let now = std::time::Instant::now();
    let len = unprotector.unprotect_srtp(&Portable, &mut sealed, len, now).expect("authentic");
    assert_eq!(sealed[..len], RTP);

    ue.send_to(&[0; 40], rig::local(&access_side)).await.expect("sent");
    let context_id = access_side.context_id;
    let dropped = wait_for_drop(&running).await;
    assert!(dropped.contains("not_media"), "{dropped}");
    let released = gateway
        .release(pb::Release { context_id, termination_id: 0, ..Default::default() })
        .await
        .expect("released");
    assert!(released.context_ended);
    for stream in &released.streams {
        let statistics = stream.statistics.as_ref().expect("last statistics");
        let ingress = statistics.ingress.as_ref().expect("a receiving half");
        let packets = |traffic: &Option<pb::Traffic>| traffic.as_ref().map_or(0, |t| t.packets);
        let dropped: u64 = ingress.dropped.iter().map(|drop| drop.packets).sum();
        assert_eq!(packets(&ingress.received), packets(&ingress.forwarded) + dropped);
        assert_eq!(packets(&ingress.forwarded), 1);
    }
    running.shutdown().await;
}

/// The drop counters that are not zero, once there are some.
async fn wait_for_drop(running: &agwd::Running) -> String {
    loop {
        let (status, text) = rig::get(running, "/metrics").await;
        assert_eq!(status, 200);
        let dropped: String = text
            .lines()
            .filter(|line| line.starts_with("agw_packets_dropped_total") && !line.ends_with(" 0"))
            .collect();
        if !dropped.is_empty() {
            return dropped;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_tells_contexts_page_by_page_with_their_counters() {
    let mut config = rig::config();
    config.media.workers = 3;
    let running = rig::start(config).await;
    let gateway = rig::client(&running).await;
    let peer: SocketAddr = ([127, 0, 0, 1], 9).into();
    for _ in 0..5 {
        gateway.reserve_and_configure(rig::reserve("core", rig::stream(peer))).await.expect("room");
    }
    let request = pb::AuditValueRequest { page_size: 3, ..pb::AuditValueRequest::default() };
    let page = gateway.audit(request).await.expect("a page");
    assert_eq!((page.contexts.len(), page.next_page_token.is_empty()), (3, false));
    let contexts = gateway.contexts(true).await.expect("all pages");
    assert_eq!(contexts.len(), 5);
    for context in &contexts {
        assert!(context.terminations[0].streams[0].statistics.is_some());
    }
    let unknown = pb::AuditValueRequest { context_id: 1, ..pb::AuditValueRequest::default() };
    if contexts.iter().all(|context| context.context_id != 1) {
        let refused = gateway.audit(unknown).await.expect_err("no such context");
        assert_eq!(refused.reason.as_deref(), Some("UNKNOWN_CONTEXT"));
    }
    let status = gateway.status().await.expect("a status");
    assert_eq!((status.contexts, status.workers.len()), (5, 3));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_come_back_when_a_transaction_is_refused_or_released() {
    let running = rig::start(rig::config()).await;
    let gateway = rig::client(&running).await;
    let peer: SocketAddr = ([127, 0, 0, 1], 9).into();
    let good = || Command::Reserve(rig::reserve("core", rig::stream(peer)));
    let bad = Command::Reserve(rig::reserve("nowhere", rig::stream(peer)));
    let refused = gateway.transact(vec![good(), bad]).await.expect_err("no such realm");
    assert_eq!((refused.reason.as_deref(), refused.command), (Some("UNKNOWN_REALM"), Some(1)));
    let open = |text: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix("agw_ports_open "))
            .and_then(|count| count.parse::<u64>().ok())
            .expect("the metric")
    };
    assert_eq!(open(&rig::get(&running, "/metrics").await.1), 0);
    let replies = gateway.transact(vec![good()]).await.expect("room");
    assert_eq!(open(&rig::get(&running, "/metrics").await.1), 2);
    let Some(Reply::Termination(termination)) = &replies[0].reply else {
        panic!("{replies:?}");
    };
    let context_id = termination.context_id;
    gateway
        .release(pb::Release { context_id, termination_id: 0, ..Default::default() })
        .await
        .expect("released");
    assert_eq!(open(&rig::get(&running, "/metrics").await.1), 0);
    running.shutdown().await;
}
