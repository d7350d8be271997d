//! Why a datagram went no further.

/// The reason a datagram was dropped; the variant order is the counter order.
///
/// A bad packet is traffic, not an error: it carries no text and is never logged one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum DropReason {
    /// No stream is bound to the local port.
    NoFlow,
    /// The datagram is longer than a slot takes.
    TooLong,
    /// Not RTP or RTCP by its first octets (RFC 7983 §7): STUN, DTLS, ZRTP or noise.
    NotMedia,
    /// RTP or RTCP by its first octets, but the header or a length does not fit.
    Malformed,
    /// RTCP on the RTP port without multiplexing, RTP on the RTCP port (RFC 5761 §4).
    WrongComponent,
    /// The gate of the ingress leg is closed (TS 23.334 §5.2).
    IngressGate,
    /// The gate of the egress leg is closed (TS 23.334 §5.2).
    EgressGate,
    /// The source address is not the one the leg accepts (TS 23.334 §5.4, §6.2.4).
    WrongSource,
    /// The ingress leg is secured and has no key yet.
    NoIngressKey,
    /// The packet carries no MKI of a live key (RFC 3711 §3.1).
    UnknownMki,
    /// The packet was received before (RFC 3711 §3.3.2).
    Replay,
    /// The packet is older than the replay window (RFC 3711 §3.3.2).
    TooOld,
    /// A new SSRC or a far index beyond the rate at which these are tried; with a short tag, a far
    /// index that no second packet has confirmed.
    Implausible,
    /// The tag did not verify.
    Authentication,
    /// The E bit of an SRTCP packet is not what the session parameters say (RFC 4568 §6.3.2).
    Unencrypted,
    /// As many SSRCs as the leg, or the group of its member, may hold are known already.
    SourceLimit,
    /// The ingress master key has reached its lifetime (RFC 3711 §9.2).
    IngressKeyExpired,
    /// The stream has no other termination to go to (H.248 topology).
    NoOutput,
    /// The peer's address on the egress leg is not known yet.
    NoDestination,
    /// RTCP is off on the egress leg.
    RtcpOff,
    /// The egress leg is secured and has no key yet.
    NoEgressKey,
    /// Sending would use an index of this key and SSRC twice (RFC 3711 §9.1).
    IndexReused,
    /// The sequence number is behind what the transmit guard remembers (RFC 3711 §9.1).
    EgressTooOld,
    /// The core side uses more SSRCs than the egress key may serve.
    EgressSourceLimit,
    /// The egress master key has reached its lifetime (RFC 3711 §9.2).
    EgressKeyExpired,
    /// The protected packet would not fit its slot.
    NoRoom,
    /// Another sender under the same key of a group uses the SSRC (RFC 3711 §9.1).
    SsrcCollision,
    /// More media than the leg's limit arrived (TS 23.334 §6.2.5).
    Policed,
    /// More RTCP than the leg's limit arrived (TS 23.334 §6.2.5).
    RtcpPoliced,
    /// More than its limit was to leave on the egress leg (TS 23.334 §6.2.5).
    EgressPoliced,
    /// So many tags of the leg failed within a second that not every packet is tried.
    AuthenticationLimited,
    /// Another source has the rewritten stream, or the packet belongs before the change of source.
    OtherSource,
    /// The sequence number of a rewritten source is far off, and the one before it was not.
    SequenceJump,
    /// It has waited for the key of its leg for as long as it may (RFC 4568 §5.1.1).
    PreKeyExpired,
}

impl DropReason {
    /// Every reason, in counter order.
    pub const ALL: [Self; 34] = [
        Self::NoFlow,
        Self::TooLong,
        Self::NotMedia,
        Self::Malformed,
        Self::WrongComponent,
        Self::IngressGate,
        Self::EgressGate,
        Self::WrongSource,
        Self::NoIngressKey,
        Self::UnknownMki,
        Self::Replay,
        Self::TooOld,
        Self::Implausible,
        Self::Authentication,
        Self::Unencrypted,
        Self::SourceLimit,
        Self::IngressKeyExpired,
        Self::NoOutput,
        Self::NoDestination,
        Self::RtcpOff,
        Self::NoEgressKey,
        Self::IndexReused,
        Self::EgressTooOld,
        Self::EgressSourceLimit,
        Self::EgressKeyExpired,
        Self::NoRoom,
        Self::SsrcCollision,
        Self::Policed,
        Self::RtcpPoliced,
        Self::EgressPoliced,
        Self::AuthenticationLimited,
        Self::OtherSource,
        Self::SequenceJump,
        Self::PreKeyExpired,
    ];

    /// The reason's name in metrics, the API and the tool: lower case, words joined by `_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoFlow => "no_flow",
            Self::TooLong => "too_long",
            Self::NotMedia => "not_media",
            Self::Malformed => "malformed",
            Self::WrongComponent => "wrong_component",
            Self::IngressGate => "ingress_gate",
            Self::EgressGate => "egress_gate",
            Self::WrongSource => "wrong_source",
            Self::NoIngressKey => "no_ingress_key",
            Self::UnknownMki => "unknown_mki",
            Self::Replay => "replay",
            Self::TooOld => "too_old",
            Self::Implausible => "implausible",
            Self::Authentication => "authentication",
            Self::Unencrypted => "unencrypted",
            Self::SourceLimit => "source_limit",
            Self::IngressKeyExpired => "ingress_key_expired",
            Self::NoOutput => "no_output",
            Self::NoDestination => "no_destination",
            Self::RtcpOff => "rtcp_off",
            Self::NoEgressKey => "no_egress_key",
            Self::IndexReused => "index_reused",
            Self::EgressTooOld => "egress_too_old",
            Self::EgressSourceLimit => "egress_source_limit",
            Self::EgressKeyExpired => "egress_key_expired",
            Self::NoRoom => "no_room",
            Self::SsrcCollision => "ssrc_collision",
            Self::Policed => "policed",
            Self::RtcpPoliced => "rtcp_policed",
            Self::EgressPoliced => "egress_policed",
            Self::AuthenticationLimited => "authentication_limited",
            Self::OtherSource => "other_source",
            Self::SequenceJump => "sequence_jump",
            Self::PreKeyExpired => "pre_key_expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_counter_and_has_its_own_name() {
        for (position, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, position, "{reason:?}");
        }
        let names: BTreeSet<_> = DropReason::ALL.into_iter().map(DropReason::name).collect();
        assert_eq!(names.len(), DropReason::ALL.len());
    }
}
