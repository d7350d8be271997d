//! Packets that SRTP makes longer than the path takes.

use std::net::IpAddr;
use std::time::Instant;

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::packet::rtp;
use agw_tests::stage::{self, Backend};
use agw_tests::{Call, Gateway, Key, Leg, PATIENCE, Side, Wire, api};

use crate::events::Listener;
use crate::{audited, on_stage};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// Octets that sealing adds.
const TAG: usize = 10;
/// Octets of the IP and UDP headers.
const HEADERS: [(IpVersion, usize); 2] = [(IpVersion::V4, 28), (IpVersion::V6, 48)];

#[derive(Debug, Clone, Copy)]
enum IpVersion {
    V4,
    V6,
}

impl IpVersion {
    fn peer(self, side: Side) -> IpAddr {
        match self {
            Self::V4 => side.peer(),
            Self::V6 => side.peer_v6(),
        }
    }
}

/// A packet of so many octets that was not sent before.
fn of_octets(call: &mut Call, octets: usize) -> Vec<u8> {
    let mut packet = call.next_packet(Call::CORE);
    packet.resize(octets, 0x5A);
    packet
}

fn call(gateway: &Gateway, version: IpVersion) -> Call {
    let access = version.peer(Side::Access);
    let access = Leg::secured(access, &Key::random(SUITE), &Key::random(SUITE));
    Call::between(gateway, access, Leg::plain(version.peer(Side::Core)))
}

/// What the kernel refused of what was to leave to the phone.
fn refused(gateway: &Gateway, call: &Call) -> (u64, Vec<(pb::SendRefusal, u64)>) {
    let context = audited(gateway, call.context);
    let streams = &context.terminations.first().expect("a termination").streams;
    let statistics = streams.first().and_then(|stream| stream.statistics.as_ref());
    let egress = statistics.and_then(|one| one.egress.as_ref()).expect("statistics");
    let by = egress.refusals.iter().map(|count| (count.reason(), count.packets));
    (egress.refused, by.collect())
}

/// Waits until so many were refused, all as too big.
fn await_too_big(gateway: &Gateway, call: &Call, count: u64) {
    let expected = (count, vec![(pb::SendRefusal::TooBig, count)]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = refused(gateway, call);
        if found == expected {
            return;
        }
        assert!(found.0 < count && Instant::now() < deadline, "{found:?}, not {expected:?}");
    }
}

/// Sends packets that are too long between such as fit: these arrive, those are counted.
fn exceed(gateway: &Gateway, call: &mut Call, longest: usize) {
    for count in 1..=3 {
        let fits = of_octets(call, longest - TAG);
        call.core.send(&fits);
        assert_eq!(call.access.receive(), fits);
        let too_long = of_octets(call, longest - TAG + 1);
        call.core.send(&too_long);
        await_too_big(gateway, call, count);
    }
    call.talk();
    assert!(call.is_silent());
}

//= tests/spec/relay.md#mtu
//= type=test
//# A datagram that is too long for its path MUST be counted by that reason.
#[test]
fn where_a_realm_refuses_it_what_grows_beyond_the_mtu_is_counted_and_its_neighbours_pass() {
    let Some(stage) = on_stage() else { return };
    let mut wire = Wire::among_peers(&stage);
    let gateway = Gateway::with(&["access.oversize=\"refuse\""]);
    for (version, headers) in HEADERS {
        let mut call = call(&gateway, version);
        call.talk();
        assert!(wire.datagram_to(call.access.address()).dont_fragment);
        exceed(&gateway, &mut call, 1_500 - headers);
        assert!(wire.all().iter().all(|packet| !packet.is_fragment));
    }
}

#[test]
fn the_mtu_of_a_route_counts_as_that_of_the_interface() {
    let Some(_stage) = on_stage() else { return };
    stage::ip("route replace 192.0.2.0/24 dev access src 192.0.2.1 mtu 1300");
    stage::ip("-6 route replace 2001:db8:2::/64 dev access metric 256 mtu 1300");
    let gateway = Gateway::with(&["access.oversize=\"refuse\""]);
    for (version, headers) in HEADERS {
        let mut call = call(&gateway, version);
        call.talk();
        exceed(&gateway, &mut call, 1_300 - headers);
    }
}

#[test]
fn an_interface_whose_mtu_is_lowered_during_a_call_takes_no_more_than_that() {
    let Some(stage) = on_stage() else { return };
    let gateway = Gateway::with(&["access.oversize=\"refuse\""]);
    let mut call = call(&gateway, IpVersion::V4);
    exceed(&gateway, &mut call, 1_472);
    drop(call);
    stage::ip("link set access mtu 1400");
    stage.among_peers(|| stage::ip("link set access mtu 1400"));
    let mut call = self::call(&gateway, IpVersion::V4);
    call.talk();
    exceed(&gateway, &mut call, 1_372);
}

//= tests/spec/relay.md#mtu
//= type=test
//# A datagram that is too long for its path MUST be told to the controller, at most once a second
//# for a stream.
#[test]
fn the_controller_is_told_the_size_and_not_by_every_packet() {
    let Some(_stage) = on_stage() else { return };
    let gateway = Gateway::with(&["access.oversize=\"refuse\""]);
    let mut call = call(&gateway, IpVersion::V4);
    let begun = Instant::now();
    for _ in 0..20 {
        let too_long = of_octets(&mut call, 1_472);
        call.core.send(&too_long);
    }
    await_too_big(&gateway, &call, 20);
    let seconds = begun.elapsed().as_secs();
    gateway.wait(gateway.iq.release(api::release(call.context))).expect("the end of the call");
    let mut listener = Listener::from_the_start(&gateway);
    let mut told = Vec::new();
    loop {
        let event = listener.next(&gateway);
        let kind = event.kind.expect("a kind");
        if matches!(kind, Kind::ContextReleased(_)) {
            break;
        }
        if let Kind::MtuExceeded(exceeded) = kind {
            told.push((event.subject, exceeded.octets));
        }
    }
    assert!((1..=1 + seconds).contains(&(told.len() as u64)), "{told:?} in {seconds} s");
    for (subject, octets) in told {
        let subject = subject.expect("a subject");
        let place = (subject.context_id, subject.termination_id, subject.stream_id);
        assert_eq!((place, octets), ((call.context, 1, 1), 1_482));
    }
}

#[test]
fn where_a_realm_fragments_what_grows_beyond_the_mtu_it_arrives_by_sockets_and_is_counted_by_xdp() {
    let Some(stage) = on_stage() else { return };
    let mut wire = Wire::among_peers(&stage);
    let gateway = Gateway::start();
    for (version, headers) in HEADERS {
        let mut call = call(&gateway, version);
        call.talk();
        if stage::backend() == Backend::Xdp {
            exceed(&gateway, &mut call, 1_500 - headers);
            continue;
        }
        let long = of_octets(&mut call, 1_472);
        let _ = wire.all();
        call.core.send(&long);
        assert_eq!(call.access.receive(), long);
        let parts = wire.all().into_iter().filter(|packet| packet.is_fragment);
        let phone = call.access.address().ip();
        assert!(parts.filter(|part| part.destination == phone).count() >= 2);
        assert_eq!(refused(&gateway, &call), (0, Vec::new()));
    }
}

#[test]
fn a_datagram_that_no_slot_takes_is_dropped_whole_and_the_next_one_passes() {
    let Some(stage) = on_stage() else { return };
    for side in Side::ALL {
        let raise = || stage::ip(&format!("link set {} mtu 3000", side.name()));
        raise();
        stage.among_peers(raise);
    }
    let gateway = Gateway::start();
    let mut call = call(&gateway, IpVersion::V4);
    for octets in [1_900, 2_900] {
        let jumbo = rtp(Call::CORE, 1, 1).into_iter().chain([0; 3_000]).take(octets);
        call.core.send_octets(&jumbo.collect::<Vec<_>>());
        call.talk();
    }
    assert!(call.is_silent());
}
