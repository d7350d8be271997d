//! One media line on one side: a stream at a termination of the gateway.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use agw_context::{
    CryptoChange, CryptoContext, KeySource, LateChoice, LocalStream, Media, Remote, RtcpMode,
    StreamChange, StreamExtrasChange, StreamId, StreamMode, TerminationId,
};
use agw_relay::Transport;
use agw_sdes::CryptoAttribute;
use agw_srtp::{EgressKey, RocOnRekey};

use crate::error::LineRefusal;
use crate::keys;

/// The two sides of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who sent the first offer.
    Caller,
    /// Who answered it.
    Callee,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// One media line on one side.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) termination: TerminationId,
    pub(crate) local: LocalStream,
    pub(crate) media: Media,
    /// Whether an answer has taken it.
    pub(crate) agreed: bool,
    /// The gates that signalling wants, whether or not the call's media is dropped meanwhile.
    pub(crate) mode: StreamMode,
    pub(crate) transport: Transport,
    pub(crate) rtcp: RtcpMode,
    pub(crate) remote: Option<Remote>,
    /// The callees of dialogues in which it was secured though it need not have been.
    pub(crate) secured_for: Vec<String>,
    /// The line under which the gateway sends, once it is installed.
    pub(crate) own: Option<CryptoAttribute>,
    /// The line under which the peer sends, once it is installed.
    pub(crate) theirs: Option<Box<CryptoAttribute>>,
}

impl Leg {
    /// A leg whose place in the gateway is not known yet.
    pub(crate) fn reserved(
        line: usize,
        media: Media,
        transport: Transport,
        remote: Option<Remote>,
    ) -> Self {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let local = LocalStream { id: stream_id(line), rtp: nowhere, rtcp: None };
        //= tests/spec/sdp.md#gates
        //# Until the answer the gates MUST be closed.
        let mode = StreamMode::Inactive;
        let (termination, rtcp) = (TerminationId(0), RtcpMode::Pair);
        Self {
            termination,
            local,
            media,
            agreed: false,
            mode,
            transport,
            rtcp,
            remote,
            secured_for: Vec::new(),
            own: None,
            theirs: None,
        }
    }

    /// Whether a peer's address takes the place of another one.
    pub(crate) fn moves(&self, remote: Option<Remote>) -> bool {
        matches!((self.remote, remote), (Some(old), Some(new)) if old.rtp != new.rtp)
    }

    /// The gateway's addresses when RTCP goes so.
    pub(crate) fn local_with(&self, rtcp: RtcpMode) -> LocalStream {
        let LocalStream { id, rtp, .. } = self.local;
        let after = || Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?));
        let rtcp = match rtcp {
            RtcpMode::Pair => after(),
            RtcpMode::Mux => Some(rtp),
            RtcpMode::Off => None,
        };
        LocalStream { id, rtp, rtcp }
    }
}

/// The stream of a media line: from 1, the same at every termination.
pub(crate) fn stream_id(line: usize) -> StreamId {
    StreamId(u16::try_from(line + 1).unwrap_or(u16::MAX))
}

/// A change that changes nothing yet.
pub(crate) fn unchanged(line: usize) -> StreamChange {
    StreamChange {
        id: stream_id(line),
        remote: None,
        late: LateChoice::default(),
        mode: None,
        source: None,
        relatch: false,
        extras: StreamExtrasChange::default(),
        ingress: CryptoChange::Keep,
        egress: CryptoChange::Keep,
    }
}

/// Installs the keys of both directions: the peer's line opens what arrives, ours seals what
/// leaves.
///
/// The counters are what becomes of the peer's rollover counters and of our own.
pub(crate) fn install(
    change: &mut StreamChange,
    theirs: &CryptoAttribute,
    ours: &CryptoAttribute,
    (theirs_roc, roc): (Option<RocOnRekey>, Option<RocOnRekey>),
) -> Result<(), LineRefusal> {
    let (keys, parameters) = keys::twin(theirs)?.into_ingress().map_err(keys::refused)?;
    change.ingress = CryptoChange::Install(CryptoContext {
        source: KeySource::Sdes,
        keys,
        parameters,
        roc: theirs_roc,
        overlap: None,
    });
    let (keys, parameters) = keys::twin(ours)?.into_egress().map_err(keys::refused)?;
    let egress: CryptoContext<EgressKey> =
        CryptoContext { source: KeySource::Sdes, keys, parameters, roc, overlap: None };
    change.egress = CryptoChange::Install(egress);
    Ok(())
}
