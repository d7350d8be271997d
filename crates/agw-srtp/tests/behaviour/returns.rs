//! Keys that return: what was opened under one is never opened again, and its packets go on.

use std::time::Duration;

use agw_srtp::{
    FormerKeys, IngressKey, Portable, RocOnRekey, SessionParameters, UnprotectError, Unprotector,
};

use crate::support::{
    OVERLAP, Pair, SSRC, egress_key, egress_key_with_mki, ingress_key, ingress_key_with_mki, rtcp,
    rtp,
};

const ROCS: [RocOnRekey; 3] = [RocOnRekey::Keep, RocOnRekey::Reset, RocOnRekey::Set(9)];
const FEW: SessionParameters = SessionParameters {
    unencrypted_srtp: false,
    unencrypted_srtcp: false,
    window: 128,
    max_sources: 1,
};

fn rekey(pair: &mut Pair, keys: Vec<IngressKey>, roc: RocOnRekey, overlap: Duration) {
    rekey_with(pair, keys, SessionParameters::default(), roc, overlap);
}

fn rekey_with(
    pair: &mut Pair,
    keys: Vec<IngressKey>,
    parameters: SessionParameters,
    roc: RocOnRekey,
    overlap: Duration,
) {
    let now = pair.now;
    pair.ingress.rekey(&Portable, keys, parameters, roc, overlap, now).unwrap();
}

/// A pair at rollover counter 4, and every packet that it has opened: media, and control.
fn talked() -> (Pair, Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut pair = Pair::at(3, 8);
    let mut media = vec![];
    for sequence in [65_533, 65_535, 0, 2] {
        media.push(pair.seal(&rtp(SSRC, sequence)).unwrap());
    }
    let control: Vec<_> = (0..2).map(|_| pair.seal_rtcp(&rtcp(SSRC)).unwrap()).collect();
    media.iter().for_each(|sealed| drop(pair.open(sealed).unwrap()));
    control.iter().for_each(|sealed| drop(pair.open_rtcp(sealed).unwrap()));
    (pair, media, control)
}

/// Nothing of what was captured is opened again, and what comes next is, once. Where the key is
/// alone, and no rollover counter was told, captured packets are known for what they are.
fn goes_on(pair: &mut Pair, media: &[Vec<u8>], control: &[Vec<u8>], alone: bool, case: &str) {
    let is_replay = |refused| !alone || refused == UnprotectError::Replay;
    for sealed in media {
        let refused = pair.open(sealed).unwrap_err();
        assert!(is_replay(refused), "{case}: {refused:?}");
    }
    for sealed in control {
        let refused = pair.open_rtcp(sealed).unwrap_err();
        assert!(is_replay(refused), "{case}: {refused:?}");
    }
    let (late, next) = (pair.seal(&rtp(SSRC, 3)).unwrap(), pair.seal(&rtp(SSRC, 4)).unwrap());
    for (sealed, sequence) in [(&next, 4), (&late, 3)] {
        assert_eq!(pair.open(sealed), Ok(rtp(SSRC, sequence)), "{case}");
        assert!(pair.open(sealed).is_err(), "{case}");
    }
    let next = pair.seal_rtcp(&rtcp(SSRC)).unwrap();
    assert_eq!(pair.open_rtcp(&next), Ok(rtcp(SSRC)), "{case}");
    assert!(pair.open_rtcp(&next).is_err(), "{case}");
    assert_eq!(pair.ingress.sources().next().unwrap().roc, 4, "{case}");
}

//= tests/spec/srtp.md#keys-that-return
//= type=test
//# Under a key that returns nothing at or below the highest index that was opened under it from a
//# source MUST be opened again.
//= tests/spec/srtp.md#keys-that-return
//= type=test
//# Under a key that returns the rollover counter MUST go on from the highest index opened.
#[test]
fn a_replaced_key_returns_and_goes_on_where_it_was() {
    for (away, back) in ROCS.iter().flat_map(|away| ROCS.map(|back| (*away, back))) {
        for overlap in [Duration::ZERO, OVERLAP] {
            for passed in [Duration::ZERO, OVERLAP / 2, OVERLAP] {
                let case = format!("{away:?}, {back:?}, {overlap:?}, {passed:?}");
                let (mut pair, media, control) = talked();
                rekey(&mut pair, vec![ingress_key(2)], away, overlap);
                pair.now += passed;
                rekey(&mut pair, vec![ingress_key(1)], back, overlap);
                let alone = overlap.is_zero() && ![away, back].contains(&RocOnRekey::Set(9));
                goes_on(&mut pair, &media, &control, alone, &case);
                pair.now += OVERLAP;
                pair.ingress.handle_timeout(pair.now);
                assert!(media.iter().all(|sealed| pair.open(sealed).is_err()), "{case}");
            }
        }
    }
}

#[test]
fn a_key_returns_beside_others_and_under_another_identifier() {
    for back in ROCS {
        let (mut pair, media, control) = talked();
        rekey(&mut pair, vec![ingress_key(2)], back, OVERLAP);
        let marked = [(3, b"3"), (1, b"1")].map(|(seed, mki)| ingress_key_with_mki(seed, mki));
        rekey(&mut pair, marked.into(), back, OVERLAP);
        // Whoever is on the way puts the identifier before the tag, which does not cover it.
        let under = |sealed: &[u8], mki: &[u8]| {
            let (packet, tag) = sealed.split_at(sealed.len() - 10);
            [packet, mki, tag].concat()
        };
        for sealed in &media {
            assert!(pair.open(sealed).is_err() && pair.open(&under(sealed, b"1")).is_err());
        }
        for sealed in &control {
            assert!(pair.open_rtcp(&under(sealed, b"1")).is_err(), "{back:?}");
        }
        let next = under(&pair.seal(&rtp(SSRC, 3)).unwrap(), b"1");
        assert_eq!(pair.open(&next), Ok(rtp(SSRC, 3)), "{back:?}");
        assert!(pair.open(&next).is_err(), "{back:?}");
    }
}

/// The same key in two tables of one session would let a packet through each of them.
#[test]
fn a_key_that_returns_within_its_overlap_opens_by_one_table_only() {
    for mki in [None, Some(b"1")] {
        let (mut pair, ..) = talked();
        rekey(&mut pair, vec![ingress_key(2)], RocOnRekey::Reset, OVERLAP);
        let back = match mki {
            None => ingress_key(1),
            Some(mki) => ingress_key_with_mki(1, mki),
        };
        rekey(&mut pair, vec![back], RocOnRekey::Keep, OVERLAP);
        let sealed = pair.seal(&rtp(SSRC, 3)).unwrap();
        let marked = match mki {
            None => sealed.clone(),
            Some(mki) => [&sealed[..sealed.len() - 10], mki, &sealed[sealed.len() - 10..]].concat(),
        };
        assert_eq!(pair.open(&marked), Ok(rtp(SSRC, 3)));
        assert!(pair.open(&marked).is_err() && pair.open(&sealed).is_err(), "{mki:?}");
    }
}

#[test]
fn sources_that_made_room_for_others_are_not_forgotten_under_a_key_that_returns() {
    let mut pair = Pair::with_parameters(egress_key(1), ingress_key(1), FEW);
    let sealed = pair.seal(&rtp(SSRC, 7)).unwrap();
    pair.open(&sealed).unwrap();
    rekey_with(&mut pair, vec![ingress_key(2)], FEW, RocOnRekey::Keep, Duration::ZERO);
    let mut other = Pair::new(egress_key(2), ingress_key(2));
    let of_other = other.seal(&rtp(SSRC + 1, 7)).unwrap();
    pair.open(&of_other).unwrap();
    assert_eq!(pair.ingress.sources().map(|it| it.ssrc.0).collect::<Vec<_>>(), [SSRC + 1]);

    rekey_with(&mut pair, vec![ingress_key(1)], FEW, RocOnRekey::Keep, Duration::ZERO);
    rekey_with(&mut pair, vec![ingress_key(3)], FEW, RocOnRekey::Reset, Duration::ZERO);
    rekey_with(&mut pair, vec![ingress_key(1)], FEW, RocOnRekey::Reset, Duration::ZERO);

    assert_eq!(pair.open(&sealed), Err(UnprotectError::Replay));
}

#[test]
fn a_key_that_waits_opens_nothing_of_what_it_has_opened_before() {
    for wiped_meanwhile in [false, true] {
        let (mut pair, media, _) = talked();
        rekey(&mut pair, vec![ingress_key_with_mki(2, b"2")], RocOnRekey::Keep, OVERLAP);
        pair.ingress.stage(&Portable, ingress_key_with_mki(1, b"1"), 1).unwrap();
        if wiped_meanwhile {
            pair.now += OVERLAP;
            pair.ingress.handle_timeout(pair.now);
        }
        let marked = |sealed: &[u8]| {
            [&sealed[..sealed.len() - 10], b"1", &sealed[sealed.len() - 10..]].concat()
        };
        for sealed in &media {
            assert!(pair.open(&marked(sealed)).is_err());
        }
        let next = marked(&pair.seal(&rtp(SSRC, 3)).unwrap());
        assert_eq!(pair.open(&next), Ok(rtp(SSRC, 3)));
        assert!(pair.open(&next).is_err());
    }
}

//= tests/spec/srtp.md#keys-that-return
//= type=test
//# Under a key that returns nothing at or below the highest index that was opened under it from a
//# source MUST be opened again.
#[test]
fn a_key_returns_in_another_session_and_goes_on_where_it_was() {
    let (mut pair, media, control) = talked();
    rekey(&mut pair, vec![ingress_key(2)], RocOnRekey::Reset, OVERLAP);
    let mut former = FormerKeys::default();
    assert!(former.is_empty());
    pair.ingress.note_former(&mut former, None);
    for roc in [0, 9, 3] {
        // The egress of the peer goes on, its packets come to another session.
        let keys = vec![ingress_key_with_mki(5, b"5"), ingress_key_with_mki(1, b"1")];
        let mut next =
            Unprotector::new(&Portable, vec![ingress_key(1)], SessionParameters::default(), roc)
                .unwrap();
        next.resume(&former);
        let mut others = Unprotector::new(&Portable, keys, FEW, roc).unwrap();
        others.resume(&former);
        for sealed in &media {
            assert!(crate::support::open(&mut next, sealed, pair.now).is_err());
            let marked = [&sealed[..sealed.len() - 10], b"1", &sealed[sealed.len() - 10..]];
            assert!(crate::support::open(&mut others, &marked.concat(), pair.now).is_err());
        }
        pair.ingress = next;
    }
    goes_on(&mut pair, &media, &control, false, "told to start at 3");
}

#[test]
fn a_key_that_returns_in_another_session_goes_on_though_nobody_says_where() {
    for roc in [0, 9] {
        let (mut pair, media, control) = talked();
        let mut former = FormerKeys::default();
        pair.ingress.note_former(&mut former, None);
        let parameters = SessionParameters::default();
        let keys = vec![ingress_key(1)];
        pair.ingress = Unprotector::new(&Portable, keys, parameters, roc).unwrap();
        pair.ingress.resume(&former);
        goes_on(&mut pair, &media, &control, roc == 0, &format!("told to start at {roc}"));
    }
}

//= tests/spec/srtp.md#keys-that-return
//= type=test
//# A key that returns MUST go on counting against its lifetime.
#[test]
fn a_key_that_returns_goes_on_counting() {
    let (mut pair, media, control) = talked();
    let used = |pair: &Pair| {
        let key = pair.ingress.keys().next().unwrap();
        (key.srtp.packets, key.srtcp.packets)
    };
    let counts = (media.len() as u64, control.len() as u64);
    assert_eq!(used(&pair), counts);
    rekey(&mut pair, vec![ingress_key(2)], RocOnRekey::Keep, Duration::ZERO);
    rekey(&mut pair, vec![ingress_key(1)], RocOnRekey::Keep, Duration::ZERO);
    assert_eq!(used(&pair), counts);
}

#[test]
fn a_key_that_is_told_beside_another_and_alone_again_is_not_used_up_by_that() {
    let (mut pair, ..) = talked();
    let keys = |seeds: &[u8]| seeds.iter().map(|&it| ingress_key_with_mki(it, &[it])).collect();
    rekey(&mut pair, keys(&[1]), RocOnRekey::Keep, OVERLAP);
    rekey(&mut pair, keys(&[1, 2]), RocOnRekey::Keep, OVERLAP);
    rekey(&mut pair, keys(&[1]), RocOnRekey::Keep, OVERLAP);
    let (now, marked) = (pair.now, vec![egress_key_with_mki(1, &[1])]);
    pair.egress.rekey(&Portable, marked, SessionParameters::default(), RocOnRekey::Keep).unwrap();
    let next = pair.seal(&rtp(SSRC, 3)).unwrap();
    assert_eq!(pair.open(&next), Ok(rtp(SSRC, 3)), "{now:?}");
}
