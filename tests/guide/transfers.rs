//! How a call moves from one access to another.

use agw_srtp::Suite;
use agw_tests::{Endpoint, Gateway, Key, Leg, Side};

use crate::book::Flow;
use crate::media::{Voice, key};

#[test]
fn srvcc_relay_call() {
    let gateway = Gateway::start();
    let (k1, k2) = (key(), key());
    let mut ue_b = Endpoint::secured(Side::Access.peer(), &k2, &k1);
    let mut cs = Endpoint::plain(Side::Core.peer());
    let mut flow = Flow::open(&gateway, "SRVCC relay call");
    flow.side("cs", &cs);
    let [to_ue_b, to_cs] = flow.reserve(["ue_b", "cs"]);
    ue_b.attach(&to_ue_b);
    cs.attach(&to_cs);

    let mut voice = Voice::default();
    voice.is_dropped(&gateway, &mut cs, "egress_gate", 1);
    flow.side("ue_b", &ue_b);
    flow.key("K1", &k1);
    flow.key("K2", &k2);
    let _ = flow.play();

    voice.both_ways(&mut cs, &mut ue_b);
    voice.reports(&mut cs, &mut ue_b);
    // Plain RTP never passes on UE B's leg.
    let packet = voice.packet(0xA1);
    ue_b.send_octets(&packet);
    let _ = gateway.ledger().after_drops("authentication", 1);
    assert!(cs.is_silent() && ue_b.is_silent());
    flow.close();
}

#[test]
fn atgw_switch() {
    let gateway = Gateway::start();
    let suite = Suite::AesCm128HmacSha1_80;
    let [k11, k12, k21, k22] = [(); 4].map(|()| Key::random(suite));
    let access = Leg::secured(Side::Access.peer(), &k11, &k12);
    let mut remote = Leg::secured(Side::Core.peer(), &k22, &k21);
    remote.stream.ingress_crypto = Some(k22.crypto_at(3));
    remote.stream.egress_crypto = Some(k21.crypto_at(3));
    remote.endpoint.restart(&k22, &k21, 3);
    let mut call = agw_tests::Call::between(&gateway, access, remote);
    let mut cs = Endpoint::plain(Side::Core.peer());
    let mut flow = Flow::open(&gateway, "ATGW switch");
    flow.number("call", call.context);
    flow.number("access", 1);
    flow.number("remote", 2);
    flow.side("cs", &cs);
    call.talk();
    let [to_cs] = flow.reserve(["cs"]);
    cs.attach(&to_cs);
    call.talk();
    let _ = flow.play();

    // UE B's session goes on as it was, with another source on the same key.
    let mut voice = Voice::default();
    voice.passes(&mut cs, &mut call.core, 0xC5);
    let answer = call.next_packet(agw_tests::Call::CORE);
    call.core.send(&answer);
    assert_eq!(cs.receive(), answer);
    assert!(call.access.is_silent());
    flow.close();
}
