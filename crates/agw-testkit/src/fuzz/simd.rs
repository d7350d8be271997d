//! `simd_against_portable`: every engine makes the same of the same batch.

use std::time::Instant;

use agw_rtp::Ssrc;
use agw_simd::{AnyEngine, AnyKeys};
use agw_srtp::{
    CryptoFailure, EgressKey, Engine, IngressKey, Job, MAX_TRAILER, MasterKey, Mki, Protector,
    SealTicket, SessionParameters, SpareRooms, Suite, Unprotector,
};

use crate::draw::Draw;
use crate::engines::engines;
use crate::packet::{self, Shape};

const SOURCE: Ssrc = Ssrc(0x5151_0001);

/// More than an engine takes at one go.
const MAX_JOBS: u16 = 70;

/// One job of the batch.
struct Plan {
    suite: Suite,
    parameters: SessionParameters,
    mki: Option<Mki>,
    roc: u32,
    rtcp: bool,
    plain: Vec<u8>,
    /// Where the sealed packet is changed on its way, and by what.
    change: (usize, u8),
}

/// What became of a packet: the outcome and all that is in its buffer.
#[derive(Debug, PartialEq, Eq)]
struct After {
    outcome: Option<Result<usize, CryptoFailure>>,
    buffer: Vec<u8>,
}

/// Seals a batch of packets of many sessions with every engine, and opens it, some packets changed
/// on their way.
///
/// # Panics
/// If an engine makes anything else of a packet than the portable one.
pub fn simd_against_portable(data: &[u8]) {
    let mut draw = Draw::new(data);
    let jobs = 1 + draw.below(MAX_JOBS);
    let plans: Vec<Plan> = (0..jobs).map(|_| Plan::draw(&mut draw)).collect();
    let mut expected = None;
    for engine in engines() {
        let sealed = seal(engine, &plans);
        let opened = open(engine, &plans, &sealed);
        let made = (sealed, opened);
        match &expected {
            None => expected = Some(made),
            Some(expected) => assert_eq!(made, *expected, "{engine:?}"),
        }
    }
}

impl Plan {
    fn draw(draw: &mut Draw<'_>) -> Self {
        let suite = draw.one_of(&Suite::ALL);
        let flags = draw.octet();
        let rtcp = flags & 1 != 0;
        let shape = Shape {
            csrcs: (flags >> 3) & 3,
            extension_words: (flags & 0x20 != 0).then_some(1),
            payload: draw.octet(),
            padding: 0,
        };
        let mut plain = if rtcp {
            packet::rtcp(SOURCE, 201, shape.payload % 64)
        } else {
            packet::rtp(SOURCE, draw.word(), shape)
        };
        // Long ones are rare, so that lengths are mixed.
        if flags & 0xc0 == 0xc0 {
            plain.resize(plain.len() + usize::from(draw.word()) % 1_300, 0x6c);
        }
        Self {
            suite,
            parameters: SessionParameters {
                unencrypted_srtp: flags & 2 != 0,
                unencrypted_srtcp: flags & 4 != 0,
                ..SessionParameters::default()
            },
            mki: Mki::new(&[0x4d; 128][..draw.one_of(&[0, 0, 0, 4, 128])]).ok(),
            roc: draw.one_of(&[0, 3, u32::MAX]),
            rtcp,
            plain,
            change: (usize::from(draw.word()), draw.one_of(&[0, 0, 1, 0x80])),
        }
    }

    fn master(&self) -> MasterKey {
        let octets = vec![0x6b; self.suite.key_len() + self.suite.salt_len()];
        MasterKey::from_concatenated(self.suite, &octets).unwrap_or_else(|error| panic!("{error}"))
    }

    fn egress(&self, engine: AnyEngine) -> Protector<AnyKeys> {
        let key = EgressKey { mki: self.mki, ..EgressKey::new(self.master()) };
        Protector::new(&engine, vec![key], self.parameters, self.roc)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn ingress(&self, engine: AnyEngine) -> Unprotector<AnyKeys> {
        let key = IngressKey { mki: self.mki, ..IngressKey::new(self.master()) };
        Unprotector::new(&engine, vec![key], self.parameters, self.roc)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The sealed packet as it arrives.
    fn arriving(&self, sealed: &After) -> Vec<u8> {
        let octets = sealed.outcome.and_then(Result::ok).unwrap_or_default();
        let mut packet = sealed.buffer.get(..octets).unwrap_or_default().to_vec();
        let (place, change) = self.change;
        let len = packet.len().max(1);
        if let Some(octet) = packet.get_mut(place % len) {
            *octet ^= change;
        }
        packet
    }
}

/// Seals every plan's packet in one run.
fn seal(engine: AnyEngine, plans: &[Plan]) -> Vec<After> {
    let mut sessions: Vec<Protector<AnyKeys>> =
        plans.iter().map(|plan| plan.egress(engine)).collect();
    let tickets: Vec<Option<SealTicket>> = sessions
        .iter_mut()
        .zip(plans)
        .map(|(session, plan)| {
            let begun = if plan.rtcp {
                session.begin_srtcp(&plan.plain)
            } else {
                session.begin_srtp(&plan.plain, &mut SpareRooms::new())
            };
            begun.ok()
        })
        .collect();
    let mut buffers: Vec<Vec<u8>> = plans.iter().map(|plan| with_room(&plan.plain)).collect();
    let mut jobs: Vec<Option<Job<'_, AnyKeys>>> = sessions
        .iter()
        .zip(&tickets)
        .zip(buffers.iter_mut().zip(plans))
        .map(|((session, ticket), (buffer, plan))| {
            ticket.as_ref().map(|ticket| session.job(ticket, buffer, plan.plain.len()))
        })
        .collect();
    let outcomes = run(engine, &mut jobs);
    after(outcomes, buffers)
}

/// Opens every packet, as it arrives, in one run.
fn open(engine: AnyEngine, plans: &[Plan], sealed: &[After]) -> Vec<After> {
    let now = Instant::now();
    let packets: Vec<Vec<u8>> =
        plans.iter().zip(sealed).map(|(plan, sealed)| plan.arriving(sealed)).collect();
    let sessions: Vec<Unprotector<AnyKeys>> =
        plans.iter().map(|plan| plan.ingress(engine)).collect();
    let mut buffers: Vec<Vec<u8>> = packets.iter().map(|packet| with_room(packet)).collect();
    let mut jobs: Vec<Option<Job<'_, AnyKeys>>> = sessions
        .iter()
        .zip(plans)
        .zip(buffers.iter_mut().zip(&packets))
        .map(|((session, plan), (buffer, packet))| {
            let check = if plan.rtcp { Unprotector::check_srtcp } else { Unprotector::check_srtp };
            let ticket = check(session, packet, now).ok()?;
            Some(session.job(&ticket, buffer, packet.len()))
        })
        .collect();
    let outcomes = run(engine, &mut jobs);
    after(outcomes, buffers)
}

/// Runs the jobs there are and puts each outcome at its place.
fn run(
    engine: AnyEngine,
    jobs: &mut Vec<Option<Job<'_, AnyKeys>>>,
) -> Vec<Option<Result<usize, CryptoFailure>>> {
    let places: Vec<bool> = jobs.iter().map(Option::is_some).collect();
    let mut jobs: Vec<Job<'_, AnyKeys>> = jobs.drain(..).flatten().collect();
    engine.run(&mut jobs);
    let mut outcomes = jobs.iter().map(Job::outcome);
    places.into_iter().map(|is_job| if is_job { outcomes.next() } else { None }).collect()
}

fn after(outcomes: Vec<Option<Result<usize, CryptoFailure>>>, buffers: Vec<Vec<u8>>) -> Vec<After> {
    outcomes.into_iter().zip(buffers).map(|(outcome, buffer)| After { outcome, buffer }).collect()
}

fn with_room(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_TRAILER, 0xee);
    buffer
}
