//! Opening what arrives: check, authenticate, then remember (RFC 3711 §3.3, §3.4).

mod jump;
mod keys;
mod reading;
mod restart;
mod retired;
mod returns;
mod shared;

use std::fmt;
use std::mem::offset_of;
use std::time::{Duration, Instant};

use agw_rtp::{RtcpHeader, RtpHeader};

use self::jump::{Jump, LONGEST_JUMP_OF_SHORT_TAG, SHORTEST_TRUSTED_TAG, confirm};
use self::reading::Header;
use self::retired::{OldKeys, Retirement};
use crate::engine::{Engine, Frame, Job, Operation};
use crate::event::PendingEvents;
use crate::former::FormerKeys;
use crate::live::{KeySet, LiveKey, ValidKeys};
use crate::room::SpareRooms;
use crate::sources::{Remembered, SourceTable};
use crate::ticket::{KeyId, Protocol};
use crate::{
    Accepted, IngressKey, KeyError, KeyEvent, KeyUse, OpenTicket, RocOnRekey, SessionParameters,
    SourceState, Suite, UnprotectError,
};

pub use self::retired::MAX_RETIRED;

/// How long the old key still opens packets after the first packet under a staged key's
/// identifier has activated that key.
pub const OVERLAP_AFTER_MKI: Duration = Duration::from_secs(5);

/// The receiving half of an SRTP session: keys, and per source highest index and replay windows.
///
/// ```text
/// staged ──first packet with its identifier, or activate──▶ current ──re-key──▶ retired ──overlap over──▶ wiped
/// ```
///
/// Each set of replaced keys has an overlap of its own; up to [`MAX_RETIRED`] open packets beside the
/// keys in force, and a further re-key wipes the oldest.
///
/// One packet takes three steps: [`check_srtp`](Self::check_srtp) looks and remembers nothing,
/// [`job`](Self::job) is run by an [`Engine`], [`commit`](Self::commit) remembers. Many packets of
/// many sessions may stand between check and commit, so that an engine gets a whole batch.
///
/// Fields have an order so that a media packet reads three lines of memory here: the sources, which
/// keys there are, and the key in force.
#[repr(C, align(64))]
pub struct Unprotector<K> {
    sources: SourceTable,
    staged: Option<Box<KeySet<K>>>,
    retired: OldKeys<K>,
    /// What was opened under keys that were in force here and are not any more.
    former: Option<Box<FormerKeys>>,
    next_key_id: u32,
    /// Whether a packet under the keys in force was accepted: from then on nothing that retired
    /// keys open is the newest that the peer has sent.
    has_superseded: bool,
    /// Whether sources may start anew with the keys in force.
    may_restart: bool,
    current: KeySet<K>,
    parameters: SessionParameters,
    events: PendingEvents,
    jump: Option<Jump>,
}

const _: () = assert!(size_of::<Unprotector<Box<()>>>() <= 256);
// The key begins a line.
const _: () = assert!(offset_of!(Unprotector<Box<()>>, current.first) == 128);

impl<K> Unprotector<K> {
    /// Starts a session in which nothing was received yet. The first source starts at `initial_roc`;
    /// further ones start at 0, or at that value too if their first packet says so.
    ///
    /// # Errors
    /// Any [`KeyError`] about the keys or the parameters.
    pub fn new<E: Engine<Keys = K>>(
        engine: &E,
        keys: Vec<IngressKey>,
        parameters: SessionParameters,
        initial_roc: u32,
    ) -> Result<Self, KeyError> {
        let parameters = parameters.validate()?;
        let mut next_key_id = 0;
        let keys = ValidKeys::new(keys)?;
        let current = *KeySet::expand(engine, keys, parameters, &mut next_key_id)?;
        Ok(Self {
            parameters,
            current,
            staged: None,
            retired: OldKeys::default(),
            sources: table(parameters, initial_roc),
            events: PendingEvents::default(),
            next_key_id,
            jump: None,
            has_superseded: false,
            may_restart: false,
            former: None,
        })
    }

    /// Asks memory for what [`check_srtp`](Self::check_srtp) is going to read; worth it some
    /// sessions ahead in a batch.
    #[inline]
    pub fn prefetch<E: Engine<Keys = K>>(&self, engine: &E) {
        engine.prefetch(&self.sources);
        engine.prefetch(&self.staged);
        engine.prefetch(&self.current.first);
    }

    /// Looks whether an SRTP packet is worth authenticating. Remembers nothing.
    ///
    /// # Errors
    /// Why it is not; see [`UnprotectError`].
    #[inline(always)]
    pub fn check_srtp(&self, packet: &[u8], now: Instant) -> Result<OpenTicket, UnprotectError> {
        let header = RtpHeader::parse(packet).map_err(|_| UnprotectError::Malformed)?;
        self.check(&Header::Srtp(header), packet, now)
    }

    /// Looks whether an SRTCP packet is worth authenticating. Remembers nothing.
    ///
    /// # Errors
    /// Why it is not; see [`UnprotectError`].
    pub fn check_srtcp(&self, packet: &[u8], now: Instant) -> Result<OpenTicket, UnprotectError> {
        let header = RtcpHeader::parse(packet).map_err(|_| UnprotectError::Malformed)?;
        self.check(&Header::Srtcp(header), packet, now)
    }

    /// The job that authenticates and decrypts the checked packet, the first `packet_octets` of
    /// `buffer`, in place.
    #[inline]
    #[must_use]
    pub fn job<'a>(
        &'a self,
        ticket: &OpenTicket,
        buffer: &'a mut [u8],
        packet_octets: usize,
    ) -> Job<'a, K> {
        let live = self.find(ticket.key);
        let frame = Frame {
            operation: match ticket.protocol {
                Protocol::Srtp => Operation::UnprotectSrtp,
                Protocol::Srtcp => Operation::UnprotectSrtcp,
            },
            suite: live.map_or(self.suite(), |key| key.suite),
            ssrc: ticket.ssrc,
            index: ticket.index,
            clear_octets: ticket.clear_octets as usize,
            encrypted: ticket.encrypted,
            srtcp_word: ticket.srtcp_word,
            mki: live.map_or(&[], LiveKey::mki_octets),
        };
        match live {
            Some(key) => Job::new(&key.expanded, frame, buffer, packet_octets),
            None => Job::stale(frame, buffer, packet_octets),
        }
    }

    /// After a packet did not authenticate: another way to read it, if there is one.
    ///
    /// There is one while old keys overlap a new one without identifiers to tell them apart, when
    /// packets of the same batch, committed since the check, have moved the highest index of the
    /// source, and for the first packet of a source in a session that was joined under way, which
    /// may stand at the rollover counter of that session or at 0. A packet is retried until none is
    /// left, at most twice for each key that lives.
    #[must_use]
    pub fn retry(&self, ticket: &OpenTicket, packet: &[u8], now: Instant) -> Option<OpenTicket> {
        if usize::from(ticket.retries) > 2 * MAX_RETIRED {
            return None;
        }
        let header = match ticket.protocol {
            Protocol::Srtp => Header::Srtp(RtpHeader::parse(packet).ok()?),
            Protocol::Srtcp => Header::Srtcp(RtcpHeader::parse(packet).ok()?),
        };
        let is_tried = |other: &OpenTicket| (other.key, other.index) == (ticket.key, ticket.index);
        let mut readings = self.readings(&header, packet, now).filter_map(Result::ok);
        // The source may have moved since the check, but not between two retries.
        let other = match ticket.retries {
            0 => readings.find(|other| !is_tried(other)),
            _ => readings.skip_while(|other| !is_tried(other)).nth(1),
        };
        let mut other = other?;
        other.retries = ticket.retries + 1;
        Some(other)
    }

    /// Remembers a packet whose job has succeeded: window, rollover counter, source, use of the
    /// key. The first packet under a staged key's identifier activates that key; a new source takes
    /// its room from `spare`.
    ///
    /// # Errors
    /// [`UnprotectError::Unconfirmed`] for a short tag far ahead, until a second one is near it;
    /// [`UnprotectError::Replay`], [`UnprotectError::TooOld`], [`UnprotectError::SourceLimit`] or
    /// [`UnprotectError::KeyExpired`] if packets committed since the check, or a re-key, left no
    /// place for it; nothing has changed then.
    #[inline(always)]
    pub fn commit(
        &mut self,
        ticket: OpenTicket,
        now: Instant,
        spare: &mut SpareRooms,
    ) -> Result<Accepted, UnprotectError> {
        let OpenTicket { protocol, ssrc, index, key: id, .. } = ticket;
        let restarts = ticket.restarts && self.restarts_now(ssrc, protocol, id);
        let in_staged = self.staged.as_ref().is_some_and(|keys| keys.find(id).is_some());
        let in_retired = self.retired.place(id);
        let generation = self.sources.generation();
        let shared = &mut self.sources;
        let mut superseded = false;
        let (keys, sources, generation) = match (&mut self.staged, in_retired) {
            (Some(staged), _) if in_staged => (&mut **staged, shared, generation),
            (_, Some(place)) => {
                let Retirement { keys, sources, generation, is_superseded } =
                    self.retired.at(place).ok_or(UnprotectError::KeyExpired)?;
                superseded = is_superseded || sources.is_some() || self.has_superseded;
                (keys, sources.unwrap_or(shared), generation)
            }
            (_, None) => (&mut self.current, shared, generation),
        };
        let key = keys
            .iter_mut()
            //= tests/spec/srtp.md#key-lifetime
            //# A key MUST NOT protect or open packets beyond its lifetime.
            .find(|key| key.id == id && key.usage.has_room(protocol))
            .ok_or(UnprotectError::KeyExpired)?;
        //= tests/spec/srtp.md#replay
        //# A window MUST remember an index only after its packet was authenticated.
        //= tests/spec/srtp.md#order-of-checks
        //# An SSRC MUST NOT be remembered before one of its packets is authenticated.
        //= tests/spec/srtp.md#packet-index
        //# The highest index MUST NOT advance before the packet is authenticated.
        if key.suite.srtp_tag_len() < SHORTEST_TRUSTED_TAG && protocol == Protocol::Srtp {
            let jumps = restarts || sources.is_far_ahead(ssrc, index, LONGEST_JUMP_OF_SHORT_TAG);
            confirm(
                &mut self.jump,
                jumps.then_some(Jump { ssrc, index: index as u32, others: 0 }),
            )?;
        }
        if restarts {
            sources.restart(ssrc, protocol);
        }
        let Remembered { newer, new_source } =
            sources.remember(ssrc, protocol, index, generation, spare)?;
        let event = key.usage.record(protocol, index);
        if let (Some(event), None) = (event, in_retired) {
            self.events.push(event);
        }
        //= tests/spec/srtp.md#new-keys
        //# A staged key MUST come in force at the first authenticated packet with its MKI.
        if in_staged && let Some(staged) = self.staged.take() {
            self.replace(staged, RocOnRekey::Keep, OVERLAP_AFTER_MKI, now);
            self.sources.note_latest(ssrc);
            self.events.push(KeyEvent::Activated { number: 0 });
        }
        match in_retired {
            Some(place) => self.retired.supersede_before(place),
            None => self.has_superseded = true,
        }
        Ok(Accepted { ssrc, newer: newer && !superseded, new_source })
    }

    /// Wipes retired keys whose overlap is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wipe_until(Some(now));
        self.hold_sources();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.retired.next_end()
    }

    /// The next event about the keys in force; call until `None`, after commits and re-keys.
    pub fn poll_event(&mut self) -> Option<KeyEvent> {
        self.events.pop(self.current.first.id.staged_number().unwrap_or_default())
    }

    /// The sources known under the keys in force, in the order of their first packets.
    pub fn sources(&self) -> impl Iterator<Item = SourceState> {
        self.sources.states()
    }

    /// What the live keys have been used for: those in force, the staged one, and replaced ones
    /// until their overlap ends.
    pub fn keys(&self) -> impl Iterator<Item = KeyUse> {
        self.keys_in(None)
    }

    /// The suite in force.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.current.first.suite
    }

    #[inline]
    fn find(&self, id: KeyId) -> Option<&LiveKey<K>> {
        let staged = self.staged.as_deref();
        let sets = std::iter::once(&self.current).chain(staged).chain(self.retired.sets());
        sets.into_iter().find_map(|keys| keys.find(id))
    }
}

impl<K> Unprotector<K> {
    /// Opens one SRTP packet, the first `packet_octets` of `buffer`, and returns its new length.
    ///
    /// # Errors
    /// Why it is not opened; nothing is remembered then.
    pub fn unprotect_srtp<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        buffer: &mut [u8],
        packet_octets: usize,
        now: Instant,
    ) -> Result<usize, UnprotectError> {
        let packet = buffer.get(..packet_octets).ok_or(UnprotectError::Malformed)?;
        let ticket = self.check_srtp(packet, now)?;
        self.unprotect(engine, ticket, buffer, packet_octets, now)
    }

    /// Opens one SRTCP packet, the first `packet_octets` of `buffer`, and returns its new length.
    ///
    /// # Errors
    /// Why it is not opened; nothing is remembered then.
    pub fn unprotect_srtcp<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        buffer: &mut [u8],
        packet_octets: usize,
        now: Instant,
    ) -> Result<usize, UnprotectError> {
        let packet = buffer.get(..packet_octets).ok_or(UnprotectError::Malformed)?;
        let ticket = self.check_srtcp(packet, now)?;
        self.unprotect(engine, ticket, buffer, packet_octets, now)
    }

    fn unprotect<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        mut ticket: OpenTicket,
        buffer: &mut [u8],
        packet_octets: usize,
        now: Instant,
    ) -> Result<usize, UnprotectError> {
        loop {
            let mut jobs = [self.job(&ticket, buffer, packet_octets)];
            engine.run(&mut jobs);
            let [job] = jobs;
            //= tests/spec/srtp.md#order-of-checks
            //# A packet that fails authentication MUST leave the crypto context as it was.
            let failure = match job.outcome() {
                Ok(octets) => {
                    self.commit(ticket, now, &mut SpareRooms::new())?;
                    return Ok(octets);
                }
                Err(failure) => failure,
            };
            let packet = buffer.get(..packet_octets).ok_or(UnprotectError::Malformed)?;
            ticket = self.retry(&ticket, packet, now).ok_or(failure)?;
        }
    }
}

impl<K> fmt::Debug for Unprotector<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unprotector")
            .field("suite", &self.suite())
            .field("sources", &self.sources().count())
            .finish_non_exhaustive()
    }
}

fn table(parameters: SessionParameters, initial_roc: u32) -> SourceTable {
    SourceTable::for_receiving(initial_roc, parameters.window, parameters.max_sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Usage;
    use crate::{EgressKey, MAX_TRAILER, MasterKey, Portable, PortableKeys, Protector};

    /// Everything that could remember a packet: windows, sources, counts.
    fn state(ingress: &Unprotector<PortableKeys>) -> (SourceTable, Vec<Usage>) {
        let usage = ingress.current.iter().map(|key| key.usage).collect();
        (ingress.sources.clone(), usage)
    }

    //= tests/spec/srtp.md#order-of-checks
    //= type=test
    //# A packet that fails authentication MUST leave the crypto context as it was.
    //= tests/spec/srtp.md#packet-index
    //= type=test
    //# The highest index MUST NOT advance before the packet is authenticated.
    //= tests/spec/srtp.md#replay
    //= type=test
    //# A window MUST remember an index only after its packet was authenticated.
    //= tests/spec/srtp.md#order-of-checks
    //= type=test
    //# Plaintext MUST NOT be released before the tag is verified.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn every_bit_of_a_packet_can_be_wrong_without_any_trace() {
        for suite in Suite::ALL {
            let octets = vec![5; suite.key_len() + suite.salt_len()];
            let master = || MasterKey::from_concatenated(suite, &octets).unwrap();
            let parameters = SessionParameters::default();
            let keys = vec![EgressKey::new(master())];
            let mut egress = Protector::new(&Portable, keys, parameters, 0).unwrap();
            let keys = vec![IngressKey::new(master())];
            let mut ingress = Unprotector::new(&Portable, keys, parameters, 0).unwrap();
            let now = Instant::now();
            let mut sealed = [0; 32 + MAX_TRAILER];
            sealed[0] = 0x80;
            let octets = egress.protect_srtp(&Portable, &mut sealed, 32).unwrap();
            let before = state(&ingress);

            for bit in 0..octets * 8 {
                let mut forged = sealed;
                forged[bit / 8] ^= 1 << (bit % 8);
                let sent = forged;
                let outcome = ingress.unprotect_srtp(&Portable, &mut forged, octets, now);
                assert!(outcome.is_err(), "{suite:?} bit {bit}");
                assert_eq!(forged, sent, "{suite:?} bit {bit}");
                assert_eq!(state(&ingress), before, "{suite:?} bit {bit}");
            }
            assert_eq!(ingress.unprotect_srtp(&Portable, &mut sealed, octets, now), Ok(32));
            assert_ne!(state(&ingress), before, "{suite:?}");
        }
    }
}
