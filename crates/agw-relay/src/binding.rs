//! Which leg a local port is read for, and for what.

use crate::spec::{Component, IngressId, IngressSpec, PortId, RtcpIngress};

/// What arrives on a local port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) ingress: IngressId,
    pub(crate) carries: Carries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Rtp,
    Rtcp,
    Both,
}

impl Carries {
    /// The component of a packet, if it may arrive on this port.
    pub(crate) const fn component(self, is_rtcp: bool) -> Option<Component> {
        match (self, is_rtcp) {
            (Self::Rtp | Self::Both, false) => Some(Component::Rtp),
            (Self::Rtcp | Self::Both, true) => Some(Component::Rtcp),
            (Self::Rtp, true) | (Self::Rtcp, false) => None,
        }
    }
}

/// The ports of a leg.
pub(crate) fn bindings(spec: &IngressSpec) -> impl Iterator<Item = (PortId, Carries)> {
    let (rtp, rtcp) = match spec.rtcp {
        RtcpIngress::Port(port) => (Carries::Rtp, Some((port, Carries::Rtcp))),
        RtcpIngress::Mux => (Carries::Both, None),
        RtcpIngress::Off => (Carries::Rtp, None),
    };
    std::iter::once((spec.rtp, rtp)).chain(rtcp)
}
