//! What changes in a call that stands.

use std::thread;
use std::time::{Duration, Instant};

use agw_iq::pb;
use agw_srtp::{RocOnRekey, Suite};
use agw_tests::packet::rtp_at;
use agw_tests::{Call, Endpoint, Gateway, PATIENCE, Side};

use crate::book::Flow;
use crate::media::{Voice, key};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

#[test]
fn hold_and_resume() {
    let gateway = Gateway::start();
    let (mut call, k11, k12) = Call::e2ae_at(&gateway, SUITE, 3);
    let mut flow = Flow::open(&gateway, "Hold and resume");
    flow.number("call", call.context);
    flow.number("access", 1);
    flow.key("K11", &k11);
    flow.key("K12", &k12);
    call.talk();
    let _ = flow.play();

    // Music on hold goes on across a wrap of the sequence numbers; nothing goes to UE A.
    for index in 0..5u64 {
        let packet = rtp_at(Call::ACCESS, (3 << 16) + 0x4000 * (index + 1));
        call.access.send(&packet);
        assert_eq!(call.core.receive(), packet);
    }
    let held = call.next_packet(Call::CORE);
    call.core.send(&held);
    let _ = gateway.ledger().after_drops("egress_gate", 1);
    call.report();
    let recorded = call.access.seal(&rtp_at(Call::ACCESS, (4 << 16) + 0x4001));
    call.access.send_octets(&recorded);
    let _ = call.core.receive();
    let _ = flow.play();

    call.talk_outwards();
    let packet = rtp_at(Call::ACCESS, (4 << 16) + 0x4002);
    call.access.send(&packet);
    assert_eq!(call.core.receive(), packet);
    call.access.send_octets(&recorded);
    let _ = gateway.ledger().after_drops("replay", 1);
    assert!(call.is_silent());
    flow.close();
}

#[test]
fn a_reinvite_adds_video() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    let (k13, k14) = (key(), key());
    let mut phone = Endpoint::secured(Side::Access.peer(), &k13, &k14);
    let mut core = Endpoint::plain(Side::Core.peer());
    let mut flow = Flow::open(&gateway, "A re-INVITE adds video");
    let contexts = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    let generation = u32::try_from(contexts[0].generation).expect("a small number");
    for (name, number) in
        [("call", call.context), ("access", 1), ("core", 2), ("generation", generation)]
    {
        flow.number(name, number);
    }
    flow.key("K13", &k13);
    flow.key("K14", &k14);
    flow.side("ue_a_video", &phone);
    flow.side("core_video", &core);
    call.talk();
    let replies = flow.play();
    phone.attach(&replies[0].streams[1]);
    core.attach(&replies[1].streams[1]);
    let mut video = Voice::default();
    video.both_ways(&mut phone, &mut core);
    call.talk();
    call.report();

    let replies = flow.play();

    let counted = |reply: &pb::TerminationReply| {
        let statistics = reply.released[0].statistics.clone()?;
        Some(statistics.ingress?.received?.packets)
    };
    assert_eq!(replies.iter().map(counted).collect::<Vec<_>>(), [Some(1), Some(1)]);
    call.talk();
    assert!(call.is_silent());
    flow.close();
}

#[test]
fn media_before_its_key() {
    let gateway = Gateway::start();
    let (k21, k22) = (key(), key());
    let mut core = Endpoint::plain(Side::Core.peer());
    let mut ue_b = Endpoint::secured(Side::Access.peer(), &k22, &k21);
    let mut flow = Flow::open(&gateway, "Media before its key");
    flow.side("core", &core);
    flow.side("ue_b", &ue_b);
    flow.key("K21", &k21);
    flow.key("K22", &k22);
    let [to_core, to_access] = flow.reserve(["core", "access"]);
    core.attach(&to_core);
    ue_b.attach(&to_access);
    let mut voice = Voice::default();
    let early: Vec<_> = (0..5).map(|_| voice.packet(0xB1)).collect();
    early.iter().for_each(|packet| ue_b.send(packet));
    once_waiting(&gateway, 5);
    assert!(core.is_silent());

    let _ = flow.play();

    for packet in &early {
        assert_eq!(core.receive(), *packet, "in its order");
    }
    voice.both_ways(&mut ue_b, &mut core);
    flow.close();
}

/// Waits until so many packets wait for a key.
fn once_waiting(gateway: &Gateway, packets: u32) {
    let deadline = Instant::now() + PATIENCE;
    let waiting = || {
        let contexts = gateway.wait(gateway.iq.contexts(true)).expect("an audit");
        let streams = contexts[0].terminations.iter().flat_map(|one| &one.streams);
        let ingress = streams.filter_map(|stream| stream.statistics.clone()?.ingress);
        ingress.map(|ingress| ingress.waiting).sum::<u32>()
    };
    while waiting() != packets {
        assert!(Instant::now() < deadline, "{packets} packets wait");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn rekey() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    let (k12_rejected, k12_next, k11_next) = (key(), key(), key());
    let mut flow = Flow::open(&gateway, "Re-key");
    flow.number("call", call.context);
    flow.number("access", 1);
    flow.key("K12_rejected", &k12_rejected);
    flow.key("K12_next", &k12_next);
    flow.key("K11_next", &k11_next);
    call.talk();
    let _ = flow.play();
    call.talk();
    let _ = flow.play();
    call.talk();
    let _ = flow.play();
    call.talk();
    let late = call.next_packet(Call::ACCESS);
    let under_the_old_key = call.access.seal(&late);
    let _ = flow.play();

    call.access.send_octets(&under_the_old_key);
    assert_eq!(call.core.receive(), late);
    call.access.sends_with(&k11_next, RocOnRekey::Keep);
    call.access.receives_with(&k12_next, RocOnRekey::Keep);
    call.talk();
    call.report();
    flow.close();
}

#[test]
fn call_diversion() {
    let gateway = Gateway::start();
    let (k1, k2, k3) = (key(), key(), key());
    let mut core = Endpoint::plain(Side::Core.peer());
    let mut ue_b = Endpoint::secured(Side::Access.peer(), &key(), &k1);
    let mut ue_c = Endpoint::secured(Side::Access.peer(), &k2, &k3);
    let mut flow = Flow::open(&gateway, "Call diversion");
    flow.side("core", &core);
    flow.side("ue_b", &ue_b);
    let [to_core, to_access] = flow.reserve(["core", "access"]);
    core.attach(&to_core);
    ue_b.attach(&to_access);
    ue_c.attach(&to_access);

    let mut voice = Voice::default();
    voice.is_dropped(&gateway, &mut ue_b, "ingress_gate", 1);
    flow.side("ue_c", &ue_c);
    flow.key("K2", &k2);
    flow.key("K3", &k3);
    let _ = flow.play();

    voice.both_ways(&mut ue_c, &mut core);
    voice.is_dropped(&gateway, &mut ue_b, "authentication", 1);
    voice.both_ways(&mut ue_c, &mut core);
    assert!(ue_b.is_silent());

    // Both ways up to ROC 3: whoever starts anew has something to start anew from.
    for index in (1..=12u64).map(|index| index * 0x4000 + 0x100) {
        let [inwards, outwards] = [0xA1, 0xB1].map(|ssrc| rtp_at(ssrc, index));
        ue_c.send(&inwards);
        assert_eq!(core.receive(), inwards);
        core.send(&outwards);
        assert_eq!(ue_c.receive(), outwards);
    }
    let (k4, k5) = (key(), key());
    let mut later = Endpoint::secured(Side::Access.peer(), &k4, &k5);
    later.attach(&to_access);
    flow.side("ue_c_later", &later);
    flow.key("K4", &k4);
    flow.key("K5", &k5);
    let _ = flow.play();
    voice.both_ways(&mut later, &mut core);
    assert!(ue_c.is_silent());
    flow.close();
}
