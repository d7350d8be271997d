//! The memory that sockets share with the kernel (UMEM), and who has which frame.

use std::{io, os::fd::BorrowedFd, sync::Arc};

use super::sys;
use crate::arena::{Arena, FRAME, Frame};

/// Frames of one worker: every AF_XDP socket of the worker receives into them and sends from them.
///
/// A frame is in one of three places: here as free, in the hands of a batch, or lent to the kernel.
pub(crate) struct Umem {
    arena: Arc<Arena>,
    free: Vec<Frame>,
    /// Which frames the kernel has: what comes back must have been lent.
    lent: Box<[bool]>,
}

impl Umem {
    /// Maps memory for `frames` frames.
    ///
    /// # Errors
    /// The kernel's (no memory).
    pub(crate) fn new(frames: u32) -> io::Result<Self> {
        let (arena, free) = Arena::new(frames)?;
        let lent = vec![false; free.len()].into_boxed_slice();
        Ok(Self { arena: Arc::new(arena), free, lent })
    }

    /// Tells the kernel of this memory by the first socket that uses it.
    ///
    /// # Errors
    /// The kernel's: `ENOBUFS` if more is locked than `RLIMIT_MEMLOCK` allows.
    pub(crate) fn register(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let region = libc::xdp_umem_reg {
            addr: self.arena.start().as_ptr() as u64,
            len: self.arena.octets() as u64,
            chunk_size: FRAME as u32,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        sys::set_option(socket, libc::XDP_UMEM_REG, &region)
    }

    pub(crate) fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    /// Frames that are neither lent nor in a batch.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// Takes a free frame.
    pub(crate) fn take(&mut self) -> Option<Frame> {
        self.free.pop()
    }

    /// Puts a frame back.
    pub(crate) fn put(&mut self, frame: Frame) {
        self.free.push(frame);
    }

    /// Gives a frame to the kernel; tells its address.
    pub(crate) fn lend(&mut self, frame: Frame) -> u64 {
        let number = frame.lend();
        if let Some(lent) = self.lent.get_mut(number as usize) {
            *lent = true;
        }
        u64::from(number) * FRAME as u64
    }

    /// Takes the frame of an address back from the kernel, with the offset in it; `None` for what
    /// was not lent, which the kernel does not do.
    pub(crate) fn take_back(&mut self, address: u64) -> Option<(Frame, usize)> {
        let number = usize::try_from(address / FRAME as u64).ok()?;
        let lent = self.lent.get_mut(number).filter(|lent| **lent)?;
        *lent = false;
        // SAFETY: the frame was lent (just checked), comes back now and not again before it is
        // lent again, and this UMEM has one arena.
        let frame = unsafe { Frame::returned(u32::try_from(number).ok()?) };
        Some((frame, (address % FRAME as u64) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_from_the_kernel_once_and_only_if_it_was_lent() {
        let mut umem = Umem::new(4).unwrap();
        let frame = umem.take().unwrap();
        let address = umem.lend(frame);

        assert!(umem.take_back(address ^ FRAME as u64).is_none());
        assert!(umem.take_back(u64::MAX).is_none());
        let (frame, offset) = umem.take_back(address + 298).unwrap();
        assert_eq!(offset, 298);
        assert!(umem.take_back(address).is_none());

        umem.put(frame);
        assert_eq!(umem.free(), 4);
    }
}
