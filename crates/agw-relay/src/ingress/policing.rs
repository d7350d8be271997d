//! What arrives is charged to whom it seems to come from (TS 23.334 §6.2.5).

use std::net::SocketAddr;
use std::time::Instant;

use super::{Ingress, IngressState};
use crate::alarm::Alarm;
use crate::drop::DropReason;
use crate::police::{TrafficLimit, ip_octets};
use crate::spec::{Component, IngressSpec};

impl<K> Ingress<K> {
    /// Charges a packet to whom it seems to come from.
    #[inline]
    pub(crate) fn police(
        &mut self,
        component: Component,
        is_peers: bool,
        source: SocketAddr,
        payload: usize,
        now: Instant,
    ) -> Result<(), DropReason> {
        let Some((limit, state)) = limit_of(&self.spec, &mut self.extras, component) else {
            return Ok(());
        };
        //= tests/spec/relay.md#policing
        //# Strangers MUST NOT use up what the peer may send.
        let meters = if is_peers { &mut state.of_peer } else { &mut state.of_strangers };
        if meters.of(component).take(limit, ip_octets(payload, source), now) {
            return Ok(());
        }
        Err(match component {
            Component::Rtp => DropReason::Policed,
            Component::Rtcp => DropReason::RtcpPoliced,
        })
    }

    /// Gives back what a packet was charged to the peer that the peer has not sent, or not now: a
    /// forger who borrows its address must not use up what it may send.
    pub(crate) fn give_back(&mut self, component: Component, source: SocketAddr, payload: usize) {
        if self.is_peers(component, source) {
            self.uncharge(component, source, payload);
        }
    }

    /// Gives back what a packet was charged, whoever it is from.
    pub(crate) fn uncharge(&mut self, component: Component, source: SocketAddr, payload: usize) {
        let is_peers = self.is_peers(component, source);
        if let Some((limit, state)) = limit_of(&self.spec, &mut self.extras, component) {
            let meters = if is_peers { &mut state.of_peer } else { &mut state.of_strangers };
            meters.of(component).give_back(limit, ip_octets(payload, source));
        }
    }

    /// What counts policed packets, if there is a limit.
    pub(crate) fn policed(&mut self) -> Option<&mut Alarm> {
        self.extras.as_mut().map(|state| &mut state.policed)
    }
}

/// The limit of a component with what is remembered for it, if there is one.
#[inline]
fn limit_of<'a>(
    spec: &'a IngressSpec,
    state: &'a mut Option<Box<IngressState>>,
    component: Component,
) -> Option<(&'a TrafficLimit, &'a mut IngressState)> {
    let state = state.as_deref_mut()?;
    Some((spec.extras.as_ref()?.limits.of(component)?, state))
}
