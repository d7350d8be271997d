//! SRTP to RTP, SRTP to SRTP, RTP to RTP, and SRTP untouched.

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, Side, api, terminations};

/// The suites that need no leave of policy.
const SUITES: [Suite; 8] = [
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm128HmacSha1_32,
    Suite::AesCm192HmacSha1_80,
    Suite::AesCm192HmacSha1_32,
    Suite::AesCm256HmacSha1_80,
    Suite::AesCm256HmacSha1_32,
    Suite::AeadAes128Gcm,
    Suite::AeadAes256Gcm,
];

#[test]
fn srtp_becomes_rtp_and_rtp_becomes_srtp_with_every_suite() {
    let gateway = Gateway::start();
    for suite in SUITES {
        let (mut call, ..) = Call::e2ae(&gateway, suite);
        for _ in 0..50 {
            call.talk();
        }
        call.report();
        assert!(call.is_silent(), "{}", suite.name());
    }
    let entry = gateway.ledger().after(8 * 102);
    assert_eq!(entry.forwarded, entry.received, "{entry:?}");
}

//= tests/spec/relay.md#transport
//= type=test
//# SRTP MUST be turned into SRTP of another suite where both legs are secured.
#[test]
fn srtp_of_one_suite_becomes_srtp_of_another() {
    let gateway = Gateway::start();
    for (of_access, of_core) in SUITES.into_iter().zip(SUITES.into_iter().rev()) {
        let [a, b] = [Key::random(of_access), Key::random(of_access)];
        let [c, d] = [Key::random(of_core), Key::random(of_core)];
        let access = Leg::secured(Side::Access.peer(), &a, &b);
        let mut call = Call::between(&gateway, access, Leg::secured(Side::Access.peer(), &c, &d));
        for _ in 0..20 {
            call.talk();
        }
        call.report();
    }
}

#[test]
fn rtp_passes_between_plain_legs() {
    let gateway = Gateway::start();
    let mut call =
        Call::between(&gateway, Leg::plain(Side::Core.peer()), Leg::plain(Side::Core.peer()));
    for _ in 0..50 {
        call.talk();
    }
    call.report();
    assert!(call.is_silent());
}

//= tests/spec/relay.md#transport
//= type=test
//# On a transparent leg packets MUST be forwarded octet by octet.
#[test]
fn srtp_passes_untouched_between_transparent_legs() {
    let gateway = Gateway::start();
    let suite = Suite::AesCm128HmacSha1_32;
    let (one, other) = (Key::random(suite), Key::random(suite));
    let access = Leg::transparent(Side::Access.peer(), &one, &other);
    let core = Leg::transparent(Side::Access.peer(), &other, &one);
    let mut call = Call::between(&gateway, access, core);
    let packet = call.next_packet(Call::ACCESS);
    let sealed = call.access.seal(&packet);
    call.access.send_octets(&sealed);
    assert_eq!(call.core.receive_octets(), sealed);
    for _ in 0..20 {
        call.talk();
    }
    call.report();
}

#[test]
fn keys_given_as_a_crypto_attribute_do_the_same() {
    let gateway = Gateway::start();
    let suite = Suite::AesCm128HmacSha1_80;
    let (ingress, egress) = (Key::random(suite), Key::random(suite));
    let mut access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    let line = |key: &Key, tag| pb::CryptoContext {
        sdes_line: key.sdes_line(tag),
        ..pb::CryptoContext::default()
    };
    access.stream.ingress_crypto = Some(line(&ingress, 1));
    access.stream.egress_crypto = Some(line(&egress, 2));
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    for _ in 0..5 {
        call.talk();
    }
}

//= tests/spec/relay.md#transport
//= type=test
//# On a secured leg nothing MUST leave before an egress key is installed.
#[test]
fn a_secured_leg_without_keys_passes_nothing_until_they_come() {
    let gateway = Gateway::start();
    let suite = Suite::AeadAes256Gcm;
    let (ingress, egress) = (Key::random(suite), Key::random(suite));
    let mut access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    access.stream.ingress_crypto = None;
    access.stream.egress_crypto = None;
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));

    call.access.send(&call_packet(Call::ACCESS));
    call.core.send(&call_packet(Call::CORE));
    let _ = gateway.ledger().after_drops("no_ingress_key", 1);
    let _ = gateway.ledger().after_drops("no_egress_key", 1);

    let change = pb::StreamChange {
        ingress_crypto: Some(ingress.crypto()),
        egress_crypto: Some(egress.crypto()),
        ..pb::StreamChange::default()
    };
    let configure = api::configure(call.context, 1, change);
    gateway.wait(gateway.iq.configure(configure)).expect("keys");
    call.talk();
    assert!(call.is_silent());
}

//= tests/spec/iq.md#reservation
//= type=test
//# A termination MUST carry several streams with keys of their own.
//= tests/spec/iq.md#reservation
//= type=test
//# A reservation MUST answer with the local addresses of every stream.
#[test]
fn audio_and_video_of_one_call_keep_apart() {
    let gateway = Gateway::start();
    let (audio, video) = (Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm);
    let keys = [audio, audio, video, video].map(Key::random);
    let [k1, k2, k3, k4] = &keys;
    let mut access =
        [(k1, k2), (k3, k4)].map(|(a, b)| Endpoint::secured(Side::Access.peer(), a, b));
    let mut core = [(); 2].map(|()| Endpoint::plain(Side::Access.peer()));
    let secured = vec![
        api::secured(1, &access[0], &k1.crypto(), &k2.crypto()),
        pb::Stream {
            media: pb::Media::Video.into(),
            ..api::secured(2, &access[1], &k3.crypto(), &k4.crypto())
        },
    ];
    let plain = vec![api::plain(1, &core[0]), api::plain(2, &core[1])];
    let replies = gateway.wait(gateway.iq.transact(api::call(secured, plain))).expect("a call");
    for (side, termination) in [&mut access, &mut core].into_iter().zip(terminations(&replies)) {
        for (endpoint, local) in side.iter_mut().zip(&termination.streams) {
            endpoint.attach(local);
        }
    }

    for number in 0..40 {
        for (stream, ssrc) in [(0, 100), (1, 200)] {
            let packet = agw_tests::packet::rtp(ssrc, number, u64::from(number) + u64::from(ssrc));
            access[stream].send(&packet);
            assert_eq!(core[stream].receive(), packet);
            core[stream].send(&packet);
            assert_eq!(access[stream].receive(), packet);
        }
    }
    assert!(access.iter().chain(&core).all(Endpoint::is_silent));
}

#[test]
fn authentication_alone_is_possible_where_policy_allows_it() {
    let gateway = Gateway::with(&["policy.allow_null=true"]);
    for suite in [Suite::NullHmacSha1_80, Suite::NullHmacSha1_32] {
        let (mut call, ..) = Call::e2ae(&gateway, suite);
        let packet = call.next_packet(Call::ACCESS);
        let sealed = call.access.seal(&packet);
        assert!(sealed.starts_with(&packet), "nothing is encrypted");
        call.access.send_octets(&sealed);
        assert_eq!(call.core.receive(), packet);
        call.talk();
        call.report();
    }
}

//= tests/spec/srtp.md#f8-mode
//= type=test
//# F8_128_HMAC_SHA1_80 MUST be refused unless policy allows it.
#[test]
fn f8_is_refused_by_name_and_carries_a_call_where_policy_allows_it() {
    let suite = Suite::AesF8128HmacSha1_80;
    let gateway = Gateway::start();
    let keys = [suite; 2].map(Key::random);
    let access = Leg::secured(Side::Access.peer(), &keys[0], &keys[1]).stream;
    let reserve = api::reserve("access", vec![access]);
    let refused = gateway.wait(gateway.iq.reserve_and_configure(reserve)).expect_err("no f8");
    assert_eq!(refused.reason.as_deref(), Some("SUITE_REFUSED"));
    assert!(refused.to_string().contains("F8_128_HMAC_SHA1_80"), "{refused}");
    drop(gateway);

    let gateway = Gateway::with(&["policy.allow_f8=true"]);
    let (mut call, ..) = Call::e2ae_at(&gateway, suite, 3);
    for _ in 0..20 {
        call.talk();
    }
    call.report();
    assert!(call.is_silent());
}

fn call_packet(ssrc: u32) -> Vec<u8> {
    agw_tests::packet::rtp(ssrc, 1, 1)
}
