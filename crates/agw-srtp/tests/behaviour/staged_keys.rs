//! Keys held ready: activated by command, or by the first packet with their identifier.

use agw_srtp::{
    KeyError, KeyEvent, OVERLAP_AFTER_MKI, Portable, RocOnRekey, SessionParameters, UnprotectError,
};

use crate::support::{
    OVERLAP, Pair, SSRC, egress_key, egress_key_with_mki, ingress_key, ingress_key_with_mki, rtp,
};

/// A packet of the pair's source sealed under another key.
fn sealed_under(egress: agw_srtp::EgressKey, sequence: u16) -> Vec<u8> {
    Pair::new(egress, ingress_key(0)).seal(&rtp(SSRC, sequence)).unwrap()
}

#[test]
fn without_an_identifier_a_staged_key_opens_nothing_until_it_is_activated() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    pair.ingress.stage(&Portable, ingress_key(2), 1).unwrap();
    let early = sealed_under(egress_key(2), 1);
    assert_eq!(pair.open(&early), Err(UnprotectError::Authentication));

    pair.ingress.activate(RocOnRekey::Keep, OVERLAP, pair.now).unwrap();
    assert!(pair.open(&early).is_ok());
    let old = pair.seal(&rtp(SSRC, 2)).unwrap();
    assert!(pair.open(&old).is_ok());
    assert_eq!(pair.ingress.poll_event(), None);
    let again = pair.ingress.activate(RocOnRekey::Keep, OVERLAP, pair.now);
    assert_eq!(again, Err(KeyError::NothingStaged));
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# A staged key MUST come in force at the first authenticated packet with its MKI.
#[test]
fn the_first_authentic_packet_with_its_identifier_activates_a_staged_key() {
    let mut pair = Pair::new(egress_key_with_mki(1, &[1]), ingress_key_with_mki(1, &[1]));
    pair.ingress.stage(&Portable, ingress_key_with_mki(2, &[2]), 2).unwrap();
    let late = pair.seal(&rtp(SSRC, 2)).unwrap();

    let mut forged = sealed_under(egress_key_with_mki(2, &[2]), 3);
    forged[14] ^= 1;
    assert_eq!(pair.open(&forged), Err(UnprotectError::Authentication));
    assert_eq!(pair.ingress.poll_event(), None);

    assert!(pair.open(&sealed_under(egress_key_with_mki(2, &[2]), 3)).is_ok());
    assert_eq!(pair.ingress.poll_event(), Some(KeyEvent::Activated { number: 2 }));
    assert_eq!(pair.ingress.poll_event(), None);
    assert!(!pair.ingress.cancel_staged());

    // The old key goes on for a while.
    assert!(pair.open(&late).is_ok());
    assert_eq!(pair.ingress.poll_timeout(), Some(pair.now + OVERLAP_AFTER_MKI));
    pair.now += OVERLAP_AFTER_MKI;
    pair.ingress.handle_timeout(pair.now);
    let late = pair.seal(&rtp(SSRC, 4)).unwrap();
    assert_eq!(pair.open(&late), Err(UnprotectError::UnknownMki));
}

#[test]
fn a_staged_key_with_an_identifier_can_follow_a_key_without_one() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    pair.ingress.stage(&Portable, ingress_key_with_mki(2, &[0, 2]), 3).unwrap();
    for sequence in 1..300 {
        let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
        assert!(pair.open(&sealed).is_ok());
    }
    assert!(pair.open(&sealed_under(egress_key_with_mki(2, &[0, 2]), 300)).is_ok());
    assert_eq!(pair.ingress.poll_event(), Some(KeyEvent::Activated { number: 3 }));
}

#[test]
fn an_identifier_in_force_cannot_be_staged_for_another_key() {
    let mut pair = Pair::new(egress_key(1), ingress_key_with_mki(1, &[1]));
    let taken = pair.ingress.stage(&Portable, ingress_key_with_mki(2, &[1]), 9);
    assert_eq!(taken, Err(KeyError::MkiMismatch));
    assert!(!pair.ingress.cancel_staged());
}

#[test]
fn a_cancelled_or_superseded_key_opens_nothing() {
    let mut pair = Pair::new(egress_key_with_mki(1, &[1]), ingress_key_with_mki(1, &[1]));
    let staged = || ingress_key_with_mki(2, &[2]);
    let under_staged = sealed_under(egress_key_with_mki(2, &[2]), 3);
    pair.ingress.stage(&Portable, staged(), 4).unwrap();
    assert!(pair.ingress.cancel_staged());
    assert!(!pair.ingress.cancel_staged());
    assert_eq!(pair.open(&under_staged), Err(UnprotectError::UnknownMki));

    assert_eq!(pair.ingress.staged_number(), None);

    pair.ingress.stage(&Portable, staged(), 5).unwrap();
    pair.ingress.stage(&Portable, ingress_key_with_mki(3, &[3]), 6).unwrap();
    assert_eq!(pair.open(&under_staged), Err(UnprotectError::UnknownMki));

    assert_eq!(pair.ingress.staged_number(), Some(6));

    pair.ingress.stage(&Portable, staged(), 7).unwrap();
    assert_eq!(pair.ingress.staged_number(), Some(7));
    let (keys, now) = (vec![ingress_key_with_mki(4, &[4])], pair.now);
    let parameters = SessionParameters::default();
    pair.ingress.rekey(&Portable, keys, parameters, RocOnRekey::Keep, OVERLAP, now).unwrap();
    assert_eq!(pair.open(&under_staged), Err(UnprotectError::UnknownMki));
    assert_eq!(pair.ingress.staged_number(), None);
    assert_eq!(pair.ingress.poll_event(), None);
}

#[test]
fn an_egress_key_is_staged_activated_and_cancelled_by_command() {
    let mut pair = Pair::new(egress_key(1), ingress_key(2));
    assert_eq!(pair.egress.activate(RocOnRekey::Keep), Err(KeyError::NothingStaged));
    pair.egress.stage(&Portable, egress_key(2)).unwrap();
    let under_old = pair.seal(&rtp(SSRC, 1)).unwrap();
    assert_eq!(pair.open(&under_old), Err(UnprotectError::Authentication));

    pair.egress.activate(RocOnRekey::Keep).unwrap();
    let under_new = pair.seal(&rtp(SSRC, 2)).unwrap();
    assert!(pair.open(&under_new).is_ok());

    pair.egress.stage(&Portable, egress_key(3)).unwrap();
    assert!(pair.egress.cancel_staged());
    assert_eq!(pair.egress.activate(RocOnRekey::Keep), Err(KeyError::NothingStaged));
}

#[test]
fn a_rekey_of_an_egress_drops_the_staged_key() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    pair.egress.stage(&Portable, egress_key(2)).unwrap();
    let parameters = SessionParameters::default();
    pair.egress.rekey(&Portable, vec![egress_key(3)], parameters, RocOnRekey::Keep).unwrap();
    assert!(!pair.egress.cancel_staged());
}

#[test]
fn a_staged_egress_key_that_would_repeat_indices_is_not_activated_and_stays() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    pair.seal(&rtp(SSRC, 1)).unwrap();
    pair.egress.stage(&Portable, egress_key_with_mki(1, &[1])).unwrap();
    assert_eq!(pair.egress.activate(RocOnRekey::Reset), Err(KeyError::KeyReused));
    assert_eq!(pair.egress.activate(RocOnRekey::Keep), Ok(()));
    assert!(pair.seal(&rtp(SSRC, 1)).is_err());
    assert!(pair.seal(&rtp(SSRC, 2)).is_ok());
}
