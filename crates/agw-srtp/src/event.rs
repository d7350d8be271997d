//! What a session reports about its keys, each once per key.

/// Something about the key in force that the controller should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyEvent {
    /// Nine tenths of the key's SRTP or SRTCP packets are used; a new key is due.
    LifetimeWarning,
    /// The key is used up; nothing passes under it any more (RFC 3711 §9.2).
    LifetimeExpired,
    /// A staged key was activated by the first packet that carried its identifier.
    Activated {
        /// The number under which it was staged.
        number: u32,
    },
}

/// Events that wait for collection; each kind at most once.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PendingEvents {
    activated: bool,
    warning: bool,
    expired: bool,
}

impl PendingEvents {
    pub(crate) fn push(&mut self, event: KeyEvent) {
        match event {
            KeyEvent::Activated { .. } => self.activated = true,
            KeyEvent::LifetimeWarning => self.warning = true,
            KeyEvent::LifetimeExpired => self.expired = true,
        }
    }

    /// Says nothing about the end of a lifetime that is counted elsewhere.
    pub(crate) fn forget_lifetime(&mut self) {
        self.warning = false;
        self.expired = false;
    }

    /// The next one; `activated` is the number of the key that a packet may have activated.
    pub(crate) fn pop(&mut self, activated: u32) -> Option<KeyEvent> {
        [
            (&mut self.activated, KeyEvent::Activated { number: activated }),
            (&mut self.warning, KeyEvent::LifetimeWarning),
            (&mut self.expired, KeyEvent::LifetimeExpired),
        ]
        .into_iter()
        .find_map(|(pending, event)| std::mem::take(pending).then_some(event))
    }
}
