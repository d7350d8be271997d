//! Who may speak on a leg, and where its packets go.

use std::time::Duration;

use agw_relay::{
    Command, Component, DropReason, EgressId, EgressSpec, Gate, IngressExtras, IngressId,
    IngressSpec, Network, Report, RtcpEgress, SourceFilter, SourceRule, Transport,
};
use agw_srtp::{EgressKey, Portable, Protector, SessionParameters, Suite};

use crate::support::{
    ACCESS, ACCESS_RTP, CORE, CORE_RTCP, CORE_RTCP_PORT, CORE_RTP, Call, FAR, UE, at, egress_spec,
    ingress_spec, install_ingress, master, rtp,
};

const MOVED: &str = "203.0.113.9:7000";

//= tests/spec/relay.md#source
//= type=test
//# On a secured leg the peer's address MUST follow only an authenticated packet with a newer index.
#[test]
fn media_follows_the_phone_to_its_new_address_once_it_has_proved_itself() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let sealed = call.seal(&rtp(7, 1, b"x"));
    call.pass(ACCESS_RTP, UE, &sealed).unwrap();
    let mut forged = call.seal(&rtp(7, 2, b"x"));
    *forged.last_mut().unwrap() ^= 1;
    assert!(call.pass(ACCESS_RTP, MOVED, &forged).is_err());
    assert_eq!(call.learnt(Component::Rtp), Some(at(UE)));

    let sealed = call.seal(&rtp(7, 3, b"x"));
    call.pass(ACCESS_RTP, MOVED, &sealed).unwrap();
    assert_eq!(call.pass(CORE_RTP, CORE, &rtp(9, 1, b"x")).unwrap().1, at(MOVED));
    let reports: Vec<_> = std::iter::from_fn(|| call.relay.poll_report()).collect();
    let learnt = |address, again| Report::Learnt {
        ingress: IngressId(ACCESS),
        reverse: EgressId(ACCESS),
        component: Component::Rtp,
        address: at(address),
        again,
    };
    assert_eq!(reports, [learnt(UE, false), learnt(MOVED, true)]);
}

//= tests/spec/relay.md#source
//= type=test
//# On a secured leg the peer's address MUST follow only an authenticated packet with a newer index.
#[test]
fn an_old_authentic_packet_from_elsewhere_moves_nothing() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let held_back = call.seal(&rtp(7, 1, b"x"));
    let newer = call.seal(&rtp(7, 2, b"x"));
    call.pass(ACCESS_RTP, UE, &newer).unwrap();
    call.pass(ACCESS_RTP, MOVED, &held_back).unwrap();
    assert_eq!(call.learnt(Component::Rtp), Some(at(UE)));
}

//= tests/spec/relay.md#source
//= type=test
//# A packet from a source outside the filter of its leg MUST be discarded before any cryptography.
#[test]
fn a_filter_keeps_authentic_packets_out_and_a_narrower_one_forgets_who_was_learnt() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let with = |prefix| {
        let network = Network::new(at(UE).ip(), prefix);
        let filter = SourceFilter { network, lowest_port: 0, highest_port: u16::MAX };
        let extras = Some(Box::new(IngressExtras {
            source_filter: Some(filter),
            ..IngressExtras::default()
        }));
        let source = SourceRule::Authenticated;
        let spec = IngressSpec { source, extras, ..ingress_spec(ACCESS, Transport::Secured) };
        Command::SetIngress(IngressId(ACCESS), spec)
    };
    call.command(with(32));
    let sealed = call.seal(&rtp(7, 1, b"x"));
    assert_eq!(call.pass(ACCESS_RTP, MOVED, &sealed), Err(DropReason::WrongSource));
    call.pass(ACCESS_RTP, UE, &sealed).unwrap();
    call.command(with(0));
    let sealed = call.seal(&rtp(7, 2, b"x"));
    call.pass(ACCESS_RTP, MOVED, &sealed).unwrap();
    assert_eq!(call.learnt(Component::Rtp), Some(at(MOVED)));
    call.command(with(1));
    assert_eq!(call.learnt(Component::Rtp), Some(at(MOVED)), "it is in the filter still");
    call.command(with(32));
    assert_eq!(call.learnt(Component::Rtp), Some(at(UE)), "as signalled");
    assert_eq!(call.pass(CORE_RTP, CORE, &rtp(9, 1, b"x")).unwrap().1, at(UE));
}

#[test]
fn a_filter_takes_the_place_of_the_signalled_address_and_says_who_may_latch() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let network = Network::new(at(MOVED).ip(), 32);
    let filter = SourceFilter { network, lowest_port: 7_000, highest_port: 7_001 };
    let since = call.now;
    let mut sequence = 0;
    let mut set = |source| {
        let extras = Some(Box::new(IngressExtras {
            source_filter: Some(filter),
            ..IngressExtras::default()
        }));
        let spec = IngressSpec { source, extras, ..ingress_spec(FAR, Transport::Plain) };
        call.command(Command::SetIngress(IngressId(FAR), spec));
        [CORE, MOVED].map(|from| {
            sequence += 1;
            call.pass(CORE_RTP, from, &rtp(9, sequence, b"x")).is_ok()
        })
    };
    assert_eq!(set(SourceRule::Signalled), [false, true]);
    assert_eq!(set(SourceRule::First { since, within_ms: 600_000 }), [false, true]);
}

#[test]
fn a_key_in_its_overlap_moves_nothing_once_the_new_one_was_used() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut call = Call::new(suite);
    let first = call.seal(&rtp(7, 1, b"x"));
    call.pass(ACCESS_RTP, UE, &first).unwrap();
    let [early, late] = [2, 9].map(|sequence| call.seal(&rtp(7, sequence, b"x")));
    call.command(install_ingress(ACCESS, suite, 9));
    call.pass(ACCESS_RTP, MOVED, &early).unwrap();
    assert_eq!(call.learnt(Component::Rtp), Some(at(MOVED)), "the new key was not used yet");
    let keys = vec![EgressKey::new(master(suite, 9))];
    call.ue_out = Protector::new(&Portable, keys, SessionParameters::default(), 0).unwrap();
    let fresh = call.seal(&rtp(7, 3, b"x"));
    call.pass(ACCESS_RTP, UE, &fresh).unwrap();

    call.pass(ACCESS_RTP, MOVED, &late).unwrap();

    assert_eq!(call.learnt(Component::Rtp), Some(at(UE)));
}

#[test]
fn empty_rtp_and_an_unknown_payload_type_keep_a_latch_open_on_both_kinds_of_legs() {
    for keepalive in [rtp(7, 1, b""), [&[0x80, 20][..], &rtp(7, 1, b"")[2..]].concat()] {
        let mut call = Call::new(Suite::AesCm128HmacSha1_80);
        let sealed = call.seal(&keepalive);
        call.pass(ACCESS_RTP, MOVED, &sealed).unwrap();
        assert_eq!(call.learnt(Component::Rtp), Some(at(MOVED)));

        let source = SourceRule::First { since: call.now, within_ms: 3_000 };
        let spec = IngressSpec { source, ..ingress_spec(FAR, Transport::Plain) };
        call.command(Command::SetIngress(IngressId(FAR), spec));
        call.pass(CORE_RTP, UE, &keepalive).unwrap();
        let destination = call.relay.egress(EgressId(FAR)).unwrap().destination_rtp;
        assert_eq!(destination, Some(at(UE)));
    }
}

#[test]
fn with_a_short_tag_the_address_moves_with_the_third_packet() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_32);
    let destinations: Vec<_> = (1..=3u16)
        .map(|sequence| {
            let sealed = call.seal(&rtp(7, sequence, b"x"));
            call.pass(ACCESS_RTP, MOVED, &sealed).unwrap();
            call.learnt(Component::Rtp).unwrap()
        })
        .collect();
    assert_eq!(destinations, [at(UE), at(UE), at(MOVED)]);
}

//= tests/spec/relay.md#source
//= type=test
//# On a plain leg a packet from any but the signalled source MUST be discarded unless latching was
//# asked for.
#[test]
fn a_plain_leg_hears_its_signalled_source_only() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let injected = call.pass(CORE_RTP, MOVED, &rtp(9, 1, b"x"));
    assert_eq!(injected, Err(DropReason::WrongSource));
    assert!(call.pass(CORE_RTP, CORE, &rtp(9, 1, b"x")).is_ok());
}

//= tests/spec/relay.md#source
//= type=test
//# A latched plain leg MUST listen to the first source within the time gate and to no other
//# afterwards.
#[test]
fn a_plain_leg_that_latches_locks_the_first_source_and_sends_there() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let mut ingress = ingress_spec(FAR, Transport::Plain);
    ingress.source = SourceRule::First { since: call.now, within_ms: 3_000 };
    ingress.signalled_rtp = None;
    let mut egress = egress_spec(FAR, Transport::Plain);
    egress.to = None;
    call.command(Command::SetIngress(IngressId(FAR), ingress.clone()));
    call.command(Command::SetEgress(EgressId(FAR), egress.clone()));
    let sealed = call.seal(&rtp(7, 1, b"x"));
    assert_eq!(call.pass(ACCESS_RTP, UE, &sealed), Err(DropReason::NoDestination));

    call.pass(CORE_RTP, MOVED, &rtp(9, 1, b"x")).unwrap();
    assert_eq!(call.pass(CORE_RTP, CORE, &rtp(9, 2, b"x")), Err(DropReason::WrongSource));
    let sealed = call.seal(&rtp(7, 2, b"x"));
    assert_eq!(call.pass(ACCESS_RTP, UE, &sealed).unwrap().1, at(MOVED));

    // The same spec told again keeps what was learnt; another gate starts anew.
    call.command(Command::SetIngress(IngressId(FAR), ingress.clone()));
    assert!(call.pass(CORE_RTP, MOVED, &rtp(9, 3, b"x")).is_ok());
    call.now += Duration::from_secs(10);
    ingress.source = SourceRule::First { since: call.now, within_ms: 3_000 };
    call.command(Command::SetIngress(IngressId(FAR), ingress));
    assert!(call.pass(CORE_RTP, CORE, &rtp(9, 4, b"x")).is_ok());
    // The answer's address says nothing about whom the leg has heard already; one that takes its
    // place does.
    for (signalled, expected) in
        [("198.51.100.7:1234", CORE), ("198.51.100.8:1234", "198.51.100.8:1234")]
    {
        egress.to = Some(at(signalled));
        call.command(Command::SetEgress(EgressId(FAR), egress.clone()));
        let sealed = call.seal(&rtp(7, 3 + u16::from(signalled == expected), b"x"));
        assert_eq!(call.pass(ACCESS_RTP, UE, &sealed).unwrap().1, at(expected));
    }
}

#[test]
fn an_address_learnt_by_another_worker_is_followed() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    call.command(Command::Follow(EgressId(ACCESS), Component::Rtp, at(MOVED)));
    assert_eq!(call.pass(CORE_RTP, CORE, &rtp(9, 1, b"x")).unwrap().1, at(MOVED));
}

#[test]
fn a_new_source_rule_takes_back_what_was_learnt_under_the_old_one() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let mut ingress = ingress_spec(FAR, Transport::Plain);
    ingress.source = SourceRule::First { since: call.now, within_ms: 3_000 };
    call.command(Command::SetIngress(IngressId(FAR), ingress.clone()));
    call.pass(CORE_RTP, MOVED, &rtp(9, 1, b"x")).unwrap();
    let sealed = call.seal(&rtp(7, 1, b"x"));
    assert_eq!(call.pass(ACCESS_RTP, UE, &sealed).unwrap().1, at(MOVED));

    ingress.source = SourceRule::Signalled;
    call.command(Command::SetIngress(IngressId(FAR), ingress));
    let sealed = call.seal(&rtp(7, 2, b"x"));
    assert_eq!(call.pass(ACCESS_RTP, UE, &sealed).unwrap().1, at(CORE));
}

#[test]
fn a_peer_that_moves_with_every_packet_does_not_flood_control() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    for sequence in 1..=1000u16 {
        let sealed = call.seal(&rtp(7, sequence, b"x"));
        let source = format!("203.0.113.9:{}", 10_000 + sequence);
        call.pass(ACCESS_RTP, &source, &sealed).unwrap();
        assert_eq!(call.learnt(Component::Rtp), Some(at(&source)));
    }
    let reports = std::iter::from_fn(|| call.relay.poll_report()).count();
    assert!(reports <= 10, "{reports}");
    call.now += Duration::from_secs(1);
    let sealed = call.seal(&rtp(7, 1001, b"x"));
    call.pass(ACCESS_RTP, UE, &sealed).unwrap();
    assert_eq!(std::iter::from_fn(|| call.relay.poll_report()).count(), 1);
}

/// A plain far leg that latches, as reserved: no address is known and its gate is `open` for media.
fn latching(call: &mut Call, open: bool) -> (IngressSpec, EgressSpec) {
    let source = SourceRule::First { since: call.now, within_ms: 3_000 };
    let gate = Gate { rtp: open, rtcp: open };
    let mut ingress = IngressSpec { source, gate, ..ingress_spec(FAR, Transport::Plain) };
    (ingress.signalled_rtp, ingress.signalled_rtcp) = (None, None);
    let rtcp = RtcpEgress::Port { via: CORE_RTCP_PORT, to: None };
    let egress = EgressSpec { to: None, rtcp, ..egress_spec(FAR, Transport::Plain) };
    tell(call, &ingress, &egress);
    (ingress, egress)
}

/// Both halves of the far leg.
fn tell(call: &mut Call, ingress: &IngressSpec, egress: &EgressSpec) {
    call.command(Command::SetIngress(IngressId(FAR), ingress.clone()));
    call.command(Command::SetEgress(EgressId(FAR), egress.clone()));
}

/// Where the far leg's RTP and RTCP go.
fn destinations(call: &Call) -> [Option<std::net::SocketAddr>; 2] {
    let egress = call.relay.egress(EgressId(FAR)).unwrap();
    [egress.destination_rtp, egress.destination_rtcp]
}

//= tests/spec/relay.md#source
//= type=test
//# The time gate of a plain leg that latches MUST NOT start before media may enter.
#[test]
fn a_leg_that_rings_for_longer_than_its_time_gate_latches_once_it_is_answered() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let (mut ingress, egress) = latching(&mut call, false);
    let early = call.pass(CORE_RTP, UE, &rtp(8, 1, b""));
    assert_eq!(early, Err(DropReason::IngressGate));
    call.now += Duration::from_secs(60);
    ingress.gate = Gate::OPEN;
    tell(&mut call, &ingress, &egress);
    call.now += Duration::from_millis(2_999);
    assert!(call.pass(CORE_RTP, MOVED, &rtp(9, 1, b"x")).is_ok());
    assert_eq!(call.pass(CORE_RTP, UE, &rtp(8, 2, b"x")), Err(DropReason::WrongSource));
    assert_eq!(destinations(&call)[0], Some(at(MOVED)));
}

//= tests/spec/relay.md#source
//= type=test
//# What a leg has learnt MUST hold when its peer's address is signalled for the first time.
//= tests/spec/relay.md#source
//= type=test
//# RTCP of a latched plain leg MUST be claimed by the host that has claimed RTP only, at any time.
#[test]
fn a_leg_that_talks_goes_on_when_the_answer_brings_an_address_behind_a_nat() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let (mut ingress, mut egress) = latching(&mut call, true);
    let behind = "203.0.113.9:7005";
    call.pass(CORE_RTP, MOVED, &rtp(9, 1, b"x")).unwrap();
    call.now += Duration::from_secs(5);
    call.pass(CORE_RTCP_PORT, behind, &rtcp(9)).unwrap();

    (ingress.signalled_rtp, ingress.signalled_rtcp) = (Some(at(CORE)), Some(at(CORE_RTCP)));
    let rtcp_egress = RtcpEgress::Port { via: CORE_RTCP_PORT, to: Some(at(CORE_RTCP)) };
    (egress.to, egress.rtcp) = (Some(at(CORE)), rtcp_egress);
    tell(&mut call, &ingress, &egress);

    assert!(call.pass(CORE_RTP, MOVED, &rtp(9, 2, b"x")).is_ok());
    assert!(call.pass(CORE_RTCP_PORT, behind, &rtcp(9)).is_ok());
    assert_eq!(destinations(&call), [Some(at(MOVED)), Some(at(behind))]);
    for (port, from) in [(CORE_RTP, CORE), (CORE_RTCP_PORT, CORE_RTCP)] {
        let octets = if port == CORE_RTP { rtp(9, 3, b"x") } else { rtcp(9) };
        assert_eq!(call.pass(port, from, &octets), Err(DropReason::WrongSource), "{from}");
    }
}

//= tests/spec/relay.md#source
//= type=test
//# What a leg has learnt MUST hold when its peer's address is signalled for the first time.
#[test]
fn a_secured_leg_sends_on_to_where_its_phone_is_when_the_answer_brings_another_address() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let signalled = ingress_spec(ACCESS, Transport::Secured);
    let mut unknown = signalled.clone();
    (unknown.signalled_rtp, unknown.signalled_rtcp) = (None, None);
    let egress = egress_spec(ACCESS, Transport::Secured);
    call.command(Command::SetIngress(IngressId(ACCESS), unknown));
    call.command(Command::SetEgress(EgressId(ACCESS), EgressSpec { to: None, ..egress.clone() }));
    let sealed = call.seal(&rtp(7, 1, b"x"));
    call.pass(ACCESS_RTP, MOVED, &sealed).unwrap();

    call.command(Command::SetIngress(IngressId(ACCESS), signalled));
    call.command(Command::SetEgress(EgressId(ACCESS), egress));

    assert_eq!(call.pass(CORE_RTP, CORE, &rtp(9, 1, b"x")).unwrap().1, at(MOVED));
}

//= tests/spec/relay.md#gates
//= type=test
//# What the known peer of a plain leg sends into a closed gate MUST count as its sign of life.
#[test]
fn keepalives_into_a_closed_gate_are_the_known_peers_sign_of_life_and_nobody_elses() {
    let (empty, mut no_op) = (rtp(7, 1, b""), rtp(7, 1, b""));
    no_op[1] = 20;
    for keepalive in [empty, no_op] {
        let mut call = Call::new(Suite::AesCm128HmacSha1_80);
        let gate = Gate::CLOSED;
        let spec = IngressSpec { gate, ..ingress_spec(FAR, Transport::Plain) };
        call.command(Command::SetIngress(IngressId(FAR), spec));
        for (from, octets, lives) in
            [(MOVED, &keepalive[..], false), (CORE, &[0x80; 11], false), (CORE, &keepalive, true)]
        {
            assert!(call.pass(CORE_RTP, from, octets).is_err());
            assert_eq!(call.relay.last_accepted(IngressId(FAR)).is_some(), lives, "{from}");
        }
        assert_eq!(call.dropped(FAR, DropReason::IngressGate), 3);
    }
}

/// An empty receiver report.
fn rtcp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat()
}
