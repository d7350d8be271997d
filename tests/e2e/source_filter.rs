//! Who may send to a leg, by address and port.

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, Side, api};

//= tests/spec/relay.md#source
//= type=test
//# A packet from a source outside the filter of its leg MUST be discarded before any cryptography.
#[test]
fn an_authentic_packet_from_another_port_does_not_enter_a_filtered_leg() {
    let gateway = Gateway::start();
    let suite = Suite::AesCm128HmacSha1_80;
    let mut access = Leg::secured(Side::Access.peer(), &Key::random(suite), &Key::random(suite));
    access.stream.source_filter = Some(filter(Side::Access, access.endpoint.address().port()));
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    call.talk();
    call.report();
    let mut elsewhere = Endpoint::plain(Side::Access.peer());
    elsewhere.attach(&call.access.local());

    let packet = call.next_packet(Call::ACCESS);
    let sealed = call.access.seal(&packet);
    elsewhere.send_octets(&sealed);

    let entry = gateway.ledger().after_drops("wrong_source", 1);
    assert!(entry.closes(), "{entry:?}");
    call.talk();
    let removed = change(pb::SourceFilter::default());
    gateway.wait(gateway.iq.configure(api::configure(call.context, 1, removed))).expect("a change");
    elsewhere.send_octets(&sealed);
    assert_eq!(call.core.receive(), packet, "the filter is gone, and it was never opened before");
    assert!(elsewhere.is_silent() && call.is_silent());
}

#[test]
fn a_plain_leg_hears_every_port_of_a_network_where_a_filter_says_so() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    let mut asymmetric = Endpoint::plain(Side::Core.peer());
    asymmetric.attach(&call.core.local());
    let packet = call.next_packet(Call::CORE);
    asymmetric.send(&packet);
    let _ = gateway.ledger().after_drops("wrong_source", 1);

    let network = format!("{}/24", Side::Core.peer());
    let widened = change(pb::SourceFilter { network, ..pb::SourceFilter::default() });
    gateway.wait(gateway.iq.configure(api::configure(call.context, 2, widened))).expect("a change");

    asymmetric.send(&packet);
    assert_eq!(call.access.receive(), packet);
    call.talk();
    assert!(asymmetric.is_silent() && call.is_silent(), "media goes where it was signalled to");
    let contexts = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    let audited = contexts[0].terminations[1].streams[0].source_filter.clone();
    let expected = format!("{}.0/24", Side::Core.peer().to_string().rsplit_once('.').unwrap().0);
    assert_eq!(audited.map(|filter| filter.network), Some(expected));
}

fn filter(side: Side, port: u16) -> pb::SourceFilter {
    let network = side.peer().to_string();
    pb::SourceFilter { network, lowest_port: port.into(), highest_port: 0 }
}

fn change(filter: pb::SourceFilter) -> pb::StreamChange {
    pb::StreamChange { source_filter: Some(filter), ..pb::StreamChange::default() }
}
