//! Why a packet does not enter.

use agw_srtp::UnprotectError;

use crate::drop::DropReason;
use crate::spec::Component;

pub(super) fn well_formed(component: Component, packet: &[u8]) -> Result<(), DropReason> {
    match component {
        Component::Rtp => agw_rtp::RtpHeader::parse(packet).map(drop),
        Component::Rtcp => agw_rtp::RtcpHeader::parse(packet).map(drop),
    }
    .map_err(|_| DropReason::Malformed)
}

pub(crate) fn opening(error: UnprotectError) -> DropReason {
    match error {
        UnprotectError::Malformed => DropReason::Malformed,
        UnprotectError::Replay => DropReason::Replay,
        UnprotectError::TooOld => DropReason::TooOld,
        UnprotectError::UnknownMki => DropReason::UnknownMki,
        UnprotectError::Unencrypted => DropReason::Unencrypted,
        UnprotectError::SourceLimit => DropReason::SourceLimit,
        UnprotectError::KeyExpired => DropReason::IngressKeyExpired,
        UnprotectError::Authentication => DropReason::Authentication,
        UnprotectError::Unconfirmed => DropReason::Implausible,
    }
}
