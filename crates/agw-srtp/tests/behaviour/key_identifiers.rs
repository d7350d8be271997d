//! Master key identifiers (RFC 3711 §3.1, RFC 4568 §6.1).

use agw_srtp::{
    EgressKey, IngressKey, KeyError, MAX_KEYS, Mki, Portable, PortableKeys, Protector,
    SessionParameters, Suite, UnprotectError, Unprotector,
};

use crate::support::{
    SSRC, egress_key, egress_key_with_mki, ingress_key, ingress_key_with_mki, master, open,
    open_rtcp, rtcp, rtp, seal, seal_rtcp, start,
};

fn unprotector(keys: Vec<IngressKey>) -> Result<Unprotector<PortableKeys>, KeyError> {
    Unprotector::new(&Portable, keys, SessionParameters::default(), 0)
}

fn protector(keys: Vec<EgressKey>) -> Protector<PortableKeys> {
    Protector::new(&Portable, keys, SessionParameters::default(), 0).unwrap()
}

fn key_of(suite: Suite) -> EgressKey {
    EgressKey::new(master(suite, 1))
}

#[test]
fn the_identifier_stands_before_the_tag_and_behind_everything_for_aead() {
    for suite in Suite::ALL {
        let mki = Some(Mki::new(&[0, 0, 4, 0x2a]).unwrap()); // 1066:4
        let mut egress = protector(vec![EgressKey { mki, ..EgressKey::new(master(suite, 1)) }]);

        let sealed = seal(&mut egress, &rtp(SSRC, 1)).unwrap();
        let behind = if suite.is_aead() { 0 } else { suite.srtp_tag_len() };
        assert_eq!(sealed[sealed.len() - behind - 4..][..4], [0, 0, 4, 0x2a], "{suite:?}");

        let sealed = seal_rtcp(&mut egress, &rtcp(SSRC)).unwrap();
        let behind = if suite.is_aead() { 0 } else { suite.srtcp_tag_len() };
        assert_eq!(sealed[sealed.len() - behind - 4..][..4], [0, 0, 4, 0x2a], "{suite:?}");
    }
}

//= tests/spec/srtp.md#packet-forms
//= type=test
//# The authentication tag MUST NOT cover the MKI.
//= tests/spec/srtp.md#mki
//= type=test
//# In SRTCP the MKI MUST stand after the word with the index.
#[test]
fn without_the_identifier_a_packet_is_octet_for_octet_the_same() {
    for suite in Suite::ALL {
        let with_mki = EgressKey { mki: Some(Mki::new(&[9; 5]).unwrap()), ..key_of(suite) };
        let (mut with, mut without) = (protector(vec![with_mki]), protector(vec![key_of(suite)]));
        let cut = |mut sealed: Vec<u8>, tag_len: usize| {
            let end = sealed.len() - if suite.is_aead() { 0 } else { tag_len };
            assert_eq!(sealed.drain(end - 5..end).collect::<Vec<u8>>(), [9; 5], "{suite:?}");
            sealed
        };

        let sealed = cut(seal(&mut with, &rtp(SSRC, 1)).unwrap(), suite.srtp_tag_len());
        assert_eq!(sealed, seal(&mut without, &rtp(SSRC, 1)).unwrap(), "{suite:?}");

        let sealed = cut(seal_rtcp(&mut with, &rtcp(SSRC)).unwrap(), suite.srtcp_tag_len());
        assert_eq!(sealed, seal_rtcp(&mut without, &rtcp(SSRC)).unwrap(), "{suite:?}");
    }
}

//= tests/spec/srtp.md#mki
//= type=test
//# With an MKI the key MUST be chosen by the MKI alone.
#[test]
fn of_several_keys_the_identifier_picks_one_whatever_the_order() {
    for len in [1, 4, 128] {
        let mki = |value| {
            let mut octets = vec![0; len];
            octets[len - 1] = value;
            octets
        };
        let keys = (1..=3).map(|seed| ingress_key_with_mki(seed, &mki(seed))).collect();
        let mut ingress = unprotector(keys).unwrap();
        for (sequence, seed) in [(1, 3), (2, 1), (3, 2), (4, 3)] {
            let mut egress = protector(vec![egress_key_with_mki(seed, &mki(seed))]);
            let plain = rtp(SSRC, sequence);
            let sealed = seal(&mut egress, &plain).unwrap();
            assert_eq!(open(&mut ingress, &sealed, start()), Ok(plain));
        }
        let mut egress = protector(vec![egress_key_with_mki(2, &mki(2))]);
        let sealed = seal_rtcp(&mut egress, &rtcp(SSRC)).unwrap();
        assert_eq!(open_rtcp(&mut ingress, &sealed, start()), Ok(rtcp(SSRC)));
    }
}

//= tests/spec/srtp.md#mki
//= type=test
//# A packet whose MKI names no live key MUST be discarded.
#[test]
fn an_unknown_identifier_costs_no_mac() {
    let mut ingress = unprotector(vec![ingress_key_with_mki(1, &[1])]).unwrap();
    let mut stranger = protector(vec![egress_key_with_mki(1, &[2])]);
    let sealed = seal(&mut stranger, &rtp(SSRC, 1)).unwrap();
    let refused = ingress.check_srtp(&sealed, start()).unwrap_err();
    assert_eq!(refused, UnprotectError::UnknownMki);
    let sealed = seal_rtcp(&mut stranger, &rtcp(SSRC)).unwrap();
    assert_eq!(open_rtcp(&mut ingress, &sealed, start()), Err(UnprotectError::UnknownMki));
}

//= tests/spec/srtp.md#mki
//= type=test
//# With an MKI the key MUST be chosen by the MKI alone.
#[test]
fn the_right_identifier_with_another_key_does_not_authenticate() {
    let keys = vec![ingress_key_with_mki(1, &[1]), ingress_key_with_mki(2, &[2])];
    let mut ingress = unprotector(keys).unwrap();
    // Sealed under key 1, labelled 2: trying key 1 as well is forbidden (RFC 4568 §4.3).
    let mut egress = protector(vec![egress_key_with_mki(1, &[2])]);
    let sealed = seal(&mut egress, &rtp(SSRC, 1)).unwrap();
    assert_eq!(open(&mut ingress, &sealed, start()), Err(UnprotectError::Authentication));
}

#[test]
fn the_first_of_several_egress_keys_seals() {
    let mut egress = protector(vec![egress_key_with_mki(1, &[1]), egress_key_with_mki(2, &[2])]);
    let mut ingress = unprotector(vec![ingress_key_with_mki(1, &[1])]).unwrap();
    let sealed = seal(&mut egress, &rtp(SSRC, 1)).unwrap();
    assert!(open(&mut ingress, &sealed, start()).is_ok());
}

#[test]
fn keys_that_cannot_be_told_apart_are_refused() {
    let with = ingress_key_with_mki;
    let other_suite = IngressKey {
        mki: Some(Mki::new(&[2]).unwrap()),
        ..IngressKey::new(master(Suite::AeadAes128Gcm, 2))
    };
    let many = (0..=MAX_KEYS).map(|seed| with(seed as u8, &[seed as u8])).collect();
    let table = [
        (vec![], KeyError::NoKey),
        (vec![ingress_key(1), ingress_key(2)], KeyError::MkiMismatch),
        (vec![with(1, &[1]), ingress_key(2)], KeyError::MkiMismatch),
        (vec![with(1, &[1]), with(2, &[1])], KeyError::MkiMismatch),
        (vec![with(1, &[1]), with(2, &[0, 2])], KeyError::MkiMismatch),
        (vec![with(1, &[1]), other_suite], KeyError::SuiteMismatch),
        (many, KeyError::TooManyKeys(MAX_KEYS + 1)),
    ];
    for (keys, expected) in table {
        assert_eq!(unprotector(keys).unwrap_err(), expected);
    }
    assert!(unprotector((0..16).map(|seed| with(seed, &[seed])).collect()).is_ok());
    let key = egress_key(1);
    let nothing =
        Protector::<PortableKeys>::new(&Portable, vec![], SessionParameters::default(), 0);
    assert_eq!(nothing.unwrap_err(), KeyError::NoKey);
    assert!(key.mki.is_none());
}
