//! libsrtp as an oracle: the reference implementation of RFC 3711, loaded at run time.
//!
//! Debian's `libsrtp2-1` is at hand wherever tests run with peers; building never needs it. A
//! machine without it gets an error from [`Libsrtp::load`], and the test tells a skip.

#[expect(unsafe_code, reason = "calling a C library; every block says what it relies on")]
mod ffi;

use std::ffi::c_int;
use std::fmt;

use agw_rtp::Ssrc;
use agw_srtp::Suite;
use thiserror::Error;

/// The name of this peer in skips.
pub const PEER: &str = "libsrtp2";

/// libsrtp 2.5, loaded and initialised.
#[derive(Clone, Copy)]
pub struct Libsrtp(&'static ffi::Functions);

/// Why the library cannot be used, in the words of the loader.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("libsrtp2.so.1 cannot be used: {0}")]
pub struct LoadError(String);

/// A master key as libsrtp takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OracleKey {
    /// Key and salt, one after the other.
    pub octets: Vec<u8>,
    /// The identifier as sent; empty for a session without identifiers.
    pub mki: Vec<u8>,
}

/// Which sources a session has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sources {
    /// Any that packets come from, made as they come.
    AnyInbound,
    /// Any that packets are sealed for, made as they come.
    AnyOutbound,
    /// These; [`Session::set_roc`] works for them from the start.
    These(Vec<Ssrc>),
}

/// What a session is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSpec {
    /// The suite.
    pub suite: Suite,
    /// One key, or several with identifiers of the same length.
    pub keys: Vec<OracleKey>,
    /// The sources.
    pub sources: Sources,
    /// Packets of the SRTP replay window, 64 to 32,767; that of SRTCP is 128 in any case.
    pub window: u16,
    /// Whether a source may send a sequence number again.
    pub allow_repeat_tx: bool,
    /// SRTP is authenticated and not encrypted.
    pub unencrypted_srtp: bool,
    /// SRTCP is authenticated and not encrypted.
    pub unencrypted_srtcp: bool,
}

/// A session: streams with their keys, indices and windows.
pub struct Session {
    handle: ffi::Handle,
    with_mki: bool,
}

/// Why libsrtp did not do what it was asked (`srtp_err_status_t`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A parameter or the packet's form is wrong.
    #[error("bad parameter")]
    BadParameter,
    /// The tag does not verify.
    #[error("authentication failed")]
    Authentication,
    /// The index was seen.
    #[error("replayed")]
    Replay,
    /// The index is behind the window.
    #[error("too old")]
    TooOld,
    /// There is no stream for the source.
    #[error("no context")]
    NoContext,
    /// The E bit is not what the policy says.
    #[error("cannot check")]
    CannotCheck,
    /// The key is used up.
    #[error("key expired")]
    KeyExpired,
    /// The packet does not parse.
    #[error("parse error")]
    Parse,
    /// No key has the packet's identifier.
    #[error("unknown MKI")]
    UnknownMki,
    /// Another status, by its number.
    #[error("status {0}")]
    Other(i32),
}

impl Libsrtp {
    /// Loads the library, once for the process.
    ///
    /// # Errors
    /// [`LoadError`] if it is not installed or is another version.
    pub fn load() -> Result<Self, LoadError> {
        ffi::functions().map(Self)
    }

    /// Whether the library has the suite: it has no f8.
    #[must_use]
    pub const fn knows(self, suite: Suite) -> bool {
        !suite.is_f8()
    }

    /// Starts a session.
    ///
    /// # Errors
    /// [`Refusal::BadParameter`] if a key has the wrong length or the library has no such suite, otherwise the library's own.
    pub fn session(self, spec: &SessionSpec) -> Result<Session, Refusal> {
        spec.validate()?;
        let with_mki = spec.keys.iter().any(|key| !key.mki.is_empty());
        Ok(Session { handle: ffi::Handle::create(self.0, spec)?, with_mki })
    }
}

impl fmt::Debug for Libsrtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Libsrtp")
    }
}

impl Session {
    /// Seals an RTP packet under the key at that place.
    ///
    /// # Errors
    /// Why the library does not seal it.
    pub fn protect(&mut self, packet: &[u8], key: usize) -> Result<Vec<u8>, Refusal> {
        self.handle.run(ffi::Call::Protect { key }, packet, self.with_mki)
    }

    /// Seals an RTCP packet under the key at that place.
    ///
    /// # Errors
    /// Why the library does not seal it.
    pub fn protect_rtcp(&mut self, packet: &[u8], key: usize) -> Result<Vec<u8>, Refusal> {
        self.handle.run(ffi::Call::ProtectRtcp { key }, packet, self.with_mki)
    }

    /// Opens an SRTP packet.
    ///
    /// # Errors
    /// Why the library does not open it.
    pub fn unprotect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.handle.run(ffi::Call::Unprotect, packet, self.with_mki)
    }

    /// Opens an SRTCP packet.
    ///
    /// # Errors
    /// Why the library does not open it.
    pub fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.handle.run(ffi::Call::UnprotectRtcp, packet, self.with_mki)
    }

    /// Replaces the keys (`srtp_update`): indices go on, SRTP replay windows are forgotten.
    ///
    /// # Errors
    /// As [`Libsrtp::session`].
    pub fn update(&mut self, spec: &SessionSpec) -> Result<(), Refusal> {
        spec.validate()?;
        self.handle.update(spec)
    }

    /// Sets the rollover counter that a source's next packet has.
    ///
    /// # Errors
    /// [`Refusal::BadParameter`] if the session does not know the source.
    pub fn set_roc(&mut self, ssrc: Ssrc, roc: u32) -> Result<(), Refusal> {
        self.handle.set_roc(ssrc.0, roc)
    }

    /// The rollover counter of a source.
    ///
    /// # Errors
    /// [`Refusal::BadParameter`] if the session does not know the source.
    pub fn roc(&self, ssrc: Ssrc) -> Result<u32, Refusal> {
        self.handle.roc(ssrc.0)
    }
}

impl SessionSpec {
    /// What the C structures cannot say: that pointers lead to as many octets as the suite needs.
    fn validate(&self) -> Result<(), Refusal> {
        let octets = self.suite.key_len() + self.suite.salt_len();
        let fit = self.keys.iter().all(|key| key.octets.len() == octets && key.mki.len() <= 128);
        let some = !self.keys.is_empty() && self.sources != Sources::These(Vec::new());
        if fit && some { Ok(()) } else { Err(Refusal::BadParameter) }
    }
}

impl Refusal {
    fn check(status: c_int) -> Result<(), Self> {
        match status {
            0 => Ok(()),
            2 => Err(Self::BadParameter),
            7 => Err(Self::Authentication),
            9 => Err(Self::Replay),
            10 | 26 => Err(Self::TooOld),
            13 => Err(Self::NoContext),
            14 => Err(Self::CannotCheck),
            15 => Err(Self::KeyExpired),
            21 => Err(Self::Parse),
            25 => Err(Self::UnknownMki),
            other => Err(Self::Other(other)),
        }
    }
}
