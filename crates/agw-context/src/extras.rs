//! What few streams ask for, kept apart so that all others pay for a pointer only.

use agw_relay::{
    CodePoint, EgressExtras, EgressId, Gate, Inactivity, IngressExtras, Marking, PreKeySpec,
    RewriteSpec, SourceFilter, Ssrc, TrafficLimit, TrafficLimits, Transport,
};

use crate::checks::{self, invalid};
use crate::command::{DscpRule, EcnRule, Family, Media, StreamMode};
use crate::error::{CommandError, Reason};
use crate::id::GroupId;
use crate::policy::Policy;
use crate::rewrite::RewriteSources;

/// What few streams ask for; the default asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamExtras {
    /// Who may send to the leg, besides what the source policy says (TS 23.334 §6.2.4).
    pub source_filter: Option<SourceFilter>,
    /// Which code point leaves (TS 23.334 §6.2.7).
    pub dscp: DscpRule,
    /// What becomes of the ECN field (TS 23.334 §6.2.14).
    pub ecn: EcnRule,
    /// The group that the stream is a member of, for as long as it lasts (TR 33.829 clause 5).
    pub group: Option<GroupId>,
    /// When RTCP passes.
    pub rtcp_gate: RtcpGate,
    /// On a secured leg that latches: the first address that has proved itself holds until
    /// re-latching is asked for (H.248.37 LATCH).
    pub latch_once: bool,
    /// When control is told that nothing happens (TS 23.334 §6.2.8).
    pub inactivity: Option<Inactivity>,
    /// How much may pass.
    pub bandwidth: Bandwidth,
    /// What follows from that: filled in by the gateway.
    pub limits: StreamLimits,
    /// Whatever leaves looks like one gapless stream; once reserved, with its SSRC.
    pub rewrite_sources: Option<RewriteSources>,
    /// How much of what arrives before the ingress key waits for it (RFC 4568 §5.1.1).
    pub pre_key: Option<PreKeySpec>,
}

/// How much of a stream may pass (TS 23.334 §6.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bandwidth {
    /// The signalled bandwidth of media in bit/s of IP packets, as `b=AS`; 0 is not signalled.
    pub media_bps: u64,
    /// The signalled bandwidth of RTCP in bit/s (RFC 3556); 0 is a twentieth of that of media.
    pub rtcp_bps: u64,
    /// What media may arrive, in place of what follows from its bandwidth.
    pub ingress: Option<TrafficLimit>,
    /// What media may leave, in place of what follows from its bandwidth.
    pub egress: Option<TrafficLimit>,
}

/// The limits in force of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamLimits {
    /// Of what arrives.
    pub ingress: TrafficLimits,
    /// Of what leaves.
    pub egress: TrafficLimits,
}

/// When RTCP passes a leg, in both directions unless it goes with media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RtcpGate {
    /// Unless the stream is inactive: on hold as well (RFC 3264 §8.4).
    #[default]
    UnlessInactive,
    /// In the directions in which media passes.
    WithMedia,
    /// Always.
    Open,
    /// Never.
    Closed,
}

/// A change of what few streams ask for; the default changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamExtrasChange {
    /// Who may send to the leg.
    pub source_filter: Change<SourceFilter>,
    /// Which code point leaves; `None` stays as it is.
    pub dscp: Option<DscpRule>,
    /// What becomes of the ECN field; `None` stays as it is.
    pub ecn: Option<EcnRule>,
    /// When RTCP passes.
    pub rtcp_gate: Option<RtcpGate>,
    /// Whether the first address that has proved itself holds.
    pub latch_once: Option<bool>,
    /// When control is told that nothing happens.
    pub inactivity: Change<Inactivity>,
    /// The signalled bandwidth of media in bit/s; 0 is not signalled.
    pub media_bps: Option<u64>,
    /// The signalled bandwidth of RTCP in bit/s; 0 is not signalled.
    pub rtcp_bps: Option<u64>,
    /// What media may arrive.
    pub ingress: Change<TrafficLimit>,
    /// What media may leave.
    pub egress: Change<TrafficLimit>,
    /// Whether whatever leaves looks like one gapless stream.
    pub rewrite_sources: Change<RewriteSources>,
    /// How much waits for the ingress key.
    pub pre_key: Change<PreKeySpec>,
}

/// What becomes of something that may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It takes this value.
    Set(T),
    /// It goes away.
    Clear,
}

impl StreamExtras {
    /// As a stream keeps it: nothing if nothing is asked for.
    pub(crate) fn kept(mut self, policy: &Policy) -> Option<Box<Self>> {
        self.limits = self.bandwidth.limits(policy);
        (self != Self::default()).then(|| Box::new(self))
    }

    /// These, with a change.
    pub(crate) fn changed(mut self, change: StreamExtrasChange) -> Self {
        let StreamExtrasChange {
            source_filter,
            dscp,
            ecn,
            rtcp_gate,
            latch_once,
            inactivity,
            media_bps,
            rtcp_bps,
            ingress,
            egress,
            rewrite_sources,
            pre_key,
        } = change;
        source_filter.apply(&mut self.source_filter);
        self.dscp = dscp.unwrap_or(self.dscp);
        self.ecn = ecn.unwrap_or(self.ecn);
        self.rtcp_gate = rtcp_gate.unwrap_or(self.rtcp_gate);
        self.latch_once = latch_once.unwrap_or(self.latch_once);
        inactivity.apply(&mut self.inactivity);
        self.bandwidth.media_bps = media_bps.unwrap_or(self.bandwidth.media_bps);
        self.bandwidth.rtcp_bps = rtcp_bps.unwrap_or(self.bandwidth.rtcp_bps);
        ingress.apply(&mut self.bandwidth.ingress);
        egress.apply(&mut self.bandwidth.egress);
        rewrite_sources.apply(&mut self.rewrite_sources);
        pre_key.apply(&mut self.pre_key);
        self
    }

    /// Refuses what does not fit together or does not fit the stream.
    pub(crate) fn check(
        &self,
        field: &str,
        family: Family,
        transport: Transport,
        policy: &Policy,
    ) -> Result<(), CommandError> {
        let Self {
            source_filter,
            dscp,
            ecn: _,
            rtcp_gate: _,
            latch_once,
            inactivity: _,
            bandwidth,
            limits: _,
            group: _,
            rewrite_sources: _,
            pre_key,
        } = self;
        checks::dscp(*dscp, field)?;
        if let Some(filter) = source_filter {
            checks::source_filter(filter, &format!("{field}.source_filter"), family)?;
        }
        if *latch_once && transport != Transport::Secured {
            let rule = "is for secured streams: others latch once in any case";
            return Err(invalid(format!("{field}.latch_once"), rule, Reason::FieldValue));
        }
        if let Some(pre_key) = pre_key {
            checks::pre_key(*pre_key, &format!("{field}.pre_key"), transport, policy)?;
        }
        for (limit, name) in
            [(bandwidth.ingress, "ingress_limit"), (bandwidth.egress, "egress_limit")]
        {
            if let Some(limit) = limit {
                checks::traffic_limit(&limit, &format!("{field}.{name}"))?;
            }
        }
        Ok(())
    }

    /// How what leaves is marked in a realm with this code point.
    pub(crate) const fn marking(&self, of_realm: u8) -> Marking {
        let copies_ecn = matches!(self.ecn, EcnRule::Copy);
        let code_point = match self.dscp {
            DscpRule::Realm if copies_ecn => CodePoint::Set(of_realm),
            DscpRule::Realm => CodePoint::OfPort,
            DscpRule::Set(code_point) => CodePoint::Set(code_point),
            DscpRule::Copy => CodePoint::Copied,
        };
        Marking { code_point, copies_ecn }
    }

    /// What the sending half must know in a realm with this code point.
    pub(crate) fn of_egress(&self, of_realm: u8, media: Media) -> Option<Box<EgressExtras>> {
        let ssrc = self.rewrite_sources.and_then(|rewrite| rewrite.ssrc);
        // A video frame ends with the marker bit, a talkspurt begins with it.
        let marks = media == Media::Audio;
        let extras = EgressExtras {
            rewrite: ssrc.map(|ssrc| RewriteSpec { ssrc: Ssrc(ssrc), marks }),
            marking: self.marking(of_realm),
            limits: self.limits.egress,
            ..EgressExtras::default()
        };
        (extras != EgressExtras::default()).then(|| Box::new(extras))
    }

    /// What the receiving half must know: `group` is the sending state of the group it is in,
    /// `reads_traffic_class` whether it is copied to where packets go.
    pub(crate) fn of_ingress(
        &self,
        group: Option<EgressId>,
        reads_traffic_class: bool,
    ) -> Option<Box<IngressExtras>> {
        let extras = IngressExtras {
            source_filter: self.source_filter,
            group,
            reads_traffic_class,
            limits: self.limits.ingress,
            inactivity: self.inactivity,
            pre_key: self.pre_key,
        };
        (extras != IngressExtras::default()).then(|| Box::new(extras))
    }
}

impl RtcpGate {
    //= tests/spec/relay.md#gates
    //# RTCP MUST follow the rule that the controller has asked for.
    /// The gate of one direction that is open for media or not.
    pub(crate) fn gate(self, mode: StreamMode, rtp: bool) -> Gate {
        let rtcp = match self {
            //= tests/spec/relay.md#gates
            //# An inactive stream MUST pass neither media nor RTCP.
            Self::UnlessInactive => mode != StreamMode::Inactive,
            Self::WithMedia => rtp,
            Self::Open => true,
            Self::Closed => false,
        };
        Gate { rtp, rtcp }
    }
}

impl Bandwidth {
    /// The limits that follow from what was signalled and asked for, by policy.
    fn limits(&self, policy: &Policy) -> StreamLimits {
        let Self { media_bps, rtcp_bps, ingress, egress } = *self;
        let media = policed(media_bps, policy, LARGEST_PACKETS);
        // RTCP takes a twentieth of a session (RFC 3550 §6.2), but never less than reports need.
        let rtcp_bps = if rtcp_bps == 0 { media_bps / 20 } else { rtcp_bps };
        let is_limited = media_bps != 0 || rtcp_bps != 0;
        let rtcp_bps = if is_limited { rtcp_bps.max(LEAST_RTCP_BPS) } else { 0 };
        let rtcp = policed(rtcp_bps, policy, LARGEST_PACKETS);
        StreamLimits {
            ingress: TrafficLimits { rtp: ingress.or(media), rtcp },
            egress: TrafficLimits { rtp: egress.or(media), rtcp },
        }
    }
}

/// Whatever the bandwidth, a few of the largest packets may come at once.
const LARGEST_PACKETS: u64 = 4 * 1_500;
/// Reports of 250 octets every half a second: what feedback (RFC 4585) takes when there is any.
const LEAST_RTCP_BPS: u64 = 4_000;

/// The limit of a signalled bandwidth: so many times of it, for so long at once.
fn policed(bps: u64, policy: &Policy, least_burst: u64) -> Option<TrafficLimit> {
    let octets_per_s = (bps / 8).saturating_mul(policy.policing_factor.into());
    let burst = u128::from(octets_per_s) * policy.policing_burst.as_millis() / 1_000;
    (octets_per_s != 0).then(|| TrafficLimit {
        sustained_octets_per_s: octets_per_s,
        burst_octets: u64::try_from(burst).unwrap_or(u64::MAX).max(least_burst),
        peak_octets_per_s: 0,
        peak_tolerance: std::time::Duration::ZERO,
    })
}

impl<T> Change<T> {
    fn apply(self, value: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Set(new) => *value = Some(new),
            Self::Clear => *value = None,
        }
    }
}
