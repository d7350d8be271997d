//! Under which key and index a packet left.

use std::collections::BTreeSet;
use std::time::Instant;

use agw_srtp::{Portable, SessionParameters, Suite, Unprotector};

use super::datagram::Sealed;
use crate::Key;

/// What stands for a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    /// The key itself.
    Key(Vec<u8>),
    /// The port of a peer whose key is unknown.
    Port(u16),
    /// The same with GCM's place of the SRTCP index.
    GcmPort(u16),
}

/// Rollover counters tried from each one that a session is known to have begun with.
const ROCS: u32 = 8;
/// The tag of SRTCP with HMAC, in octets.
const HMAC_TAG: usize = 10;
/// The E bit of SRTCP.
const ENCRYPTED: u32 = 1 << 31;

/// The key and the packet index with which a packet verifies.
pub(super) fn of_srtp(
    keys: &[Key],
    began: &BTreeSet<u32>,
    sealed: &Sealed,
) -> Vec<(Identity, u64)> {
    // Only the first source of a session begins where it stands, further ones at 0.
    let tried: BTreeSet<u32> = began
        .iter()
        .chain(&[0])
        .flat_map(|roc| (0..=ROCS).map(|more| roc.wrapping_add(more)))
        .collect();
    let sequence = sealed.index & 0xFFFF;
    let verifies = |key: &&Key, roc: u32| {
        let mut session = session(key, roc);
        let mut buffer = sealed.octets.clone();
        let octets = buffer.len();
        let opened = session.unprotect_srtp(&Portable, &mut buffer, octets, Instant::now());
        opened.is_ok() && session.sources().all(|source| source.roc == roc)
    };
    keys.iter()
        .flat_map(|key| tried.iter().map(move |roc| (key, *roc)))
        .filter(|(key, roc)| verifies(key, *roc))
        .map(|(key, roc)| (Identity::Key(key.octets.clone()), u64::from(roc) << 16 | sequence))
        .collect()
}

/// The key and the SRTCP index with which a packet verifies.
pub(super) fn of_srtcp(keys: &[Key], sealed: &Sealed) -> Vec<(Identity, u64)> {
    let verifies = |key: &&Key| {
        let mut buffer = sealed.octets.clone();
        let octets = buffer.len();
        let opened =
            session(key, 0).unprotect_srtcp(&Portable, &mut buffer, octets, Instant::now());
        opened.is_ok()
    };
    let index = |key: &Key| {
        // The tag follows the index, or with GCM stands before it (RFC 7714 §9.2).
        let tag = if key.suite.is_aead() { 0 } else { key.suite.srtcp_tag_len() };
        word(&sealed.octets, tag + key.mki.len()).map(|word| u64::from(word & !ENCRYPTED))
    };
    keys.iter()
        .filter(verifies)
        .filter_map(|key| Some((Identity::Key(key.octets.clone()), index(key)?)))
        .collect()
}

/// Where the SRTCP index may stand in a packet of unknown keys.
pub(super) fn guesses(sealed: &Sealed) -> Vec<(Identity, u64)> {
    let at = |identity, behind| {
        let word = word(&sealed.octets, behind)?;
        (word & ENCRYPTED != 0).then_some((identity, u64::from(word & !ENCRYPTED)))
    };
    let port = sealed.port;
    let guesses = [at(Identity::Port(port), HMAC_TAG), at(Identity::GcmPort(port), 0)];
    guesses.into_iter().flatten().collect()
}

/// The four octets before the last `behind`.
fn word(octets: &[u8], behind: usize) -> Option<u32> {
    let end = octets.len().checked_sub(behind)?;
    octets.get(..end)?.last_chunk().map(|word| u32::from_be_bytes(*word))
}

fn session(key: &Key, roc: u32) -> Unprotector<agw_srtp::PortableKeys> {
    let parameters = SessionParameters::default();
    let suite: Suite = key.suite;
    Unprotector::new(&Portable, vec![key.opens()], parameters, roc)
        .unwrap_or_else(|error| panic!("{}: {error}", suite.name()))
}
