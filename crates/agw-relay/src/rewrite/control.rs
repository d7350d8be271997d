//! RTCP that fits a rewritten stream, forwards and backwards.

use agw_rtp::{Reception, RtcpEdit, SenderCounts, Ssrc};

use super::{BASE, Origin, Rewriter, Source};
use crate::spec::IngressId;

/// Cumulative loss has 24 bits, with a sign.
const LOST: u32 = 0x00ff_ffff;

/// What RTCP from one leg to another has to be told in.
pub(crate) struct Control<'a> {
    /// The ingress it comes from.
    pub(crate) from: IngressId,
    /// The stream that it belongs to, if that is rewritten.
    pub(crate) stream: Option<&'a mut Rewriter>,
    /// The stream in the other direction that it reports about, if that is rewritten.
    pub(crate) about: Option<&'a mut Rewriter>,
    /// Whether what it goes to is the source of that stream.
    pub(crate) reaches_source: bool,
}

impl Rewriter {
    /// Whether RTCP of an ingress belongs to the source that has the stream.
    pub(crate) fn takes_control_of(
        &self,
        ingress: IngressId,
        feeds: &dyn Fn(IngressId) -> bool,
    ) -> bool {
        let of = self.current.as_ref().map(|current| current.origin.ingress);
        of.is_none_or(|of| of == ingress || !feeds(of))
    }

    /// The ingress of the source that has the stream.
    pub(crate) fn source_ingress(&self) -> Option<IngressId> {
        self.current.as_ref().map(|current| current.origin.ingress)
    }

    /// The report about a sender, if it is the one that has the stream.
    fn sender_info(&mut self, sender: Origin, info: SenderCounts) -> Option<SenderCounts> {
        let current = self.current.as_mut().filter(|current| current.origin == sender)?;
        current.has_reported = true;
        //= tests/spec/relay.md#rewriting
        //# A sender report MUST name the RTP timestamp and counts of the stream that has left.
        let timestamp = info.timestamp.wrapping_add(current.timestamp_shift);
        Some(SenderCounts { timestamp, packets: self.packets, octets: self.octets })
    }

    /// A receiver's report about the stream, as one about its source.
    fn report(&mut self, block: Reception) -> Option<Reception> {
        let current = self.current.as_ref()?;
        //= tests/spec/relay.md#rewriting
        //# A report block about a rewritten stream MUST reach its source in the source's own
        //# numbers.
        let index = current.index_of_ours(block.highest as u16)?;
        let (fraction, lost) = (block.lost & !LOST, block.lost & LOST);
        let (last_report, since_last_report) = match current.has_reported {
            true => (block.last_report, block.since_last_report),
            // It is about a report of the source before.
            false => (0, 0),
        };
        let of_source = lost.wrapping_sub(current.lost_before) & LOST;
        let block = Reception {
            ssrc: current.origin.ssrc,
            lost: fraction | of_source,
            highest: index.wrapping_sub(BASE) as u32,
            last_report,
            since_last_report,
        };
        self.lost = lost;
        Some(block)
    }
}

impl Source {
    /// The source's own index of the newest packet that left under a sequence number; `None` if
    /// that was another source's.
    fn index_of_ours(&self, sequence: u16) -> Option<u64> {
        let highest = self.highest_ours();
        let ours = highest.wrapping_sub(u64::from((highest as u16).wrapping_sub(sequence)));
        let index = ours.wrapping_sub(self.shift);
        (self.first..=self.highest).contains(&index).then_some(index)
    }
}

impl Control<'_> {
    fn is_about_the_stream(&self, ssrc: Ssrc) -> bool {
        self.about.as_ref().is_some_and(|about| about.spec.ssrc == ssrc)
    }
}

impl RtcpEdit for Control<'_> {
    //= tests/spec/relay.md#rewriting
    //# RTCP of a rewritten stream MUST name the SSRC of the stream as its sender.
    fn sender(&mut self, ssrc: Ssrc) -> Ssrc {
        self.stream.as_ref().map_or(ssrc, |stream| stream.spec.ssrc)
    }

    fn sender_info(&mut self, ssrc: Ssrc, info: SenderCounts) -> Option<SenderCounts> {
        let sender = Origin { ingress: self.from, ssrc };
        match &mut self.stream {
            Some(stream) => stream.sender_info(sender, info),
            None => Some(info),
        }
    }

    fn subject(&mut self, ssrc: Ssrc) -> Ssrc {
        if !self.is_about_the_stream(ssrc) || !self.reaches_source {
            return ssrc;
        }
        let current = self.about.as_ref().and_then(|about| about.current.as_ref());
        current.map_or(ssrc, |current| current.origin.ssrc)
    }

    fn report(&mut self, block: Reception) -> Option<Reception> {
        match &mut self.about {
            Some(about) if about.spec.ssrc == block.ssrc => {
                if self.reaches_source {
                    about.report(block)
                } else {
                    None
                }
            }
            Some(_) | None => Some(block),
        }
    }

    fn sequence(&mut self, of: Ssrc, sequence: u16) -> Option<u16> {
        if !self.is_about_the_stream(of) {
            return Some(sequence);
        }
        let about = self.about.as_ref().filter(|_| self.reaches_source)?;
        about.current.as_ref()?.index_of_ours(sequence).map(|index| index as u16)
    }

    //= tests/spec/relay.md#rewriting
    //# A BYE MUST NOT end a rewritten stream.
    /// The stream lives as long as its leg does: no source ends it.
    fn leaving(&mut self, ssrc: Ssrc) -> Option<Ssrc> {
        let Some(stream) = &mut self.stream else {
            return Some(ssrc);
        };
        let gone = Origin { ingress: self.from, ssrc };
        if let Some(current) = stream.current.as_mut().filter(|current| current.origin == gone) {
            current.has_left = true;
        }
        None
    }
}
