//! What an answer decides that its offer left open: plain or secured, and where RTCP goes.

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::{Call, Gateway, Key, Leg, Side, api, terminations};

fn configure(gateway: &Gateway, call: &Call, change: pb::StreamChange) -> pb::TerminationReply {
    let commands = vec![pb::command::Command::Configure(api::configure(call.context, 1, change))];
    let replies = gateway.wait(gateway.iq.transact(commands)).expect("a late choice");
    terminations(&replies)[0].clone()
}

/// A phone that was offered keys under RTP/AVP and took none (RFC 8643 §3.1).
#[test]
fn a_leg_reserved_for_srtp_becomes_plain_when_no_key_comes() {
    let gateway = Gateway::start();
    let mut access = Leg::plain(Side::Access.peer());
    access.stream.transport = pb::Transport::Secured.into();
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    let _ = gateway.ledger().after_drops("no_ingress_key", 1);

    let transport = pb::Transport::Plain.into();
    configure(&gateway, &call, pb::StreamChange { transport, ..pb::StreamChange::default() });

    call.talk();
    call.report();
    assert!(call.is_silent());
}

//= tests/spec/iq.md#late-choices
//= type=test
//# A stream that has or had a key MUST keep its transport
#[test]
fn a_leg_that_had_a_key_does_not_become_plain() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    let change =
        pb::StreamChange { transport: pb::Transport::Plain.into(), ..pb::StreamChange::default() };
    let refused = gateway.wait(gateway.iq.configure(api::configure(call.context, 1, change)));
    let field = refused.expect_err("a downgrade").field;
    assert_eq!(field.as_deref(), Some("configure.streams[0].transport"));
    call.talk();
}

/// A phone that was offered multiplexing and took it (RFC 5761 §5.1.1).
#[test]
fn rtcp_moves_to_the_rtp_port_and_back_under_a_call() {
    let gateway = Gateway::start();
    let suite = Suite::AeadAes128Gcm;
    let (ingress, egress) = (Key::random(suite), Key::random(suite));
    let access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    call.report();

    let rtcp = pb::RtcpMode::Mux.into();
    let reply = configure(&gateway, &call, pb::StreamChange { rtcp, ..Default::default() });
    call.access = call.access.multiplexing();
    call.access.attach(&reply.streams[0]);
    assert_eq!(reply.streams[0].rtp, reply.streams[0].rtcp);
    call.report();
    call.talk();
    assert!(call.is_silent());

    let rtcp = pb::RtcpMode::Pair.into();
    let reply = configure(&gateway, &call, pb::StreamChange { rtcp, ..Default::default() });
    assert_ne!(reply.streams[0].rtp, reply.streams[0].rtcp);
    call.access.attach(&reply.streams[0]);
    call.talk();
}
