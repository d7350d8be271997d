//! The words of the command line as the API writes them.

use agw_iq::pb;

use super::{Ecn, MediaKind, Mode, Rtcp, RtcpGate, SourceRule, TransportKind};

impl Ecn {
    pub(super) const fn to_wire(self) -> pb::EcnRule {
        match self {
            Self::NotEct => pb::EcnRule::NotEct,
            Self::Copy => pb::EcnRule::Copy,
        }
    }
}

impl MediaKind {
    pub(super) const fn to_wire(self) -> pb::Media {
        match self {
            Self::Audio => pb::Media::Audio,
            Self::Video => pb::Media::Video,
            Self::Other => pb::Media::Other,
        }
    }
}

impl Mode {
    pub(super) const fn to_wire(self) -> pb::StreamMode {
        match self {
            Self::Inactive => pb::StreamMode::Inactive,
            Self::SendOnly => pb::StreamMode::SendOnly,
            Self::ReceiveOnly => pb::StreamMode::ReceiveOnly,
            Self::SendReceive => pb::StreamMode::SendReceive,
        }
    }
}

impl Rtcp {
    pub(super) const fn to_wire(self) -> pb::RtcpMode {
        match self {
            Self::Pair => pb::RtcpMode::Pair,
            Self::Mux => pb::RtcpMode::Mux,
            Self::Off => pb::RtcpMode::Off,
        }
    }
}

impl RtcpGate {
    pub(super) const fn to_wire(self) -> pb::RtcpGate {
        match self {
            Self::UnlessInactive => pb::RtcpGate::UnlessInactive,
            Self::WithMedia => pb::RtcpGate::WithMedia,
            Self::Open => pb::RtcpGate::Open,
            Self::Closed => pb::RtcpGate::Closed,
        }
    }
}

impl TransportKind {
    pub(super) const fn to_wire(self) -> pb::Transport {
        match self {
            Self::Secured => pb::Transport::Secured,
            Self::Plain => pb::Transport::Plain,
            Self::Transparent => pb::Transport::Transparent,
        }
    }
}

impl SourceRule {
    pub(super) const fn to_wire(self) -> pb::SourceRule {
        match self {
            Self::Signalled => pb::SourceRule::Signalled,
            Self::Latch => pb::SourceRule::Latch,
        }
    }
}
