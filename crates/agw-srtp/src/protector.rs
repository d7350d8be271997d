//! Sealing what leaves: never two packets with the same key, source and index (RFC 3711 §9.1).

mod keys;
mod shared;

use std::fmt;
use std::mem::offset_of;

use agw_rtp::{RtcpHeader, RtpHeader};

use self::keys::History;
use crate::engine::{Engine, Frame, Job, Operation};
use crate::event::PendingEvents;
use crate::live::{KeySet, LiveKey, ValidKeys};
use crate::room::SpareRooms;
use crate::sources::{Refusal, SourceTable};
use crate::ticket::Protocol;
use crate::{
    EgressKey, KeyError, KeyEvent, KeyUse, ProtectError, SealTicket, SessionParameters,
    SourceState, SrtcpIndex, Suite,
};

/// The transmit guard looks back at least this many packets.
const MIN_GUARD: u16 = 128;

const E_FLAG: u32 = 0x8000_0000;

/// The sending half of an SRTP session: keys, and per source the indices already used.
///
/// ```text
/// staged ──activate──▶ current ──re-key──▶ wiped
/// ```
///
/// The gateway seals what another source numbers, so a duplicate or a restarted source could make
/// it use an index twice. The *transmit guard* is a replay window per source on the sending side,
/// with the same estimate of the index as a receiver makes: [`begin_srtp`](Self::begin_srtp)
/// reserves an index at most once. SRTCP indices are the gateway's own: one counter over all
/// sources, from 1, that never starts again under the same key.
///
/// Fields have an order so that a media packet reads two lines of memory here: the sources and the
/// key in force.
#[repr(C, align(64))]
pub struct Protector<K> {
    sources: SourceTable,
    staged: Option<Box<KeySet<K>>>,
    history: History,
    next_srtcp: u32,
    next_key_id: u32,
    parameters: SessionParameters,
    current: KeySet<K>,
    events: PendingEvents,
}

// The key begins a line.
const _: () = assert!(offset_of!(Protector<Box<()>>, current.first) == 128);

impl<K> Protector<K> {
    /// Starts a session in which nothing was sent yet. The first source starts at `initial_roc`,
    /// further ones at 0 (RFC 3711 §3.2.3). Of several keys the first seals.
    ///
    /// # Errors
    /// Any [`KeyError`] about the keys or the parameters.
    pub fn new<E: Engine<Keys = K>>(
        engine: &E,
        keys: Vec<EgressKey>,
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
            sources: table(parameters, initial_roc),
            next_srtcp: 1,
            history: History::default(),
            events: PendingEvents::default(),
            next_key_id,
        })
    }

    /// Asks memory for what [`begin_srtp`](Self::begin_srtp) is going to read; worth it some
    /// sessions ahead in a batch.
    #[inline]
    pub fn prefetch<E: Engine<Keys = K>>(&self, engine: &E) {
        engine.prefetch(&self.sources);
        engine.prefetch(&self.current.first);
    }

    /// Reserves the index of an RTP packet. It stays used whatever becomes of the packet. A new source
    /// takes its room from `spare`.
    ///
    /// # Errors
    /// Why the packet must not be sealed; nothing has changed then.
    #[inline(always)]
    pub fn begin_srtp(
        &mut self,
        packet: &[u8],
        spare: &mut SpareRooms,
    ) -> Result<SealTicket, ProtectError> {
        let header = RtpHeader::parse(packet).map_err(|_| ProtectError::Malformed)?;
        if !self.current.first.usage.has_room(Protocol::Srtp) {
            return Err(ProtectError::KeyExpired);
        }
        //= tests/spec/srtp.md#transmit-guard
        //# A packet behind the transmit window MUST NOT be protected.
        let standing = match self.sources.look_srtp(header.ssrc(), header.sequence()) {
            Err(Refusal::Full) if self.make_place() => {
                self.sources.look_srtp(header.ssrc(), header.sequence())
            }
            standing => standing,
        };
        let index = standing?.index;
        //= tests/spec/srtp.md#transmit-guard
        //# Two packets MUST NOT be protected with the same key, SSRC and index.
        let generation = self.sources.generation();
        self.sources.remember(header.ssrc(), Protocol::Srtp, index, generation, spare)?;
        let key = &mut self.current.first;
        if let Some(event) = key.usage.record(Protocol::Srtp, index) {
            self.events.push(event);
        }
        Ok(SealTicket {
            protocol: Protocol::Srtp,
            ssrc: header.ssrc(),
            index,
            key: key.id,
            clear_octets: header.len() as u32,
            encrypted: key.encrypts(Protocol::Srtp),
        })
    }

    /// Reserves the next SRTCP index for an RTCP packet, compound or reduced-size.
    ///
    /// # Errors
    /// [`ProtectError::Malformed`] or [`ProtectError::KeyExpired`]; nothing has changed then.
    pub fn begin_srtcp(&mut self, packet: &[u8]) -> Result<SealTicket, ProtectError> {
        let header = RtcpHeader::parse(packet).map_err(|_| ProtectError::Malformed)?;
        let key = &mut self.current.first;
        if !key.usage.has_room(Protocol::Srtcp) || self.next_srtcp > SrtcpIndex::MAX.get() {
            return Err(ProtectError::KeyExpired);
        }
        let index = u64::from(self.next_srtcp);
        //= tests/spec/srtp.md#srtcp-index
        //# The SRTCP index MUST start at 1 and grow by one with each SRTCP packet sent, whatever
        //# its SSRC.
        self.next_srtcp += 1;
        if let Some(event) = key.usage.record(Protocol::Srtcp, index) {
            self.events.push(event);
        }
        Ok(SealTicket {
            protocol: Protocol::Srtcp,
            ssrc: header.ssrc(),
            index,
            key: key.id,
            clear_octets: RtcpHeader::LEN as u32,
            encrypted: key.encrypts(Protocol::Srtcp),
        })
    }

    /// The job that encrypts and authenticates the packet, the first `packet_octets` of `buffer`,
    /// in place. The buffer needs up to [`MAX_TRAILER`](crate::MAX_TRAILER) octets behind it.
    #[inline]
    #[must_use]
    pub fn job<'a>(
        &'a self,
        ticket: &SealTicket,
        buffer: &'a mut [u8],
        packet_octets: usize,
    ) -> Job<'a, K> {
        let live = self.current.find(ticket.key);
        let (operation, srtcp_word) = match ticket.protocol {
            Protocol::Srtp => (Operation::ProtectSrtp, 0),
            Protocol::Srtcp => {
                //= tests/spec/srtp.md#e-bit
                //# The E bit MUST be set on every encrypted SRTCP packet sent and on no other.
                let flag = if ticket.encrypted { E_FLAG } else { 0 };
                let index = SrtcpIndex::from_word(ticket.index as u32);
                (Operation::ProtectSrtcp, flag | index.get())
            }
        };
        let frame = Frame {
            operation,
            suite: live.map_or(self.suite(), |key| key.suite),
            ssrc: ticket.ssrc,
            index: ticket.index,
            clear_octets: ticket.clear_octets as usize,
            encrypted: ticket.encrypted,
            srtcp_word,
            mki: live.map_or(&[], LiveKey::mki_octets),
        };
        match live {
            Some(key) => Job::new(&key.expanded, frame, buffer, packet_octets),
            None => Job::stale(frame, buffer, packet_octets),
        }
    }

    /// The next event about the key in force; call until `None`, after `begin_*`.
    pub fn poll_event(&mut self) -> Option<KeyEvent> {
        self.events.pop(0)
    }

    /// The sources sealed since counters last started anew, in the order of their first packets.
    pub fn sources(&self) -> impl Iterator<Item = SourceState> {
        self.sources.states()
    }

    /// The last SRTCP index used; `None` before the first SRTCP packet.
    #[must_use]
    pub fn srtcp_index(&self) -> Option<SrtcpIndex> {
        match self.next_srtcp {
            1 => None,
            next => Some(SrtcpIndex::from_word(next - 1)),
        }
    }

    /// What the live keys have been used for: those in force and the staged one.
    pub fn keys(&self) -> impl Iterator<Item = KeyUse> {
        self.keys_in(None)
    }

    /// The suite in force.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.current.first.suite
    }

    /// Seals one RTP packet, the first `packet_octets` of `buffer`, and returns its new length.
    ///
    /// # Errors
    /// Why it is not sealed. After [`ProtectError::NoRoom`] its index is used all the same.
    pub fn protect_srtp<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        buffer: &mut [u8],
        packet_octets: usize,
    ) -> Result<usize, ProtectError> {
        let packet = buffer.get(..packet_octets).ok_or(ProtectError::Malformed)?;
        let ticket = self.begin_srtp(packet, &mut SpareRooms::new())?;
        self.protect(engine, &ticket, buffer, packet_octets)
    }

    /// Seals one RTCP packet, the first `packet_octets` of `buffer`, and returns its new length.
    ///
    /// # Errors
    /// Why it is not sealed. After [`ProtectError::NoRoom`] its index is used all the same.
    pub fn protect_srtcp<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        buffer: &mut [u8],
        packet_octets: usize,
    ) -> Result<usize, ProtectError> {
        let packet = buffer.get(..packet_octets).ok_or(ProtectError::Malformed)?;
        let ticket = self.begin_srtcp(packet)?;
        self.protect(engine, &ticket, buffer, packet_octets)
    }

    fn protect<E: Engine<Keys = K>>(
        &self,
        engine: &E,
        ticket: &SealTicket,
        buffer: &mut [u8],
        packet_octets: usize,
    ) -> Result<usize, ProtectError> {
        let mut jobs = [self.job(ticket, buffer, packet_octets)];
        engine.run(&mut jobs);
        let [job] = jobs;
        Ok(job.outcome()?)
    }
}

impl<K> fmt::Debug for Protector<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protector")
            .field("suite", &self.suite())
            .field("sources", &self.sources().count())
            .finish_non_exhaustive()
    }
}

impl From<Refusal> for ProtectError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Replay => Self::IndexReused,
            Refusal::TooOld => Self::TooOld,
            Refusal::Full => Self::SourceLimit,
        }
    }
}

fn table(parameters: SessionParameters, initial_roc: u32) -> SourceTable {
    SourceTable::for_sending(initial_roc, guard(parameters), parameters.max_sources)
}

/// Packets that the transmit guard looks back.
fn guard(parameters: SessionParameters) -> u16 {
    parameters.window.max(MIN_GUARD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IngressKey, MAX_TRAILER, MasterKey, Portable, Unprotector};

    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 9];

    #[test]
    fn the_srtcp_index_ends_before_it_would_repeat() {
        let master = MasterKey::from_concatenated(Suite::AesCm128HmacSha1_80, &[3; 30]).unwrap();
        let keys = vec![EgressKey::new(master)];
        let mut egress = Protector::new(&Portable, keys, SessionParameters::default(), 0).unwrap();
        egress.next_srtcp = SrtcpIndex::MAX.get();
        let mut buffer = [0; 8 + MAX_TRAILER];
        buffer[..8].copy_from_slice(&REPORT);

        assert_eq!(egress.protect_srtcp(&Portable, &mut buffer, 8), Ok(8 + 14));
        assert_eq!(buffer[8..12], [0xff; 4]);
        assert_eq!(egress.poll_event(), Some(KeyEvent::LifetimeExpired));
        let refused = egress.begin_srtcp(&REPORT).unwrap_err();
        assert_eq!(refused, ProtectError::KeyExpired);
        assert_eq!(egress.srtcp_index(), Some(SrtcpIndex::MAX));
    }

    //= tests/spec/srtp.md#srtcp-index
    //= type=test
    //# A received SRTCP index of 0 or of 1 MUST be accepted as the first.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn a_sender_may_count_srtcp_from_0_or_from_1() {
        for first in [0, 1] {
            let suite = Suite::AesCm128HmacSha1_80;
            let master = || MasterKey::from_concatenated(suite, &[3; 30]).unwrap();
            let parameters = SessionParameters::default();
            let keys = vec![EgressKey::new(master())];
            let mut egress = Protector::new(&Portable, keys, parameters, 0).unwrap();
            egress.next_srtcp = first;
            let keys = vec![IngressKey::new(master())];
            let mut ingress = Unprotector::new(&Portable, keys, parameters, 0).unwrap();
            let mut buffer = [0; 8 + MAX_TRAILER];
            buffer[..8].copy_from_slice(&REPORT);

            let octets = egress.protect_srtcp(&Portable, &mut buffer, 8).unwrap();
            assert_eq!(buffer[8..12], (0x8000_0000 | first).to_be_bytes());
            let opened =
                ingress.unprotect_srtcp(&Portable, &mut buffer, octets, std::time::Instant::now());
            assert_eq!(opened, Ok(8), "{first}");
        }
    }
}
