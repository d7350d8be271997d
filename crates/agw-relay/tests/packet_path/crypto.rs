//! What only authenticated packets may do, and what no packet may.

use std::time::Duration;

use agw_relay::{
    Command, DropReason, EgressCrypto, EgressId, IngressCrypto, IngressId, Report, Transport,
};
use agw_srtp::{
    EgressKey, IngressKey, Portable, Protector, RocOnRekey, SessionParameters, Suite, Unprotector,
};

use crate::support::{
    ACCESS, ACCESS_RTCP, ACCESS_RTP, CORE, CORE_RTP, Call, EGRESS_SEED, FAR, INGRESS_SEED, UE,
    UE_RTCP, install_egress, install_ingress, legs, master, pass, pass_all, receiver_report, rtp,
};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// Brings the UE's source 7 to ROC 3; the last sequence number was 0x5000.
pub(crate) fn at_roc_3() -> Call {
    let mut call = Call::new(SUITE);
    for step in 0..=8u32 {
        let sequence = u16::try_from((step * 0x7000 + 0x1000) & 0xffff).unwrap();
        let sealed = call.seal(&rtp(7, sequence, b"x"));
        call.pass(ACCESS_RTP, UE, &sealed).unwrap();
    }
    let state = call.relay.ingress(IngressId(ACCESS)).unwrap().crypto.unwrap();
    assert_eq!((state.sources[0].roc, state.sources[0].highest_sequence), (3, Some(0x9000)));
    call
}

//= tests/spec/relay.md#transport
//= type=test
//# A packet whose tag does not verify MUST NOT be forwarded.
#[test]
fn a_flipped_bit_anywhere_changes_nothing() {
    let mut call = at_roc_3();
    let genuine = call.seal(&rtp(7, 0x9001, b"genuine"));
    let before = call.relay.ingress(IngressId(ACCESS)).unwrap();
    let mut dropped = 0;
    for bit in 0..genuine.len() * 8 {
        let mut forged = genuine.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(call.pass(ACCESS_RTP, UE, &forged).is_err(), "bit {bit}");
        dropped += 1;
    }
    let after = call.relay.ingress(IngressId(ACCESS)).unwrap();
    assert_eq!(after.crypto, before.crypto);
    assert_eq!(after.stats.dropped.total(), dropped);
    assert!(call.pass(ACCESS_RTP, UE, &genuine).is_ok());
}

//= tests/spec/srtp.md#replay
//= type=test
//# An index that was received before MUST be discarded.
#[test]
fn a_replay_is_dropped_also_within_one_batch() {
    let mut call = at_roc_3();
    let sealed = call.seal(&rtp(7, 0x9001, b"once"));
    let twice = vec![(ACCESS_RTP, UE, sealed.clone()), (ACCESS_RTP, UE, sealed.clone())];
    let passed = pass_all(&mut call.relay, call.now, &twice);
    assert!(passed[0].is_ok());
    assert_eq!(passed[1], Err(DropReason::Replay));
    assert_eq!(call.pass(ACCESS_RTP, UE, &sealed), Err(DropReason::Replay));
}

#[test]
fn the_first_packets_of_a_source_may_wrap_within_one_batch() {
    let mut call = Call::new(SUITE);
    let sequences = [65_534u16, 65_535, 0, 1];
    let batch: Vec<_> = sequences
        .into_iter()
        .map(|sequence| (ACCESS_RTP, UE, call.seal(&rtp(7, sequence, b"x"))))
        .collect();
    for (passed, sequence) in pass_all(&mut call.relay, call.now, &batch).into_iter().zip(sequences)
    {
        assert_eq!(passed.unwrap().2, rtp(7, sequence, b"x"));
    }
}

#[test]
fn a_batch_of_many_calls_and_directions_is_what_each_alone_would_be() {
    let mut call = Call::new(Suite::AeadAes128Gcm);
    let ups: Vec<_> = (0..100u16).map(|n| rtp(7, n, &n.to_be_bytes())).collect();
    let downs: Vec<_> = (0..100u16).map(|n| rtp(9, n, &n.to_be_bytes())).collect();
    let mut batch = Vec::new();
    for (up, down) in ups.iter().zip(&downs) {
        batch.push((ACCESS_RTP, UE, call.seal(up)));
        batch.push((CORE_RTP, CORE, down.clone()));
    }
    let passed = pass_all(&mut call.relay, call.now, &batch);
    for (place, pair) in passed.chunks(2).enumerate() {
        assert_eq!(pair[0].as_ref().unwrap().2, ups[place]);
        let sealed = pair[1].as_ref().unwrap().2.clone();
        assert_eq!(call.open(&sealed), downs[place]);
    }
}

//= tests/spec/srtp.md#e-bit
//= type=test
//# An SRTCP packet whose E bit is not as agreed MUST be discarded under a suite that encrypts.
#[test]
fn an_srtcp_packet_without_the_e_bit_is_dropped() {
    let mut call = Call::new(SUITE);
    let mut forged = call.seal_rtcp(&receiver_report(7));
    let e_bit = forged.len() - 14;
    forged[e_bit] &= 0x7f;
    assert_eq!(call.pass(ACCESS_RTCP, UE_RTCP, &forged), Err(DropReason::Unencrypted));
}

//= tests/spec/srtp.md#transmit-guard
//= type=test
//# Two packets MUST NOT be protected with the same key, SSRC and index.
#[test]
fn the_core_cannot_make_the_gateway_seal_an_index_twice() {
    let mut call = Call::new(SUITE);
    call.pass(CORE_RTP, CORE, &rtp(9, 50, b"first")).unwrap();
    for _ in 0..3 {
        let second = call.pass(CORE_RTP, CORE, &rtp(9, 50, b"other"));
        assert_eq!(second, Err(DropReason::IndexReused));
    }
    let reports: Vec<_> = std::iter::from_fn(|| call.relay.poll_report()).collect();
    assert_eq!(reports, [Report::IndexReused(EgressId(ACCESS))]);
    assert_eq!(call.dropped(FAR, DropReason::IndexReused), 3);
    call.now += Duration::from_secs(1);
    assert!(call.pass(CORE_RTP, CORE, &rtp(9, 50, b"other")).is_err());
    assert!(call.relay.poll_report().is_some());
}

//= tests/spec/relay.md#memory
//= type=test
//# A flood of unknown SSRCs MUST NOT grow the memory of a leg.
//= tests/spec/relay.md#memory
//= type=test
//# A flood of unknown SSRCs MUST NOT harm the genuine stream.
#[test]
fn a_flood_of_unknown_sources_costs_a_limited_number_of_macs() {
    let mut call = Call::new(SUITE);
    let mut reasons = std::collections::BTreeMap::new();
    for ssrc in 0..1_000 {
        let mut forged = rtp(ssrc, 1, b"forged");
        forged.extend([0; 10]);
        let reason = call.pass(ACCESS_RTP, UE, &forged).unwrap_err();
        *reasons.entry(reason).or_insert(0) += 1;
    }
    let expected = [(DropReason::Implausible, 872), (DropReason::Authentication, 128)];
    assert_eq!(reasons, expected.into_iter().collect());
    let state = call.relay.ingress(IngressId(ACCESS)).unwrap().crypto.unwrap();
    assert!(state.sources.is_empty());
    call.now += Duration::from_millis(50);
    let sealed = call.seal(&rtp(7, 1, b"genuine"));
    assert!(call.pass(ACCESS_RTP, UE, &sealed).is_ok());
}

#[test]
fn strangers_at_the_peers_address_do_not_keep_a_known_source_from_its_first_report() {
    let mut call = Call::new(SUITE);
    let sealed = call.seal(&rtp(7, 1, b"genuine"));
    assert!(call.pass(ACCESS_RTP, UE, &sealed).is_ok());
    for ssrc in 100..1_000 {
        let mut forged = rtp(ssrc, 1, b"forged");
        forged.extend([0; 10]);
        assert!(call.pass(ACCESS_RTP, UE, &forged).is_err());
    }
    let unknown = call.seal(&rtp(8, 1, b"another source has to wait"));
    assert_eq!(call.pass(ACCESS_RTP, UE, &unknown), Err(DropReason::Implausible));

    let report = call.seal_rtcp(&receiver_report(7));
    assert!(call.pass(ACCESS_RTCP, UE_RTCP, &report).is_ok());
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# Installing the key that is in force MUST change nothing.
#[test]
fn the_same_key_again_keeps_rollover_counter_and_replay_window() {
    let mut call = at_roc_3();
    let old = call.seal(&rtp(7, 0x9001, b"x"));
    call.pass(ACCESS_RTP, UE, &old).unwrap();
    call.command(install_ingress(ACCESS, SUITE, INGRESS_SEED));
    assert_eq!(call.pass(ACCESS_RTP, UE, &old), Err(DropReason::Replay));
    let sealed = call.seal(&rtp(7, 0x9002, b"y"));
    assert!(call.pass(ACCESS_RTP, UE, &sealed).is_ok());
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# A replaced ingress key MUST open packets until its overlap ends and MUST NOT open any later.
#[test]
fn a_replaced_key_opens_until_its_overlap_ends() {
    let mut call = at_roc_3();
    let in_flight = call.seal(&rtp(7, 0x9001, b"old key"));
    let too_late = call.seal(&rtp(7, 0x9002, b"old key"));
    call.command(install_ingress(ACCESS, SUITE, 3));
    let due = call.relay.poll_timeout().expect("the old key is to be wiped");
    assert_eq!(due, call.now + Duration::from_secs(2));
    assert!(call.pass(ACCESS_RTP, UE, &in_flight).is_ok());
    call.now = due;
    call.relay.handle_timeout(due);
    assert_eq!(call.relay.poll_timeout(), None);
    assert_eq!(call.pass(ACCESS_RTP, UE, &too_late), Err(DropReason::Authentication));
}

//= tests/spec/relay.md#transport
//= type=test
//# SRTP MUST be turned into SRTP of another suite where both legs are secured.
#[test]
fn srtp_of_one_suite_becomes_srtp_of_another() {
    let (mut relay, now) = legs(Transport::Secured, Transport::Secured);
    let (cm, gcm) = (Suite::AesCm256HmacSha1_32, Suite::AeadAes256Gcm);
    relay.handle_command(install_ingress(ACCESS, cm, INGRESS_SEED), now).unwrap();
    relay.handle_command(install_egress(FAR, gcm, EGRESS_SEED), now).unwrap();
    let parameters = SessionParameters::default();
    let out = vec![EgressKey::new(master(cm, INGRESS_SEED))];
    let into = vec![IngressKey::new(master(gcm, EGRESS_SEED))];
    let mut sender = Protector::new(&Portable, out, parameters, 0).unwrap();
    let mut receiver = Unprotector::new(&Portable, into, parameters, 0).unwrap();

    let plain = rtp(7, 1, b"one suite in, another out");
    let mut slot = plain.clone();
    slot.resize(200, 0);
    let len = sender.protect_srtp(&Portable, &mut slot, plain.len()).unwrap();
    let (_, _, mut sealed) = pass(&mut relay, now, ACCESS_RTP, UE, &slot[..len]).unwrap();
    let len = sealed.len();
    let len = receiver.unprotect_srtp(&Portable, &mut sealed, len, now).unwrap();
    assert_eq!(sealed[..len], plain);
}

#[test]
fn removed_keys_open_and_seal_nothing() {
    let mut call = Call::new(SUITE);
    let sealed = call.seal(&rtp(7, 1, b"x"));
    call.command(Command::IngressCrypto(IngressId(ACCESS), IngressCrypto::Remove));
    call.command(Command::EgressCrypto(EgressId(ACCESS), EgressCrypto::Remove));
    assert_eq!(call.pass(ACCESS_RTP, UE, &sealed), Err(DropReason::NoIngressKey));
    let down = call.pass(CORE_RTP, CORE, &rtp(9, 1, b"x"));
    assert_eq!(down, Err(DropReason::NoEgressKey));
}

#[test]
fn keys_that_do_not_fit_leave_those_in_force() {
    let mut call = at_roc_3();
    let change = IngressCrypto::Install {
        keys: Vec::new(),
        parameters: SessionParameters::default(),
        roc: RocOnRekey::Reset,
        overlap: Duration::ZERO,
    };
    let command = Command::IngressCrypto(IngressId(ACCESS), change);
    assert!(call.relay.handle_command(command, call.now).is_err());
    let sealed = call.seal(&rtp(7, 0x9001, b"x"));
    assert!(call.pass(ACCESS_RTP, UE, &sealed).is_ok());
}

#[test]
fn nothing_is_due_once_the_keys_that_were_to_be_wiped_are_gone() {
    for gone in [
        Command::IngressCrypto(IngressId(ACCESS), IngressCrypto::Remove),
        Command::RemoveIngress(IngressId(ACCESS)),
    ] {
        let mut call = Call::new(SUITE);
        call.command(install_ingress(ACCESS, SUITE, 3));
        call.now += Duration::from_secs(1);
        call.command(install_ingress(ACCESS, SUITE, 4));
        // The key that was replaced first goes first.
        assert_eq!(call.relay.poll_timeout(), Some(call.now + Duration::from_secs(1)));
        call.command(gone);
        assert_eq!(call.relay.poll_timeout(), None);
    }
}

//= tests/spec/relay.md#memory
//= type=test
//# A flood of unknown SSRCs MUST NOT harm the genuine stream.
#[test]
fn a_flood_of_unknown_sources_from_elsewhere_does_not_keep_the_peer_out() {
    let mut call = Call::new(SUITE);
    for ssrc in 0..1_000 {
        let mut forged = rtp(ssrc, 1, b"forged");
        forged.extend([0; 10]);
        assert!(call.pass(ACCESS_RTP, "203.0.113.9:7000", &forged).is_err());
    }
    // From where it is signalled, and then from where it has proved to be.
    let sealed = call.seal(&rtp(7, 1, b"genuine"));
    assert!(call.pass(ACCESS_RTP, UE, &sealed).is_ok());
    let sealed = call.seal(&rtp(8, 1, b"another source"));
    assert!(call.pass(ACCESS_RTP, UE, &sealed).is_ok());
}

#[test]
fn a_core_source_that_starts_anew_behind_itself_is_reported() {
    let mut call = Call::new(SUITE);
    call.pass(CORE_RTP, CORE, &rtp(9, 30_000, b"before")).unwrap();
    let restarted = call.pass(CORE_RTP, CORE, &rtp(9, 100, b"after"));
    assert_eq!(restarted, Err(DropReason::EgressTooOld));
    assert_eq!(call.relay.poll_report(), Some(Report::IndexReused(EgressId(ACCESS))));
}
