//! Peers whose SRTP session starts anew with a new key, and peers whose session goes on.

use agw_srtp::{Portable, PortableKeys, Protector, RocOnRekey, SessionParameters, UnprotectError};
use allocation_counter::measure;
use proptest::prelude::*;

use crate::support::{OVERLAP, Pair, SSRC, egress_key, ingress_key, rtcp, rtp, seal, seal_rtcp};

type Packets = Vec<Vec<u8>>;

/// An ingress under key 1 that has heard a peer's media and reports at a rollover counter, what it
/// has heard, and what is on its way.
fn heard_at(roc: u32) -> (Pair, Packets, Packets, Vec<u8>) {
    let mut pair = Pair::at(roc, 8);
    let media: Vec<_> = (100..110).map(|n| pair.seal(&rtp(SSRC, n)).unwrap()).collect();
    let reports: Vec<_> = (0..5).map(|_| pair.seal_rtcp(&rtcp(SSRC)).unwrap()).collect();
    media.iter().for_each(|sealed| assert!(pair.open(sealed).is_ok()));
    reports.iter().for_each(|sealed| assert!(pair.open_rtcp(sealed).is_ok()));
    let late = pair.seal(&rtp(SSRC, 110)).unwrap();
    (pair, media, reports, late)
}

fn rekey(pair: &mut Pair, seed: u8) {
    let (keys, parameters) = (vec![ingress_key(seed)], SessionParameters::default());
    let (roc, now) = (RocOnRekey::Auto, pair.now);
    pair.ingress.rekey(&Portable, keys, parameters, roc, OVERLAP, now).unwrap();
}

fn after_overlap(pair: &mut Pair) {
    pair.now += OVERLAP;
    pair.ingress.handle_timeout(pair.now);
}

/// A session that somebody begins under a key at a rollover counter; its SRTCP index is 1.
fn session(seed: u8, roc: u32) -> Protector<PortableKeys> {
    Protector::new(&Portable, vec![egress_key(seed)], SessionParameters::default(), roc).unwrap()
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# Where it is not said, the first packet of a source under a new key MUST tell whether its
//# rollover counter or SRTCP index goes on or starts anew, once the replaced keys are gone.
#[test]
fn a_peer_that_starts_anew_with_a_key_is_heard_and_nothing_is_twice() {
    let cases = [(true, 0, 111), (false, 0, 111), (true, 0, 7), (true, 0, 65_000), (false, 3, 111)];
    for (media_first, roc, sequence) in cases {
        let case = format!("media first {media_first}, at {roc}, from {sequence}");
        let (mut pair, media, reports, late) = heard_at(3);
        rekey(&mut pair, 2);
        let mut anew = session(2, roc);
        // While the old key opens packets it shares the windows.
        let early = seal_rtcp(&mut anew, &rtcp(SSRC)).unwrap();
        assert_eq!(pair.open_rtcp(&early), Err(UnprotectError::Replay), "{case}");
        assert_eq!(pair.open(&late), Ok(rtp(SSRC, 110)), "{case}");
        after_overlap(&mut pair);
        let voice = seal(&mut anew, &rtp(SSRC, sequence)).unwrap();
        let report = seal_rtcp(&mut anew, &rtcp(SSRC)).unwrap();
        if media_first {
            assert_eq!(pair.open(&voice), Ok(rtp(SSRC, sequence)), "{case}");
        }
        assert_eq!(pair.open_rtcp(&report), Ok(rtcp(SSRC)), "{case}");
        if !media_first {
            assert_eq!(pair.open(&voice), Ok(rtp(SSRC, sequence)), "{case}");
        }
        assert_eq!(pair.ingress.sources().next().unwrap().roc, roc, "{case}");
        let heard = media.iter().chain([&late, &voice]);
        heard.for_each(|sealed| assert!(pair.open(sealed).is_err(), "{case}"));
        let heard = reports.iter().chain([&report]);
        heard.for_each(|sealed| assert!(pair.open_rtcp(sealed).is_err(), "{case}"));
        for next in 1..5 {
            let sealed = seal(&mut anew, &rtp(SSRC, sequence + next)).unwrap();
            assert_eq!(pair.open(&sealed), Ok(rtp(SSRC, sequence + next)), "{case}");
            let sealed = seal_rtcp(&mut anew, &rtcp(SSRC)).unwrap();
            assert_eq!(pair.open_rtcp(&sealed), Ok(rtcp(SSRC)), "{case}");
        }
    }
}

#[test]
fn a_peer_that_goes_on_is_heard_at_once_and_nobody_starts_anew_after_it() {
    let (mut pair, ..) = heard_at(3);
    rekey(&mut pair, 2);
    let keys = vec![egress_key(2)];
    pair.egress.rekey(&Portable, keys, SessionParameters::default(), RocOnRekey::Keep).unwrap();
    let next = pair.seal(&rtp(SSRC, 111)).unwrap();
    assert_eq!(pair.open(&next), Ok(rtp(SSRC, 111)));
    assert_eq!(pair.ingress.sources().next().unwrap().roc, 3);
    let report = pair.seal_rtcp(&rtcp(SSRC)).unwrap();
    assert_eq!(pair.open_rtcp(&report), Ok(rtcp(SSRC)));

    let mut anew = session(2, 0);
    for sequence in [200, 201] {
        let voice = seal(&mut anew, &rtp(SSRC, sequence)).unwrap();
        assert!(pair.open(&voice).is_err(), "{sequence}");
        assert!(pair.open_rtcp(&seal_rtcp(&mut anew, &rtcp(SSRC)).unwrap()).is_err());
        after_overlap(&mut pair);
    }
}

#[test]
fn each_source_tells_of_itself_and_a_stranger_of_nobody() {
    let (mut pair, ..) = heard_at(3);
    let young = seal(&mut session(1, 0), &rtp(7, 50)).unwrap();
    pair.open(&young).unwrap();
    rekey(&mut pair, 2);
    after_overlap(&mut pair);
    let mut anew = session(2, 0);
    for (ssrc, sequence) in [(8, 9), (7, 51), (SSRC, 111)] {
        let sealed = seal(&mut anew, &rtp(ssrc, sequence)).unwrap();
        assert_eq!(pair.open(&sealed), Ok(rtp(ssrc, sequence)));
        assert_eq!(pair.open(&sealed), Err(UnprotectError::Replay));
    }
    assert!(pair.open(&young).is_err());
}

#[test]
fn under_a_key_that_returns_nothing_starts_anew() {
    let (mut pair, media, reports, _) = heard_at(3);
    let old = seal(&mut session(1, 0), &rtp(SSRC, 50)).unwrap();
    for seed in [2, 1] {
        rekey(&mut pair, seed);
        after_overlap(&mut pair);
    }
    assert!(pair.open(&old).is_err());
    assert!(media.iter().all(|sealed| pair.open(sealed).is_err()));
    assert!(reports.iter().all(|sealed| pair.open_rtcp(sealed).is_err()));
    let next = pair.seal(&rtp(SSRC, 111)).unwrap();
    assert_eq!(pair.open(&next), Ok(rtp(SSRC, 111)));
}

#[test]
fn to_start_anew_takes_and_gives_back_no_memory() {
    let (mut pair, ..) = heard_at(3);
    rekey(&mut pair, 2);
    after_overlap(&mut pair);
    let mut sealed = seal(&mut session(2, 0), &rtp(SSRC, 111)).unwrap();
    let octets = sealed.len();
    let used = measure(|| {
        let opened = pair.ingress.unprotect_srtp(&Portable, &mut sealed, octets, pair.now);
        assert!(opened.is_ok());
    });
    assert_eq!((used.count_total, used.count_current), (0, 0));
}

proptest! {
    /// Whatever arrives in whatever order, each packet is opened once.
    #[test]
    fn no_packet_is_opened_twice(
        roc in 0_u32..3,
        anew in prop::sample::select(vec![None, Some(0), Some(1)]),
        from in prop::sample::select(vec![111_u16, 65_530, 5]),
        order in prop::collection::vec((0_usize..60, 0_u8..8), 1..160),
    ) {
        let (mut pair, media, reports, late) = heard_at(roc);
        let mut opened: Packets = media.iter().chain(&reports).cloned().collect();
        rekey(&mut pair, 2);
        let mut sender = session(2, anew.unwrap_or(roc));
        let voice = (0..20).map(|n| from.wrapping_add(n));
        let voice: Packets = voice.filter_map(|n| seal(&mut sender, &rtp(SSRC, n)).ok()).collect();
        let mut sent: Vec<_> = voice.into_iter().map(|sealed| (sealed, true)).collect();
        sent.extend((0..8).map(|_| (seal_rtcp(&mut sender, &rtcp(SSRC)).unwrap(), false)));
        sent.extend(media.into_iter().chain([late]).map(|sealed| (sealed, true)));
        sent.extend(reports.into_iter().map(|sealed| (sealed, false)));
        for (which, later) in order {
            let (sealed, is_media) = &sent[which % sent.len()];
            let is_open = match is_media {
                true => pair.open(sealed).is_ok(),
                false => pair.open_rtcp(sealed).is_ok(),
            };
            prop_assert!(!is_open || !opened.contains(sealed));
            opened.extend(is_open.then(|| sealed.clone()));
            if later == 0 {
                pair.now += OVERLAP / 2;
                pair.ingress.handle_timeout(pair.now);
            }
        }
    }
}
