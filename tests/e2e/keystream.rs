//! What watches every test for key streams that are used twice does find them.

use agw_srtp::Suite;
use agw_testkit::peer;
use agw_tests::capture::{self, Reuse};
use agw_tests::packet::{rtcp, rtp};
use agw_tests::{Endpoint, Key, Side, stage};

const SSRC: u32 = 0x1234_5678;

/// Somebody else than the gateway sends, so that no test has to make the gateway fail.
struct Culprit {
    phone: Endpoint,
    first: Endpoint,
    second: Endpoint,
}

impl Culprit {
    /// Two senders with one key, both at a ROC, and the phone that they send to.
    fn new(suite: Suite, roc: u32) -> Self {
        let (key, other) = (Key::random(suite), Key::random(suite));
        let mut phone = Endpoint::secured(Side::Access.peer(), &other, &key);
        phone.restart(&other, &key, roc);
        let [mut first, mut second] =
            [(); 2].map(|()| Endpoint::secured(Side::Access.peer(), &key, &other));
        for sender in [&mut first, &mut second] {
            sender.restart(&key, &other, roc);
            let remote = phone.remote();
            sender.attach(&agw_iq::pb::LocalStream {
                stream_id: 1,
                rtp: remote.rtp,
                rtcp: remote.rtcp,
            });
        }
        Self { phone, first, second }
    }
}

#[test]
fn a_sequence_number_that_was_sealed_twice_is_found_at_its_index() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AesCm256HmacSha1_32, Suite::AeadAes128Gcm] {
        let mut culprit = Culprit::new(suite, 3);
        let before = capture::reuse().len();
        culprit.first.send(&rtp(SSRC, 65_535, 1));
        culprit.first.send(&rtp(SSRC, 0, 2));
        // Only the first one of two fresh sessions with one sequence number is at its ROC.
        culprit.second.send(&rtp(SSRC, 65_535, 3));
        for _ in 0..3 {
            let _ = culprit.phone.receive_octets();
        }
        let found = capture::reuse();
        assert_eq!(found.len(), before + 1, "{found:?}");
        let expected = Reuse { ssrc: SSRC, index: 3 << 16 | 65_535, is_srtcp: false };
        assert!(found.contains(&expected), "{found:?}");
    }
}

#[test]
fn an_index_of_srtcp_that_was_used_twice_is_found() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm] {
        let mut culprit = Culprit::new(suite, 0);
        let before = capture::reuse().len();
        for number in 0..3 {
            culprit.first.send_control(&rtcp(SSRC, number));
            let _ = culprit.phone.receive_control();
        }
        culprit.second.send_control(&rtcp(SSRC, 9));
        let _ = culprit.phone.is_silent();
        while capture::reuse().len() == before {
            let _ = culprit.phone.is_silent();
        }
        assert!(capture::reuse().iter().all(|reuse| reuse.is_srtcp && reuse.ssrc == SSRC));
    }
}

#[test]
fn the_same_packet_twice_other_keys_other_indices_and_plain_packets_are_no_reuse() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut one = Culprit::new(suite, 0);
    let sealed = one.first.seal(&rtp(SSRC, 7, 1));
    one.first.send_octets(&sealed);
    one.second.send_octets(&sealed);
    // The sequence number comes again after the wrap.
    for number in [30_000, 60_000, 7] {
        one.first.send(&rtp(SSRC, number, 2));
    }
    let mut other = Culprit::new(suite, 0);
    other.first.send(&rtp(SSRC, 7, 3));
    let plain = Endpoint::plain(Side::Core.peer());
    let mut sender = Endpoint::plain(Side::Core.peer());
    let remote = plain.remote();
    sender.attach(&agw_iq::pb::LocalStream { stream_id: 1, rtp: remote.rtp, rtcp: remote.rtcp });
    sender.send(&rtp(SSRC, 7, 4));
    sender.send(&rtp(SSRC, 7, 5));
    for (endpoint, datagrams) in [(&one.phone, 5), (&other.phone, 1), (&plain, 2)] {
        for _ in 0..datagrams {
            let _ = endpoint.receive_octets();
        }
    }

    assert_eq!(capture::reuse(), []);
}

#[test]
fn of_software_with_unknown_keys_a_port_stands_for_the_key() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut culprit = Culprit::new(suite, 0);
    let elsewhere = 9;
    for number in [1, 30_000, 60_000, 1] {
        capture::note(elsewhere, &culprit.first.seal(&rtp(SSRC, number, 1)));
    }
    assert_eq!(capture::reuse(), []);

    capture::note(elsewhere, &culprit.second.seal(&rtp(SSRC, 60_000, 2)));

    assert_eq!(capture::reuse(), [Reuse { ssrc: SSRC, index: 60_000, is_srtcp: false }]);
}

#[test]
fn on_a_stage_it_is_found_in_what_no_test_reads() {
    if stage::cast(&[]).is_none() {
        return peer::skip("root");
    }
    for ip in [Side::Access.peer(), Side::Core.peer_v6()] {
        let before = capture::reuse().len();
        let mut culprit = Culprit::new(Suite::AesCm128HmacSha1_80, 0);
        let unread = stage::peer_socket(ip, 0);
        for sender in [&mut culprit.first, &mut culprit.second] {
            let sealed = sender.seal(&rtp(SSRC, 1, u64::from(sender.address().port())));
            let socket = stage::peer_socket(ip, 0);
            let to = unread.local_addr().expect("an address");
            socket.send_to(&sealed, to).expect("a datagram sent");
        }
        assert_eq!(capture::reuse().len(), before + 1);
    }
}

#[test]
#[should_panic(expected = "a key stream was used twice")]
fn a_test_in_which_it_happens_fails_at_its_end() {
    let gateway = agw_tests::Gateway::start();
    let mut culprit = Culprit::new(Suite::AesCm128HmacSha1_80, 0);
    culprit.first.send(&rtp(SSRC, 1, 1));
    culprit.second.send(&rtp(SSRC, 1, 2));
    for _ in 0..2 {
        let _ = culprit.phone.receive_octets();
    }
    drop(gateway);
}
