//! One call on paper: a secured access leg, a plain core leg, and a UE that holds the keys.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use agw_relay::{
    Command, Component, Datagram, DropReason, EgressCrypto, EgressId, EgressSpec, Gate,
    IngressCrypto, IngressId, IngressSpec, PortId, Relay, RtcpEgress, RtcpIngress, SourceRule,
    Transport, Verdict,
};
use agw_srtp::{
    EgressKey, IngressKey, MasterKey, Portable, Protector, RocOnRekey, SessionParameters, Suite,
    Unprotector,
};

pub(crate) const UE: &str = "192.0.2.1:4000";
pub(crate) const UE_RTCP: &str = "192.0.2.1:4001";
pub(crate) const CORE: &str = "198.51.100.1:6000";
pub(crate) const CORE_RTCP: &str = "198.51.100.1:6001";

pub(crate) const ACCESS_RTP: PortId = PortId(0);
pub(crate) const ACCESS_RTCP: PortId = PortId(1);
pub(crate) const CORE_RTP: PortId = PortId(2);
pub(crate) const CORE_RTCP_PORT: PortId = PortId(3);

pub(crate) const ACCESS: u32 = 0;
pub(crate) const FAR: u32 = 1;

/// The peer sends with this one, the gateway opens with it.
pub(crate) const INGRESS_SEED: u8 = 1;
/// The gateway seals with this one, the peer opens with it.
pub(crate) const EGRESS_SEED: u8 = 2;

pub(crate) struct Call {
    pub(crate) relay: Relay<Portable>,
    pub(crate) ue_out: Protector<<Portable as agw_srtp::Engine>::Keys>,
    pub(crate) ue_in: Unprotector<<Portable as agw_srtp::Engine>::Keys>,
    pub(crate) now: Instant,
}

/// A datagram on its way out, or the reason why not; empty and at its own port if it is kept.
pub(crate) type Passed = Result<(PortId, SocketAddr, Vec<u8>), DropReason>;

pub(crate) fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

pub(crate) fn master(suite: Suite, seed: u8) -> MasterKey {
    let octets = vec![seed; suite.key_len() + suite.salt_len()];
    MasterKey::from_concatenated(suite, &octets).unwrap()
}

pub(crate) fn ingress_spec(leg: u32, transport: Transport) -> IngressSpec {
    let is_access = leg == ACCESS;
    IngressSpec {
        transport,
        gate: Gate::OPEN,
        source: match transport {
            Transport::Secured => SourceRule::Authenticated,
            Transport::Plain | Transport::Transparent => SourceRule::Signalled,
        },
        signalled_rtp: Some(at(if is_access { UE } else { CORE })),
        signalled_rtcp: Some(at(if is_access { UE_RTCP } else { CORE_RTCP })),
        rtp: if is_access { ACCESS_RTP } else { CORE_RTP },
        rtcp: RtcpIngress::Port(if is_access { ACCESS_RTCP } else { CORE_RTCP_PORT }),
        output: Some(EgressId(1 - leg)),
        reverse: EgressId(leg),
        extras: None,
    }
}

pub(crate) fn egress_spec(leg: u32, transport: Transport) -> EgressSpec {
    let is_access = leg == ACCESS;
    EgressSpec {
        transport,
        gate: Gate::OPEN,
        via: if is_access { ACCESS_RTP } else { CORE_RTP },
        to: Some(at(if is_access { UE } else { CORE })),
        rtcp: RtcpEgress::Port {
            via: if is_access { ACCESS_RTCP } else { CORE_RTCP_PORT },
            to: Some(at(if is_access { UE_RTCP } else { CORE_RTCP })),
        },
        extras: None,
    }
}

pub(crate) fn install_ingress(leg: u32, suite: Suite, seed: u8) -> Command {
    let change = IngressCrypto::Install {
        keys: vec![IngressKey::new(master(suite, seed))],
        parameters: SessionParameters::default(),
        roc: RocOnRekey::Keep,
        overlap: Duration::from_secs(2),
    };
    Command::IngressCrypto(IngressId(leg), change)
}

pub(crate) fn install_egress(leg: u32, suite: Suite, seed: u8) -> Command {
    let change = EgressCrypto::Install {
        keys: vec![EgressKey::new(master(suite, seed))],
        parameters: SessionParameters::default(),
        roc: RocOnRekey::Keep,
    };
    Command::EgressCrypto(EgressId(leg), change)
}

/// Both legs as given, without keys.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
pub(crate) fn legs(access: Transport, core: Transport) -> (Relay<Portable>, Instant) {
    let (mut relay, now) = (Relay::new(Portable), Instant::now());
    for (leg, transport) in [(ACCESS, access), (FAR, core)] {
        for command in [
            Command::SetEgress(EgressId(leg), egress_spec(leg, transport)),
            Command::SetIngress(IngressId(leg), ingress_spec(leg, transport)),
        ] {
            relay.handle_command(command, now).unwrap();
        }
    }
    (relay, now)
}

impl Call {
    pub(crate) fn new(suite: Suite) -> Self {
        let (relay, now) = legs(Transport::Secured, Transport::Plain);
        let parameters = SessionParameters::default();
        let out = vec![EgressKey::new(master(suite, INGRESS_SEED))];
        let into = vec![IngressKey::new(master(suite, EGRESS_SEED))];
        let mut call = Self {
            relay,
            ue_out: Protector::new(&Portable, out, parameters, 0).unwrap(),
            ue_in: Unprotector::new(&Portable, into, parameters, 0).unwrap(),
            now,
        };
        call.command(install_ingress(ACCESS, suite, INGRESS_SEED));
        call.command(install_egress(ACCESS, suite, EGRESS_SEED));
        call
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.relay.handle_command(command, self.now).unwrap();
    }

    /// What the UE sends for a plain RTP packet.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut slot = slot_of(plain);
        let len = self.ue_out.protect_srtp(&Portable, &mut slot, plain.len()).unwrap();
        slot[..len].to_vec()
    }

    /// What the UE sends for a plain RTCP packet.
    pub(crate) fn seal_rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut slot = slot_of(plain);
        let len = self.ue_out.protect_srtcp(&Portable, &mut slot, plain.len()).unwrap();
        slot[..len].to_vec()
    }

    /// What the UE reads from a packet that the gateway sent it.
    pub(crate) fn open(&mut self, sealed: &[u8]) -> Vec<u8> {
        let mut slot = slot_of(sealed);
        let len = self.ue_in.unprotect_srtp(&Portable, &mut slot, sealed.len(), self.now).unwrap();
        slot[..len].to_vec()
    }

    pub(crate) fn pass(&mut self, port: PortId, source: &str, octets: &[u8]) -> Passed {
        pass(&mut self.relay, self.now, port, source, octets)
    }

    pub(crate) fn dropped(&self, leg: u32, reason: DropReason) -> u64 {
        self.relay.ingress(IngressId(leg)).unwrap().stats.dropped.of(reason)
    }

    pub(crate) fn learnt(&self, component: Component) -> Option<SocketAddr> {
        let egress = self.relay.egress(EgressId(ACCESS)).unwrap();
        match component {
            Component::Rtp => egress.destination_rtp,
            Component::Rtcp => egress.destination_rtcp,
        }
    }
}

pub(crate) fn pass(
    relay: &mut Relay<Portable>,
    now: Instant,
    port: PortId,
    source: &str,
    octets: &[u8],
) -> Passed {
    pass_all(relay, now, &[(port, source, octets.to_vec())]).remove(0)
}

/// Takes several datagrams through as one batch.
pub(crate) fn pass_all(
    relay: &mut Relay<Portable>,
    now: Instant,
    datagrams: &[(PortId, &str, Vec<u8>)],
) -> Vec<Passed> {
    let mut slots: Vec<Vec<u8>> = datagrams.iter().map(|(.., octets)| slot_of(octets)).collect();
    let mut batch: Vec<Datagram<'_>> = slots
        .iter_mut()
        .zip(datagrams)
        .map(|(slot, (port, source, octets))| Datagram {
            port: *port,
            source: at(source),
            slot,
            len: octets.len(),
            traffic_class: 0,
            truncated: false,
            verdict: Verdict::Drop(DropReason::NoFlow),
        })
        .collect();
    relay.handle_batch(&mut batch, now);
    let outcome = |datagram: &Datagram<'_>| match datagram.verdict {
        Verdict::Forward { via, to, len, .. } => Ok((via, to, datagram.slot[..len].to_vec())),
        Verdict::FanOut(_) => panic!("no group here"),
        Verdict::Kept => Ok((datagram.port, datagram.source, Vec::new())),
        Verdict::Drop(reason) => Err(reason),
    };
    batch.iter().map(outcome).collect()
}

fn slot_of(octets: &[u8]) -> Vec<u8> {
    let mut slot = octets.to_vec();
    slot.resize(octets.len() + agw_srtp::MAX_TRAILER, 0xee);
    slot
}

pub(crate) fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

pub(crate) fn receiver_report(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet
}
