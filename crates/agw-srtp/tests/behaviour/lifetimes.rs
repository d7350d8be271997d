//! Keys are used up: a warning at nine tenths, then a hard stop (RFC 3711 §9.2, RFC 4568 §6.1).

use agw_srtp::{
    EgressKey, IngressKey, KeyError, KeyEvent, Lifetime, Portable, ProtectError, Protector, Rekey,
    RocOnRekey, SessionParameters, SpareRooms, UnprotectError, Unprotector,
};

use crate::support::{
    OVERLAP, Pair, SSRC, egress_key, ingress_key, lifetime, open, rtcp, rtp, seal, start,
};

const PACKETS: u64 = 100;

fn limited_egress(seed: u8) -> EgressKey {
    EgressKey { lifetime: lifetime(PACKETS), ..egress_key(seed) }
}

fn limited_ingress(seed: u8) -> IngressKey {
    IngressKey { lifetime: lifetime(PACKETS), ..ingress_key(seed) }
}

//= tests/spec/srtp.md#key-lifetime
//= type=test
//# A key MUST NOT protect or open packets beyond its lifetime.
//= tests/spec/srtp.md#key-lifetime
//= type=test
//# SRTP and SRTCP packets MUST be counted separately against the lifetime.
//= tests/spec/srtp.md#key-lifetime
//= type=test
//# A warning MUST be given once when 90 % of a lifetime is used.
#[test]
fn an_egress_key_warns_at_nine_tenths_and_stops_below_its_lifetime() {
    let mut pair = Pair::new(limited_egress(1), ingress_key(1));
    for count in 1..=99 {
        pair.seal(&rtp(SSRC, count)).unwrap();
        let expected = match count {
            90 => Some(KeyEvent::LifetimeWarning),
            99 => Some(KeyEvent::LifetimeExpired),
            1..=89 | 91..=98 | 0 | 100.. => None,
        };
        assert_eq!(pair.egress.poll_event(), expected, "packet {count}");
    }
    assert_eq!(pair.seal(&rtp(SSRC, 100)), Err(ProtectError::KeyExpired));
    assert_eq!(pair.egress.poll_event(), None);
    // SRTCP is counted apart.
    assert!(pair.seal_rtcp(&rtcp(SSRC)).is_ok());
}

//= tests/spec/srtp.md#key-lifetime
//= type=test
//# A key MUST NOT protect or open packets beyond its lifetime.
#[test]
fn an_ingress_key_warns_and_stops_alike_for_srtcp() {
    let mut pair = Pair::new(egress_key(1), limited_ingress(1));
    for count in 1..=99 {
        let sealed = pair.seal_rtcp(&rtcp(SSRC)).unwrap();
        pair.open_rtcp(&sealed).unwrap();
        let expected = match count {
            90 => Some(KeyEvent::LifetimeWarning),
            99 => Some(KeyEvent::LifetimeExpired),
            _ => None,
        };
        assert_eq!(pair.ingress.poll_event(), expected, "packet {count}");
    }
    let sealed = pair.seal_rtcp(&rtcp(SSRC)).unwrap();
    assert_eq!(pair.open_rtcp(&sealed), Err(UnprotectError::KeyExpired));
    let sealed = pair.seal(&rtp(SSRC, 1)).unwrap();
    assert!(pair.open(&sealed).is_ok());
}

//= tests/spec/srtp.md#key-lifetime
//= type=test
//# The packets of all SSRCs under one key MUST be counted together.
#[test]
fn all_sources_together_use_a_key_up() {
    let mut pair = Pair::new(limited_egress(1), ingress_key(1));
    for sequence in 0..33 {
        for ssrc in 1..=3 {
            pair.seal(&rtp(ssrc, sequence)).unwrap();
        }
    }
    assert_eq!(pair.seal(&rtp(1, 33)), Err(ProtectError::KeyExpired));
}

#[test]
fn forged_and_refused_packets_use_nothing_up() {
    let mut pair = Pair::new(egress_key(1), limited_ingress(1));
    let sealed = pair.seal(&rtp(SSRC, 1)).unwrap();
    let mut forged = sealed.clone();
    forged[20] ^= 1;
    for _ in 0..2 * PACKETS {
        assert_eq!(pair.open(&forged), Err(UnprotectError::Authentication));
    }
    assert!(pair.open(&sealed).is_ok());
    for _ in 0..2 * PACKETS {
        assert_eq!(pair.open(&sealed), Err(UnprotectError::Replay));
    }
    let sealed = pair.seal(&rtp(SSRC, 2)).unwrap();
    assert!(pair.open(&sealed).is_ok());
}

#[test]
fn a_batch_does_not_outrun_the_lifetime() {
    let ingress = IngressKey { lifetime: lifetime(2), ..ingress_key(1) };
    let mut pair = Pair::new(egress_key(1), ingress);
    let tickets = [1, 2].map(|sequence| {
        let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
        pair.ingress.check_srtp(&sealed, pair.now).unwrap()
    });
    let committed = tickets
        .map(|ticket| pair.ingress.commit(ticket, pair.now, &mut SpareRooms::new()).map(drop));
    assert_eq!(committed, [Ok(()), Err(UnprotectError::KeyExpired)]);
    assert_eq!(pair.ingress.sources().count(), 1);
}

#[test]
fn a_used_up_key_is_replaced_by_a_new_one() {
    let mut pair = Pair::new(limited_egress(1), limited_ingress(1));
    for sequence in 1..=99 {
        let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
        pair.open(&sealed).unwrap();
    }
    let parameters = SessionParameters::default();
    let roc = RocOnRekey::Keep;
    pair.egress.rekey(&Portable, vec![egress_key(2)], parameters, roc).unwrap();
    let (keys, now) = (vec![ingress_key(2)], pair.now);
    pair.ingress.rekey(&Portable, keys, parameters, roc, OVERLAP, now).unwrap();

    let sealed = pair.seal(&rtp(SSRC, 100)).unwrap();
    assert!(pair.open(&sealed).is_ok());
}

#[test]
fn what_a_key_has_used_stays_used_when_it_comes_back() {
    let mut egress =
        Protector::new(&Portable, vec![limited_egress(1)], SessionParameters::default(), 0)
            .unwrap();
    for sequence in 1..=60 {
        seal(&mut egress, &rtp(SSRC, sequence)).unwrap();
    }
    for key in [limited_egress(2), limited_egress(1)] {
        let installed =
            egress.rekey(&Portable, vec![key], SessionParameters::default(), RocOnRekey::Keep);
        assert_eq!(installed, Ok(Rekey::Installed));
    }
    let sealed =
        (61..=200).take_while(|sequence| seal(&mut egress, &rtp(SSRC, *sequence)).is_ok()).count();
    assert_eq!(sealed, 39);
}

#[test]
fn an_ingress_key_that_comes_back_during_its_overlap_goes_on_counting() {
    let mut pair = Pair::new(egress_key(1), limited_ingress(1));
    for sequence in 1..=60 {
        let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
        pair.open(&sealed).unwrap();
    }
    for key in [limited_ingress(2), limited_ingress(1)] {
        let (parameters, now) = (SessionParameters::default(), pair.now);
        let roc = RocOnRekey::Keep;
        pair.ingress.rekey(&Portable, vec![key], parameters, roc, OVERLAP, now).unwrap();
    }
    for sequence in 61..=99 {
        let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
        pair.open(&sealed).unwrap();
    }
    // The overlapping key 2 is tried next, in vain.
    let sealed = pair.seal(&rtp(SSRC, 100)).unwrap();
    assert!(pair.open(&sealed).is_err());
    assert_eq!(pair.ingress.poll_event(), Some(KeyEvent::LifetimeWarning));
    assert_eq!(pair.ingress.poll_event(), Some(KeyEvent::LifetimeExpired));
}

#[test]
fn an_earlier_identifier_set_hands_its_counts_on() {
    let with = |seed: u8| IngressKey {
        lifetime: lifetime(PACKETS),
        ..crate::support::ingress_key_with_mki(seed, &[seed])
    };
    let mut pair = Pair::new(crate::support::egress_key_with_mki(1, &[1]), with(1));
    for sequence in 1..=60 {
        let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
        pair.open(&sealed).unwrap();
    }
    let (parameters, now) = (SessionParameters::default(), pair.now);
    let keys = vec![with(1), with(2)];
    let roc = RocOnRekey::Keep;
    pair.ingress.rekey(&Portable, keys, parameters, roc, std::time::Duration::ZERO, now).unwrap();
    let opened = (61..=200)
        .map(|sequence| pair.seal(&rtp(SSRC, sequence)).unwrap())
        .collect::<Vec<_>>()
        .iter()
        .take_while(|sealed| pair.open(sealed).is_ok())
        .count();
    assert_eq!(opened, 39);
}

//= tests/spec/srtp.md#key-lifetime
//= type=test
//# A key that is used up MUST stay so whatever lifetime it is told again with.
#[test]
fn a_key_that_is_told_again_may_live_longer_unless_it_is_used_up() {
    let again = |seed: u8, mki: Option<u8>, packets: u64| {
        let mki = mki.map(|mki| agw_srtp::Mki::new(&[mki]).unwrap());
        let lifetime = lifetime(packets);
        let egress = EgressKey { mki, lifetime, ..egress_key(seed) };
        (egress, IngressKey { mki, lifetime, ..ingress_key(seed) })
    };
    for (sent, goes_on) in [(98, true), (99, false)] {
        for mki in [None, Some(1)] {
            let mut pair = Pair::new(limited_egress(1), limited_ingress(1));
            for sequence in 1..=sent {
                let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
                pair.open(&sealed).unwrap();
            }
            // Shorter, longer, and in another form: none brings it back.
            let (parameters, roc, now) = (SessionParameters::default(), RocOnRekey::Keep, pair.now);
            for (mki, packets) in [(None, if goes_on { 120 } else { 50 }), (mki, 1_000)] {
                let (egress, ingress) = again(1, mki, packets);
                pair.egress.rekey(&Portable, vec![egress], parameters, roc).unwrap();
                let keys = vec![ingress];
                pair.ingress.rekey(&Portable, keys, parameters, roc, OVERLAP, now).unwrap();
            }
            let sealed = pair.seal(&rtp(SSRC, 200));
            assert_eq!(sealed.is_ok(), goes_on, "{sent} {mki:?}");
            let (egress, _) = again(1, mki, 1_000);
            let mut sender = Pair::new(egress, ingress_key(1)).egress;
            let sealed = seal(&mut sender, &rtp(SSRC, 201)).unwrap();
            assert_eq!(pair.open(&sealed).is_ok(), goes_on, "{sent} {mki:?}");
        }
    }
}

#[test]
fn a_lifetime_that_is_shortened_below_what_was_used_ends_the_key() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    for sequence in 1..=99 {
        pair.seal(&rtp(SSRC, sequence)).unwrap();
    }
    for key in [limited_egress(1), egress_key(1)] {
        let parameters = SessionParameters::default();
        let told = pair.egress.rekey(&Portable, vec![key], parameters, RocOnRekey::Keep);
        assert_eq!(told, Ok(Rekey::Unchanged));
        assert_eq!(pair.seal(&rtp(SSRC, 100)), Err(ProtectError::KeyExpired));
    }
}

#[test]
fn the_last_index_of_a_source_ends_it() {
    let parameters = SessionParameters::default();
    let mut egress = Protector::new(&Portable, vec![egress_key(1)], parameters, u32::MAX).unwrap();
    let keys = vec![ingress_key(1)];
    let mut ingress = Unprotector::new(&Portable, keys, parameters, u32::MAX).unwrap();
    let plain = rtp(SSRC, 65_534);
    let sealed = seal(&mut egress, &plain).unwrap();
    assert_eq!(egress.poll_event(), Some(KeyEvent::LifetimeWarning));
    assert_eq!(open(&mut ingress, &sealed, start()), Ok(plain));

    let last = seal(&mut egress, &rtp(SSRC, 65_535)).unwrap();
    assert_eq!(egress.poll_event(), Some(KeyEvent::LifetimeExpired));
    assert!(open(&mut ingress, &last, start()).is_ok());
    assert_eq!(seal(&mut egress, &rtp(SSRC, 0)), Err(ProtectError::TooOld));
    assert_eq!(ingress.sources().next().unwrap().roc, u32::MAX);
}

//= tests/spec/srtp.md#key-lifetime
//= type=test
//# A lifetime above the maximum of the suite MUST be refused.
#[test]
fn a_lifetime_is_between_one_packet_and_the_suites_maximum() {
    let with = |srtp, srtcp| {
        let key = IngressKey { lifetime: Lifetime { srtp, srtcp }, ..ingress_key(1) };
        Unprotector::new(&Portable, vec![key], SessionParameters::default(), 0).map(drop)
    };
    assert_eq!(with(1 << 48, 1 << 31), Ok(()));
    assert_eq!(with(1, 1), Ok(()));
    for (srtp, srtcp) in [(0, 1), (1, 0), ((1 << 48) + 1, 1), (1, (1 << 31) + 1)] {
        assert_eq!(with(srtp, srtcp), Err(KeyError::Lifetime));
    }
}
