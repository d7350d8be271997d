//! What [`Options`] mean for the two sides of a call.

use agw_context::{DscpRule, Family, SourcePolicy, StreamExtras};
use agw_relay::SourceFilter;
use agw_sdp::{MuxRule, OfferedSrtp, Protection, SideOptions};
use agw_srtp::Suite;

use crate::options::{E2ae, Learning, Options};

impl Options {
    /// The side of who sends the offer; `protected` says whether its signalling is, where the
    /// request does not.
    #[must_use]
    pub fn near(&self, protected: bool) -> SideOptions {
        let mux = if self.mux.reject { MuxRule::Remove } else { MuxRule::Accept };
        //= tests/spec/ng.md#offer-and-answer
        //# SRTP MUST pass from end to end where no transport is asked for.
        //= tests/spec/ng.md#offer-and-answer
        //# An offer towards RTP MUST leave without the sender's keys, and its SRTP MUST end at the gateway.
        let to_secured = self.transport.map(|transport| transport.secured);
        let offered_srtp = match (self.e2ae, to_secured) {
            (E2ae::Pass, _) | (E2ae::Unsaid, None) => OfferedSrtp::PassOn,
            // Towards a UE as well: SRTP from end to end is not protected to the edge on top
            // (TS 33.328 §7.3.1).
            (E2ae::Applied, None | Some(true)) => OfferedSrtp::TerminateOnRequest,
            (E2ae::Strip, None)
            | (E2ae::Unsaid | E2ae::Strip, Some(_))
            | (E2ae::Applied, Some(false)) => OfferedSrtp::Terminate,
        };
        let indicates_e2ae = self.e2ae == E2ae::Applied;
        let side = self.side(self.realms.0.clone());
        //= tests/spec/ng.md#offer-and-answer
        //# Keys MUST NOT go over signalling that the request, or else the configuration, says is not protected.
        let protected_signalling = self.protected_signalling.map_or(protected, |said| said.sender);
        SideOptions { mux, offered_srtp, indicates_e2ae, protected_signalling, ..side }
    }

    /// The side of who is sent the offer that stands in `sdp`; `protected` as for
    /// [`Self::near`].
    #[must_use]
    pub fn far(&self, sdp: &[u8], protected: bool) -> SideOptions {
        let mux = match self.mux {
            mux if mux.require => MuxRule::Require,
            mux if mux.offer => MuxRule::Offer,
            mux if mux.demux => MuxRule::Remove,
            _ => MuxRule::Accept,
        };
        let is_secured = self.transport.is_some_and(|transport| transport.secured);
        let protection = match (is_secured, self.osrtp_offer) {
            (true, _) => Protection::Secured,
            (false, true) => Protection::Opportunistic,
            (false, false) => Protection::Plain,
        };
        let side = self.side(self.realms.1.clone());
        SideOptions {
            family: self.family,
            family_of_new: family(sdp),
            protection,
            feedback: self.transport.map(|transport| transport.feedback),
            indicates_e2ae: self.e2ae == E2ae::Applied && is_secured,
            suites: self.suites(sdp, &side.suites),
            //= tests/spec/ng.md#offer-and-answer
            //# SRTP without encryption MUST be offered only where it is asked for and policy allows it.
            unencrypted: self.sdes.unencrypted,
            protected_signalling: self.protected_signalling.map_or(protected, |said| said.receiver),
            mux,
            rtcp_attribute: self.rtcp_attribute,
            ..side
        }
    }

    fn side(&self, realm: Option<String>) -> SideOptions {
        let any_port = SourceFilter { network: None, lowest_port: 1, highest_port: u16::MAX };
        let (source, source_filter) = match self.learning {
            Learning::Symmetric => (SourcePolicy::Latch { within: None }, None),
            Learning::Asymmetric => (SourcePolicy::Signalled, Some(any_port)),
            Learning::Off => (SourcePolicy::Signalled, None),
        };
        let dscp = self.tos.map_or(DscpRule::Realm, |tos| DscpRule::Set(tos >> 2));
        SideOptions {
            source: Some(source),
            extras: StreamExtras { source_filter, dscp, ..StreamExtras::default() },
            ..SideOptions::core(realm)
        }
    }

    fn suites(&self, sdp: &[u8], usual: &[Suite]) -> Vec<Suite> {
        let sdes = &self.sdes;
        let mut suites = if sdes.only.is_empty() { usual.to_vec() } else { sdes.only.clone() };
        suites.retain(|suite| !sdes.without.contains(suite));
        if sdes.no_new {
            let offered = offered(sdp);
            // An offer without keys cannot tell: then nothing is new.
            if !offered.is_empty() {
                suites.retain(|suite| offered.contains(suite));
            }
        }
        let place = |suite: &Suite| sdes.order.iter().position(|one| one == suite);
        suites.sort_by_key(|suite| place(suite).unwrap_or(usize::MAX));
        suites.dedup();
        suites
    }
}

/// The family of the first address of a description: who is not told otherwise is offered the
/// same.
fn family(sdp: &[u8]) -> Option<Family> {
    let lines = sdp.split(|octet| *octet == b'\n');
    let mut families = lines.filter_map(|line| match line.strip_prefix(b"c=IN IP")?.first()? {
        b'4' => Some(Family::V4),
        b'6' => Some(Family::V6),
        _ => None,
    });
    families.next()
}

/// The suites of a description's crypto lines.
fn offered(sdp: &[u8]) -> Vec<Suite> {
    let lines = sdp.split(|octet| *octet == b'\n');
    let named = lines.filter_map(|line| {
        let mut fields = line.strip_prefix(b"a=crypto:")?.split(|octet| *octet == b' ');
        fields.nth(1)
    });
    let known = named.filter_map(|name| {
        Suite::ALL.into_iter().find(|suite| suite.name().as_bytes().eq_ignore_ascii_case(name))
    });
    known.collect()
}
