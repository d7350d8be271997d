//! A flood of forged packets: what control is told, and what the genuine stream notices.

use std::time::Duration;

use agw_relay::{DropReason, EgressId, Half, IngressId, Report, Ssrc};
use agw_srtp::Suite;

use crate::support::{ACCESS, ACCESS_RTP, CORE, CORE_RTP, Call, UE, rtp};

const STRANGER: &str = "203.0.113.9:7000";

/// Forged packets of a known source within the window.
fn forge(call: &mut Call, source: &str, count: u16) -> Vec<DropReason> {
    let forged = |sequence| rtp(7, sequence, &[6; 50]);
    (100..100 + count)
        .map(|sequence| call.pass(ACCESS_RTP, source, &forged(sequence)).unwrap_err())
        .collect()
}

fn talks(call: &mut Call, sequence: u16) -> bool {
    let sealed = call.seal(&rtp(7, sequence, b"genuine"));
    call.pass(ACCESS_RTP, UE, &sealed).is_ok()
}

//= tests/spec/relay.md#memory
//= type=test
//# Failed tags of a leg MUST be limited, and what the peer sends MUST be tried nevertheless.
#[test]
fn after_500_failures_a_stranger_is_sampled_and_the_phone_is_heard() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    assert!(talks(&mut call, 1));
    let drops = forge(&mut call, STRANGER, 2_100);
    let limited = DropReason::AuthenticationLimited;
    let tried = drops.iter().filter(|&&reason| reason == DropReason::Authentication).count();
    assert_eq!(tried, 500 + 1_600 / 16);
    assert_eq!(call.dropped(ACCESS, limited), 1_500);
    assert!((2..=50).all(|sequence| talks(&mut call, sequence)));
    call.now += Duration::from_secs(1);
    let drops = forge(&mut call, STRANGER, 100);
    assert!(drops.iter().all(|&reason| reason == DropReason::Authentication), "a new second");
}

#[test]
fn the_phone_is_heard_even_if_the_forger_borrows_its_address() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    assert!(talks(&mut call, 1));
    forge(&mut call, UE, 2_900);
    assert!((2..=50).all(|sequence| talks(&mut call, sequence)));
}

#[test]
fn control_is_told_of_many_failures_and_of_many_replays_once_a_second() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let sealed = call.seal(&rtp(7, 1, b"once"));
    call.pass(ACCESS_RTP, UE, &sealed).unwrap();
    while call.relay.poll_report().is_some() {}
    for _ in 0..2 {
        forge(&mut call, STRANGER, 200);
        for _ in 0..200 {
            assert_eq!(call.pass(ACCESS_RTP, STRANGER, &sealed), Err(DropReason::Replay));
        }
        call.now += Duration::from_secs(1);
    }
    let told: Vec<_> = std::iter::from_fn(|| call.relay.poll_report()).collect();
    let (ingress, packets) = (IngressId(ACCESS), 50);
    let once = [
        Report::AuthenticationFailures { ingress, packets, deaf: None },
        Report::Replays { ingress, packets },
    ];
    assert_eq!(told, [once, once].concat());
}

//= tests/spec/relay.md#memory
//= type=test
//# A leg on which every packet has failed its tag for some seconds MUST be told.
#[test]
fn a_phone_that_sends_under_another_key_is_told_however_slowly_it_talks() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    assert!(talks(&mut call, 1));
    while call.relay.poll_report().is_some() {}
    for sequence in 100..200 {
        call.now += Duration::from_millis(30);
        let forged = rtp(7, sequence, &[6; 50]);
        assert_eq!(call.pass(ACCESS_RTP, UE, &forged), Err(DropReason::Authentication));
    }
    let told: Vec<_> = std::iter::from_fn(|| call.relay.poll_report()).collect();
    let deaf = Some(Duration::from_millis(67 * 30));
    let failures = Report::AuthenticationFailures { ingress: IngressId(ACCESS), packets: 68, deaf };
    assert_eq!(told, [failures]);
}

//= tests/spec/relay.md#memory
//= type=test
//# A source that a leg refuses because it has as many as it may have MUST be told, at most once a
//# second for each direction.
#[test]
fn a_source_too_many_is_told_once_a_second_for_each_direction() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    for ssrc in 1..=8 {
        let sealed = call.seal(&rtp(ssrc, 1, b"genuine"));
        call.pass(ACCESS_RTP, UE, &sealed).unwrap();
        call.pass(CORE_RTP, CORE, &rtp(100 + ssrc, 1, b"back")).unwrap();
    }
    while call.relay.poll_report().is_some() {}
    for second in 0..2u16 {
        for sequence in (2..50).map(|sequence| 100 * second + sequence) {
            let forged = rtp(9, sequence, &[6; 50]);
            assert_eq!(call.pass(ACCESS_RTP, STRANGER, &forged), Err(DropReason::SourceLimit));
            let back = rtp(109, sequence, b"back");
            assert_eq!(call.pass(CORE_RTP, CORE, &back), Err(DropReason::EgressSourceLimit));
        }
        call.now += Duration::from_secs(1);
    }
    let told: Vec<_> = std::iter::from_fn(|| call.relay.poll_report()).collect();
    let refused = |half, ssrc| Report::SourceLimit { half, ssrc: Ssrc(ssrc), sources: 8 };
    let ingress = refused(Half::Ingress(IngressId(ACCESS)), 9);
    let egress = refused(Half::Egress(EgressId(ACCESS)), 109);
    assert_eq!(told, [ingress, egress, ingress, egress]);
    assert_eq!(call.dropped(ACCESS, DropReason::SourceLimit), 96);
}
