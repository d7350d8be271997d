//! How far sources had come under keys that are gone, so that a key that returns opens nothing twice.

use std::fmt;

use agw_rtp::{SequenceNumber, Ssrc};
use subtle::ConstantTimeEq;

use crate::live::{Fingerprint, LiveKey};
use crate::sources::{Refusal, SourceTable, Standing};
use crate::ticket::Protocol;
use crate::usage::Spent;
use crate::{PacketIndex, SessionParameters, SourceState, SrtcpIndex};

/// Keys that [`FormerKeys`] remembers. Further ones are not: they must not return.
pub const MAX_FORMER_KEYS: usize = 64;

/// Sources remembered of one key. What comes beyond counts together, as the furthest of them: that
/// refuses packets of a source that nobody has heard yet rather than opening any twice.
const MAX_MARKS: usize = SessionParameters::MAX_SOURCES as usize;

/// What was opened under ingress keys that are in force no more: per key how many packets, and per
/// source the highest index of each protocol. A key that comes back in force goes on from there.
///
/// Keys are known by their fingerprints, which say nothing about them. The same key under another salt
/// is another one here: its session keys are others, and nothing captured opens under them.
#[derive(Default)]
pub struct FormerKeys {
    keys: Vec<FormerKey>,
}

struct FormerKey {
    fingerprint: Fingerprint,
    spent: Spent,
    horizon: Horizon,
}

/// How far each source had come under a key that returns: nothing up to there is opened again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Horizon {
    marks: Vec<Mark>,
    others: Reached,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    ssrc: Ssrc,
    reached: Reached,
}

/// One above the highest index that was opened; 0 if none was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reached {
    srtp: u64,
    srtcp: u32,
}

impl FormerKeys {
    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes note of a key that leaves with the table that its packets were remembered in. The table
    /// may know more, of other keys that shared it: their indices are behind the key as well.
    pub(crate) fn note<K>(&mut self, key: &LiveKey<K>, sources: &SourceTable) {
        let mut horizon = key.horizon.as_deref().cloned().unwrap_or_default();
        for state in sources.states() {
            horizon.raise(state.ssrc, Reached::of(&state));
        }
        self.raise(key.fingerprint, key.usage.spent(), &horizon);
    }

    /// Takes over what others remember of keys that are `wanted`.
    pub(crate) fn note_all(&mut self, others: &Self, wanted: impl Fn(&Fingerprint) -> bool) {
        let keys = others.keys.iter().filter(|key| wanted(&key.fingerprint));
        for FormerKey { fingerprint, spent, horizon } in keys {
            self.raise(*fingerprint, *spent, horizon);
        }
    }

    /// What is remembered of a key.
    pub(crate) fn of(&self, fingerprint: &Fingerprint) -> Option<(Spent, &Horizon)> {
        let is_it = |key: &&FormerKey| bool::from(key.fingerprint.ct_eq(fingerprint));
        self.keys.iter().find(is_it).map(|key| (key.spent, &key.horizon))
    }

    fn raise(&mut self, fingerprint: Fingerprint, spent: Spent, horizon: &Horizon) {
        if horizon.is_empty() && spent.is_zero() {
            return;
        }
        let is_it = |key: &FormerKey| bool::from(key.fingerprint.ct_eq(&fingerprint));
        let place = self.keys.iter().position(is_it).unwrap_or_else(|| {
            if self.keys.len() < MAX_FORMER_KEYS {
                self.keys.reserve_exact(1);
                let (spent, horizon) = (Spent::default(), Horizon::default());
                self.keys.push(FormerKey { fingerprint, spent, horizon });
                return self.keys.len() - 1;
            }
            MAX_FORMER_KEYS
        });
        if let Some(known) = self.keys.get_mut(place) {
            known.spent = known.spent.max(spent);
            known.horizon.raise_all(horizon);
        }
    }
}

impl fmt::Debug for FormerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormerKeys").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Horizon {
    /// As a key keeps it: nothing if nothing was opened.
    pub(crate) fn kept(self) -> Option<Box<Self>> {
        (!self.is_empty()).then(|| Box::new(self))
    }

    pub(crate) fn raise_all(&mut self, other: &Self) {
        // What there is no mark of there may be among the others there.
        for mark in &mut self.marks {
            mark.reached = mark.reached.max(other.reached(mark.ssrc));
        }
        other.marks.iter().for_each(|mark| self.raise(mark.ssrc, mark.reached));
        self.others = self.others.max(other.others);
    }

    fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.others == Reached::default()
    }

    fn raise(&mut self, ssrc: Ssrc, reached: Reached) {
        if let Some(mark) = self.marks.iter_mut().find(|mark| mark.ssrc == ssrc) {
            mark.reached = mark.reached.max(reached);
        } else if self.marks.len() < MAX_MARKS {
            self.marks.reserve_exact(1);
            // It may have been among the others until now.
            self.marks.push(Mark { ssrc, reached: reached.max(self.others) });
        } else {
            self.others = self.others.max(reached);
        }
    }

    /// The highest index of a source that may have been opened.
    fn highest(&self, ssrc: Ssrc, protocol: Protocol) -> Option<u64> {
        let reached = self.reached(ssrc);
        match protocol {
            Protocol::Srtp => reached.srtp,
            Protocol::Srtcp => reached.srtcp.into(),
        }
        .checked_sub(1)
    }

    fn reached(&self, ssrc: Ssrc) -> Reached {
        let mark = self.marks.iter().find(|mark| mark.ssrc == ssrc);
        mark.map_or(self.others, |mark| mark.reached)
    }

    //= tests/spec/srtp.md#keys-that-return
    //# Under a key that returns nothing at or below the highest index that was opened under it from a
    //# source MUST be opened again.
    /// As [`SourceTable::look_srtp`], for a packet under the key.
    #[cold]
    pub(crate) fn look_srtp(
        &self,
        sources: &SourceTable,
        ssrc: Ssrc,
        sequence: SequenceNumber,
    ) -> Result<Standing, Refusal> {
        match self.highest(ssrc, Protocol::Srtp) {
            Some(highest) => sources.look_srtp_above(ssrc, sequence, highest),
            None => sources.look_srtp(ssrc, sequence),
        }
    }

    /// As [`SourceTable::look_again`], for a packet under the key.
    #[cold]
    pub(crate) fn look_again(
        &self,
        sources: &SourceTable,
        ssrc: Ssrc,
        sequence: SequenceNumber,
    ) -> Option<Standing> {
        match self.highest(ssrc, Protocol::Srtp) {
            Some(highest) => sources.look_again_above(ssrc, sequence, highest),
            None => sources.look_again(ssrc, sequence),
        }
    }

    /// As [`SourceTable::look_srtcp`], for a packet under the key.
    #[cold]
    pub(crate) fn look_srtcp(
        &self,
        sources: &SourceTable,
        ssrc: Ssrc,
        index: SrtcpIndex,
    ) -> Result<Standing, Refusal> {
        let highest = self.highest(ssrc, Protocol::Srtcp);
        if highest.is_some_and(|highest| u64::from(index.get()) <= highest) {
            return Err(Refusal::Replay);
        }
        sources.look_srtcp(ssrc, index)
    }
}

impl Reached {
    fn of(state: &SourceState) -> Self {
        let srtp = state.highest_sequence.map(|it| PacketIndex::new(state.roc, it.0).get() + 1);
        let srtcp = state.srtcp_index.map(|index| index.get() + 1);
        Self { srtp: srtp.unwrap_or_default(), srtcp: srtcp.unwrap_or_default() }
    }

    fn max(self, other: Self) -> Self {
        Self { srtp: self.srtp.max(other.srtp), srtcp: self.srtcp.max(other.srtcp) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(srtp: u64, srtcp: u32) -> Reached {
        Reached { srtp, srtcp }
    }

    #[test]
    fn of_more_sources_than_there_is_room_for_all_further_ones_count_as_the_furthest() {
        let mut horizon = Horizon::default();
        let most = u32::try_from(MAX_MARKS).unwrap();
        for source in 0..most + 2 {
            horizon.raise(Ssrc(source), reached(u64::from(source) + 10, source + 20));
        }
        assert_eq!(horizon.marks.len(), MAX_MARKS);
        assert_eq!(horizon.highest(Ssrc(0), Protocol::Srtp), Some(9));
        for unknown in [most, most + 1, u32::MAX] {
            let highest = |protocol| horizon.highest(Ssrc(unknown), protocol);
            assert_eq!(highest(Protocol::Srtp), Some(u64::from(most) + 10));
            assert_eq!(highest(Protocol::Srtcp), Some(u64::from(most) + 20));
        }
    }

    #[test]
    fn what_is_known_of_a_source_is_the_furthest_of_all_that_was_noted() {
        let mut horizon = Horizon::default();
        let mut other = Horizon::default();
        horizon.raise(Ssrc(1), reached(5, 0));
        other.raise(Ssrc(1), reached(3, 7));
        horizon.raise_all(&other);
        assert_eq!(horizon.highest(Ssrc(1), Protocol::Srtp), Some(4));
        assert_eq!(horizon.highest(Ssrc(1), Protocol::Srtcp), Some(6));
        assert_eq!(horizon.highest(Ssrc(2), Protocol::Srtp), None);
        // One that was among the others there is as far as they are.
        other.others = reached(9, 0);
        other.marks.clear();
        horizon.raise_all(&other);
        assert_eq!(horizon.highest(Ssrc(1), Protocol::Srtp), Some(8));
        assert!(Horizon::default().kept().is_none() && horizon.kept().is_some());
    }

    #[test]
    fn no_more_keys_are_remembered_than_there_is_room_for() {
        let mut former = FormerKeys::default();
        assert!(former.is_empty());
        let mut horizon = Horizon::default();
        horizon.raise(Ssrc(1), reached(1, 1));
        let suite = crate::Suite::AesCm128HmacSha1_80;
        let fingerprint = |number: u8| {
            let key = crate::MasterKey::from_concatenated(suite, &[number; 30]).unwrap();
            Fingerprint::of(&key)
        };
        for number in 0..70 {
            former.raise(fingerprint(number), Spent::default(), &horizon);
            former.raise(fingerprint(100), Spent::default(), &Horizon::default());
        }
        assert_eq!(former.keys.len(), MAX_FORMER_KEYS);
        assert!(former.of(&fingerprint(63)).is_some() && former.of(&fingerprint(64)).is_none());
        assert!(former.of(&fingerprint(100)).is_none(), "nothing was opened under it");
    }
}
