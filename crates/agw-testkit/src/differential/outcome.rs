//! What becomes of a run: counts, known divergences, a mismatch.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use agw_srtp::KeyError;
use thiserror::Error;

use crate::libsrtp::Refusal;

/// SRTP or SRTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Media.
    Srtp,
    /// Control.
    Srtcp,
}

/// Something that the two are known to see differently, and why ours is meant to be as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Divergence {
    /// libsrtp counts SRTCP packets per source, ours per session: the index of a gateway that
    /// sends for several sources under one key repeats for none of them.
    SrtcpIndexPerSource,
    /// `srtp_update` keeps the highest index and forgets which ones below it were used. Ours keeps
    /// the transmit guard over a re-key, so that a repeated sequence number stays refused.
    GuardForgottenByUpdate,
    /// libsrtp's SRTCP window has 128 packets whatever the policy says; ours has what was asked.
    SrtcpWindowFixed,
    /// libsrtp 2.5 looks for the identifier of an SRTCP packet in front of a tag of the *SRTP*
    /// length, so with the `_32` suites it opens no SRTCP packet that has one.
    SrtcpIdentifierMisplaced,
    /// libsrtp 2.5 derives the session keys of AES-192 with AES-256, from key and salt followed by
    /// zeros; RFC 6188 §3.1 says AES-192, and ours meets its vectors. Each side gets its own
    /// packets then, and only lengths and decisions are compared.
    Aes192Derivation,
    /// Under a tag of 32 bits an index more than 1,000 ahead takes two packets with ours. The run
    /// ends there, because the two remember another highest index from then on.
    JumpUnconfirmed,
}

/// What a run was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that both sealed, to the same octets unless a divergence is counted.
    pub sealed: u64,
    /// Packets that both refused to seal.
    pub not_sealed: u64,
    /// Packets that both opened, to the same octets.
    pub opened: u64,
    /// Packets that both refused to open.
    pub not_opened: u64,
    /// Changes of keys.
    pub rekeyed: u64,
    /// Known divergences.
    pub divergences: BTreeMap<Divergence, u64>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let Self { sealed, not_sealed, opened, not_opened, rekeyed, divergences } = other;
        self.sealed += sealed;
        self.not_sealed += not_sealed;
        self.opened += opened;
        self.not_opened += not_opened;
        self.rekeyed += rekeyed;
        for (divergence, count) in divergences {
            *self.divergences.entry(divergence).or_default() += count;
        }
    }
}

/// Something that the two must see alike and do not.
#[derive(Debug, Clone, Error)]
pub enum Mismatch {
    /// agw-srtp does not take keys or parameters.
    #[error("agw-srtp refuses the keys: {0}")]
    OurKeys(#[from] KeyError),
    /// libsrtp does not take keys or parameters.
    #[error("libsrtp refuses the policy: {0}")]
    TheirPolicy(#[from] Refusal),
    /// A packet was sealed differently, or by one only.
    #[error("sealing {plain}: agw-srtp {ours}, libsrtp {theirs}")]
    Sealing {
        /// The plain packet.
        plain: Octets,
        /// What became of it at ours.
        ours: String,
        /// And at theirs.
        theirs: String,
    },
    /// A packet was opened differently, or by one only.
    #[error("opening {sealed}: agw-srtp {ours}, libsrtp {theirs}")]
    Opening {
        /// The packet as it arrived.
        sealed: Octets,
        /// What became of it at ours.
        ours: String,
        /// And at theirs.
        theirs: String,
    },
    /// Both accepted what nobody may accept: a forgery, noise, or a packet once more.
    #[error("both accept {0}, which is forged or was accepted before")]
    Accepted(Octets),
    /// Both opened a packet to something that was not sealed.
    #[error("both open {0} to another packet than was sealed")]
    Altered(Octets),
}

/// Octets in hexadecimal.
#[derive(Debug, Clone)]
pub struct Octets(pub(super) Vec<u8>);

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// An outcome for people.
pub(super) fn told<E: fmt::Display>(outcome: Result<Vec<u8>, E>) -> String {
    match outcome {
        Ok(octets) => Octets(octets).to_string(),
        Err(error) => format!("refuses ({error})"),
    }
}
