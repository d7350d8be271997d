//! The engine trait: a batch of jobs, each one packet in its buffer.

use agw_rtp::Ssrc;

use crate::{CryptoFailure, MasterKey, Mki, Suite};

/// Octets a packet can grow by when it is sealed: identifier, tag, E flag and SRTCP index. A
/// packet buffer needs this much room behind the packet.
pub const MAX_TRAILER: usize = Mki::MAX_LEN + 16 + 4;

/// Something that opens and seals packets.
///
/// A worker has one engine and passes it every call. An engine keeps no state about sessions; it
/// turns master keys into the form it works with and runs jobs.
pub trait Engine {
    /// The session keys of one master key, SRTP and SRTCP, expanded. Must be wiped on drop.
    type Keys;

    /// Derives and expands the session keys of `master`.
    fn expand(&self, master: &MasterKey) -> Self::Keys;

    /// Runs every job and sets its outcome with [`Job::finish`].
    ///
    /// A packet whose tag does not verify must be left exactly as it was: it may be tried again
    /// under another key.
    fn run(&self, jobs: &mut [Job<'_, Self::Keys>]);

    /// Asks memory for the line that a value begins in, because it will be read soon. A hint: an
    /// engine that cannot give it does nothing.
    fn prefetch<T>(&self, _value: &T) {}
}

/// What is done to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Plain RTP becomes SRTP.
    ProtectSrtp,
    /// SRTP becomes plain RTP.
    UnprotectSrtp,
    /// Plain RTCP becomes SRTCP.
    ProtectSrtcp,
    /// SRTCP becomes plain RTCP.
    UnprotectSrtcp,
}

/// Everything beside key and octets that a job needs.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// What is done.
    pub operation: Operation,
    /// The suite of the key.
    pub suite: Suite,
    /// The source: the packet's own, and for a compound the first packet's.
    pub ssrc: Ssrc,
    /// 48-bit SRTP index or 31-bit SRTCP index.
    pub index: u64,
    /// Octets at the start of the packet that are never encrypted: RTP header with CSRC list and
    /// extension, or the first eight octets of RTCP (RFC 3711 §3.1, §3.4).
    pub clear_octets: usize,
    /// Whether what follows is encrypted; always false for the null suites.
    pub encrypted: bool,
    /// E flag and SRTCP index as sent (RFC 3711 §3.4); 0 for SRTP.
    pub srtcp_word: u32,
    /// The master key identifier as sent; empty without one.
    pub mki: &'a [u8],
}

impl Frame<'_> {
    /// Octets of the tag.
    #[inline]
    #[must_use]
    pub const fn tag_len(&self) -> usize {
        match self.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => self.suite.srtp_tag_len(),
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => self.suite.srtcp_tag_len(),
        }
    }

    /// Octets of the trailer: tag, identifier and, for SRTCP, the word with E flag and index.
    #[inline]
    #[must_use]
    pub const fn trailer_len(&self) -> usize {
        let word = match self.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => 0,
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => 4,
        };
        self.tag_len() + self.mki.len() + word
    }

    /// The rollover counter of an SRTP index.
    #[inline]
    #[must_use]
    pub const fn roc(&self) -> u32 {
        (self.index >> 16) as u32
    }
}

/// One packet to open or to seal, in its buffer, with the keys for it.
#[derive(Debug)]
pub struct Job<'a, K> {
    keys: Option<&'a K>,
    frame: Frame<'a>,
    buffer: &'a mut [u8],
    packet_octets: usize,
    outcome: Result<usize, CryptoFailure>,
}

impl<'a, K> Job<'a, K> {
    #[inline]
    pub(crate) fn new(
        keys: &'a K,
        frame: Frame<'a>,
        buffer: &'a mut [u8],
        packet_octets: usize,
    ) -> Self {
        Self { keys: Some(keys), frame, buffer, packet_octets, outcome: Err(CryptoFailure::NotRun) }
    }

    /// A job whose key is gone: engines pass over it.
    #[inline]
    pub(crate) fn stale(frame: Frame<'a>, buffer: &'a mut [u8], packet_octets: usize) -> Self {
        Self { keys: None, frame, buffer, packet_octets, outcome: Err(CryptoFailure::Stale) }
    }

    /// The packet's new length in its buffer, in octets, or why nothing was done.
    ///
    /// # Errors
    /// Any [`CryptoFailure`].
    #[inline]
    pub fn outcome(&self) -> Result<usize, CryptoFailure> {
        self.outcome
    }

    /// The keys to work with; `None` if they have been replaced, then there is nothing to do.
    #[inline]
    #[must_use]
    pub fn keys(&self) -> Option<&'a K> {
        self.keys
    }

    /// What is to be done.
    #[inline]
    #[must_use]
    pub fn frame(&self) -> Frame<'a> {
        self.frame
    }

    /// Octets of the packet at the start of the buffer.
    #[inline]
    #[must_use]
    pub fn packet_octets(&self) -> usize {
        self.packet_octets
    }

    /// The octets of the packet, to look at.
    #[inline]
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        self.buffer.get(..self.packet_octets).unwrap_or_default()
    }

    /// The whole buffer: packet and tail room.
    #[inline]
    #[must_use]
    pub fn buffer(&mut self) -> &mut [u8] {
        self.buffer
    }

    /// Sets the outcome; for engines.
    #[inline]
    pub fn finish(&mut self, outcome: Result<usize, CryptoFailure>) {
        self.outcome = outcome;
    }
}
