//! Which keys a source was seen under, and when it makes room for another.

use agw_rtp::Ssrc;

use super::restart::Opened;
use super::{Source, SourceTable};
use crate::room::Room;

impl SourceTable {
    /// The generation of the latest key.
    #[inline(always)]
    pub(crate) fn generation(&self) -> u8 {
        self.generation
    }

    /// From now on packets are opened by keys back to this generation, and by none before it.
    pub(crate) fn hold_since(&mut self, oldest: u8) {
        self.held = self.generation.wrapping_sub(oldest);
    }

    /// A source was seen under the latest key.
    pub(crate) fn note_latest(&mut self, ssrc: Ssrc) {
        let generation = self.generation;
        if let Some(media) = self.find(ssrc).and_then(|place| self.media_at_mut(place)) {
            media.generation = generation;
        }
    }

    /// From now on packets are under another key: sources that are not seen under it may go.
    pub(crate) fn replace_key(&mut self) {
        let next = self.generation.wrapping_add(1);
        // Numbers come round: nothing may pass for new because it is so old.
        self.all_media().for_each(|media| {
            if media.generation == next {
                media.generation = next.wrapping_sub(1);
            }
            media.opened = Opened::nothing();
        });
        self.generation = next;
    }

    /// The key that comes was in force before: no source may go.
    pub(crate) fn hold_all(&mut self) {
        let generation = self.generation;
        self.all_media().for_each(|media| media.generation = generation);
    }

    /// Forgets one source of an egress that only replaced keys have sealed, and tells whether
    /// there was one. Those keys must never seal again.
    #[cold]
    pub(crate) fn forget_replaced(&mut self) -> bool {
        let gone = self.replaced(0);
        gone.inspect(|&gone| self.forget(gone)).is_some()
    }

    /// The first source that was seen only under keys more than `held` before the latest one.
    pub(super) fn replaced(&self, held: u8) -> Option<usize> {
        let others = Room::all(self.others.as_deref()).map(|source| &source.media);
        let mut all = std::iter::once(&self.first).chain(others).take(self.used());
        all.position(|media| self.generation.wrapping_sub(media.generation) > held)
    }

    /// Forgets a source.
    #[cold]
    pub(super) fn forget(&mut self, gone: usize) {
        // Those behind it move up, so that the oldest stays the first to go, and its windows are the
        // next one's: making others could take memory.
        let mut moved = Source::usual();
        for place in (gone..self.used()).rev() {
            self.exchange(place, &mut moved);
        }
        moved.media.srtp.clear();
        moved.srtcp.clear();
        self.used -= 1;
        self.exchange(self.used(), &mut moved);
    }

    fn exchange(&mut self, place: usize, other: &mut Source) {
        if let Some(media) = self.media_at_mut(place) {
            std::mem::swap(media, &mut other.media);
        }
        if let Some(srtcp) = self.srtcp_at_mut(place) {
            std::mem::swap(srtcp, &mut other.srtcp);
        }
    }
}
