//! Media that arrives before the answer has brought its key.

use std::thread;
use std::time::{Duration, Instant};

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::packet::rtp_at;
use agw_tests::{Call, Gateway, Key, Leg, PATIENCE, Side, api};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const BUFFER: pb::PreKeyBuffer = pb::PreKeyBuffer { packets: 16, time_ms: 10_000 };

/// A call whose access leg has no keys yet, with the phone's.
fn without_keys(gateway: &Gateway, pre_key: Option<pb::PreKeyBuffer>) -> (Call, [Key; 2]) {
    let [ingress, egress] = [SUITE; 2].map(Key::random);
    let mut access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    access.stream.ingress_crypto = None;
    access.stream.egress_crypto = None;
    access.stream.pre_key = pre_key;
    let call = Call::between(gateway, access, Leg::plain(Side::Core.peer()));
    (call, [ingress, egress])
}

fn install(gateway: &Gateway, call: &Call, [ingress, egress]: &[Key; 2]) {
    let change = pb::StreamChange {
        ingress_crypto: Some(ingress.crypto()),
        egress_crypto: Some(egress.crypto()),
        ..pb::StreamChange::default()
    };
    let configure = api::configure(call.context, 1, change);
    gateway.wait(gateway.iq.configure(configure)).expect("keys");
}

/// The access stream as audited, once so many packets wait at it.
fn once_waiting(gateway: &Gateway, packets: u32) -> pb::StreamInfo {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let contexts = gateway.wait(gateway.iq.contexts(true)).expect("an audit");
        let stream = contexts[0].terminations[0].streams[0].clone();
        let statistics = stream.statistics.clone().expect("asked for");
        if statistics.ingress.expect("what arrived").waiting == packets {
            return stream;
        }
        assert!(Instant::now() < deadline, "no {packets} packets wait");
        thread::sleep(Duration::from_millis(20));
    }
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# Media that arrives before its key MUST wait for it where the controller asks, within bounds.
#[test]
fn what_a_phone_sends_before_its_answer_arrives_once_the_key_is_there() {
    let gateway = Gateway::start();
    let (mut call, keys) = without_keys(&gateway, Some(BUFFER));
    let early: Vec<_> = (1000..1005).map(|sequence| rtp_at(Call::ACCESS, sequence)).collect();
    for (number, packet) in early.iter().enumerate() {
        call.access.send(packet);
        if number == 2 {
            let mut forged = call.access.seal(&rtp_at(Call::ACCESS, 1100));
            *forged.last_mut().expect("a tag") ^= 1;
            call.access.send_octets(&forged);
        }
    }
    let stream = once_waiting(&gateway, 6);
    assert_eq!(stream.pre_key, Some(BUFFER));
    let before = gateway.ledger().read();
    assert!(before.closes() && before.received == 0, "{before:?}");
    assert!(call.is_silent());

    install(&gateway, &call, &keys);

    for packet in &early {
        assert_eq!(call.core.receive(), *packet);
    }
    let entry = gateway.ledger().after_drops("authentication", 1);
    assert_eq!((entry.received, entry.forwarded, entry.closes()), (6, 5, true));
    assert_eq!(once_waiting(&gateway, 0).pre_key, Some(BUFFER));
    let next = rtp_at(Call::ACCESS, 1101);
    call.access.send(&next);
    assert_eq!(call.core.receive(), next);
    call.talk_outwards();
    assert!(call.is_silent());
}

#[test]
fn without_a_buffer_what_comes_before_its_key_is_dropped() {
    let gateway = Gateway::start();
    let (mut call, keys) = without_keys(&gateway, None);
    for _ in 0..5 {
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
    }
    let entry = gateway.ledger().after_drops("no_ingress_key", 5);
    assert!(entry.closes(), "{entry:?}");

    install(&gateway, &call, &keys);
    call.talk();
    assert!(call.is_silent());
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# A packet that has waited for longer than asked for MUST NOT be forwarded.
#[test]
fn what_waits_for_too_long_never_arrives() {
    let gateway = Gateway::start();
    let pre_key = pb::PreKeyBuffer { packets: 2, time_ms: 1 };
    let (mut call, keys) = without_keys(&gateway, Some(pre_key));
    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    let entry = gateway.ledger().after_drops("pre_key_expired", 1);
    assert!(entry.closes(), "{entry:?}");

    install(&gateway, &call, &keys);
    call.talk();
    assert!(call.is_silent());
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# Buffers MUST NOT take more memory together than is configured.
#[test]
fn a_gateway_without_memory_for_it_drops_and_counts() {
    let gateway = Gateway::with(&["limits.pre_key_octets=1500"]);
    let (mut call, keys) = without_keys(&gateway, Some(BUFFER));
    gateway.ledger().await_sum("agw_pre_key_refused_total", 1);
    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    let _ = gateway.ledger().after_drops("no_ingress_key", 1);
    install(&gateway, &call, &keys);
    call.talk();
}
