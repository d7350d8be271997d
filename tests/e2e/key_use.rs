//! What each key has been used for, and what is left of it.

use agw_iq::pb;
use agw_srtp::{RocOnRekey, Suite};
use agw_tests::{Call, Gateway, Key, Leg, Side, api};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const LIFETIME: u64 = 1_000;
const ROC: u32 = 3;

/// Standing and MKI; of SRTP the packets and those until the warning, of SRTCP the packets.
#[derive(Debug, PartialEq)]
struct Told(pb::KeyStanding, Vec<u8>, [u64; 3]);

//= tests/spec/iq.md#audit
//= type=test
//# An audit MUST tell for each live key the packets under it and how many are left.
#[test]
fn audits_and_releases_tell_what_each_key_was_used_for() {
    let gateway = Gateway::start();
    let old = Key::random(SUITE).with_mki(&[1]).with_lifetime(LIFETIME);
    let new = Key::random(SUITE).with_mki(&[2]).with_lifetime(2 * LIFETIME);
    let own = Key::random(SUITE).with_lifetime(LIFETIME);
    let mut call = call_at_roc_3(&gateway, &old, &own);
    (0..7).for_each(|_| call.talk());
    call.report();

    let served = |packets, srtcp| [packets, LIFETIME - LIFETIME / 10 - packets, srtcp];
    let (ingress, egress) = audit(&gateway);
    assert_eq!(ingress, [Told(pb::KeyStanding::InForce, vec![1], served(7, 1))]);
    assert_eq!(egress, [Told(pb::KeyStanding::InForce, vec![], served(7, 1))]);

    // A key that waits, then one that was replaced and still opens what comes late.
    let stage = api::stage_ingress(call.context, &new);
    gateway.wait(gateway.iq.stage_key(stage)).expect("a staged key");
    let (ingress, _) = audit(&gateway);
    let waiting = Told(pb::KeyStanding::Staged, vec![2], [0, 2 * LIFETIME - 200, 0]);
    assert_eq!(ingress, [Told(pb::KeyStanding::InForce, vec![1], served(7, 1)), waiting]);
    let late = call.next_packet(Call::ACCESS);
    let late_sealed = call.access.seal(&late);
    call.access.sends_with(&new, RocOnRekey::Keep);
    (0..3).for_each(|_| call.talk());
    call.access.send_octets(&late_sealed);
    assert_eq!(call.core.receive(), late);

    let released = gateway.wait(gateway.iq.release(api::release(call.context))).expect("the end");
    let last = released.streams[0].statistics.clone().expect("final statistics");
    let crypto = last.ingress.and_then(|ingress| ingress.crypto).expect("key state");
    let in_force = Told(pb::KeyStanding::InForce, vec![2], [3, 2 * LIFETIME - 203, 0]);
    let replaced = Told(pb::KeyStanding::Replaced, vec![1], served(8, 1));
    assert_eq!(told(&crypto), [in_force, replaced]);
    let sealed = last.egress.and_then(|egress| egress.crypto).expect("key state");
    assert_eq!(told(&sealed), [Told(pb::KeyStanding::InForce, vec![], served(10, 1))]);
}

fn call_at_roc_3(gateway: &Gateway, ingress: &Key, egress: &Key) -> Call {
    let mut access = Leg::secured(Side::Access.peer(), ingress, egress);
    access.stream.ingress_crypto = Some(ingress.crypto_at(ROC));
    access.stream.egress_crypto = Some(egress.crypto_at(ROC));
    access.endpoint.restart(ingress, egress, ROC);
    Call::between(gateway, access, Leg::plain(Side::Core.peer()))
}

fn told(crypto: &pb::CryptoState) -> Vec<Told> {
    let of = |key: &pb::KeyUse| {
        let (srtp, srtcp) = (key.srtp.expect("a count"), key.srtcp.expect("a count"));
        assert_eq!(key.suite(), pb::Suite::AesCm128HmacSha180);
        assert_eq!(srtp.until_stop - srtp.until_warning, (srtp.packets + srtp.until_stop) / 10);
        Told(key.standing(), key.mki.clone(), [srtp.packets, srtp.until_warning, srtcp.packets])
    };
    crypto.keys.iter().map(of).collect()
}

/// The keys of either direction of the access leg.
fn audit(gateway: &Gateway) -> (Vec<Told>, Vec<Told>) {
    let contexts = gateway.wait(gateway.iq.contexts(true)).expect("an audit");
    let statistics = contexts[0].terminations[0].streams[0].statistics.clone().expect("counters");
    let ingress = statistics.ingress.and_then(|ingress| ingress.crypto).expect("key state");
    let egress = statistics.egress.and_then(|egress| egress.crypto).expect("key state");
    (told(&ingress), told(&egress))
}
