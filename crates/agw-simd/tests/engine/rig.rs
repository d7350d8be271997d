//! Sessions on both ends, of any engine, and batches through them.

use std::time::Instant;

use agw_simd::{Level, Simd};
use agw_srtp::{
    CryptoFailure, EgressKey, Engine, IngressKey, Job, MAX_TRAILER, MasterKey, Mki, OpenTicket,
    Protector, SealTicket, SessionParameters, SpareRooms, Suite, Unprotector,
};

/// What a session is agreed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Profile {
    pub(crate) suite: Suite,
    pub(crate) rtcp: bool,
    pub(crate) mki_octets: usize,
    pub(crate) unencrypted: bool,
}

/// Both ends of a session.
pub(crate) struct Session<E: Engine> {
    profile: Profile,
    pub(crate) egress: Protector<E::Keys>,
    pub(crate) ingress: Unprotector<E::Keys>,
}

/// Every engine of this crate that this processor can run.
pub(crate) fn engines() -> Vec<Simd> {
    let engines: Vec<Simd> = Level::ALL.into_iter().filter_map(Simd::with).collect();
    if engines.is_empty() {
        eprintln!("skipped: this processor has no engine but the portable one");
    }
    engines
}

/// Every suite, SRTP and SRTCP, with and without identifier and encryption.
pub(crate) fn profiles() -> Vec<Profile> {
    let mut profiles = Vec::new();
    for (suite, rtcp) in Suite::ALL.into_iter().flat_map(|suite| [(suite, false), (suite, true)]) {
        for (mki_octets, unencrypted) in [(0, false), (4, false), (0, true), (128, true)] {
            profiles.push(Profile { suite, rtcp, mki_octets, unencrypted });
        }
    }
    profiles
}

/// The profile of a plain session.
pub(crate) fn plain(suite: Suite, rtcp: bool) -> Profile {
    Profile { suite, rtcp, mki_octets: 0, unencrypted: false }
}

impl<E: Engine> Session<E> {
    /// A session with a key of its own, whose rollover counter is `number`.
    pub(crate) fn new(engine: &E, profile: Profile, number: u32) -> Self {
        let parameters = SessionParameters {
            unencrypted_srtp: profile.unencrypted,
            unencrypted_srtcp: profile.unencrypted,
            ..SessionParameters::default()
        };
        let mki = Mki::new(&vec![0x4d; profile.mki_octets]).ok();
        let octets: Vec<u8> = (0..profile.suite.key_len() + profile.suite.salt_len())
            .map(|place| (place as u32 * 29 + number * 7) as u8)
            .collect();
        let master = || MasterKey::from_concatenated(profile.suite, &octets).unwrap();
        let sends = EgressKey { mki, ..EgressKey::new(master()) };
        let receives = IngressKey { mki, ..IngressKey::new(master()) };
        Self {
            profile,
            egress: Protector::new(engine, vec![sends], parameters, number).unwrap(),
            ingress: Unprotector::new(engine, vec![receives], parameters, number).unwrap(),
        }
    }

    pub(crate) fn begin(&mut self, packet: &[u8]) -> SealTicket {
        let ticket = if self.profile.rtcp {
            self.egress.begin_srtcp(packet)
        } else {
            self.egress.begin_srtp(packet, &mut SpareRooms::new())
        };
        ticket.unwrap()
    }

    pub(crate) fn check(&self, packet: &[u8]) -> OpenTicket {
        let now = Instant::now();
        let ticket = if self.profile.rtcp {
            self.ingress.check_srtcp(packet, now)
        } else {
            self.ingress.check_srtp(packet, now)
        };
        ticket.unwrap()
    }
}

/// One session of each profile.
pub(crate) fn sessions<E: Engine>(engine: &E, profiles: &[Profile]) -> Vec<Session<E>> {
    (0..).zip(profiles).map(|(number, profile)| Session::new(engine, *profile, number)).collect()
}

/// Seals one packet of each session, in one run: the outcomes, and all that is in the buffers.
pub(crate) fn seal<E: Engine>(
    engine: &E,
    sessions: &mut [Session<E>],
    packets: &[Vec<u8>],
) -> Vec<(Result<usize, CryptoFailure>, Vec<u8>)> {
    let tickets: Vec<SealTicket> =
        sessions.iter_mut().zip(packets).map(|(one, packet)| one.begin(packet)).collect();
    let mut buffers: Vec<Vec<u8>> = packets.iter().map(|packet| with_room(packet)).collect();
    let mut jobs: Vec<Job<'_, E::Keys>> = sessions
        .iter()
        .zip(&tickets)
        .zip(buffers.iter_mut().zip(packets))
        .map(|((one, ticket), (buffer, packet))| one.egress.job(ticket, buffer, packet.len()))
        .collect();
    engine.run(&mut jobs);
    let outcomes: Vec<_> = jobs.iter().map(Job::outcome).collect();
    outcomes.into_iter().zip(buffers).collect()
}

/// Opens one packet of each session, in one run, as [`seal`]. Nothing is committed.
pub(crate) fn open<E: Engine>(
    engine: &E,
    sessions: &[Session<E>],
    packets: &[Vec<u8>],
) -> Vec<(Result<usize, CryptoFailure>, Vec<u8>)> {
    let tickets: Vec<OpenTicket> =
        sessions.iter().zip(packets).map(|(one, packet)| one.check(packet)).collect();
    let mut buffers: Vec<Vec<u8>> = packets.iter().map(|packet| with_room(packet)).collect();
    let mut jobs: Vec<Job<'_, E::Keys>> = sessions
        .iter()
        .zip(&tickets)
        .zip(buffers.iter_mut().zip(packets))
        .map(|((one, ticket), (buffer, packet))| one.ingress.job(ticket, buffer, packet.len()))
        .collect();
    engine.run(&mut jobs);
    let outcomes: Vec<_> = jobs.iter().map(Job::outcome).collect();
    outcomes.into_iter().zip(buffers).collect()
}

/// The packet that a job made.
pub(crate) fn made((outcome, buffer): &(Result<usize, CryptoFailure>, Vec<u8>)) -> Vec<u8> {
    buffer[..outcome.unwrap()].to_vec()
}

/// A packet for a session: its header as long as the payload suggests, its octets all different.
pub(crate) fn packet(profile: Profile, sequence: u16, payload_octets: usize) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    let mut packet = if profile.rtcp {
        vec![0x80, 201, 0, 1, 0, 0, 0, 9]
    } else {
        let csrcs = payload_octets % 4;
        let mut header = vec![0x80 | csrcs as u8, 8, high, low, 0, 0, 0, 7, 0, 0, 0, 9];
        header.extend(std::iter::repeat_n(0xcc, 4 * csrcs));
        header
    };
    packet.extend((0..payload_octets).map(|place| (place * 31 + payload_octets) as u8));
    packet
}

/// A packet in a buffer with tail room that is not zero.
pub(crate) fn with_room(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_TRAILER, 0xee);
    buffer
}
