//! Session parameters and what a re-key does to indices.

use crate::KeyError;

/// What both ends agreed on beside the keys (RFC 4568 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionParameters {
    /// SRTP is authenticated and not encrypted (`UNENCRYPTED_SRTP`).
    pub unencrypted_srtp: bool,
    /// SRTCP is authenticated and not encrypted (`UNENCRYPTED_SRTCP`): the E bit is 0.
    pub unencrypted_srtcp: bool,
    /// Packets a replay window looks back, 64 to 4,096, rounded up to a multiple of 64 (`WSH`).
    pub window: u16,
    /// Sources (SSRCs) remembered, 1 to 64.
    pub max_sources: u8,
}

impl SessionParameters {
    /// The smallest replay window (RFC 3711 §3.3.2), in packets.
    pub const MIN_WINDOW: u16 = 64;
    /// The largest replay window, in packets.
    pub const MAX_WINDOW: u16 = 4096;
    /// The largest number of sources.
    pub const MAX_SOURCES: u8 = 64;

    pub(crate) fn validate(self) -> Result<Self, KeyError> {
        //= tests/spec/srtp.md#replay
        //# The window MUST hold at least 64 packets.
        if !(Self::MIN_WINDOW..=Self::MAX_WINDOW).contains(&self.window) {
            return Err(KeyError::Window(self.window));
        }
        if !(1..=Self::MAX_SOURCES).contains(&self.max_sources) {
            return Err(KeyError::MaxSources(self.max_sources));
        }
        Ok(self)
    }
}

impl Default for SessionParameters {
    /// Everything encrypted, windows of 128 packets, 8 sources.
    fn default() -> Self {
        Self { unencrypted_srtp: false, unencrypted_srtcp: false, window: 128, max_sources: 8 }
    }
}

/// What a re-key does to rollover counters, windows and the SRTCP index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RocOnRekey {
    /// Everything goes on (same address, RFC 3711 §3.3.1 and §3.4).
    #[default]
    Keep,
    /// Everything goes on, but for sources of an ingress that show by their first packet under new
    /// keys that they have started anew at 0, as they do where a peer's SRTP stack is rebuilt with
    /// them.
    Auto,
    /// Everything starts anew at rollover counter 0 (new address, RFC 4568 §7.1.4).
    Reset,
    /// Everything starts anew at this rollover counter.
    Set(u32),
}

impl RocOnRekey {
    /// The rollover counter of a session that had none before.
    #[must_use]
    pub const fn initial(self) -> u32 {
        match self {
            Self::Keep | Self::Auto | Self::Reset => 0,
            Self::Set(roc) => roc,
        }
    }

    /// The rollover counter to start anew with, if anything starts anew.
    pub(crate) const fn restart(self) -> Option<u32> {
        match self {
            Self::Keep | Self::Auto => None,
            Self::Reset => Some(0),
            Self::Set(roc) => Some(roc),
        }
    }
}

/// What became of a re-key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rekey {
    /// The material was the one already in force: no index, window or counter has moved.
    Unchanged,
    /// The new material is in force.
    Installed,
}

#[cfg(test)]
mod tests {
    use super::*;

    //= tests/spec/srtp.md#replay
    //= type=test
    //# The window MUST hold at least 64 packets.
    #[test]
    fn window_and_sources_have_limits() {
        let with = |window, max_sources| SessionParameters {
            window,
            max_sources,
            ..SessionParameters::default()
        };
        for (window, max_sources) in [(64, 1), (4096, 64), (65, 8)] {
            assert!(with(window, max_sources).validate().is_ok());
        }
        assert_eq!(with(63, 8).validate(), Err(KeyError::Window(63)));
        assert_eq!(with(4097, 8).validate(), Err(KeyError::Window(4097)));
        assert_eq!(with(64, 0).validate(), Err(KeyError::MaxSources(0)));
        assert_eq!(with(64, 65).validate(), Err(KeyError::MaxSources(65)));
    }
}
