//! Many packets between check and commit.

use agw_srtp::{
    Accepted, CryptoFailure, Engine, OpenTicket, Portable, RocOnRekey, SessionParameters,
    SpareRooms, Suite, UnprotectError,
};

use crate::support::{OVERLAP, Pair, SSRC, ingress_key, rtp};

/// Checks all, runs all, then commits or retries each in turn, as a worker does.
fn open_batch(pair: &mut Pair, sealed: &[Vec<u8>]) -> Vec<Result<Accepted, UnprotectError>> {
    let mut buffers = sealed.to_vec();
    let tickets: Vec<OpenTicket> =
        sealed.iter().map(|packet| pair.ingress.check_srtp(packet, pair.now).unwrap()).collect();
    let outcomes: Vec<Result<usize, CryptoFailure>> = {
        let mut jobs: Vec<_> = tickets
            .iter()
            .zip(&mut buffers)
            .map(|(ticket, buffer)| {
                let octets = buffer.len();
                pair.ingress.job(ticket, buffer, octets)
            })
            .collect();
        Portable.run(&mut jobs);
        jobs.iter().map(agw_srtp::Job::outcome).collect()
    };
    let mut verdicts = Vec::new();
    for ((ticket, buffer), outcome) in tickets.into_iter().zip(&mut buffers).zip(outcomes) {
        verdicts.push(match outcome {
            Ok(_) => pair.ingress.commit(ticket, pair.now, &mut SpareRooms::new()),
            Err(failure) => match pair.ingress.retry(&ticket, buffer, pair.now) {
                Some(second) => run_one(pair, second, buffer),
                None => Err(failure.into()),
            },
        });
    }
    verdicts
}

fn run_one(
    pair: &mut Pair,
    ticket: OpenTicket,
    buffer: &mut [u8],
) -> Result<Accepted, UnprotectError> {
    let octets = buffer.len();
    let mut jobs = [pair.ingress.job(&ticket, buffer, octets)];
    Portable.run(&mut jobs);
    let [job] = jobs;
    job.outcome()?;
    pair.ingress.commit(ticket, pair.now, &mut SpareRooms::new())
}

//= tests/spec/srtp.md#replay
//= type=test
//# An index that was received before MUST be discarded.
#[test]
fn the_second_of_two_copies_in_one_batch_is_a_replay() {
    for suite in Suite::ALL {
        let mut pair = Pair::of(suite);
        let sealed = pair.seal(&rtp(SSRC, 5)).unwrap();
        let verdicts = open_batch(&mut pair, &[sealed.clone(), sealed]);
        assert!(verdicts[0].is_ok(), "{suite:?}");
        assert_eq!(verdicts[1], Err(UnprotectError::Replay), "{suite:?}");
    }
}

#[test]
fn the_first_packets_of_a_source_may_wrap_within_one_batch() {
    let mut pair = Pair::of(Suite::AeadAes128Gcm);
    let sealed: Vec<Vec<u8>> =
        [65_534, 65_535, 0, 1].map(|sequence| pair.seal(&rtp(SSRC, sequence)).unwrap()).into();

    let verdicts = open_batch(&mut pair, &sealed);

    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    assert!(verdicts[0].unwrap().new_source);
    assert!(!verdicts[1].unwrap().new_source);
    assert_eq!(pair.ingress.sources().next().unwrap().roc, 1);
}

#[test]
fn only_an_index_above_all_before_is_newer() {
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    let sealed: Vec<Vec<u8>> =
        [10, 12, 11, 13].map(|sequence| pair.seal(&rtp(SSRC, sequence)).unwrap()).into();
    let verdicts = open_batch(&mut pair, &sealed);
    let newer: Vec<bool> = verdicts.into_iter().map(|verdict| verdict.unwrap().newer).collect();
    assert_eq!(newer, [true, true, false, true]);
}

#[test]
fn a_packet_is_retried_once() {
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    let sealed = pair.seal(&rtp(SSRC, 1)).unwrap();
    let parameters = SessionParameters::default();
    let (roc, now) = (RocOnRekey::Keep, pair.now);
    pair.ingress.rekey(&Portable, vec![ingress_key(77)], parameters, roc, OVERLAP, now).unwrap();

    let first = pair.ingress.check_srtp(&sealed, now).unwrap();
    let second = pair.ingress.retry(&first, &sealed, now).unwrap();
    assert!(pair.ingress.retry(&second, &sealed, now).is_none());
}

#[test]
fn a_ticket_does_not_outlive_its_key() {
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    let mut sealed = pair.seal(&rtp(SSRC, 1)).unwrap();
    let ticket = pair.ingress.check_srtp(&sealed, pair.now).unwrap();
    let reserved = pair.egress.begin_srtp(&rtp(SSRC, 2), &mut SpareRooms::new()).unwrap();
    let parameters = SessionParameters::default();
    let no_overlap = std::time::Duration::ZERO;
    let (roc, now) = (RocOnRekey::Reset, pair.now);
    pair.ingress.rekey(&Portable, vec![ingress_key(77)], parameters, roc, no_overlap, now).unwrap();
    let new_key = crate::support::egress_key(77);
    pair.egress.rekey(&Portable, vec![new_key], parameters, roc).unwrap();

    let octets = sealed.len();
    let mut jobs = [pair.ingress.job(&ticket, &mut sealed, octets)];
    Portable.run(&mut jobs);
    assert_eq!(jobs[0].outcome(), Err(CryptoFailure::Stale));
    assert_eq!(
        pair.ingress.commit(ticket, now, &mut SpareRooms::new()),
        Err(UnprotectError::KeyExpired)
    );

    let mut buffer = crate::support::with_tail_room(&rtp(SSRC, 2));
    let mut jobs = [pair.egress.job(&reserved, &mut buffer, 32)];
    Portable.run(&mut jobs);
    assert_eq!(jobs[0].outcome(), Err(CryptoFailure::Stale));
    assert_eq!(buffer[..32], rtp(SSRC, 2));
}

#[test]
fn a_job_that_no_engine_ran_has_not_succeeded() {
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    let mut sealed = pair.seal(&rtp(SSRC, 1)).unwrap();
    let ticket = pair.ingress.check_srtp(&sealed, pair.now).unwrap();
    let octets = sealed.len();
    let job = pair.ingress.job(&ticket, &mut sealed, octets);
    assert_eq!(job.outcome(), Err(CryptoFailure::NotRun));
    drop(ticket);
}
