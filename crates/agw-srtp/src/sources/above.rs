//! Looking for indices above what a source has reached already, elsewhere or before.

use agw_rtp::{SequenceNumber, Ssrc};

use super::{Refusal, SourceTable, Standing, look};
use crate::ticket::Protocol;
use crate::{PacketIndex, estimate_index};

impl SourceTable {
    /// As [`Self::look_srtp`], for a source that has come as far as `highest` under the packet's key,
    /// which this table may not know: the rollover counter goes on from there, unless the table
    /// knows of more or was told to start further on.
    pub(crate) fn look_srtp_above(
        &self,
        ssrc: Ssrc,
        sequence: SequenceNumber,
        highest: u64,
    ) -> Result<Standing, Refusal> {
        let place = self.place(ssrc)?;
        let window = place.and_then(|place| self.window(place, Protocol::Srtp));
        let [first, _] = self.indices_above(ssrc, sequence, highest);
        if first <= highest { Err(Refusal::Replay) } else { look(window, first) }
    }

    /// As [`Self::look_srtp_above`] with the other index that the packet may have; `None` for a
    /// source that this table knows.
    pub(crate) fn look_again_above(
        &self,
        ssrc: Ssrc,
        sequence: SequenceNumber,
        highest: u64,
    ) -> Option<Standing> {
        let place = self.place(ssrc).ok()?;
        let window = place.and_then(|place| self.window(place, Protocol::Srtp));
        let [first, other] = self.indices_above(ssrc, sequence, highest);
        if other <= highest || other == first { None } else { look(window, other).ok() }
    }

    /// The index that a packet most probably has, and the other one that it may have.
    fn indices_above(&self, ssrc: Ssrc, sequence: SequenceNumber, highest: u64) -> [u64; 2] {
        let place = self.find(ssrc);
        let window = place.and_then(|place| self.window(place, Protocol::Srtp));
        let above = |highest| estimate_index(PacketIndex::from_window(highest), sequence).get();
        if let Some(seen) = window.and_then(|window| window.highest()) {
            return [above(seen.max(highest)); 2];
        }
        let start = self.starting_roc();
        let (told, goes_on) = (PacketIndex::new(start, sequence.0).get(), above(highest));
        if start != 0 && told > highest { [told, goes_on] } else { [goes_on, told] }
    }
}
