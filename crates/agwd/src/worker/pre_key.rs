//! What waits at a worker for its key goes out in the round that brings the key.

use std::time::Duration;

use agw_relay::{
    Command, EgressId, Gate, IngressCrypto, IngressExtras, IngressId, IngressSpec, PortId,
    PreKeySpec, RtcpIngress, SourceRule, Transport,
};
use agw_srtp::{
    EgressKey, Engine, IngressKey, MAX_TRAILER, MasterKey, Portable, Protector, RocOnRekey,
    SessionParameters, Suite,
};

use super::tests::{RTP, Rig, address, egress};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// More than a batch, at two legs.
const PACKETS: u8 = 40;

fn key() -> MasterKey {
    MasterKey::from_concatenated(SUITE, &[5; 30]).expect("a key")
}

/// A secured leg at port `4000 + 2 * id` with room for what comes before its key.
fn ingress(id: u32) -> Command {
    let pre_key = PreKeySpec { packets: PACKETS, time: Duration::from_secs(10) };
    let extras = IngressExtras { pre_key: Some(pre_key), ..IngressExtras::default() };
    let spec = IngressSpec {
        transport: Transport::Secured,
        gate: Gate::OPEN,
        source: SourceRule::Authenticated,
        signalled_rtp: None,
        signalled_rtcp: None,
        rtp: PortId(id),
        rtcp: RtcpIngress::Off,
        output: Some(EgressId(1 - id)),
        reverse: EgressId(id),
        extras: Some(Box::new(extras)),
    };
    Command::SetIngress(IngressId(id), spec)
}

fn install(id: u32) -> Command {
    let (parameters, roc) = (SessionParameters::default(), RocOnRekey::Keep);
    let keys = vec![IngressKey::new(key())];
    let change = IngressCrypto::Install { keys, parameters, roc, overlap: Duration::ZERO };
    Command::IngressCrypto(IngressId(id), change)
}

fn packet(sequence: u8) -> Vec<u8> {
    let mut packet = RTP.to_vec();
    packet[3] = sequence;
    packet
}

/// What a phone sends.
fn sealed() -> Vec<Vec<u8>> {
    let keys = vec![EgressKey::new(key())];
    let mut phone: Protector<<Portable as Engine>::Keys> =
        Protector::new(&Portable, keys, SessionParameters::default(), 0).expect("a session");
    let mut seal = |sequence| {
        let mut packet = packet(sequence);
        packet.resize(RTP.len() + MAX_TRAILER, 0);
        let len = phone.protect_srtp(&Portable, &mut packet, RTP.len()).expect("sealed");
        packet.truncate(len);
        packet
    };
    (1..=PACKETS + 1).map(&mut seal).collect()
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# Kept packets MUST go through in the order of their arrival once the key is there, before
//# any that arrive later.
#[test]
fn what_has_waited_leaves_in_its_order_before_what_arrives_with_the_key() {
    let mut rig = Rig::new();
    // Where they leave is plain: the sending halves.
    let steps = vec![egress(0, 5000), egress(1, 5002), ingress(0), ingress(1)];
    assert!(!rig.apply(&[(0, 4000), (1, 4002)], steps, &[]).failed);
    let sealed = sealed();
    let (last, early) = sealed.split_last().expect("packets");
    for packet in early {
        for port in [4000, 4002] {
            rig.wire.inject(address(port), address(port + 1000), packet);
        }
        rig.round();
    }
    assert_eq!(rig.wire.take_sent().len(), 0);
    assert_eq!(rig.count().relay.received.packets, 0);

    assert!(!rig.apply(&[], vec![install(1), install(0)], &[]).failed);
    rig.wire.inject(address(4000), address(5000), last);
    rig.round();

    let sent = rig.wire.take_sent();
    for (port, count) in [(4000, PACKETS), (4002, PACKETS + 1)] {
        let left = sent.iter().filter(|sent| sent.from == address(port));
        let left: Vec<_> = left.map(|sent| sent.octets.clone()).collect();
        assert_eq!(left, (1..=count).map(packet).collect::<Vec<_>>(), "{port}");
    }
    let relay = rig.count().relay;
    assert_eq!((relay.received.packets, relay.forwarded.packets), (81, 81));
}
