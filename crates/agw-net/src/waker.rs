//! An event descriptor that ends a wait from another thread.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd},
    sync::Arc,
};

/// Ends a wait in [`crate::PacketIo::receive`]; cloned freely, used from any thread.
///
/// A wake given while nobody waits is kept for the next wait; several of them count as one.
#[derive(Debug, Clone)]
pub struct Waker {
    event: Arc<File>,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { event: Arc::new(File::from(event_descriptor()?)) })
    }

    /// Ends the wait. Never blocks; a full counter (2^64 - 2 wakes) is as good as a wake.
    pub fn wake(&self) {
        let _ = (&*self.event).write(&1_u64.to_ne_bytes());
    }

    /// Takes the wakes back.
    pub(crate) fn reset(&self) {
        self.take();
    }

    /// Takes the wakes back and tells how many they were.
    pub(crate) fn take(&self) -> u64 {
        let mut count = [0; 8];
        // An empty counter is `EAGAIN`.
        let _ = (&*self.event).read(&mut count);
        u64::from_ne_bytes(count)
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

fn event_descriptor() -> io::Result<OwnedFd> {
    // SAFETY: takes two numbers, touches no memory of ours.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns or closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
