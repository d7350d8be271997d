//! A conference on paper: a plain focus, members on secured legs, one egress state for all.

mod collisions;
mod lifetimes;
mod rekeys;
mod renaming;
mod senders;
mod staged;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use agw_relay::{
    CollisionRule, Command, Datagram, Departure, DropReason, EgressCrypto, EgressExtras, EgressId,
    EgressSpec, Gate, GroupSpec, Half, IngressCrypto, IngressExtras, IngressId, IngressSpec,
    Member, PortId, Relay, Report, RtcpEgress, RtcpIngress, SourceRule, Ssrc, TrafficLimit,
    TrafficLimits, Transport, Verdict,
};
use agw_srtp::{
    EgressKey, Engine, IngressKey, Mki, Portable, Protector, RocOnRekey, SessionParameters, Suite,
    Unprotector,
};

use crate::support::{at, master, receiver_report, rtp};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const FOCUS: &str = "198.51.100.1:6000";
/// The leg of the focus; members' legs are counted from 1.
const FOCUS_LEG: u32 = 0;
/// The group's number, no leg's.
const GROUP: EgressId = EgressId(1_000);
const GATEWAYS_SEED: u8 = 2;
const MEMBERS_SEED: u8 = 1;
const FOCUS_SSRC: u32 = 0x00f0_c050;

type Keys = <Portable as Engine>::Keys;

struct Conference {
    relay: Relay<Portable>,
    now: Instant,
    spec: GroupSpec,
}

/// What leaves: from which port, to whom, which octets.
type Sent = Vec<(PortId, SocketAddr, Vec<u8>)>;

fn member_leg(number: u32) -> Member {
    Member { ingress: IngressId(number), egress: EgressId(number) }
}

fn address(number: u32) -> String {
    format!("192.0.{}.{}:4000", 2 + number / 256, number % 256)
}

fn ingress_spec(leg: u32) -> IngressSpec {
    let is_focus = leg == FOCUS_LEG;
    let member = IngressExtras { group: Some(GROUP), ..IngressExtras::default() };
    IngressSpec {
        transport: if is_focus { Transport::Plain } else { Transport::Secured },
        gate: Gate::OPEN,
        source: if is_focus { SourceRule::Signalled } else { SourceRule::Authenticated },
        signalled_rtp: Some(at(&if is_focus { FOCUS.to_owned() } else { address(leg) })),
        signalled_rtcp: None,
        rtp: PortId(leg),
        rtcp: RtcpIngress::Mux,
        output: Some(if is_focus { GROUP } else { EgressId(FOCUS_LEG) }),
        reverse: EgressId(leg),
        extras: (!is_focus).then(|| Box::new(member)),
    }
}

fn egress_spec(leg: u32, gate: Gate) -> EgressSpec {
    let is_focus = leg == FOCUS_LEG;
    EgressSpec {
        transport: if is_focus { Transport::Plain } else { Transport::Secured },
        gate,
        via: PortId(leg),
        to: Some(at(&if is_focus { FOCUS.to_owned() } else { address(leg) })),
        rtcp: RtcpEgress::Mux,
        extras: None,
    }
}

fn parameters() -> SessionParameters {
    SessionParameters::default()
}

fn install_for_members(seed: u8, roc: RocOnRekey, overlap: Duration) -> IngressCrypto {
    let keys = vec![IngressKey::new(master(SUITE, seed))];
    IngressCrypto::Install { keys, parameters: parameters(), roc, overlap }
}

fn install_for_gateway(seed: u8, roc: RocOnRekey) -> EgressCrypto {
    let keys = vec![EgressKey::new(master(SUITE, seed))];
    EgressCrypto::Install { keys, parameters: parameters(), roc }
}

/// What a member sends with.
fn sender(seed: u8, roc: u32) -> Protector<Keys> {
    let keys = vec![EgressKey::new(master(SUITE, seed))];
    Protector::new(&Portable, keys, parameters(), roc).unwrap()
}

/// What a member listens with.
fn receiver(seed: u8, roc: u32) -> Unprotector<Keys> {
    let keys = vec![IngressKey::new(master(SUITE, seed))];
    Unprotector::new(&Portable, keys, parameters(), roc).unwrap()
}

fn seal(with: &mut Protector<Keys>, plain: &[u8]) -> Vec<u8> {
    let mut slot = plain.to_vec();
    slot.resize(plain.len() + agw_srtp::MAX_TRAILER, 0);
    let len = with.protect_srtp(&Portable, &mut slot, plain.len()).unwrap();
    slot[..len].to_vec()
}

fn open(with: &mut Unprotector<Keys>, sealed: &[u8], now: Instant) -> Vec<u8> {
    let mut slot = sealed.to_vec();
    let len = with.unprotect_srtp(&Portable, &mut slot, sealed.len(), now).unwrap();
    slot[..len].to_vec()
}

impl Conference {
    /// A focus and so many members, whose own key and the gateway's are in force from `roc` on.
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
    fn new(members: u32, roc: u32, collisions: CollisionRule) -> Self {
        let spec = GroupSpec { members: Vec::new(), collisions, seals_in_domain: false, seed: 1 };
        let mut conference = Self { relay: Relay::new(Portable), now: Instant::now(), spec };
        conference.add_leg(FOCUS_LEG);
        conference.set_group();
        let roc = RocOnRekey::Set(roc);
        conference.command(Command::EgressCrypto(GROUP, install_for_gateway(GATEWAYS_SEED, roc)));
        let members_keys = install_for_members(MEMBERS_SEED, roc, Duration::ZERO);
        conference.command(Command::GroupIngressCrypto(GROUP, members_keys));
        (1..=members).for_each(|number| conference.join(number));
        conference
    }

    fn command(&mut self, command: Command) {
        self.relay.handle_command(command, self.now).unwrap();
    }

    fn add_leg(&mut self, leg: u32) {
        self.command(Command::SetEgress(EgressId(leg), egress_spec(leg, Gate::OPEN)));
        self.command(Command::SetIngress(IngressId(leg), ingress_spec(leg)));
    }

    fn set_group(&mut self) {
        let spec = EgressSpec::of_group(Transport::Secured, self.spec.clone());
        self.command(Command::SetEgress(GROUP, spec));
    }

    fn join(&mut self, number: u32) {
        self.add_leg(number);
        self.spec.members.push(member_leg(number));
        self.set_group();
    }

    fn leave(&mut self, number: u32) {
        self.command(Command::RemoveIngress(IngressId(number)));
        self.command(Command::RemoveEgress(EgressId(number)));
        self.spec.members.retain(|member| *member != member_leg(number));
        self.set_group();
    }

    /// What becomes of a datagram that arrives for a leg.
    fn pass(&mut self, leg: u32, octets: &[u8]) -> Result<Sent, DropReason> {
        let source = if leg == FOCUS_LEG { FOCUS.to_owned() } else { address(leg) };
        let mut slot = octets.to_vec();
        slot.resize(octets.len() + agw_srtp::MAX_TRAILER, 0xee);
        let mut batch = [Datagram {
            port: PortId(leg),
            source: at(&source),
            slot: &mut slot,
            len: octets.len(),
            traffic_class: 0,
            truncated: false,
            verdict: Verdict::Drop(DropReason::NoFlow),
        }];
        self.relay.handle_batch(&mut batch, self.now);
        let [Datagram { verdict, slot, .. }] = batch;
        match verdict {
            Verdict::Forward { via, to, len, .. } => Ok(vec![(via, to, slot[..len].to_vec())]),
            Verdict::FanOut(mut fan_out) => {
                let mut sent = Vec::new();
                while let Some(Departure { via, to, .. }) =
                    self.relay.next_copy(&mut fan_out, self.now)
                {
                    sent.push((via, to, slot[..fan_out.len].to_vec()));
                }
                Ok(sent)
            }
            Verdict::Kept => panic!("nothing waits for keys"),
            Verdict::Drop(reason) => Err(reason),
        }
    }

    fn collisions_told(&mut self) -> Vec<(IngressId, Option<IngressId>, bool)> {
        let mut told = Vec::new();
        while let Some(report) = self.relay.poll_report() {
            if let Report::SsrcCollision { ingress, with, dropped, .. } = report {
                told.push((ingress, with, dropped));
            }
        }
        told
    }
}

//= tests/spec/group.md#fan-out
//= type=test
//# What the focus sends MUST leave to every member as the same octets.
#[test]
fn a_packet_of_the_focus_is_sealed_once_and_leaves_to_every_member_alike() {
    let mut conference = Conference::new(5, 3, CollisionRule::Drop);
    let mut listeners: Vec<_> = (0..5).map(|_| receiver(GATEWAYS_SEED, 3)).collect();
    for sequence in [65_530, 65_535, 2, 3] {
        let plain = rtp(FOCUS_SSRC, sequence, b"mixed");
        let sent = conference.pass(FOCUS_LEG, &plain).unwrap();
        assert_eq!(sent.len(), 5);
        for (position, ((via, to, octets), listener)) in sent.iter().zip(&mut listeners).enumerate()
        {
            let number = u32::try_from(position).unwrap() + 1;
            assert_eq!((*via, *to), (PortId(number), at(&address(number))));
            assert_eq!(octets, &sent[0].2);
            assert_eq!(open(listener, octets, conference.now), plain);
        }
    }
    let stats = *conference.relay.stats();
    assert_eq!((stats.protected, stats.forwarded.packets, stats.copies.packets), (4, 4, 20));
    let group = conference.relay.egress(GROUP).unwrap();
    assert_eq!(group.stats.sent.packets, 4);
    assert_eq!(group.crypto.unwrap().sources[0].roc, 4);
    assert_eq!(conference.relay.egress(EgressId(3)).unwrap().stats.sent.packets, 4);
}

//= tests/spec/group.md#fan-out
//= type=test
//# RTCP to the members MUST use one SRTCP index for all of them.
#[test]
fn rtcp_of_the_focus_has_one_index_for_all_members() {
    let mut conference = Conference::new(3, 0, CollisionRule::Drop);
    for index in 1..=4u32 {
        let sent = conference.pass(FOCUS_LEG, &receiver_report(FOCUS_SSRC)).unwrap();
        assert_eq!(sent.len(), 3);
        for (.., octets) in &sent {
            let word = octets[octets.len() - 14..octets.len() - 10].try_into().unwrap();
            assert_eq!(u32::from_be_bytes(word), 0x8000_0000 | index);
        }
    }
    assert_eq!(conference.relay.egress(EgressId(2)).unwrap().stats.sent_rtcp.packets, 4);
}

//= tests/spec/group.md#members
//= type=test
//# A member that has left MUST NOT be sent anything, and the others MUST go on undisturbed.
//= tests/spec/group.md#members
//= type=test
//# A member on hold MUST NOT be sent media.
#[test]
fn members_come_go_and_hold_while_the_others_hear_on() {
    let mut conference = Conference::new(3, 3, CollisionRule::Drop);
    let mut listener = receiver(GATEWAYS_SEED, 3);
    let mut heard = |conference: &mut Conference, sequence| {
        let plain = rtp(FOCUS_SSRC, sequence, b"mixed");
        let sent = conference.pass(FOCUS_LEG, &plain).unwrap();
        assert_eq!(open(&mut listener, &sent[0].2, conference.now), plain);
        sent.iter().map(|(via, ..)| via.0).collect::<Vec<_>>()
    };
    assert_eq!(heard(&mut conference, 1), [1, 2, 3]);
    conference.leave(2);
    assert_eq!(heard(&mut conference, 2), [1, 3]);
    conference.join(4);
    assert_eq!(heard(&mut conference, 3), [1, 3, 4]);
    conference.command(Command::SetEgress(EgressId(3), egress_spec(3, Gate::CLOSED)));
    assert_eq!(heard(&mut conference, 4), [1, 4]);

    for number in [1, 4] {
        conference.command(Command::SetEgress(EgressId(number), egress_spec(number, Gate::CLOSED)));
    }
    let unheard = conference.pass(FOCUS_LEG, &rtp(FOCUS_SSRC, 5, b"mixed"));
    assert_eq!(unheard, Err(DropReason::EgressGate));
    assert_eq!(conference.relay.stats().protected, 4);
}

#[test]
fn what_members_send_goes_to_the_focus_by_their_own_state() {
    let mut conference = Conference::new(2, 3, CollisionRule::Drop);
    conference.join(3);
    for number in 1..=3 {
        let mut phone = sender(MEMBERS_SEED, 3);
        let plain = rtp(number, 65_000, b"spoken");
        let sealed = seal(&mut phone, &plain);
        let sent = conference.pass(number, &sealed).unwrap();
        assert_eq!(sent, [(PortId(FOCUS_LEG), at(FOCUS), plain)]);
        assert_eq!(conference.pass(number, &sealed), Err(DropReason::Replay));
    }
}

//= tests/spec/group.md#fan-out
//= type=test
//# Every copy that does not leave MUST be counted at its member, for one named reason.
#[test]
fn copies_that_do_not_leave_are_counted_at_their_member_by_reason() {
    let mut conference = Conference::new(4, 3, CollisionRule::Drop);
    let held = egress_spec(1, Gate::CLOSED);
    conference.command(Command::SetEgress(EgressId(1), held));
    let unknown = EgressSpec { to: None, ..egress_spec(2, Gate::OPEN) };
    conference.command(Command::SetEgress(EgressId(2), unknown));
    let rtp_limit = TrafficLimit {
        sustained_octets_per_s: 1,
        burst_octets: 1_500,
        peak_octets_per_s: 0,
        peak_tolerance: Duration::ZERO,
    };
    let limits = TrafficLimits { rtp: Some(rtp_limit), rtcp: None };
    let extras = Some(Box::new(EgressExtras { limits, ..EgressExtras::default() }));
    let limited = EgressSpec { extras, ..egress_spec(3, Gate::OPEN) };
    conference.command(Command::SetEgress(EgressId(3), limited));

    for sequence in 1..=50 {
        conference.pass(FOCUS_LEG, &rtp(FOCUS_SSRC, sequence, &[7; 160])).unwrap();
    }

    let member = |number| conference.relay.egress(EgressId(number)).unwrap();
    let reasons = [DropReason::EgressGate, DropReason::NoDestination, DropReason::EgressPoliced];
    for (number, reason) in (1..).zip(reasons) {
        let member = member(number);
        assert_eq!(member.copies_dropped.of(reason), member.copies_dropped.total(), "{reason:?}");
        assert_eq!(member.stats.sent.packets + member.copies_dropped.total(), 50, "{reason:?}");
        assert!(member.copies_dropped.total() > 0, "{reason:?}");
    }
    assert_eq!((member(4).stats.sent.packets, member(4).copies_dropped.total()), (50, 0));
    let stats = conference.relay.stats();
    assert_eq!(stats.copies.packets + stats.copies_dropped.total(), 4 * 50);
    assert_eq!((stats.forwarded.packets, stats.dropped.total()), (50, 0));
}

#[test]
fn a_staged_key_of_all_members_waits_for_its_identifier() {
    let mki = |octet: u8| Some(Mki::new(&[octet]).unwrap());
    let key = |seed, octet| IngressKey { mki: mki(octet), ..IngressKey::new(master(SUITE, seed)) };
    let mut conference = Conference::new(1, 0, CollisionRule::Drop);
    let install = IngressCrypto::Install {
        keys: vec![key(21, 1)],
        parameters: parameters(),
        roc: RocOnRekey::Reset,
        overlap: Duration::ZERO,
    };
    conference.command(Command::GroupIngressCrypto(GROUP, install));
    conference.command(Command::GroupIngressCrypto(GROUP, IngressCrypto::Stage(key(22, 2), 1)));
    conference.join(2);
    let phone = |seed, octet| {
        let key = EgressKey { mki: mki(octet), ..EgressKey::new(master(SUITE, seed)) };
        Protector::new(&Portable, vec![key], parameters(), 0).unwrap()
    };
    let (mut early, mut late) = (phone(22, 2), phone(21, 1));
    conference.pass(2, &seal(&mut early, &rtp(2, 1, b"new"))).unwrap();
    conference.pass(1, &seal(&mut late, &rtp(1, 1, b"old"))).unwrap();
    let (roc, overlap) = (RocOnRekey::Keep, Duration::ZERO);
    let activate = IngressCrypto::Activate { roc, overlap };
    conference.command(Command::GroupIngressCrypto(GROUP, activate));
    let sealed = seal(&mut late, &rtp(1, 2, b"old"));
    assert_eq!(conference.pass(1, &sealed), Err(DropReason::UnknownMki));
    conference.join(3);
    conference.pass(3, &seal(&mut early, &rtp(3, 1, b"new"))).unwrap();
}
