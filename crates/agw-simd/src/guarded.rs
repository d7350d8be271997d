//! Octets between pages that nothing may touch: an access beyond a slice ends the test by a signal.

use std::{ptr, slice};

const PAGE: usize = 4096;

/// Two pages of memory, and a page without any access before and behind them.
pub(crate) struct Guarded {
    start: *mut u8,
}

impl Guarded {
    pub(crate) const OCTETS: usize = 2 * PAGE;

    pub(crate) fn new() -> Self {
        let (access, flags) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address that the kernel chooses.
        let map =
            unsafe { libc::mmap(ptr::null_mut(), Self::OCTETS + 2 * PAGE, access, flags, -1, 0) };
        assert_ne!(map, libc::MAP_FAILED);
        let start = map.cast::<u8>().wrapping_add(PAGE);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the two inner pages of the mapping, which nobody has a reference to.
        let status = unsafe { libc::mprotect(start.cast(), Self::OCTETS, access) };
        assert_eq!(status, 0);
        Self { start }
    }

    /// The first octets: the page before them is out of bounds.
    pub(crate) fn first(&mut self, octets: usize) -> &mut [u8] {
        assert!(octets <= Self::OCTETS);
        // SAFETY: within the two pages, which are zeroed and borrowed through `self` only.
        unsafe { slice::from_raw_parts_mut(self.start, octets) }
    }

    /// The last octets: the page behind them is out of bounds.
    pub(crate) fn last(&mut self, octets: usize) -> &mut [u8] {
        assert!(octets <= Self::OCTETS);
        let start = self.start.wrapping_add(Self::OCTETS - octets);
        // SAFETY: within the two pages, which are zeroed and borrowed through `self` only.
        unsafe { slice::from_raw_parts_mut(start, octets) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let map = self.start.wrapping_sub(PAGE).cast();
        // SAFETY: the mapping of `new`; slices of it borrow `self`, so none is left.
        let status = unsafe { libc::munmap(map, Self::OCTETS + 2 * PAGE) };
        assert_eq!(status, 0);
    }
}
