//! Room for the sources of a session beyond its first, made before packets need it.

use std::iter;

use crate::sources::Source;

/// Sources of a room.
const SOURCES: usize = 4;

/// Room for further sources that packets bring, made ahead of them, so that no packet allocates
/// memory; for all sessions of a thread.
///
/// A packet takes at most one. Whoever fills it between packets ([`SpareRooms::fill`]) sees to it
/// that there is always one; else a packet makes its own, and allocates memory.
#[derive(Debug, Default)]
pub struct SpareRooms {
    first: Option<Box<Room>>,
    len: usize,
}

/// Room for some sources, and the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    sources: [Source; SOURCES],
    next: Option<Box<Room>>,
}

impl SpareRooms {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: None, len: 0 }
    }

    /// Makes as many as are missing, so that there are so many.
    pub fn fill(&mut self, rooms: usize) {
        while self.len < rooms {
            self.first = Some(Room::usual(self.first.take()));
            self.len += 1;
        }
    }

    /// Rooms that there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn take(&mut self) -> Box<Room> {
        let Some(mut room) = self.first.take() else {
            return Room::usual(None);
        };
        self.first = room.next.take();
        self.len -= 1;
        room
    }
}

impl Room {
    fn usual(next: Option<Box<Self>>) -> Box<Self> {
        Box::new(Self { sources: [const { Source::usual() }; SOURCES], next })
    }

    /// Rooms for so many sources.
    pub(crate) fn chain(sources: usize, vacant: &impl Fn() -> Source) -> Option<Box<Self>> {
        let room = |next| Some(Box::new(Self { sources: [(); SOURCES].map(|()| vacant()), next }));
        (0..sources.div_ceil(SOURCES)).fold(None, |next, _| room(next))
    }

    /// The sources of a room and of all behind it.
    #[inline(always)]
    pub(crate) fn all(first: Option<&Self>) -> impl Iterator<Item = &Source> {
        iter::successors(first, |room| room.next.as_deref()).flat_map(|room| &room.sources)
    }

    /// As [`Self::all`], to change them.
    #[inline(always)]
    pub(crate) fn all_mut(first: &mut Option<Box<Self>>) -> impl Iterator<Item = &mut Source> {
        let mut next = first.as_deref_mut();
        iter::from_fn(move || {
            let Self { sources, next: behind } = next.take()?;
            next = behind.as_deref_mut();
            Some(sources)
        })
        .flatten()
    }

    /// Adds rooms until there is a place of this number.
    pub(crate) fn reach(first: &mut Option<Box<Self>>, place: usize, spare: &mut SpareRooms) {
        let mut at = first;
        for _ in 0..=place / SOURCES {
            at = &mut at.get_or_insert_with(|| spare.take()).next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_come_from_what_is_spare_and_are_made_when_there_is_none() {
        let mut spare = SpareRooms::new();
        spare.fill(2);
        spare.fill(1);
        assert_eq!((spare.len(), spare.is_empty()), (2, false));
        let mut first = None;
        for (place, left, sources) in [(0, 1, 4), (3, 1, 4), (4, 0, 8), (8, 0, 12), (1, 0, 12)] {
            Room::reach(&mut first, place, &mut spare);
            assert_eq!((spare.len(), Room::all(first.as_deref()).count()), (left, sources));
            assert_eq!(Room::all_mut(&mut first).count(), sources);
        }
        assert!(spare.is_empty());
    }

    #[test]
    fn a_chain_has_room_for_all() {
        for (sources, room) in [(0, 0), (1, 4), (4, 4), (5, 8), (63, 64)] {
            let chain = Room::chain(sources, &Source::usual);
            assert_eq!(Room::all(chain.as_deref()).count(), room, "{sources}");
        }
    }
}
