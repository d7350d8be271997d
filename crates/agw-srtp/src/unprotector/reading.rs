//! The ways to read a packet: which key, which index, worth a MAC or not.

use std::time::Instant;

use agw_rtp::{RtcpHeader, RtpHeader, Ssrc};

use super::Unprotector;
use crate::live::LiveKey;
use crate::sources::{Refusal, SourceTable, Standing};
use crate::ticket::Protocol;
use crate::{OpenTicket, SrtcpIndex, UnprotectError};

const E_FLAG: u32 = 0x8000_0000;

/// What a packet says about itself.
#[derive(Clone, Copy)]
pub(super) enum Header {
    Srtp(RtpHeader),
    Srtcp(RtcpHeader),
}

impl<K> Unprotector<K> {
    /// The first way to read a packet that stands; otherwise why the first one does not.
    ///
    /// Inlined with all it calls where there is one key only, so that a ticket is made where it
    /// stays: moving what was just written piece by piece costs as much as the check.
    #[inline(always)]
    pub(super) fn check(
        &self,
        header: &Header,
        packet: &[u8],
        now: Instant,
    ) -> Result<OpenTicket, UnprotectError> {
        let found = match self.only_key() {
            Some(key) => Ok((key, &self.sources)),
            None => self.search(header, packet, now),
        };
        let natural = found.and_then(|(key, sources)| self.read(header, packet, key, sources));
        match natural {
            Err(error) if self.may_restart => self.read_restarted(header, packet, now).ok_or(error),
            natural => natural,
        }
    }

    /// The first key under which a packet can be read, and its table.
    #[inline(never)]
    fn search(
        &self,
        header: &Header,
        packet: &[u8],
        now: Instant,
    ) -> Result<(&LiveKey<K>, &SourceTable), UnprotectError> {
        let trailer = header.trailer_octets(&self.current.first);
        let mut refused = if packet.len() < header.clear_octets() + trailer {
            UnprotectError::Malformed
        } else {
            //= tests/spec/srtp.md#mki
            //# A packet whose MKI names no live key MUST be discarded.
            UnprotectError::UnknownMki
        };
        for (attempt, (key, sources)) in self.candidates(header, packet, now).enumerate() {
            match self.read(header, packet, key, sources) {
                Ok(_) => return Ok((key, sources)),
                Err(error) if attempt == 0 => refused = error,
                Err(_) => {}
            }
        }
        Err(refused)
    }

    /// The key that opens every packet, if there is only one and it has no identifier, as usual.
    #[inline]
    fn only_key(&self) -> Option<&LiveKey<K>> {
        let alone = self.staged.is_none() && self.retired.is_empty();
        self.current.only().filter(|key| alone && key.mki().is_none())
    }

    /// Every way to read a packet.
    pub(super) fn readings(
        &self,
        header: &Header,
        packet: &[u8],
        now: Instant,
    ) -> impl Iterator<Item = Result<OpenTicket, UnprotectError>> {
        let natural = self
            .candidates(header, packet, now)
            .map(move |(key, sources)| self.read(header, packet, key, sources));
        let joined = self
            .candidates(header, packet, now)
            .filter_map(move |(key, sources)| self.read_joined(header, packet, key, sources))
            .map(Ok);
        let restarted = std::iter::once_with(move || self.read_restarted(header, packet, now));
        natural.chain(joined).chain(restarted.flatten().map(Ok))
    }

    /// The first packet of a source, with the other rollover counter that it may stand at.
    fn read_joined(
        &self,
        header: &Header,
        packet: &[u8],
        key: &LiveKey<K>,
        sources: &SourceTable,
    ) -> Option<OpenTicket> {
        let Header::Srtp(srtp) = header else { return None };
        let ticket = self.read(header, packet, key, sources).ok()?;
        let (ssrc, sequence) = (srtp.ssrc(), srtp.sequence());
        let other = match &key.horizon {
            None => sources.look_again(ssrc, sequence)?,
            Some(horizon) => horizon.look_again(sources, ssrc, sequence)?,
        };
        Some(OpenTicket { index: other.index, ..ticket })
    }

    /// The keys that a packet may be under: those whose identifier it carries, then those that
    /// have none, newest first.
    pub(super) fn candidates(
        &self,
        header: &Header,
        packet: &[u8],
        now: Instant,
    ) -> impl Iterator<Item = (&LiveKey<K>, &SourceTable)> {
        //= tests/spec/srtp.md#mki
        //# With an MKI the key MUST be chosen by the MKI alone.
        let identified = self
            .live(now)
            .filter(move |(key, _)| key.mki().is_some() && header.carries_mki(key, packet));
        let unidentified = self.live(now).filter(|(key, _)| key.mki().is_none());
        identified.chain(unidentified)
    }

    /// The keys that open packets now, each with its table.
    fn live(&self, now: Instant) -> impl Iterator<Item = (&LiveKey<K>, &SourceTable)> {
        let staged = self.staged.iter().flat_map(|keys| keys.iter());
        let retired = self.retired.live(now);
        self.current
            .iter()
            .chain(staged.filter(|key| key.mki().is_some()))
            .map(|key| (key, &self.sources))
            .chain(retired.map(|(key, sources)| (key, sources.unwrap_or(&self.sources))))
    }

    /// As [`Self::read`], for a source that has started anew with the key.
    #[cold]
    pub(super) fn read_anew(
        &self,
        header: &Header,
        packet: &[u8],
        key: &LiveKey<K>,
    ) -> Option<OpenTicket> {
        let (protocol, ssrc) = (header.protocol(), header.ssrc());
        let least = header.clear_octets() + header.trailer_octets(key);
        if packet.len() < least || !key.usage.has_room(protocol) {
            return None;
        }
        let word = match header {
            Header::Srtp(_) => 0,
            Header::Srtcp(_) => srtcp_word(packet, key).ok()?,
        };
        let low = match header {
            Header::Srtp(header) => u32::from(header.sequence().0),
            Header::Srtcp(_) => SrtcpIndex::from_word(word).get(),
        };
        if protocol == Protocol::Srtcp && !is_as_agreed(key, word) {
            return None;
        }
        let standing = self.sources.look_restarted(ssrc, protocol, low)?;
        let ticket = self.ticket(header, key, standing, word);
        Some(OpenTicket { restarts: true, ..ticket })
    }

    #[inline(always)]
    fn read(
        &self,
        header: &Header,
        packet: &[u8],
        key: &LiveKey<K>,
        sources: &SourceTable,
    ) -> Result<OpenTicket, UnprotectError> {
        let protocol = header.protocol();
        //= tests/spec/srtp.md#order-of-checks
        //# Any octets of any length MUST be answered without a panic.
        if packet.len() < header.clear_octets() + header.trailer_octets(key) {
            return Err(UnprotectError::Malformed);
        }
        if !key.usage.has_room(protocol) {
            return Err(UnprotectError::KeyExpired);
        }
        let (standing, srtcp_word) = match header {
            Header::Srtp(header) => {
                let (ssrc, sequence) = (header.ssrc(), header.sequence());
                let standing = match &key.horizon {
                    None => sources.look_srtp(ssrc, sequence)?,
                    Some(horizon) => horizon.look_srtp(sources, ssrc, sequence)?,
                };
                (standing, 0)
            }
            Header::Srtcp(header) => {
                let word = srtcp_word(packet, key)?;
                if !is_as_agreed(key, word) {
                    //= tests/spec/srtp.md#e-bit
                    //# An SRTCP packet whose E bit is not as agreed MUST be discarded under a suite
                    //# that encrypts.
                    return Err(UnprotectError::Unencrypted);
                }
                let index = SrtcpIndex::from_word(word);
                let standing = match &key.horizon {
                    None => sources.look_srtcp(header.ssrc(), index)?,
                    Some(horizon) => horizon.look_srtcp(sources, header.ssrc(), index)?,
                };
                (standing, word)
            }
        };
        Ok(self.ticket(header, key, standing, srtcp_word))
    }

    #[inline(always)]
    fn ticket(
        &self,
        header: &Header,
        key: &LiveKey<K>,
        standing: Standing,
        srtcp_word: u32,
    ) -> OpenTicket {
        let protocol = header.protocol();
        OpenTicket {
            protocol,
            ssrc: header.ssrc(),
            index: standing.index,
            key: key.id,
            clear_octets: header.clear_octets() as u32,
            encrypted: key.encrypts(protocol),
            srtcp_word,
            new_source: standing.new_source,
            implausible: standing.implausible,
            restarts: false,
            retries: 0,
        }
    }
}

impl Header {
    #[inline]
    fn protocol(&self) -> Protocol {
        match self {
            Self::Srtp(_) => Protocol::Srtp,
            Self::Srtcp(_) => Protocol::Srtcp,
        }
    }

    #[inline]
    fn ssrc(&self) -> Ssrc {
        match self {
            Self::Srtp(header) => header.ssrc(),
            Self::Srtcp(header) => header.ssrc(),
        }
    }

    #[inline]
    fn clear_octets(&self) -> usize {
        match self {
            //= tests/spec/srtp.md#packet-forms
            //# CSRC list and header extension MUST NOT be encrypted.
            Self::Srtp(header) => header.len(),
            Self::Srtcp(_) => RtcpHeader::LEN,
        }
    }

    #[inline]
    fn trailer_octets<K>(&self, key: &LiveKey<K>) -> usize {
        let mki = key.mki_octets().len();
        match self {
            Self::Srtp(_) => key.suite.srtp_tag_len() + mki,
            Self::Srtcp(_) => key.suite.srtcp_tag_len() + mki + 4,
        }
    }

    /// Whether the packet has the key's identifier where a packet under the key has it: before the
    /// tag, and at the very end for AEAD (RFC 3711 §3.1, RFC 7714 §8.2 and §9.1).
    fn carries_mki<K>(&self, key: &LiveKey<K>, packet: &[u8]) -> bool {
        let behind = match self {
            Self::Srtp(_) | Self::Srtcp(_) if key.suite.is_aead() => 0,
            Self::Srtp(_) => key.suite.srtp_tag_len(),
            Self::Srtcp(_) => key.suite.srtcp_tag_len(),
        };
        let mki = key.mki_octets();
        let field = packet
            .len()
            .checked_sub(behind)
            .and_then(|end| packet.get(end.checked_sub(mki.len())?..end));
        field == Some(mki)
    }
}

/// Whether an SRTCP packet is encrypted or not as was agreed. Under a null suite the bit changes
/// nothing and peers disagree about it.
fn is_as_agreed<K>(key: &LiveKey<K>, word: u32) -> bool {
    key.suite.is_null() || key.encrypts(Protocol::Srtcp) == (word & E_FLAG != 0)
}

/// The word with E flag and index: before the identifier, which is before the tag, except for
/// AEAD, where the tag belongs to the ciphertext (RFC 3711 §3.4, RFC 7714 §9.1).
fn srtcp_word<K>(packet: &[u8], key: &LiveKey<K>) -> Result<u32, UnprotectError> {
    let tag = if key.suite.is_aead() { 0 } else { key.suite.srtcp_tag_len() };
    //= tests/spec/srtp.md#mki
    //# In SRTCP the MKI MUST stand after the word with the index.
    let end = packet.len().checked_sub(key.mki_octets().len() + tag);
    let word = end
        .and_then(|end| packet.get(..end))
        .and_then(|body| body.last_chunk::<4>())
        .ok_or(UnprotectError::Malformed)?;
    Ok(u32::from_be_bytes(*word))
}

impl From<Refusal> for UnprotectError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Replay => Self::Replay,
            Refusal::TooOld => Self::TooOld,
            Refusal::Full => Self::SourceLimit,
        }
    }
}
