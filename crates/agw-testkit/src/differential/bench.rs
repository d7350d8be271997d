//! Both sides on one bench: the same packets in, the same outcome expected.

use std::collections::BTreeMap;

use agw_simd::AnyEngine;
use agw_srtp::{ProtectError, Suite, UnprotectError};

use super::ours::Ours;
use super::outcome::{Divergence, Mismatch, Octets, Protocol, Tally, told};
use super::scenario::{Operation, SOURCES, Scenario};
use super::theirs::Theirs;
use crate::libsrtp::{Libsrtp, Refusal};
use crate::packet;

/// A packet on its way.
struct Sent {
    protocol: Protocol,
    plain: Vec<u8>,
    sealed: Sealed,
    accepted: bool,
}

/// What arrives at each side: the same octets, but where keys are derived differently.
#[derive(Clone)]
struct Sealed {
    ours: Vec<u8>,
    theirs: Vec<u8>,
}

impl Sealed {
    fn alike(octets: Vec<u8>) -> Self {
        Self { ours: octets.clone(), theirs: octets }
    }
}

/// Both sides, and what was sent so far.
pub(super) struct Bench<'a> {
    scenario: &'a Scenario,
    ours: Ours,
    theirs: Theirs,
    generation: u8,
    key: usize,
    sent: Vec<Sent>,
    sequences: [u16; SOURCES.len()],
    /// The generation of keys under which a sequence number of a source was sealed last.
    sealed_under: BTreeMap<(usize, u16), u8>,
    /// Highest SRTCP index accepted, by source.
    highest_srtcp: BTreeMap<[u8; 4], u32>,
    pub(super) tally: Tally,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        library: Libsrtp,
        engine: AnyEngine,
        scenario: &'a Scenario,
    ) -> Result<Self, Mismatch> {
        Ok(Self {
            scenario,
            ours: Ours::new(engine, scenario)?,
            theirs: Theirs::new(library, scenario)?,
            generation: 0,
            key: 0,
            sent: Vec::new(),
            sequences: [100, 0, 0xfff0, 0x8000],
            sealed_under: BTreeMap::new(),
            highest_srtcp: BTreeMap::new(),
            tally: Tally::default(),
        })
    }

    pub(super) fn carry_out(&mut self, operation: &Operation) -> Result<(), Mismatch> {
        if self.tally.divergences.contains_key(&Divergence::JumpUnconfirmed) {
            return Ok(());
        }
        match *operation {
            Operation::Send { source, step, shape, arrives } => {
                let source = usize::from(source) % SOURCES.len();
                let sequence = self.sequences[source].wrapping_add(step);
                self.sequences[source] = sequence;
                let plain = packet::rtp(SOURCES[source], sequence, shape);
                self.send(Protocol::Srtp, plain, Some((source, sequence)), arrives)
            }
            Operation::SendRtcp { source, packet_type, words, arrives } => {
                // Indices that are counted apart cannot be compared from packets of their own.
                let source = if self.has_twins() { 0 } else { usize::from(source) };
                let ssrc = SOURCES[source % SOURCES.len()];
                let plain = packet::rtcp(ssrc, packet_type, words);
                self.send(Protocol::Srtcp, plain, None, arrives)
            }
            Operation::Arrive { back } => match self.place(back) {
                Some(place) => self.arrive(place),
                None => Ok(()),
            },
            Operation::Forge { back, bit } => match self.place(back) {
                Some(place) => self.forge(place, usize::from(bit)),
                None => Ok(()),
            },
            Operation::Noise { ref octets, source, rtcp } => self.noise(octets, source, rtcp),
            Operation::Rekey => {
                self.generation = self.generation.wrapping_add(1);
                self.tally.rekeyed += 1;
                self.ours.rekey(self.scenario, self.generation, self.key)?;
                Ok(self.theirs.rekey(self.scenario, self.generation)?)
            }
            Operation::SelectKey { key } => {
                self.key = usize::from(key) % self.scenario.key_count();
                Ok(self.ours.select(self.scenario, self.generation, self.key)?)
            }
        }
    }

    fn place(&self, back: u8) -> Option<usize> {
        let newest = self.sent.len().checked_sub(1)?;
        Some(newest - usize::from(back) % self.sent.len())
    }

    fn send(
        &mut self,
        protocol: Protocol,
        plain: Vec<u8>,
        numbered: Option<(usize, u16)>,
        arrives: bool,
    ) -> Result<(), Mismatch> {
        let ours = self.ours.seal(protocol, &plain);
        let theirs = self.theirs.seal(protocol, &plain, self.key);
        let sealed = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) if self.has_twins() && ours.len() == theirs.len() => {
                self.diverge(Divergence::Aes192Derivation);
                Sealed { ours, theirs }
            }
            (Ok(ours), Ok(theirs)) if ours == theirs => Sealed::alike(ours),
            (Ok(ours), Ok(theirs)) if self.counts_apart(protocol, &ours, &theirs) => {
                self.diverge(Divergence::SrtcpIndexPerSource);
                Sealed::alike(if self.sent.len().is_multiple_of(2) { ours } else { theirs })
            }
            (Err(ours), Err(theirs)) if same_reason_to_seal(ours, theirs) => {
                self.tally.not_sealed += 1;
                return Ok(());
            }
            (Err(ProtectError::IndexReused), Ok(_)) if self.sealed_before_rekey(numbered) => {
                self.diverge(Divergence::GuardForgottenByUpdate);
                return Ok(());
            }
            (ours, theirs) => {
                let (plain, ours, theirs) = (Octets(plain), told(ours), told(theirs));
                return Err(Mismatch::Sealing { plain, ours, theirs });
            }
        };
        self.tally.sealed += 1;
        if let Some(numbered) = numbered {
            self.sealed_under.insert(numbered, self.generation);
        }
        self.sent.push(Sent { protocol, plain, sealed, accepted: false });
        if arrives { self.arrive(self.sent.len() - 1) } else { Ok(()) }
    }

    fn arrive(&mut self, place: usize) -> Result<(), Mismatch> {
        let Sent { protocol, ref plain, ref sealed, accepted } = self.sent[place];
        let (plain, sealed) = (plain.clone(), sealed.clone());
        let Some(opened) = self.open(protocol, &sealed)? else { return Ok(()) };
        if accepted {
            return Err(Mismatch::Accepted(Octets(sealed.ours)));
        }
        if opened != plain {
            return Err(Mismatch::Altered(Octets(sealed.ours)));
        }
        self.sent[place].accepted = true;
        Ok(())
    }

    fn forge(&mut self, place: usize, bit: usize) -> Result<(), Mismatch> {
        let Sent { protocol, ref sealed, .. } = self.sent[place];
        let mut forged = sealed.clone();
        let bit = bit % (forged.ours.len() * 8);
        for octets in [&mut forged.ours, &mut forged.theirs] {
            octets[bit / 8] ^= 0x80 >> (bit % 8);
        }
        self.refuse(protocol, forged)
    }

    fn noise(&mut self, octets: &[u8], source: Option<u8>, rtcp: bool) -> Result<(), Mismatch> {
        let mut octets = octets.to_vec();
        let (protocol, ssrc_at) = if rtcp { (Protocol::Srtcp, 4) } else { (Protocol::Srtp, 8) };
        if let (Some(source), true) = (source, octets.len() >= ssrc_at + 4) {
            let ssrc = SOURCES[usize::from(source) % SOURCES.len()];
            octets[0] = 0x80 | (octets[0] & 0x3f);
            octets[ssrc_at..ssrc_at + 4].copy_from_slice(&ssrc.0.to_be_bytes());
        }
        self.refuse(protocol, Sealed::alike(octets))
    }

    fn refuse(&mut self, protocol: Protocol, arrived: Sealed) -> Result<(), Mismatch> {
        match self.open(protocol, &arrived)? {
            None => Ok(()),
            Some(_) => Err(Mismatch::Accepted(Octets(arrived.ours))),
        }
    }

    /// Lets a packet arrive at both; `None` if both, or by a known divergence one, refuse it.
    fn open(&mut self, protocol: Protocol, sealed: &Sealed) -> Result<Option<Vec<u8>>, Mismatch> {
        let ours = self.ours.open(protocol, &sealed.ours);
        let theirs = self.theirs.open(protocol, &sealed.theirs);
        let sealed = &sealed.ours;
        let divergence = match (&ours, &theirs) {
            (Ok(one), Ok(other)) if one == other => None,
            (Err(one), Err(other)) if self.same_reason_to_open(*one, *other) => None,
            (_, _) => match self.known_divergence(protocol, sealed, &ours, &theirs) {
                Some(divergence) => Some(divergence),
                None => {
                    let (ours, theirs) = (told(ours), told(theirs));
                    let sealed = Octets(sealed.to_vec());
                    return Err(Mismatch::Opening { sealed, ours, theirs });
                }
            },
        };
        if let Some(divergence) = divergence {
            self.diverge(divergence);
        } else if ours.is_ok() {
            self.tally.opened += 1;
        } else {
            self.tally.not_opened += 1;
        }
        if let (Ok(_), Protocol::Srtcp, Some((ssrc, index))) =
            (&ours, protocol, self.srtcp_index(sealed))
        {
            let highest = self.highest_srtcp.entry(ssrc).or_default();
            *highest = index.max(*highest);
        }
        Ok(if divergence.is_none() { ours.ok() } else { None })
    }

    fn known_divergence(
        &self,
        protocol: Protocol,
        sealed: &[u8],
        ours: &Result<Vec<u8>, UnprotectError>,
        theirs: &Result<Vec<u8>, Refusal>,
    ) -> Option<Divergence> {
        let window = self.scenario.window;
        if *ours == Err(UnprotectError::Unconfirmed) {
            return Some(Divergence::JumpUnconfirmed);
        }
        if protocol == Protocol::Srtcp && self.misplaces_identifiers() && ours.is_ok() {
            // Octets of the tag may be those of another key's identifier.
            let seen = matches!(theirs, Err(Refusal::UnknownMki | Refusal::Authentication));
            return seen.then_some(Divergence::SrtcpIdentifierMisplaced);
        }
        if protocol == Protocol::Srtp {
            return None;
        }
        let (ssrc, index) = self.srtcp_index(sealed)?;
        let behind = self.highest_srtcp.get(&ssrc)?.checked_sub(index)?;
        let between = (128.min(window)..128.max(window)).contains(&u16::try_from(behind).ok()?);
        let by_ours = *ours == Err(UnprotectError::TooOld);
        let by_theirs = *theirs == Err(Refusal::TooOld);
        (between && (by_ours || by_theirs)).then_some(Divergence::SrtcpWindowFixed)
    }

    /// Source and index as an SRTCP packet tells them.
    fn srtcp_index(&self, sealed: &[u8]) -> Option<([u8; 4], u32)> {
        let suite = self.scenario.suite;
        let tag = if suite.is_aead() { 0 } else { suite.srtcp_tag_len() };
        let end = sealed.len().checked_sub(tag + usize::from(self.scenario.mki_octets))?;
        let word = u32::from_be_bytes(*sealed.get(..end)?.last_chunk()?);
        Some((*sealed.get(4..)?.first_chunk()?, word & 0x7fff_ffff))
    }

    /// Whether two SRTCP packets differ because their indices do, as they may as soon as a second
    /// source has sent.
    fn counts_apart(&self, protocol: Protocol, ours: &[u8], theirs: &[u8]) -> bool {
        let others = self
            .sent
            .iter()
            .any(|sent| sent.protocol == Protocol::Srtcp && sent.plain.get(4..8) != ours.get(4..8));
        let apart = self.srtcp_index(ours) != self.srtcp_index(theirs);
        protocol == Protocol::Srtcp && ours.len() == theirs.len() && others && apart
    }

    fn sealed_before_rekey(&self, numbered: Option<(usize, u16)>) -> bool {
        let generation = numbered.and_then(|numbered| self.sealed_under.get(&numbered));
        generation.is_some_and(|generation| *generation != self.generation)
    }

    /// Whether libsrtp looks for identifiers of SRTCP in the wrong place.
    fn misplaces_identifiers(&self) -> bool {
        let Scenario { suite, mki_octets, .. } = *self.scenario;
        mki_octets > 0 && suite.srtp_tag_len() != suite.srtcp_tag_len()
    }

    /// Whether the two get packets of their own.
    fn has_twins(&self) -> bool {
        matches!(self.scenario.suite, Suite::AesCm192HmacSha1_80 | Suite::AesCm192HmacSha1_32)
    }

    /// Whether two refusals have the same reason. With identifiers libsrtp looks at the index
    /// first, ours at the identifier, so one of several reasons may be told.
    fn same_reason_to_open(&self, ours: UnprotectError, theirs: Refusal) -> bool {
        match (ours, theirs) {
            (UnprotectError::Replay, Refusal::Replay)
            | (UnprotectError::TooOld, Refusal::TooOld)
            | (UnprotectError::Authentication, Refusal::Authentication) => true,
            (
                UnprotectError::Replay | UnprotectError::TooOld,
                Refusal::Replay | Refusal::TooOld,
            ) => false,
            (UnprotectError::Authentication, _) => match theirs {
                // A listed session does not know other sources.
                Refusal::NoContext => true,
                // Ours has no opinion about the E bit under a null suite.
                Refusal::CannotCheck => self.scenario.suite.is_null(),
                Refusal::UnknownMki => self.misplaces_identifiers(),
                Refusal::BadParameter
                | Refusal::Authentication
                | Refusal::Replay
                | Refusal::TooOld
                | Refusal::KeyExpired
                | Refusal::Parse
                | Refusal::Other(_) => false,
            },
            (
                UnprotectError::Replay
                | UnprotectError::TooOld
                | UnprotectError::Malformed
                | UnprotectError::UnknownMki
                | UnprotectError::Unencrypted
                | UnprotectError::SourceLimit
                | UnprotectError::KeyExpired,
                _,
            ) => true,
            (UnprotectError::Unconfirmed, _) => false,
        }
    }

    fn diverge(&mut self, divergence: Divergence) {
        *self.tally.divergences.entry(divergence).or_default() += 1;
    }
}

fn same_reason_to_seal(ours: ProtectError, theirs: Refusal) -> bool {
    match ours {
        ProtectError::IndexReused => theirs == Refusal::Replay,
        ProtectError::TooOld => theirs == Refusal::TooOld,
        ProtectError::Malformed
        | ProtectError::SourceLimit
        | ProtectError::KeyExpired
        | ProtectError::NoRoom => false,
    }
}
