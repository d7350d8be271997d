//! What is measured, seen from outside: something that relays calls when asked to, and counts.
//!
//! A target is started (or found running) by its own constructor. [`Target::control`] gives
//! handles that many tasks use at a time, so that set-ups can be outstanding together.

pub(crate) mod agw;
pub(crate) mod forwarder;
pub(crate) mod launch;
pub(crate) mod rtpengine;
mod udp_table;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use agw_srtp::Suite;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::result::TargetInfo;

/// Something that relays calls.
pub(crate) trait Target: Send {
    /// Its handle for calls.
    type Control: Control;

    /// What it is and how it is set up.
    fn info(&self) -> TargetInfo;

    /// Its process, whose processor time and memory are measured.
    fn pid(&self) -> u32;

    /// A handle for calls; clones share the connection.
    fn control(&self) -> Self::Control;

    /// What it has counted since it started, as fresh as it can be had.
    ///
    /// # Errors
    /// [`TargetError`] if it does not answer.
    fn counters(&mut self) -> impl Future<Output = Result<Counters, TargetError>> + Send;

    /// Ends it, if it was started here.
    ///
    /// # Errors
    /// [`TargetError`] if it ended by itself before, or badly.
    fn stop(self) -> impl Future<Output = Result<(), TargetError>> + Send;
}

/// A handle for calls.
pub(crate) trait Control: Clone + Send + Sync + 'static {
    /// Sets a call up, open both ways, and tells where the gateway listens for it.
    ///
    /// # Errors
    /// [`TargetError`] if it is refused.
    fn set_up(
        &self,
        call: Arc<CallSpec>,
    ) -> impl Future<Output = Result<Placed, TargetError>> + Send;

    /// Closes the way of media both ways, or opens it again.
    ///
    /// # Errors
    /// [`TargetError`] if it is refused, or the target cannot do this.
    fn hold(
        &self,
        call: &CallId,
        held: bool,
    ) -> impl Future<Output = Result<(), TargetError>> + Send;

    /// Replaces the keys of the access side in both directions; rollover counters go on, and the
    /// old ingress key still opens packets for a while.
    ///
    /// # Errors
    /// [`TargetError`] if it is refused, or the target cannot do this.
    fn rekey(
        &self,
        call: &CallId,
        keys: Arc<CallKeys>,
    ) -> impl Future<Output = Result<(), TargetError>> + Send;

    /// Ends a call.
    ///
    /// # Errors
    /// [`TargetError`] if it is refused.
    fn release(&self, call: &CallId) -> impl Future<Output = Result<(), TargetError>> + Send;
}

/// A call as the harness wants it: RTP and RTCP on one port (RFC 5761) on both sides.
#[derive(Debug)]
pub(crate) struct CallSpec {
    /// Its number within the run; unlike any other of the run.
    pub(crate) number: u64,
    /// Keys of the access side; `None` for plain RTP on both sides.
    pub(crate) keys: Option<CallKeys>,
    /// Where the phone sends from and listens; many calls share it.
    pub(crate) access_peer: SocketAddr,
    /// Where the core side sends from and listens; many calls share it.
    pub(crate) core_peer: SocketAddr,
}

/// Master keys with salts of the access side, one for each direction.
pub(crate) struct CallKeys {
    /// The suite of both.
    pub(crate) suite: Suite,
    /// Key and salt with which the phone seals and the gateway opens.
    pub(crate) ingress: Zeroizing<Vec<u8>>,
    /// Key and salt with which the gateway seals and the phone opens.
    pub(crate) egress: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for CallKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallKeys").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// A call's name at the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum CallId {
    /// A number: a context of agw, a port of a forwarder.
    Number(u64),
    /// A text: a call-id of rtpengine.
    Text(Arc<str>),
}

/// A call that was set up.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    /// Its name at the target.
    pub(crate) id: CallId,
    /// Where the target listens for the phone; what it sends to the phone comes from here.
    pub(crate) access: SocketAddr,
    /// Where the target listens for the core; what it sends to the core comes from here.
    pub(crate) core: SocketAddr,
    /// The key of what the target sends to the phone, if it chose another than it was given.
    pub(crate) egress: Option<Arc<ChosenKey>>,
}

/// Key and salt with which a target seals, of its own choice.
pub(crate) struct ChosenKey(pub(crate) Zeroizing<Vec<u8>>);

impl std::fmt::Debug for ChosenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChosenKey(redacted, {} octets)", self.0.len())
    }
}

/// What a target has counted since it started, RTP and RTCP together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Packets that it read.
    pub(crate) received: u64,
    /// Packets that it sent on, or tried to.
    pub(crate) forwarded: u64,
    /// Packets that it dropped, by its own reasons.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Packets that the kernel dropped before it could read them.
    pub(crate) kernel_drops: u64,
    /// Packets that the kernel refused to send, by class.
    pub(crate) send_errors: BTreeMap<String, u64>,
}

/// Why a target did not do what it was asked for.
#[derive(Debug, Clone, Error)]
pub(crate) enum TargetError {
    /// It did not start.
    #[error("{name} does not start: {reason}")]
    Start {
        /// The target.
        name: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// It refused a request.
    #[error("refused: {reason}")]
    Refused {
        /// The reason, a word if the target has one.
        reason: String,
    },
    /// It cannot do this.
    #[error("{name} cannot {what}")]
    Unsupported {
        /// The target.
        name: &'static str,
        /// What it cannot do.
        what: &'static str,
    },
    /// It does not answer, or answers nonsense.
    #[error("no usable answer: {reason}")]
    Connection {
        /// What went wrong.
        reason: String,
    },
}
