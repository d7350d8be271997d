//! Memory for datagrams: pages of the process cut into frames, each with one owner.

use std::{
    alloc::{Layout, handle_alloc_error},
    fmt, io,
    ptr::{self, NonNull},
    slice,
};

/// Octets of a frame: one datagram with the room before and behind it.
pub(crate) const FRAME: usize = 2048;

/// Frames side by side in pages of their own, so that the kernel can be given them (`xdp`).
///
/// Pages, not the heap: what a device writes late, after its socket is closed, must not reach
/// memory that has a new owner.
pub(crate) struct Arena {
    start: NonNull<u8>,
    frames: u32,
}

/// The right to one frame of an arena: whoever holds it may read and write the frame's octets.
///
/// There is one for each frame of an arena and no way to copy it. While a frame is the kernel's,
/// its token is in no hands; see [`Frame::returned`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame(u32);

impl Frame {
    /// Takes the token of a frame apart, to give the frame to the kernel.
    pub(crate) fn lend(self) -> u32 {
        self.0
    }

    /// Makes the token of a frame that the kernel has given back.
    ///
    /// # Safety
    /// The frame was lent ([`Frame::lend`]), came back once, and is used with the same arena.
    pub(crate) unsafe fn returned(number: u32) -> Self {
        Self(number)
    }
}

// SAFETY: the arena is plain memory of the process. Its octets are reached through `&mut Frame`
// only, of which there is one per frame, so no two threads reach the same octet.
unsafe impl Send for Arena {}
// SAFETY: as above: sharing an arena gives no access without the token of a frame.
unsafe impl Sync for Arena {}

impl Arena {
    /// Maps zeroed memory for `frames` frames and hands out all their tokens, once.
    ///
    /// # Errors
    /// The kernel's (no memory).
    pub(crate) fn new(frames: u32) -> io::Result<(Self, Vec<Frame>)> {
        let arena = Self { start: map(octets_of(frames))?, frames };
        Ok((arena, (0..frames).map(Frame).collect()))
    }

    /// As [`Arena::new`], but without memory ends the process as `Vec` does.
    pub(crate) fn new_or_abort(frames: u32) -> (Self, Vec<Frame>) {
        Self::new(frames).unwrap_or_else(|_| {
            handle_alloc_error(
                Layout::array::<u8>(octets_of(frames)).unwrap_or(Layout::new::<u8>()),
            )
        })
    }

    /// Where the arena starts: at a page.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Octets of the arena.
    pub(crate) fn octets(&self) -> usize {
        octets_of(self.frames)
    }

    /// The octets of a frame of this arena.
    pub(crate) fn frame<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        let start = self.start_of(frame.0);
        // SAFETY: `start` is the start of a frame inside the mapping, which lives as long as
        // `self` is borrowed; the kernel zeroed it. Writing needs the one token mutably, which is
        // borrowed here for as long as the slice.
        unsafe { slice::from_raw_parts(start.as_ptr(), FRAME) }
    }

    /// The octets of a frame of this arena.
    pub(crate) fn frame_mut<'a>(&'a self, frame: &'a mut Frame) -> &'a mut [u8] {
        let start = self.start_of(frame.0);
        // SAFETY: `start` is the start of a frame inside the mapping, which lives as long as
        // `self` is borrowed; the kernel zeroed it. The token is the only one of this frame and
        // mutably borrowed for as long as the slice, so that nobody else reaches these octets.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), FRAME) }
    }

    /// The place of a frame; a number that is none of this arena's cannot be reached by safe code
    /// and would end at the first frame.
    fn start_of(&self, number: u32) -> NonNull<u8> {
        debug_assert!(number < self.frames, "frame {number} of {}", self.frames);
        let number = if number < self.frames { number } else { 0 };
        // SAFETY: `number` is below the arena's frames, so that the place is inside the mapping.
        unsafe { self.start.add(number as usize * FRAME) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length and is given back once; borrows
        // of it ended with those of `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.octets()) };
    }
}

impl fmt::Debug for Arena {
    /// Without the octets: they may be anybody's conversation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} frames)", self.frames)
    }
}

fn octets_of(frames: u32) -> usize {
    (frames.max(1) as usize).saturating_mul(FRAME)
}

fn map(octets: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: asks for new pages anywhere; nothing that is mapped already is touched.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            octets,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_start_on_cache_lines_are_zeroed_and_do_not_overlap() {
        let (arena, mut frames) = Arena::new(4).unwrap();
        for (number, frame) in frames.iter_mut().enumerate() {
            let octets = arena.frame_mut(frame);
            assert_eq!(octets.as_ptr() as usize % 64, 0);
            assert!(octets.iter().all(|octet| *octet == 0));
            octets.fill(number as u8 + 1);
        }
        for (number, frame) in frames.iter().enumerate() {
            assert!(arena.frame(frame).iter().all(|octet| *octet == number as u8 + 1));
        }
        assert_eq!(arena.octets(), 4 * FRAME);
    }
}
