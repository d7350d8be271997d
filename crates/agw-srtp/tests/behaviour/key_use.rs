//! What live keys have been used for and what is left of them (RFC 3711 §9.2).

use agw_srtp::{
    IngressKey, KeyCount, KeyStanding, KeyUse, Mki, OVERLAP_AFTER_MKI, Portable, RocOnRekey,
    SessionParameters,
};

use crate::support::{
    Pair, SSRC, egress_key_with_mki, ingress_key, ingress_key_with_mki, lifetime, rtcp, rtp,
};

//= tests/spec/iq.md#audit
//= type=test
//# An audit MUST tell for each live key the packets under it and how many are left.
#[test]
fn each_live_key_tells_its_packets_and_what_is_left_of_its_life() {
    let limited = IngressKey { lifetime: lifetime(100), ..ingress_key_with_mki(1, b"1") };
    let mut pair = Pair::new(egress_key_with_mki(1, b"1"), limited);
    for sequence in 0..91 {
        let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
        pair.open(&sealed).unwrap();
    }
    pair.ingress.stage(&Portable, ingress_key_with_mki(2, b"2"), 7).unwrap();
    let used_up = |packets, until_stop| KeyCount { packets, until_warning: 0, until_stop };
    let in_force = (KeyStanding::InForce, mki(b"1"), used_up(91, 8));
    assert_eq!(
        told(pair.ingress.keys()),
        [in_force, (KeyStanding::Staged, mki(b"2"), longest_after(0))]
    );

    // The first packet under the staged key puts it in force; what was sent before still opens.
    let late = pair.seal(&rtp(SSRC, 91)).unwrap();
    let (keys, parameters) = (vec![egress_key_with_mki(2, b"2")], SessionParameters::default());
    pair.egress.rekey(&Portable, keys, parameters, RocOnRekey::Keep).unwrap();
    let first = pair.seal(&rtp(SSRC, 92)).unwrap();
    pair.open(&first).unwrap();
    pair.open(&late).unwrap();
    let in_force = (KeyStanding::InForce, mki(b"2"), longest_after(1));
    let replaced = (KeyStanding::Replaced, mki(b"1"), used_up(92, 7));
    assert_eq!(told(pair.ingress.keys()), [in_force, replaced]);
    let ends: Vec<_> = pair.ingress.keys().map(|key| key.until).collect();
    assert_eq!(ends, [None, Some(pair.now + OVERLAP_AFTER_MKI)]);

    pair.ingress.handle_timeout(pair.now + OVERLAP_AFTER_MKI);
    assert_eq!(told(pair.ingress.keys()), [in_force]);
    assert_eq!(told(pair.egress.keys()), [in_force]);
}

#[test]
fn rtcp_is_told_apart_and_a_refused_packet_is_no_use() {
    let limited = IngressKey { lifetime: lifetime(100), ..ingress_key(1) };
    let mut pair = Pair::new(crate::support::egress_key(1), limited);
    let mut sealed = pair.seal_rtcp(&rtcp(SSRC)).unwrap();
    pair.open_rtcp(&sealed).unwrap();
    sealed[10] ^= 1;
    pair.open_rtcp(&sealed).unwrap_err();
    let uses: Vec<KeyUse> = pair.ingress.keys().collect();
    let count =
        |packets| KeyCount { packets, until_warning: 90 - packets, until_stop: 99 - packets };
    assert_eq!(
        uses.iter().map(|key| (key.srtp, key.srtcp)).collect::<Vec<_>>(),
        [(count(0), count(1))]
    );
}

fn told(keys: impl Iterator<Item = KeyUse>) -> Vec<(KeyStanding, Option<Mki>, KeyCount)> {
    keys.map(|key| (key.standing, key.mki, key.srtp)).collect()
}

fn mki(octets: &[u8]) -> Option<Mki> {
    Some(Mki::new(octets).unwrap())
}

/// What the longest lifetime leaves after some packets.
fn longest_after(packets: u64) -> KeyCount {
    let longest = 1 << 48;
    let until_warning = longest - longest / 10 - packets;
    KeyCount { packets, until_warning, until_stop: longest - 1 - packets }
}
