//! One AF_XDP socket: a queue of an interface, its four rings, and when to call the kernel.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use super::{
    options::{BusyPoll, XdpMode},
    ring::{Consumer, Producer},
    sys,
    umem::Umem,
};
use crate::{ErrnoClass, options::set_number};

/// What a socket is bound to, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding {
    /// Number of the interface.
    pub(crate) interface: u32,
    pub(crate) queue: u32,
    /// Entries of each ring: a power of two.
    pub(crate) ring: u32,
    pub(crate) mode: XdpMode,
    pub(crate) busy_poll: Option<BusyPoll>,
}

/// An AF_XDP socket with receive, transmit, fill and completion ring.
pub(crate) struct XdpSocket {
    // Before the descriptor: mappings go first.
    fill: Producer<u64>,
    completion: Consumer<u64>,
    receive: Consumer<libc::xdp_desc>,
    transmit: Producer<libc::xdp_desc>,
    descriptor: OwnedFd,
    binding: Binding,
    zero_copy: bool,
    busy: bool,
    /// Up to where the kernel is known to have taken entries of the transmit ring. Ahead of what
    /// the ring says after a refused frame, which the kernel publishes only with the next success.
    taken: u32,
}

impl XdpSocket {
    /// Opens and binds a socket; the first socket of a UMEM registers it, the others share it.
    ///
    /// # Errors
    /// The kernel's: `EPERM` without CAP_NET_RAW; `EBUSY` for a queue somebody else has;
    /// `EOPNOTSUPP` for a mode that driver or device has not; `EINVAL` for a queue there is not.
    pub(crate) fn open(
        umem: &Umem,
        binding: Binding,
        shared: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        let descriptor = sys::socket()?;
        let socket = descriptor.as_fd();
        if shared.is_none() {
            umem.register(socket)?;
        }
        let rings = [
            libc::XDP_UMEM_FILL_RING,
            libc::XDP_UMEM_COMPLETION_RING,
            libc::XDP_RX_RING,
            libc::XDP_TX_RING,
        ];
        for ring in rings {
            sys::set_option(socket, ring, &binding.ring)?;
        }
        let offsets: libc::xdp_mmap_offsets = sys::option(socket)?;
        let (entries, fill_page) = (binding.ring, libc::XDP_UMEM_PGOFF_FILL_RING as libc::off_t);
        let completion_page = libc::XDP_UMEM_PGOFF_COMPLETION_RING as libc::off_t;
        let fill = Producer::map(socket, fill_page, offsets.fr.into(), entries)?;
        let completion = Consumer::map(socket, completion_page, offsets.cr.into(), entries)?;
        let receive = Consumer::map(socket, libc::XDP_PGOFF_RX_RING, offsets.rx.into(), entries)?;
        let transmit = Producer::map(socket, libc::XDP_PGOFF_TX_RING, offsets.tx.into(), entries)?;
        let busy = binding.busy_poll.map(|wanted| prefer_busy_poll(socket, wanted)).transpose()?;
        // A socket that shares takes the mode of the first; the kernel refuses flags of its own.
        let flags = match shared {
            Some(_) => libc::XDP_SHARED_UMEM,
            None => libc::XDP_USE_NEED_WAKEUP | mode_flag(binding.mode),
        };
        sys::bind(socket, binding.interface, binding.queue, flags, shared)?;
        let told: libc::xdp_options = sys::option(socket)?;
        let zero_copy = told.flags & libc::XDP_OPTIONS_ZEROCOPY != 0;
        let (busy, taken) = (busy.is_some(), transmit.written());
        Ok(Self {
            fill,
            completion,
            receive,
            transmit,
            descriptor,
            binding,
            zero_copy,
            busy,
            taken,
        })
    }

    pub(crate) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Whether the device reads and writes the frames itself.
    pub(crate) fn is_zero_copy(&self) -> bool {
        self.zero_copy
    }

    /// Datagrams that wait in the receive ring.
    pub(crate) fn available(&mut self) -> u32 {
        self.receive.available()
    }

    /// Takes the oldest received frame. Call [`XdpSocket::release`] after the last one.
    pub(crate) fn receive(&mut self) -> Option<libc::xdp_desc> {
        self.receive.read()
    }

    /// Gives the places of received frames in the ring back.
    pub(crate) fn release(&mut self) {
        self.receive.release();
    }

    /// Gives free frames to the kernel to receive into, as many as there is room for beyond a
    /// reserve, and wakes the kernel if it waits for them.
    pub(crate) fn refill(&mut self, umem: &mut Umem, reserve: usize) {
        let spare = u32::try_from(umem.free().saturating_sub(reserve)).unwrap_or(u32::MAX);
        let count = self.fill.room(spare).min(spare);
        for _ in 0..count {
            let Some(frame) = umem.take() else {
                break;
            };
            // There is room: asked for above, and only the kernel changes it, for the better.
            self.fill.write(umem.lend(frame));
        }
        if count > 0 {
            self.fill.publish();
        }
        // Also with nothing new: a device may have said so after the last look, or was not up then,
        // and with a full ring before it nothing else would ever wake it.
        if self.fill.needs_wakeup() {
            self.poll_kernel();
        }
    }

    /// Takes frames that have been sent back from the kernel.
    pub(crate) fn reap(&mut self, umem: &mut Umem) {
        let mut reaped = false;
        while let Some(address) = self.completion.read() {
            if let Some((frame, _)) = umem.take_back(address) {
                umem.put(frame);
            }
            reaped = true;
        }
        if reaped {
            self.completion.release();
        }
    }

    /// Queues a frame for sending; tells its count, or `None` if the ring is full. It leaves with
    /// the next [`XdpSocket::flush`].
    pub(crate) fn queue(&mut self, address: u64, octets: usize) -> Option<u32> {
        let len = u32::try_from(octets).ok()?;
        self.transmit.write(libc::xdp_desc { addr: address, len, options: 0 })
    }

    /// Whether a frame can be queued: its place in the ring is free, and so is what the caller keeps
    /// by that place.
    pub(crate) fn has_room(&mut self) -> bool {
        self.unsent() < self.binding.ring && self.transmit.room(1) > 0
    }

    /// Frames that were queued and that no flush has told to be taken. A device takes them at any
    /// time; only a flush tells.
    pub(crate) fn unsent(&self) -> u32 {
        self.transmit.written().wrapping_sub(self.taken)
    }

    /// Lets the kernel send what is queued. `taken` gets the count of each frame that the kernel
    /// took, with the reason if it dropped it at once.
    ///
    /// A call may send only part of the ring, so it is repeated as long as it helps; what is left
    /// because the device takes no more is tried again with the next flush. Tells why the kernel
    /// sends nothing at all, if so: the interface is down, or gone, and then all that is left is
    /// reported as dropped.
    pub(crate) fn flush(
        &mut self,
        umem: &mut Umem,
        mut taken: impl FnMut(u32, Option<ErrnoClass>),
    ) -> Option<ErrnoClass> {
        self.transmit.publish();
        let mut idle = 0;
        while self.unsent_after(None, &mut taken) > 0 && idle < PATIENCE {
            if self.zero_copy && !self.transmit.needs_wakeup() {
                return None;
            }
            let before = self.taken;
            let refused = sys::kick_transmit(self.descriptor.as_fd()).err();
            let number = refused.as_ref().and_then(io::Error::raw_os_error);
            // One frame, the last one taken, was dropped by the device or the interface.
            let dropped = number == Some(libc::EBUSY) && !self.zero_copy;
            let dropped = dropped.then_some(ErrnoClass::NoBuffers);
            self.unsent_after(dropped, &mut taken);
            match (number, refused) {
                (None | Some(libc::EBUSY), _) => {}
                // The kernel's part of a call is over, or its memory: completions may help.
                (Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR), _) => {
                    self.reap(umem);
                }
                (Some(_), refused) => {
                    let class = refused.as_ref().map(ErrnoClass::of);
                    // A driver may say so while it makes its rings anew.
                    if class == Some(ErrnoClass::NoDevice) && !self.zero_copy {
                        self.abandon(&mut taken);
                    }
                    return class;
                }
            }
            idle = if self.taken == before || self.zero_copy { idle + 1 } else { 0 };
        }
        None
    }

    /// Reports what the kernel has taken since last asked, the last one of it as dropped for a
    /// reason; tells how many it has not taken.
    fn unsent_after(
        &mut self,
        dropped: Option<ErrnoClass>,
        taken: &mut impl FnMut(u32, Option<ErrnoClass>),
    ) -> u32 {
        let before = self.taken;
        self.look();
        if dropped.is_some() && self.taken == before {
            self.taken = self.taken.wrapping_add(1);
        }
        let last = self.taken.wrapping_sub(1);
        let mut count = before;
        while count != self.taken {
            taken(count, dropped.filter(|_| count == last));
            count = count.wrapping_add(1);
        }
        self.unsent()
    }

    /// Reports what is left as dropped: the kernel has unbound the socket for good. The frames stay
    /// lent, as those to receive into do.
    fn abandon(&mut self, taken: &mut impl FnMut(u32, Option<ErrnoClass>)) {
        while self.taken != self.transmit.written() {
            taken(self.taken, Some(ErrnoClass::NoDevice));
            self.taken = self.taken.wrapping_add(1);
        }
    }

    /// Follows the kernel's count, unless this side is ahead of it.
    fn look(&mut self) {
        let told = self.transmit.consumed();
        if told.wrapping_sub(self.taken) <= i32::MAX.unsigned_abs() {
            self.taken = told;
        }
    }

    /// Lets the kernel look at the device and the fill ring.
    pub(crate) fn poll_kernel(&self) {
        // Nothing is lost if it cannot: the next round asks again, or the interface is down.
        let _ = sys::kick_receive(self.descriptor.as_fd());
    }

    /// Whether the device is to be polled from the program's calls rather than by interrupts.
    pub(crate) fn is_busy_polled(&self) -> bool {
        self.busy
    }

    /// Frames that the kernel dropped at this socket since it was opened.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn drops(&self) -> io::Result<u64> {
        let told: libc::xdp_statistics = sys::option(self.descriptor.as_fd())?;
        // A frame that found nothing in the fill ring is among `rx_dropped`.
        Ok(told.rx_dropped + told.rx_ring_full)
    }
}

impl AsFd for XdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for XdpSocket {
    fn as_raw_fd(&self) -> i32 {
        self.descriptor.as_raw_fd()
    }
}

/// Calls in a row that move nothing until a flush gives up.
const PATIENCE: u32 = 3;

fn mode_flag(mode: XdpMode) -> u16 {
    match mode {
        XdpMode::Auto => 0,
        XdpMode::ZeroCopy => libc::XDP_ZEROCOPY,
        XdpMode::Copy => libc::XDP_COPY,
    }
}

fn prefer_busy_poll(socket: BorrowedFd<'_>, wanted: BusyPoll) -> io::Result<()> {
    let BusyPoll { time, budget } = wanted;
    let microseconds = libc::c_int::try_from(time.as_micros()).unwrap_or(libc::c_int::MAX);
    let budget = libc::c_int::from(budget);
    set_number(socket, libc::SOL_SOCKET, SO_PREFER_BUSY_POLL, 1)?;
    set_number(socket, libc::SOL_SOCKET, libc::SO_BUSY_POLL, microseconds)?;
    set_number(socket, libc::SOL_SOCKET, SO_BUSY_POLL_BUDGET, budget)
}

/// `asm-generic/socket.h`; x86-64 and AArch64 use the generic numbers.
const SO_PREFER_BUSY_POLL: libc::c_int = 69;
/// Likewise.
const SO_BUSY_POLL_BUDGET: libc::c_int = 70;

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::FromRawFd};

    use super::{super::ring::RingOffsets, *};

    const ENTRIES: u32 = 4;

    /// A socket that a device serves by itself, and the device's end of its transmit ring.
    fn served() -> (XdpSocket, Consumer<libc::xdp_desc>) {
        // SAFETY: takes a name that ends in a zero, and a number.
        let descriptor = unsafe { libc::memfd_create(c"rings".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(descriptor >= 0);
        // SAFETY: the kernel has just made this descriptor for us.
        let memory = unsafe { File::from_raw_fd(descriptor) };
        memory.set_len(4 * 4096).unwrap();
        let offsets = RingOffsets { producer: 0, consumer: 64, flags: 128, entries: 192 };
        let mode = XdpMode::ZeroCopy;
        let binding = Binding { interface: 0, queue: 0, ring: ENTRIES, mode, busy_poll: None };
        let socket = XdpSocket {
            fill: Producer::map(memory.as_fd(), 0, offsets, ENTRIES).unwrap(),
            completion: Consumer::map(memory.as_fd(), 4096, offsets, ENTRIES).unwrap(),
            receive: Consumer::map(memory.as_fd(), 8192, offsets, ENTRIES).unwrap(),
            transmit: Producer::map(memory.as_fd(), 12_288, offsets, ENTRIES).unwrap(),
            descriptor: memory.as_fd().try_clone_to_owned().unwrap(),
            binding,
            zero_copy: true,
            busy: false,
            taken: 0,
        };
        (socket, Consumer::map(memory.as_fd(), 12_288, offsets, ENTRIES).unwrap())
    }

    fn flushed(socket: &mut XdpSocket) -> Vec<(u32, Option<ErrnoClass>)> {
        let (mut umem, mut told) = (Umem::new(1).unwrap(), Vec::new());
        assert_eq!(socket.flush(&mut umem, |count, refused| told.push((count, refused))), None);
        told
    }

    #[test]
    fn what_a_device_takes_between_two_flushes_is_told_once_and_its_place_kept_until_then() {
        let (mut socket, mut device) = served();
        for count in 0..ENTRIES {
            assert_eq!(socket.queue(0, 100), Some(count));
        }
        assert_eq!(flushed(&mut socket), []);
        for _ in 0..3 {
            assert!(device.read().is_some());
        }
        device.release();

        assert!(socket.unsent() > 0, "nobody was told");
        assert!(!socket.has_room(), "what is known about the first would be overwritten");
        assert_eq!(flushed(&mut socket), [(0, None), (1, None), (2, None)]);
        assert_eq!(socket.unsent(), 1);
        assert!(socket.has_room());
        assert!(device.read().is_some());
        device.release();
        assert_eq!(flushed(&mut socket), [(3, None)]);
        assert_eq!(flushed(&mut socket), []);
        assert_eq!(socket.unsent(), 0);
    }
}
