//! Rings that a socket shares with the kernel: one side produces, the other consumes.
//!
//! ```text
//!   producer ──▶ next entry to write      entries between the two are the consumer's;
//!   consumer ──▶ next entry to read       both count up for ever and wrap at 2^32
//! ```

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsRawFd, BorrowedFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
};

/// Where the parts of a ring are in its mapping, in octets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RingOffsets {
    pub(crate) producer: usize,
    pub(crate) consumer: usize,
    pub(crate) flags: usize,
    pub(crate) entries: usize,
}

impl From<libc::xdp_ring_offset> for RingOffsets {
    fn from(told: libc::xdp_ring_offset) -> Self {
        let octets = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        Self {
            producer: octets(told.producer),
            consumer: octets(told.consumer),
            flags: octets(told.flags),
            entries: octets(told.desc),
        }
    }
}

/// A mapped ring of entries that are plain numbers (`u64`, `xdp_desc`).
struct Ring<T> {
    start: NonNull<u8>,
    octets: usize,
    offsets: RingOffsets,
    entries: u32,
    of: PhantomData<T>,
}

// SAFETY: a ring is shared memory reached through `&mut` by the one owner of this side, and by
// the kernel on the other side by the protocol of the two counters; no thread is special to it.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T: Copy> Ring<T> {
    /// Maps a ring of `entries` (a power of two) of a descriptor.
    fn map(
        descriptor: BorrowedFd<'_>,
        page_offset: libc::off_t,
        offsets: RingOffsets,
        entries: u32,
    ) -> io::Result<Self> {
        let octets = offsets.entries.saturating_add(entries as usize * size_of::<T>());
        let counters = [offsets.producer, offsets.consumer, offsets.flags];
        let inside = counters.iter().all(|at| at % 4 == 0 && at.saturating_add(4) <= octets);
        if !entries.is_power_of_two() || !inside || !offsets.entries.is_multiple_of(align_of::<T>())
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: asks for new pages anywhere; nothing that is mapped already is touched; the
        // descriptor is open while borrowed and need not outlive the mapping.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                octets,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                descriptor.as_raw_fd(),
                page_offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(start) = NonNull::new(start.cast()) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        Ok(Self { start, octets, offsets, entries, of: PhantomData })
    }

    fn producer(&self) -> &AtomicU32 {
        self.counter(self.offsets.producer)
    }

    fn consumer(&self) -> &AtomicU32 {
        self.counter(self.offsets.consumer)
    }

    fn flags(&self) -> &AtomicU32 {
        self.counter(self.offsets.flags)
    }

    fn counter(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: `map` has checked that each of the offsets leaves four octets in the mapping.
        let place = unsafe { self.start.add(offset) };
        // SAFETY: four octets of the mapping, aligned (checked by `map`; a mapping starts at a
        // page), written by either side as one atomic number, alive as long as `self`.
        unsafe { place.cast::<AtomicU32>().as_ref() }
    }

    /// The place of the entry with this count.
    fn entry(&self, count: u32) -> NonNull<T> {
        let position = (count & (self.entries - 1)) as usize;
        let offset = self.offsets.entries + position * size_of::<T>();
        // SAFETY: the mapping reaches over `entries` entries behind the offset, and `position` is
        // below that number.
        unsafe { self.start.add(offset) }.cast()
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length and is given back once; borrows
        // of it ended with those of `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.octets) };
    }
}

/// The side that writes entries: the program's end of the fill and transmit rings.
pub(crate) struct Producer<T> {
    ring: Ring<T>,
    /// Entries written so far, also those not yet published.
    written: u32,
    /// The newest known count of the consumer.
    consumed: u32,
}

impl<T: Copy> Producer<T> {
    pub(crate) fn map(
        descriptor: BorrowedFd<'_>,
        page_offset: libc::off_t,
        offsets: RingOffsets,
        entries: u32,
    ) -> io::Result<Self> {
        let ring = Ring::map(descriptor, page_offset, offsets, entries)?;
        let written = ring.producer().load(Ordering::Relaxed);
        let consumed = ring.consumer().load(Ordering::Acquire);
        Ok(Self { ring, written, consumed })
    }

    /// Room for entries; looks at the consumer only if there seems to be less than `wanted`.
    pub(crate) fn room(&mut self, wanted: u32) -> u32 {
        if self.known_room() < wanted {
            self.consumed();
        }
        self.known_room()
    }

    fn known_room(&self) -> u32 {
        self.ring.entries.saturating_sub(self.written.wrapping_sub(self.consumed))
    }

    /// Writes an entry that the consumer sees after [`Producer::publish`]; tells its count, or
    /// `None` if the ring is full.
    pub(crate) fn write(&mut self, entry: T) -> Option<u32> {
        if self.room(1) == 0 {
            return None;
        }
        let count = self.written;
        let place = self.ring.entry(count);
        // SAFETY: the place is inside the mapping and aligned; the consumer does not read it
        // before the counter passes it, which only `publish` of this owner lets happen.
        unsafe { place.write(entry) };
        self.written = count.wrapping_add(1);
        Some(count)
    }

    /// Lets the consumer see what was written.
    pub(crate) fn publish(&mut self) {
        self.ring.producer().store(self.written, Ordering::Release);
    }

    /// Entries written so far, modulo 2^32.
    pub(crate) fn written(&self) -> u32 {
        self.written
    }

    /// Entries consumed so far, modulo 2^32, asked anew.
    pub(crate) fn consumed(&mut self) -> u32 {
        self.consumed = self.ring.consumer().load(Ordering::Acquire);
        self.consumed
    }

    /// Whether the kernel sleeps until it is called.
    pub(crate) fn needs_wakeup(&self) -> bool {
        self.ring.flags().load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }
}

/// The side that reads entries: the program's end of the receive and completion rings.
pub(crate) struct Consumer<T> {
    ring: Ring<T>,
    /// Entries read so far, also those not yet released.
    read: u32,
    /// The newest known count of the producer.
    produced: u32,
}

impl<T: Copy> Consumer<T> {
    pub(crate) fn map(
        descriptor: BorrowedFd<'_>,
        page_offset: libc::off_t,
        offsets: RingOffsets,
        entries: u32,
    ) -> io::Result<Self> {
        let ring = Ring::map(descriptor, page_offset, offsets, entries)?;
        let read = ring.consumer().load(Ordering::Relaxed);
        let produced = ring.producer().load(Ordering::Acquire);
        Ok(Self { ring, read, produced })
    }

    /// Entries that can be read, asked anew.
    pub(crate) fn available(&mut self) -> u32 {
        self.produced = self.ring.producer().load(Ordering::Acquire);
        self.produced.wrapping_sub(self.read)
    }

    /// Reads the oldest entry; looks at the producer only if none is known.
    pub(crate) fn read(&mut self) -> Option<T> {
        if self.produced == self.read && self.available() == 0 {
            return None;
        }
        let place = self.ring.entry(self.read);
        // SAFETY: the place is inside the mapping and aligned; the producer wrote it before it
        // moved its counter past it (`Acquire`), and does not write it again before `release`.
        let entry = unsafe { place.read() };
        self.read = self.read.wrapping_add(1);
        Some(entry)
    }

    /// Gives the entries that were read back to the producer.
    pub(crate) fn release(&mut self) {
        self.ring.consumer().store(self.read, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        os::fd::{AsFd, FromRawFd},
        thread,
    };

    use super::*;

    const OFFSETS: RingOffsets =
        RingOffsets { producer: 0, consumer: 64, flags: 128, entries: 192 };

    /// Both ends of a ring over memory that is shared as with the kernel.
    fn ring(entries: u32) -> (Producer<u64>, Consumer<u64>) {
        // SAFETY: takes a name that ends in a zero, and a number.
        let descriptor = unsafe { libc::memfd_create(c"ring".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(descriptor >= 0);
        // SAFETY: the kernel has just made this descriptor for us.
        let memory = unsafe { File::from_raw_fd(descriptor) };
        memory.set_len(4096).unwrap();
        (
            Producer::map(memory.as_fd(), 0, OFFSETS, entries).unwrap(),
            Consumer::map(memory.as_fd(), 0, OFFSETS, entries).unwrap(),
        )
    }

    #[test]
    fn entries_are_seen_once_published_and_room_comes_back_once_released() {
        let (mut producer, mut consumer) = ring(4);
        for number in 0..4 {
            assert_eq!(producer.write(number), Some(number as u32));
        }
        assert_eq!(producer.write(9), None);
        assert_eq!(consumer.read(), None);

        producer.publish();
        assert_eq!(consumer.available(), 4);
        assert_eq!([consumer.read(), consumer.read()], [Some(0), Some(1)]);
        assert_eq!(producer.room(1), 0);

        consumer.release();
        assert_eq!(producer.room(1), 2);
        assert_eq!(producer.consumed(), 2);
    }

    #[test]
    fn the_counters_wrap_without_losing_or_repeating_an_entry() {
        let (mut producer, mut consumer) = ring(4);
        let start = u32::MAX - 1;
        for counter in [&mut producer.written, &mut producer.consumed] {
            *counter = start;
        }
        (consumer.read, consumer.produced) = (start, start);
        producer.publish();
        consumer.release();

        for number in 0..10 {
            assert!(producer.write(number).is_some());
            producer.publish();
            assert_eq!(consumer.read(), Some(number));
            consumer.release();
        }
        assert_eq!(producer.room(4), 4);
    }

    #[test]
    fn two_threads_pass_every_entry_once_and_in_order() {
        let (mut producer, mut consumer) = ring(8);
        let reading = thread::spawn(move || {
            for expected in 0..20_000 {
                let number = loop {
                    match consumer.read() {
                        Some(number) => break number,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(number, expected);
                consumer.release();
            }
        });
        for number in 0..20_000 {
            while producer.write(number).is_none() {
                thread::yield_now();
            }
            producer.publish();
        }
        reading.join().unwrap();
    }

    #[test]
    fn a_ring_that_would_reach_outside_its_mapping_is_refused() {
        let memory = File::open("/dev/zero").unwrap();
        for entries in [0, 3] {
            assert!(Producer::<u64>::map(memory.as_fd(), 0, OFFSETS, entries).is_err());
        }
        for wild in [usize::MAX - 3, 3] {
            let offsets = RingOffsets { flags: wild, ..OFFSETS };
            assert!(Consumer::<u64>::map(memory.as_fd(), 0, offsets, 8).is_err());
        }
    }
}
