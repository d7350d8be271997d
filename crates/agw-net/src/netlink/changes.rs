//! Waiting for a change of links or addresses, whatever it is.

use std::{io, os::fd::AsFd, time::Duration};

use super::socket::{Heard, Listener};
use crate::poller::Poller;

/// Tells when an interface or an address of this thread's network namespace may have changed.
pub struct AddressChanges {
    listener: Listener,
    poller: Poller,
}

impl AddressChanges {
    /// Listens from now on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new() -> io::Result<Self> {
        let (listener, poller) = (Listener::of_addresses()?, Poller::new()?);
        poller.add_queue(listener.as_fd(), 0)?;
        Ok(Self { listener, poller })
    }

    /// Waits until something changes, or for this time at the longest. What changes together is
    /// one change.
    ///
    /// # Errors
    /// Only what nobody can cause from outside (a bad descriptor).
    pub fn wait(&mut self, longest: Duration) -> io::Result<()> {
        self.poller.wait(Some(longest))?;
        while !matches!(self.listener.hear(), Heard::Nothing) {}
        Ok(())
    }
}
