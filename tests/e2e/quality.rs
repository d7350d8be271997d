//! What reports that pass through say of a call.

use std::thread;
use std::time::Duration;

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::{Call, Gateway};

/// Seconds in NTP's format.
const SECOND: u64 = 1 << 32;

/// A sender report without blocks (RFC 3550 §6.4.1).
fn sender_report(ssrc: u32, ntp: u64, rtp: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(ntp.to_be_bytes());
    packet.extend(rtp.to_be_bytes());
    packet.extend([0; 8]);
    packet
}

/// A receiver report with one block: a quarter lost, seven in all, jitter of 20 ms at 8,000 Hz.
fn receiver_report(from: u32, about: u32, answered: u64, delay: u32) -> Vec<u8> {
    let mut packet = vec![0x81, 201, 0, 7];
    packet.extend(from.to_be_bytes());
    packet.extend(about.to_be_bytes());
    packet.extend([64, 0, 0, 7]);
    packet.extend(100_u32.to_be_bytes());
    packet.extend(160_u32.to_be_bytes());
    packet.extend(u32::try_from(answered >> 16 & 0xFFFF_FFFF).expect("32 bits").to_be_bytes());
    packet.extend(delay.to_be_bytes());
    packet
}

//= tests/spec/iq.md#audit
//= type=test
//# An audit MUST tell loss, jitter and round-trip time as the peer of a leg reports them.
#[test]
fn the_peers_reports_tell_loss_jitter_and_round_trip() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, Suite::AesCm128HmacSha1_80, 3);
    call.talk();
    assert_eq!(quality(&gateway), None, "nobody has reported yet");

    // Two sender reports of the core side, two seconds apart by its clock, reach the phone; the
    // first of a leg only makes room.
    for (seconds, rtp) in [(10, 0), (11, 8_000), (13, 24_000)] {
        let report = sender_report(Call::CORE, seconds * SECOND, rtp);
        call.core.send_control(&report);
        assert_eq!(call.access.receive_control(), report);
    }
    thread::sleep(Duration::from_millis(30));
    // The phone says that it held the last one for a 65,536th of a second.
    for _ in 0..2 {
        let answer = receiver_report(Call::ACCESS, Call::CORE, 13 * SECOND, 1);
        call.access.send_control(&answer);
        assert_eq!(call.core.receive_control(), answer);
    }

    let quality = quality(&gateway).expect("a report");
    assert_eq!((quality.loss_percent, quality.lost), (25.0, 7));
    assert_eq!((quality.clock_hz, quality.jitter_ms), (8_000, Some(20.0)));
    let round_trip = quality.round_trip_ms.expect("a round trip");
    assert!(round_trip >= 29.9, "{round_trip}");
    assert!(quality.mos < 3.0, "a quarter lost is no good call: {}", quality.mos);
}

/// What the phone has reported.
fn quality(gateway: &Gateway) -> Option<pb::Quality> {
    let contexts = gateway.wait(gateway.iq.contexts(true)).expect("an audit");
    let statistics = contexts[0].terminations[0].streams[0].statistics.clone().expect("counters");
    statistics.egress.expect("what left").quality
}
