//! Jobs that cannot be done, among jobs that can.

use agw_srtp::{
    CryptoFailure, EgressKey, Engine, Job, MAX_TRAILER, MasterKey, Portable, RocOnRekey,
    SessionParameters, Suite,
};

use crate::rig::{Session, engines, packet, plain};

const PAYLOAD: usize = 160;

#[test]
fn a_job_whose_key_is_gone_is_passed_over_and_its_packet_stays_plain() {
    for engine in engines() {
        for suite in Suite::ALL {
            let profile = plain(suite, false);
            let mut sessions: Vec<Session<_>> =
                (0..20).map(|number| Session::new(&engine, profile, number)).collect();
            let plain = packet(profile, 1, PAYLOAD);
            let tickets: Vec<_> = sessions.iter_mut().map(|one| one.begin(&plain)).collect();
            for session in sessions.iter_mut().step_by(3) {
                rekey(&engine, session, suite);
            }
            let mut buffers = vec![[0; 12 + PAYLOAD + MAX_TRAILER]; sessions.len()];
            for buffer in &mut buffers {
                buffer[..plain.len()].copy_from_slice(&plain);
            }
            let mut jobs: Vec<Job<'_, _>> = sessions
                .iter()
                .zip(&tickets)
                .zip(&mut buffers)
                .map(|((one, ticket), buffer)| one.egress.job(ticket, buffer, plain.len()))
                .collect();
            engine.run(&mut jobs);

            for (place, job) in jobs.iter().enumerate() {
                if place % 3 == 0 {
                    assert_eq!(job.outcome(), Err(CryptoFailure::Stale), "{engine:?} {suite:?}");
                    assert_eq!(job.packet(), plain, "{engine:?} {suite:?}");
                } else {
                    assert_eq!(job.outcome(), Ok(plain.len() + suite.srtp_tag_len()));
                }
            }
        }
    }
}

#[test]
fn a_buffer_without_room_and_a_packet_without_octets_fail_as_on_the_portable_engine() {
    for engine in engines() {
        for suite in Suite::ALL {
            for rtcp in [false, true] {
                let profile = plain(suite, rtcp);
                let mut ours = Session::new(&engine, profile, 3);
                let mut reference = Session::new(&Portable, profile, 3);
                for (sequence, room) in (1..).zip([0, 1, 3, 4, 9, 10, 13, 14, 15, 16, 19, 20, 21]) {
                    let packet = packet(profile, sequence, 40);
                    let sealed = outcome(&engine, &mut ours, &packet, packet.len() + room);
                    let expected = outcome(&Portable, &mut reference, &packet, packet.len() + room);
                    assert_eq!(sealed, expected, "{engine:?} {profile:?} {room}");
                    assert_eq!(sealed.0.is_err(), sealed.1 == resized(&packet, room), "{room}");
                }
                let header_octets = packet(profile, 0, 0).len();
                for cut in 0..header_octets {
                    let mut short = packet(profile, 100 + cut as u16, 0);
                    let ticket = (ours.begin(&short), reference.begin(&short));
                    short.truncate(cut);
                    let mut buffer = resized(&short, MAX_TRAILER);
                    let mut jobs = [ours.egress.job(&ticket.0, &mut buffer, cut)];
                    engine.run(&mut jobs);
                    assert_eq!(jobs[0].outcome(), Err(CryptoFailure::TooShort), "{profile:?}");
                    let mut jobs = [reference.egress.job(&ticket.1, &mut buffer, cut)];
                    Portable.run(&mut jobs);
                    assert_eq!(jobs[0].outcome(), Err(CryptoFailure::TooShort), "{profile:?}");
                }
            }
        }
    }
}

/// Seals a packet in a buffer of so many octets.
fn outcome<E: Engine>(
    engine: &E,
    session: &mut Session<E>,
    packet: &[u8],
    octets: usize,
) -> (Result<usize, CryptoFailure>, Vec<u8>) {
    let ticket = session.begin(packet);
    let mut buffer = resized(packet, octets - packet.len());
    let mut jobs = [session.egress.job(&ticket, &mut buffer, packet.len())];
    engine.run(&mut jobs);
    let outcome = jobs[0].outcome();
    (outcome, buffer)
}

fn resized(packet: &[u8], room: usize) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + room, 0xee);
    buffer
}

fn rekey<E: Engine>(engine: &E, session: &mut Session<E>, suite: Suite) {
    let octets = vec![0x77; suite.key_len() + suite.salt_len()];
    let key = EgressKey::new(MasterKey::from_concatenated(suite, &octets).unwrap());
    let parameters = SessionParameters::default();
    session.egress.rekey(engine, vec![key], parameters, RocOnRekey::Keep).unwrap();
}
