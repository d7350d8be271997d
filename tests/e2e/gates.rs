//! Gates: what passes in each mode, at once when the reply is there.

use agw_iq::pb::{self, StreamMode};
use agw_srtp::Suite;
use agw_tests::packet::rtcp;
use agw_tests::{Call, Endpoint, Gateway, Leg, Side, api};

/// What a mode lets pass at a termination: media in, media out, RTCP.
const MODES: [(StreamMode, bool, bool, bool); 4] = [
    (StreamMode::SendReceive, true, true, true),
    (StreamMode::SendOnly, false, true, true),
    (StreamMode::ReceiveOnly, true, false, true),
    (StreamMode::Inactive, false, false, false),
];

//= tests/spec/iq.md#acknowledgement
//= type=test
//# An acknowledged command MUST be in force in the packet path.
//= tests/spec/relay.md#gates
//= type=test
//# Media MUST NOT pass a closed gate in either direction.
//= tests/spec/relay.md#gates
//= type=test
//# RTCP MUST pass while media is on hold.
//= tests/spec/relay.md#gates
//= type=test
//# An inactive stream MUST pass neither media nor RTCP.
#[test]
fn a_gate_of_the_secured_leg_does_what_it_says_at_once() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    for (mode, media_in, media_out, control) in cycle() {
        set(&gateway, &call, 1, mode);
        check(&gateway, &mut call, Expected { inwards: media_in, outwards: media_out, control });
    }
}

#[test]
fn a_gate_of_the_plain_leg_does_what_it_says_at_once() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AeadAes128Gcm);
    for (mode, media_in, media_out, control) in cycle() {
        set(&gateway, &call, 2, mode);
        check(&gateway, &mut call, Expected { inwards: media_out, outwards: media_in, control });
    }
}

/// What passes, from access to core and back.
struct Expected {
    inwards: bool,
    outwards: bool,
    control: bool,
}

/// Every mode after every other one, ending open.
fn cycle() -> impl Iterator<Item = (StreamMode, bool, bool, bool)> {
    let orders = [[3, 0, 1, 2], [1, 3, 2, 0], [2, 1, 0, 3], [0, 2, 3, 0]];
    orders.into_iter().flatten().map(|mode: usize| MODES[mode])
}

fn set(gateway: &Gateway, call: &Call, termination: u32, mode: StreamMode) {
    let change = api::gates(call.context, termination, mode);
    gateway.wait(gateway.iq.change_through_connection(change)).expect("the gate");
}

/// Sends one packet of each kind both ways: what must pass arrives, the rest is counted and does
/// not arrive later.
fn check(gateway: &Gateway, call: &mut Call, expected: Expected) {
    let before = gateway.ledger().read();
    let refused = |passes: bool| u64::from(!passes);
    let drops = refused(expected.inwards) + refused(expected.outwards);
    let drops = drops + 2 * refused(expected.control);

    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    if expected.inwards {
        assert_eq!(call.core.receive(), packet);
    }
    let packet = call.next_packet(Call::CORE);
    call.core.send(&packet);
    if expected.outwards {
        assert_eq!(call.access.receive(), packet);
    }
    if expected.control {
        call.report();
    } else {
        call.access.send_control(&rtcp(Call::ACCESS, 7));
        call.core.send_control(&rtcp(Call::CORE, 7));
    }

    let at_gates =
        |entry: &agw_tests::Entry| entry.drops("ingress_gate") + entry.drops("egress_gate");
    let ledger = gateway.ledger();
    let target = at_gates(&before) + drops;
    let after = ledger.until(|entry| at_gates(entry) >= target && entry.closes());
    assert_eq!(at_gates(&after), target, "{after:?}");
    assert!(call.is_silent());
}

//= tests/spec/relay.md#gates
//= type=test
//# What the known peer of a plain leg sends into a closed gate MUST count as its sign of life.
#[test]
fn keepalives_of_a_plain_phone_on_hold_are_its_sign_of_life() {
    let gateway = Gateway::start();
    let keepalives = [[0x80, 8], [0x80, 20]];
    for (count, first) in (1..).zip(keepalives) {
        let mut access = Leg::plain(Side::Access.peer());
        access.stream.mode = StreamMode::Inactive.into();
        let call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
        let mut stranger = Endpoint::plain(Side::Access.peer());
        stranger.attach(&call.access.local());
        let keepalive = [&first[..], &[0, 1, 0, 0, 0, 0, 0, 0, 0, 7]].concat();
        for (of_call, (from, lives)) in (0..).zip([(&stranger, false), (&call.access, true)]) {
            from.send_octets(&keepalive);
            let _ = gateway.ledger().after_drops("ingress_gate", 2 * count - 1 + of_call);
            assert_eq!(accepted(&gateway, &call), lives, "{first:?}");
        }
        assert!(call.is_silent());
    }
}

/// Whether the access leg has accepted anything.
fn accepted(gateway: &Gateway, call: &Call) -> bool {
    let request = pb::AuditValueRequest {
        context_id: call.context,
        include_statistics: true,
        ..pb::AuditValueRequest::default()
    };
    let audit = gateway.wait(gateway.iq.audit(request)).expect("an audit");
    let statistics = audit.contexts[0].terminations[0].streams[0].statistics.as_ref();
    let ingress = statistics.and_then(|statistics| statistics.ingress.as_ref());
    ingress.expect("an ingress").accepted_ago_ms.is_some()
}
