//! Packets of every length, in batches, from every engine: libsrtp seals them to the same octets.

use agw_simd::{AnyEngine, AnyKeys};
use agw_srtp::{
    EgressKey, Engine, Job, MAX_TRAILER, MasterKey, Protector, SealTicket, SessionParameters,
    SpareRooms, Suite,
};
use agw_testkit::engines::engines;
use agw_testkit::libsrtp::{OracleKey, Session, SessionSpec, Sources};

use crate::library;

const LONGEST: usize = 1_500;

/// A batch takes packets of neighbouring lengths.
const BATCH: usize = 64;

#[test]
fn packets_of_every_length_leave_every_engine_as_they_leave_libsrtp() {
    let Some(library) = library() else { return };
    // libsrtp derives AES-192 session keys in its own way: see `known_differences`.
    let alike = |suite: &Suite| library.knows(*suite) && suite.key_len() != 24;
    for suite in Suite::ALL.into_iter().filter(alike) {
        for engine in engines() {
            let octets: Vec<u8> =
                (0..suite.key_len() + suite.salt_len()).map(|n| n as u8).collect();
            let mut theirs = library.session(&spec(suite, octets.clone())).unwrap();
            let master = MasterKey::from_concatenated(suite, &octets).unwrap();
            let keys = vec![EgressKey::new(master)];
            let mut ours = Protector::new(&engine, keys, SessionParameters::default(), 0).unwrap();
            let lengths: Vec<usize> = (0..=LONGEST).collect();
            for lengths in lengths.chunks(BATCH) {
                for rtcp in [false, true] {
                    let plain: Vec<Vec<u8>> =
                        lengths.iter().map(|octets| packet(rtcp, *octets)).collect();
                    let sealed = seal(engine, &mut ours, rtcp, &plain);
                    for (sealed, plain) in sealed.iter().zip(&plain) {
                        let expected = oracle(&mut theirs, rtcp, plain);
                        assert_eq!(*sealed, expected, "{engine:?} {suite:?} {}", plain.len());
                    }
                }
            }
        }
    }
}

fn spec(suite: Suite, octets: Vec<u8>) -> SessionSpec {
    SessionSpec {
        suite,
        keys: vec![OracleKey { octets, mki: Vec::new() }],
        sources: Sources::AnyOutbound,
        window: 128,
        allow_repeat_tx: false,
        unencrypted_srtp: false,
        unencrypted_srtcp: false,
    }
}

fn packet(rtcp: bool, payload_octets: usize) -> Vec<u8> {
    let [high, low] = (payload_octets as u16).to_be_bytes();
    let mut packet = if rtcp {
        vec![0x81, 200, 0, 12, 0, 0, 0, 9]
    } else {
        vec![0x80, 8, high, low, 0, 0, 0, 7, 0, 0, 0, 9]
    };
    packet.extend((0..payload_octets).map(|place| (place * 31 + payload_octets) as u8));
    packet
}

fn oracle(session: &mut Session, rtcp: bool, plain: &[u8]) -> Vec<u8> {
    if rtcp { session.protect_rtcp(plain, 0) } else { session.protect(plain, 0) }.unwrap()
}

fn seal(
    engine: AnyEngine,
    session: &mut Protector<AnyKeys>,
    rtcp: bool,
    packets: &[Vec<u8>],
) -> Vec<Vec<u8>> {
    let mut begin = |packet: &[u8]| match rtcp {
        true => session.begin_srtcp(packet),
        false => session.begin_srtp(packet, &mut SpareRooms::new()),
    };
    let tickets: Vec<SealTicket> = packets.iter().map(|packet| begin(packet).unwrap()).collect();
    let mut buffers: Vec<Vec<u8>> = packets.to_vec();
    let mut jobs: Vec<Job<'_, AnyKeys>> = tickets
        .iter()
        .zip(&mut buffers)
        .map(|(ticket, buffer)| {
            let octets = buffer.len();
            buffer.resize(octets + MAX_TRAILER, 0xee);
            session.job(ticket, buffer, octets)
        })
        .collect();
    engine.run(&mut jobs);
    let octets: Vec<usize> = jobs.iter().map(|job| job.outcome().unwrap()).collect();
    for (buffer, octets) in buffers.iter_mut().zip(octets) {
        buffer.truncate(octets);
    }
    buffers
}
