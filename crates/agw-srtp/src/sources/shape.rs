//! Another size of windows, another number of sources.

use super::{Media, Source, SourceTable};
use crate::ReplayWindow;
use crate::room::{Room, SpareRooms};
use crate::ticket::Protocol;

impl SourceTable {
    /// Takes another size of windows and another number of sources; nothing that was seen is
    /// forgotten. Takes memory: for re-keys, not for packets.
    pub(crate) fn reshape(&mut self, window: u16, most: u8) {
        let vacant = || Source { media: Media::vacant(window), srtcp: ReplayWindow::new(window) };
        let has_size = self.first.srtp.size() == ReplayWindow::new(window).size();
        if has_size && (self.first.srtp.is_usual() || most <= self.most) {
            self.most = most;
            return;
        }
        let mut new = Self::with_room(self.initial_roc, window, most.max(self.used), vacant);
        new.first_srtcp = self.first_srtcp.take().map(|srtcp| Box::new(srtcp.resized(window)));
        (new.used, new.generation, new.held) = (self.used, self.generation, self.held);
        let mut spare = SpareRooms::new();
        for place in 0..self.used() {
            if let Some(further) = place.checked_sub(1) {
                Room::reach(&mut new.others, further, &mut spare);
                let srtcp = self.window(place, Protocol::Srtcp).map(|srtcp| srtcp.resized(window));
                if let (Some(old), Some(new)) = (srtcp, new.srtcp_at_mut(place)) {
                    *new = old;
                }
            }
            if let (Some(old), Some(new)) = (self.media(place), new.media_at_mut(place)) {
                let Media { srtp, ssrc, generation, opened } = old;
                let srtp = srtp.resized(window);
                let (ssrc, generation, opened) = (*ssrc, *generation, *opened);
                *new = Media { srtp, ssrc, generation, opened };
            }
        }
        *self = Self { most, ..new };
    }
}
