//! The side of libsrtp.

use super::outcome::Protocol;
use super::scenario::{SOURCES, Scenario};
use crate::libsrtp::{Libsrtp, OracleKey, Refusal, Session, SessionSpec, Sources};

/// What the transmit guard looks back at least, as ours does.
const MIN_GUARD: u16 = 128;

/// A sender and a receiver.
pub(super) struct Theirs {
    sender: Session,
    receiver: Session,
}

impl Theirs {
    pub(super) fn new(library: Libsrtp, scenario: &Scenario) -> Result<Self, Refusal> {
        let mut sides = Self {
            sender: library.session(&spec(scenario, 0, Side::Sender))?,
            receiver: library.session(&spec(scenario, 0, Side::Receiver))?,
        };
        sides.start_counters(scenario)?;
        Ok(sides)
    }

    pub(super) fn seal(
        &mut self,
        protocol: Protocol,
        plain: &[u8],
        key: usize,
    ) -> Result<Vec<u8>, Refusal> {
        match protocol {
            Protocol::Srtp => self.sender.protect(plain, key),
            Protocol::Srtcp => self.sender.protect_rtcp(plain, key),
        }
    }

    pub(super) fn open(&mut self, protocol: Protocol, sealed: &[u8]) -> Result<Vec<u8>, Refusal> {
        match protocol {
            Protocol::Srtp => self.receiver.unprotect(sealed),
            Protocol::Srtcp => self.receiver.unprotect_rtcp(sealed),
        }
    }

    pub(super) fn rekey(&mut self, scenario: &Scenario, generation: u8) -> Result<(), Refusal> {
        self.sender.update(&spec(scenario, generation, Side::Sender))?;
        self.receiver.update(&spec(scenario, generation, Side::Receiver))?;
        self.start_counters(scenario)
    }

    /// Sets the rollover counter of the first source, if it has not started: an update forgets what
    /// was set for it. Further ones start at 0.
    fn start_counters(&mut self, scenario: &Scenario) -> Result<(), Refusal> {
        let Some(first) = scenario.first_source().filter(|_| scenario.initial_roc != 0) else {
            return Ok(());
        };
        for session in [&mut self.sender, &mut self.receiver] {
            if session.roc(first)? == 0 {
                session.set_roc(first, scenario.initial_roc)?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Side {
    Sender,
    Receiver,
}

fn spec(scenario: &Scenario, generation: u8, side: Side) -> SessionSpec {
    let keys = (0..scenario.key_count()).map(|key| {
        let (octets, mki) = scenario.key(generation, key);
        OracleKey { octets, mki }
    });
    // Only sources that were listed have a counter to set.
    let sources = match side {
        Side::Sender | Side::Receiver if scenario.initial_roc > 0 => {
            Sources::These(SOURCES.to_vec())
        }
        Side::Sender => Sources::AnyOutbound,
        Side::Receiver => Sources::AnyInbound,
    };
    SessionSpec {
        suite: scenario.suite,
        keys: keys.collect(),
        sources,
        window: match side {
            Side::Sender => scenario.window.max(MIN_GUARD),
            Side::Receiver => scenario.window,
        },
        allow_repeat_tx: false,
        unencrypted_srtp: scenario.unencrypted_srtp,
        unencrypted_srtcp: scenario.unencrypted_srtcp,
    }
}
