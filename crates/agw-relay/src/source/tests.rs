//! Whom a leg listens to, packet by packet.

use super::*;
use crate::spec::{EgressId, Gate, PortId, RtcpIngress, Transport};
use crate::testing::epoch;

const A: &str = "127.0.0.1:4000";
const B: &str = "127.0.0.2:4000";
const SUCCESSOR: &str = "127.0.0.3:4000";
const ELSEWHERE: &str = "127.0.0.4:4000";
const GATE: Duration = Duration::from_secs(3);

fn first(since: Instant) -> SourceRule {
    SourceRule::First { since, within_ms: 3_000 }
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn spec(source: SourceRule) -> IngressSpec {
    IngressSpec {
        transport: Transport::Plain,
        gate: Gate::OPEN,
        source,
        signalled_rtp: Some(at(A)),
        signalled_rtcp: Some(at("127.0.0.1:4001")),
        rtp: PortId(0),
        rtcp: RtcpIngress::Mux,
        output: None,
        reverse: EgressId(0),
        extras: None,
    }
}

//= tests/spec/relay.md#source
//= type=test
//# On a plain leg a packet from any but the signalled source MUST be discarded unless latching
//# was asked for.
#[test]
fn only_the_signalled_source_is_admitted_and_nothing_is_learnt_from_it() {
    let spec = spec(SourceRule::Signalled);
    let mut latch = Latch::default();
    assert!(latch.admits(&spec, Component::Rtp, at(A), epoch()));
    assert!(!latch.admits(&spec, Component::Rtp, at(B), epoch()));
    assert!(!latch.admits(&spec, Component::Rtcp, at(A), epoch()));
    assert_eq!(latch.accepted_plain(&spec, Component::Rtp, at(A)), None);
    assert_eq!(latch, Latch::default());
}

//= tests/spec/relay.md#source
//= type=test
//# A packet from a media port of the gateway itself MUST be discarded unless exactly that port is
//# the signalled source.
#[test]
fn a_port_of_the_gateway_is_heard_only_where_exactly_that_one_is_signalled() {
    let own = [OwnPorts { address: at(A).ip(), ports: 4_000..=4_003 }];
    let rules = [SourceRule::Authenticated, SourceRule::Signalled, first(epoch())];
    for spec in rules.map(spec) {
        let latch = Latch::default();
        let table = [
            (Component::Rtp, "127.0.0.1:4000", false),
            (Component::Rtp, "127.0.0.1:4001", true),
            (Component::Rtcp, "127.0.0.1:4000", true),
            (Component::Rtcp, "127.0.0.1:4001", false),
            (Component::Rtp, "127.0.0.1:4002", true),
            (Component::Rtp, "127.0.0.1:4004", false),
            (Component::Rtp, "127.0.0.2:4002", false),
        ];
        for (component, source, expected) in table {
            let reflected = latch.is_reflected(&spec, component, at(source), &own);
            assert_eq!(reflected, expected, "{component:?} from {source} at {spec:?}");
        }
    }
}

//= tests/spec/relay.md#source
//= type=test
//# A latched plain leg MUST listen to the first source within the time gate and to no other
//# afterwards.
#[test]
fn the_first_source_within_the_gate_is_locked() {
    let start = epoch();
    let spec = spec(first(start));
    let mut latch = Latch::default();
    latch.start(&spec, start);
    assert!(latch.admits(&spec, Component::Rtp, at(B), start));
    assert!(!latch.admits(&spec, Component::Rtcp, at("127.0.0.2:9"), start), "RTP comes first");
    assert!(latch.admits(&spec, Component::Rtcp, at("127.0.0.1:4001"), start));
    let learnt = latch.accepted_plain(&spec, Component::Rtp, at(B));
    assert_eq!(learnt, Some(Move { to: at(B), again: false }));
    assert!(!latch.admits(&spec, Component::Rtp, at(A), start));
    assert!(!latch.admits(&spec, Component::Rtcp, at("127.0.0.3:4001"), start));
    assert!(latch.admits(&spec, Component::Rtcp, at("127.0.0.2:9"), start));
    assert_eq!(latch.accepted_plain(&spec, Component::Rtp, at(A)), None);
}

//= tests/spec/relay.md#source
//= type=test
//# A latched plain leg MUST listen to the first source within the time gate and to no other
//# afterwards.
#[test]
fn after_the_gate_only_the_signalled_source_is_admitted() {
    let start = epoch();
    let spec = spec(first(start));
    let mut latch = Latch::default();
    latch.start(&spec, start);
    let after = start + GATE;
    assert!(latch.admits(&spec, Component::Rtp, at(B), after - Duration::from_millis(1)));
    assert!(!latch.admits(&spec, Component::Rtp, at(B), after));
    assert!(latch.admits(&spec, Component::Rtp, at(A), after));
    assert!(!latch.admits(&spec, Component::Rtcp, at(B), after), "nobody has claimed RTP");
}

//= tests/spec/relay.md#source
//= type=test
//# The time gate of a plain leg that latches MUST NOT start before media may enter.
#[test]
fn the_time_gate_starts_when_media_may_enter_and_once() {
    let asked = epoch();
    let open = spec(first(asked));
    let closed = IngressSpec { gate: Gate { rtp: false, rtcp: true }, ..open.clone() };
    let mut latch = Latch::default();
    latch.start(&closed, asked);
    assert!(!latch.admits(&closed, Component::Rtp, at(B), asked), "nobody claims it before");
    let answered = asked + 10 * GATE;
    latch.start(&open, answered);
    let late = answered + GATE - Duration::from_millis(1);
    assert!(latch.admits(&open, Component::Rtp, at(B), late));
    latch.start(&open, late);
    assert!(!latch.admits(&open, Component::Rtp, at(B), answered + GATE));
}

#[test]
fn a_first_signalled_source_keeps_what_was_learnt_and_another_one_does_not() {
    let start = epoch();
    let signalled = spec(first(start));
    let mut unknown = signalled.clone();
    (unknown.signalled_rtp, unknown.signalled_rtcp) = (None, None);
    let mut latch = Latch::default();
    latch.start(&unknown, start);
    latch.accepted_plain(&unknown, Component::Rtp, at(B)).unwrap();
    latch.accepted_plain(&unknown, Component::Rtcp, at("127.0.0.2:9")).unwrap();
    assert!(latch.signals(&unknown, &signalled));
    let late = start + 10 * GATE;
    assert!(latch.admits(&signalled, Component::Rtp, at(B), late));
    assert!(!latch.admits(&signalled, Component::Rtp, at(A), late), "it is claimed");
    let other_rtcp = IngressSpec { signalled_rtcp: Some(at("127.0.0.1:9")), ..signalled.clone() };
    assert!(latch.signals(&signalled, &other_rtcp));
    assert_eq!(latch.address(Component::Rtp), Some(at(B)));
    assert_eq!(latch.address(Component::Rtcp), None);
    let other_rtp = IngressSpec { signalled_rtp: Some(at(B)), ..signalled.clone() };
    assert!(!latch.signals(&signalled, &other_rtp));
}

//= tests/spec/relay.md#source
//= type=test
//# When another peer is signalled on a latched plain leg, the former one MUST NOT claim the leg
//# within the time gate.
#[test]
fn who_was_the_peer_before_claims_nothing_until_the_time_gate_has_closed() {
    let start = epoch();
    let (before, after) = succession(start);
    let mut latch = Latch::default();
    latch.start(&before, start);
    latch.accepted_plain(&before, Component::Rtp, at(B)).unwrap();
    let mut latch = latch.anew(&before, &after);
    latch.start(&after, start);
    assert!(!latch.admits(&after, Component::Rtp, at(B), start), "it was there before");
    assert!(latch.admits(&after, Component::Rtp, at(ELSEWHERE), start), "behind a NAT");
    assert!(latch.admits(&after, Component::Rtp, at(SUCCESSOR), start));
    let late = start + GATE;
    assert!(latch.admits(&after, Component::Rtp, at(B), late), "it sends from where it was");
    assert!(!latch.admits(&after, Component::Rtp, at(ELSEWHERE), late));
    assert!(latch.admits(&after, Component::Rtp, at(SUCCESSOR), late));

    let silent = Latch::default().anew(&before, &after);
    assert_eq!(silent.aside, Some(Aside::Former(at(A).into())), "as signalled: it was not heard");
    // Another one still: the one between was never heard.
    let third = IngressSpec { signalled_rtp: Some(at(ELSEWHERE)), ..after.clone() };
    let latch = latch.anew(&after, &third);
    assert_eq!(latch.aside, Some(Aside::Former(at(B).into())));
    let same_peer = Latch::default().anew(&before, &spec(SourceRule::Signalled));
    assert_eq!(same_peer, Latch::default());
}

//= tests/spec/relay.md#source
//= type=test
//# A peer that was signalled in place of another one MUST be listened to whoever has claimed its
//# plain leg before.
#[test]
fn a_peer_that_was_signalled_in_place_of_another_takes_its_leg_from_anybody_and_keeps_it() {
    let start = epoch();
    let (before, after) = succession(start);
    let mut latch = Latch::default().anew(&before, &after);
    latch.start(&after, start);
    latch.accepted_plain(&after, Component::Rtp, at(ELSEWHERE)).unwrap();
    assert!(!latch.admits(&after, Component::Rtp, at(B), start));
    assert!(latch.admits(&after, Component::Rtp, at(SUCCESSOR), start + 10 * GATE));
    let moved = latch.accepted_plain(&after, Component::Rtp, at(SUCCESSOR));
    assert_eq!(moved, Some(Move { to: at(SUCCESSOR), again: true }));
    for stranger in [A, B, ELSEWHERE] {
        assert!(!latch.admits(&after, Component::Rtp, at(stranger), start));
        assert_eq!(latch.accepted_plain(&after, Component::Rtp, at(stranger)), None);
    }
}

/// A leg's spec before and after another peer was signalled.
fn succession(start: Instant) -> (IngressSpec, IngressSpec) {
    let before = spec(first(start));
    let after = IngressSpec { signalled_rtp: Some(at(SUCCESSOR)), ..before.clone() };
    (before, after)
}

#[test]
fn a_first_signalled_source_starts_the_time_gate_of_whom_nobody_has_claimed_anew() {
    let start = epoch();
    let signalled = spec(first(start));
    let unknown = IngressSpec { signalled_rtp: None, ..signalled.clone() };
    let mut latch = Latch::default();
    latch.start(&unknown, start);
    let late = start + 10 * GATE;
    assert!(!latch.admits(&unknown, Component::Rtp, at(B), late));
    assert!(latch.signals(&unknown, &signalled));
    latch.start(&signalled, late);
    assert!(latch.admits(&signalled, Component::Rtp, at(B), late));
    assert!(!latch.admits(&signalled, Component::Rtp, at(B), late + GATE));
    assert!(latch.signals(&signalled, &signalled));
    latch.start(&signalled, late + GATE);
    assert!(!latch.admits(&signalled, Component::Rtp, at(B), late + GATE), "told again");
}

//= tests/spec/relay.md#source
//= type=test
//# RTCP of a latched plain leg MUST be claimed by the host that has claimed RTP only, at any
//# time.
#[test]
fn rtcp_is_claimed_once_by_the_host_of_rtp_however_late() {
    let start = epoch();
    let spec = spec(first(start));
    let mut latch = Latch::default();
    latch.start(&spec, start);
    latch.accepted_plain(&spec, Component::Rtp, at(B)).unwrap();
    let late = start + 100 * GATE;
    let rtcp = |latch: &Latch, from| latch.admits(&spec, Component::Rtcp, at(from), late);
    assert!(!rtcp(&latch, "127.0.0.3:9") && rtcp(&latch, "127.0.0.2:9"));
    latch.accepted_plain(&spec, Component::Rtcp, at("127.0.0.2:9")).unwrap();
    assert!(rtcp(&latch, "127.0.0.2:9") && !rtcp(&latch, "127.0.0.2:10"));
}

//= tests/spec/relay.md#source
//= type=test
//# On a secured leg the peer's address MUST follow only an authenticated packet with a newer
//# index.
#[test]
fn a_secured_leg_follows_newer_authentic_packets_only() {
    let spec = spec(SourceRule::Authenticated);
    let mut latch = Latch::default();
    let mut on =
        |source, newer| latch.accepted_authentic(&spec, Component::Rtp, at(source), newer, false);
    assert_eq!(on(A, true), Some(Move { to: at(A), again: false }));
    assert_eq!(on(B, false), None);
    assert_eq!(on(A, true), None);
    assert_eq!(on(B, true), Some(Move { to: at(B), again: true }));
}

//= tests/spec/relay.md#source
//= type=test
//# Where latching once was asked for, a secured leg MUST listen to the first address that has
//# proved itself and to no other.
//= tests/spec/relay.md#source
//= type=test
//# A leg that re-latches MUST go on with the address it has until it accepts a packet from
//# another one.
#[test]
fn a_secured_leg_that_latches_once_moves_when_it_is_asked_to_and_only_then() {
    let spec = spec(SourceRule::AuthenticatedOnce { since: epoch() });
    let mut latch = Latch::default();
    let admits = |latch: &Latch, source| latch.admits(&spec, Component::Rtp, at(source), epoch());
    let on = |latch: &mut Latch, source, newer| {
        latch.accepted_authentic(&spec, Component::Rtp, at(source), newer, false)
    };
    assert!(admits(&latch, A) && admits(&latch, B));
    assert_eq!(on(&mut latch, B, true), Some(Move { to: at(B), again: false }));
    assert!(!admits(&latch, A) && admits(&latch, B));
    latch.reopen();
    assert!(admits(&latch, A) && admits(&latch, B));
    assert_eq!(on(&mut latch, B, true), None, "the address it has goes on");
    assert_eq!(on(&mut latch, A, false), None, "what is old moves nothing");
    assert_eq!(on(&mut latch, A, true), Some(Move { to: at(A), again: true }));
    assert!(admits(&latch, A) && !admits(&latch, B));
}

#[test]
fn a_plain_leg_re_latches_within_its_new_time_gate_only() {
    let start = epoch();
    let until = start + GATE;
    let spec = spec(first(start));
    let mut latch = Latch::default();
    latch.accepted_plain(&spec, Component::Rtp, at(A)).unwrap();
    latch.accepted_plain(&spec, Component::Rtcp, at("127.0.0.1:4001")).unwrap();
    latch.reopen();
    latch.start(&spec, start);
    let rtp = |latch: &Latch, source, now| latch.admits(&spec, Component::Rtp, at(source), now);
    let rtcp = |latch: &Latch| latch.admits(&spec, Component::Rtcp, at("127.0.0.2:9"), start);
    assert!(rtp(&latch, A, until) && !rtp(&latch, B, until));
    assert!(rtp(&latch, B, start) && !rtcp(&latch), "RTP comes first");
    assert_eq!(latch.accepted_plain(&spec, Component::Rtp, at(A)), None);
    let moved = latch.accepted_plain(&spec, Component::Rtp, at(B));
    assert_eq!(moved, Some(Move { to: at(B), again: true }));
    assert!(!rtp(&latch, A, start), "another has claimed it");
    assert!(rtcp(&latch));
}

#[test]
fn a_short_tag_needs_three_packets_in_a_row_to_move_the_address() {
    let spec = spec(SourceRule::Authenticated);
    let mut latch = Latch::default();
    let mut on =
        |source| latch.accepted_authentic(&spec, Component::Rtp, at(source), true, true).is_some();
    let sources = [A, A, A, B, B, A, B, B, B];
    let moved: Vec<bool> = sources.into_iter().map(&mut on).collect();
    assert_eq!(moved, [false, false, true, false, false, false, false, false, true]);
}
