//! Packets of rewritten streams on their way from an ingress to an egress.

use std::time::Instant;

use agw_rtp::edit_rtcp;
use agw_srtp::Engine;

use crate::drop::DropReason;
use crate::relay::Relay;
use crate::rewrite::{Around, Control, Rewriter};
use crate::spec::{Component, EgressId, IngressId};

impl<E: Engine> Relay<E> {
    /// Gives a plain packet the numbers under which it leaves, and returns its new length.
    #[cold]
    pub(crate) fn rewrite(
        &mut self,
        from: IngressId,
        to: EgressId,
        component: Component,
        packet: &mut [u8],
        now: Instant,
    ) -> Result<usize, DropReason> {
        let mut stream = self.take_rewriter(to);
        let outcome = match (component, &mut stream) {
            (Component::Rtp, None) => Ok(packet.len()),
            (Component::Rtp, Some(stream)) => {
                let feeds = |ingress| self.feeds(ingress, to);
                let sent = |ssrc| {
                    let crypto = self.egresses.at(to.0)?.crypto.as_ref()?;
                    crypto.sources().find(|source| source.ssrc == ssrc)?.highest_sequence
                };
                let around = Around { now, feeds: &feeds, sent: &sent };
                stream.media(packet, from, &around).map(|()| packet.len())
            }
            (Component::Rtcp, stream) => {
                self.rewrite_control(from, to, stream.as_deref_mut(), packet)
            }
        };
        self.put_rewriter(to, stream);
        outcome
    }

    fn rewrite_control(
        &mut self,
        from: IngressId,
        to: EgressId,
        stream: Option<&mut Rewriter>,
        packet: &mut [u8],
    ) -> Result<usize, DropReason> {
        let reverse = self.ingresses.at(from.0).map(|ingress| ingress.spec.reverse);
        let reverse = reverse.filter(|&reverse| reverse != to);
        let mut about = reverse.and_then(|reverse| self.take_rewriter(reverse));
        let outcome = self.edit_control(from, to, stream, about.as_deref_mut(), packet);
        if let Some(reverse) = reverse {
            self.put_rewriter(reverse, about);
        }
        outcome
    }

    fn edit_control(
        &self,
        from: IngressId,
        to: EgressId,
        stream: Option<&mut Rewriter>,
        about: Option<&mut Rewriter>,
        packet: &mut [u8],
    ) -> Result<usize, DropReason> {
        if stream.is_none() && about.is_none() {
            return Ok(packet.len());
        }
        let feeds = |ingress| self.feeds(ingress, to);
        if stream.as_ref().is_some_and(|stream| !stream.takes_control_of(from, &feeds)) {
            return Err(DropReason::OtherSource);
        }
        let source = about.as_ref().and_then(|about| about.source_ingress());
        let leg = source.and_then(|source| self.ingresses.at(source.0));
        let reaches_source = leg.is_some_and(|ingress| ingress.spec.reverse == to);
        let mut control = Control { from, stream, about, reaches_source };
        match edit_rtcp(packet, &mut control) {
            // All of it was about what nobody behind the gateway knows.
            Ok(0) => Err(DropReason::OtherSource),
            Ok(octets) => Ok(octets),
            Err(_) => Err(DropReason::Malformed),
        }
    }

    /// Whether media of an ingress may leave at an egress now.
    fn feeds(&self, ingress: IngressId, egress: EgressId) -> bool {
        let ingress = self.ingresses.at(ingress.0).map(|ingress| &ingress.spec);
        ingress.is_some_and(|spec| spec.output == Some(egress) && spec.gate.passes(Component::Rtp))
    }

    fn take_rewriter(&mut self, id: EgressId) -> Option<Box<Rewriter>> {
        self.egresses.at_mut(id.0)?.rewriter_mut()?.take()
    }

    fn put_rewriter(&mut self, id: EgressId, rewriter: Option<Box<Rewriter>>) {
        let place = self.egresses.at_mut(id.0).and_then(|egress| egress.rewriter_mut());
        if let (Some(place), Some(_)) = (place, &rewriter) {
            *place = rewriter;
        }
    }
}
