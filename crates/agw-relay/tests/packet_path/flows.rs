//! Where packets go: directions, components, gates, transports.

use agw_relay::{
    Command, DropReason, EgressId, Gate, IngressId, PortId, Removed, RtcpEgress, RtcpIngress,
    Transport,
};
use agw_srtp::Suite;

use crate::support::{
    ACCESS, ACCESS_RTCP, ACCESS_RTP, CORE, CORE_RTCP, CORE_RTCP_PORT, CORE_RTP, Call, FAR, UE,
    UE_RTCP, at, egress_spec, ingress_spec, legs, pass, pass_all, receiver_report, rtp,
};

#[test]
fn srtp_becomes_rtp_and_rtp_becomes_srtp_in_every_suite() {
    for suite in Suite::ALL {
        let mut call = Call::new(suite);
        let up = rtp(7, 100, b"from the phone");
        let sealed = call.seal(&up);
        let forwarded = call.pass(ACCESS_RTP, UE, &sealed);
        assert_eq!(forwarded, Ok((CORE_RTP, at(CORE), up)), "{suite:?}");

        let down = rtp(9, 5, b"from the core");
        let (via, to, sealed) = call.pass(CORE_RTP, CORE, &down).unwrap();
        assert_eq!((via, to), (ACCESS_RTP, at(UE)));
        assert_eq!(sealed.len(), down.len() + suite.srtp_tag_len());
        assert_eq!(call.open(&sealed), down, "{suite:?}");
    }
}

//= tests/spec/relay.md#rtcp
//= type=test
//# RTCP MUST be relayed on a port of its own, on an explicit port or on the RTP port, as each leg
//# asks.
#[test]
fn srtcp_becomes_rtcp_on_the_ports_of_rtcp() {
    let mut call = Call::new(Suite::AeadAes128Gcm);
    let report = receiver_report(7);
    let sealed = call.seal_rtcp(&report);
    let forwarded = call.pass(ACCESS_RTCP, UE_RTCP, &sealed);
    assert_eq!(forwarded, Ok((CORE_RTCP_PORT, at(CORE_RTCP), report.clone())));
    let (via, to, sealed) = call.pass(CORE_RTCP_PORT, CORE_RTCP, &report).unwrap();
    assert_eq!((via, to), (ACCESS_RTCP, at(UE_RTCP)));
    assert_ne!(sealed[8..], report[8..]);
}

//= tests/spec/relay.md#demultiplexing
//= type=test
//# On a multiplexed port RTCP MUST be told from RTP by its packet type before any cryptography.
//= tests/spec/relay.md#rtcp
//= type=test
//# RTCP MUST be relayed on a port of its own, on an explicit port or on the RTP port, as each leg
//# asks.
#[test]
fn rtcp_multiplexed_on_one_side_is_demultiplexed_on_the_other() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let mut ingress = ingress_spec(ACCESS, Transport::Secured);
    ingress.rtcp = RtcpIngress::Mux;
    let mut egress = egress_spec(ACCESS, Transport::Secured);
    egress.rtcp = RtcpEgress::Mux;
    call.command(Command::SetIngress(IngressId(ACCESS), ingress));
    call.command(Command::SetEgress(EgressId(ACCESS), egress));
    let report = receiver_report(7);
    let sealed = call.seal_rtcp(&report);
    let forwarded = call.pass(ACCESS_RTP, UE, &sealed);
    assert_eq!(forwarded, Ok((CORE_RTCP_PORT, at(CORE_RTCP), report.clone())));
    let (via, to, _) = call.pass(CORE_RTCP_PORT, CORE_RTCP, &report).unwrap();
    assert_eq!((via, to), (ACCESS_RTP, at(UE)));
    let late = call.seal_rtcp(&report);
    assert_eq!(call.pass(ACCESS_RTCP, UE_RTCP, &late), Err(DropReason::NoFlow));
}

#[test]
fn each_port_takes_its_own_component_only() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let media = rtp(9, 1, b"x");
    let report = receiver_report(9);
    let wrong = Err(DropReason::WrongComponent);
    assert_eq!(call.pass(CORE_RTP, CORE, &report), wrong);
    assert_eq!(call.pass(CORE_RTCP_PORT, CORE_RTCP, &media), wrong);
    assert_eq!(call.pass(CORE_RTP, CORE, &[0, 1, 2, 3]), Err(DropReason::NotMedia));
    assert_eq!(call.pass(CORE_RTP, CORE, &[20, 254, 253]), Err(DropReason::NotMedia));
    assert_eq!(call.pass(CORE_RTP, CORE, &[]), Err(DropReason::NotMedia));
    assert_eq!(call.pass(CORE_RTP, CORE, &media[..11]), Err(DropReason::Malformed));
    assert_eq!(call.pass(PortId(77), CORE, &media), Err(DropReason::NoFlow));
}

//= tests/spec/relay.md#rtcp
//= type=test
//# RTCP MUST NOT pass where it is off.
#[test]
fn rtcp_goes_nowhere_when_it_is_off() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let mut egress = egress_spec(FAR, Transport::Plain);
    egress.rtcp = RtcpEgress::Off;
    call.command(Command::SetEgress(EgressId(FAR), egress));
    let sealed = call.seal_rtcp(&receiver_report(7));
    assert_eq!(call.pass(ACCESS_RTCP, UE_RTCP, &sealed), Err(DropReason::RtcpOff));
}

//= tests/spec/relay.md#gates
//= type=test
//# Media MUST NOT pass a closed gate in either direction.
//= tests/spec/relay.md#gates
//= type=test
//# RTCP MUST pass while media is on hold.
#[test]
fn gates_hold_media_back_and_let_rtcp_through_if_told() {
    let hold = Gate { rtp: false, rtcp: true };
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let mut egress = egress_spec(FAR, Transport::Plain);
    egress.gate = hold;
    call.command(Command::SetEgress(EgressId(FAR), egress));
    let sealed = call.seal(&rtp(7, 1, b"x"));
    assert_eq!(call.pass(ACCESS_RTP, UE, &sealed), Err(DropReason::EgressGate));
    let sealed = call.seal_rtcp(&receiver_report(7));
    assert!(call.pass(ACCESS_RTCP, UE_RTCP, &sealed).is_ok());

    let mut ingress = ingress_spec(FAR, Transport::Plain);
    ingress.gate = Gate::CLOSED;
    call.command(Command::SetIngress(IngressId(FAR), ingress));
    assert_eq!(call.pass(CORE_RTP, CORE, &rtp(9, 1, b"x")), Err(DropReason::IngressGate));
    let report = receiver_report(9);
    assert_eq!(call.pass(CORE_RTCP_PORT, CORE_RTCP, &report), Err(DropReason::IngressGate));
}

#[test]
fn a_peer_that_talks_into_a_closed_gate_keeps_its_rollover_counter() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let mut ingress = ingress_spec(ACCESS, Transport::Secured);
    ingress.gate = Gate::CLOSED;
    call.command(Command::SetIngress(IngressId(ACCESS), ingress.clone()));
    for sequence in [0u16, 0x7000, 0xe000, 0x5000, 0xc000] {
        let sealed = call.seal(&rtp(7, sequence, b"x"));
        assert_eq!(call.pass(ACCESS_RTP, UE, &sealed), Err(DropReason::IngressGate));
    }
    ingress.gate = Gate::OPEN;
    call.command(Command::SetIngress(IngressId(ACCESS), ingress));
    let up = rtp(7, 0xc001, b"heard");
    let sealed = call.seal(&up);
    assert_eq!(call.pass(ACCESS_RTP, UE, &sealed).unwrap().2, up);
}

//= tests/spec/relay.md#transport
//= type=test
//# On a transparent leg packets MUST be forwarded octet by octet.
#[test]
fn end_to_end_srtp_passes_untouched() {
    let (mut relay, now) = legs(Transport::Transparent, Transport::Transparent);
    let mut phone = Call::new(Suite::AeadAes256Gcm);
    let sealed = phone.seal(&rtp(7, 1, b"secret"));
    let forwarded = pass(&mut relay, now, ACCESS_RTP, UE, &sealed);
    assert_eq!(forwarded, Ok((CORE_RTP, at(CORE), sealed)));
}

#[test]
fn end_to_end_srtp_never_leaves_on_a_leg_of_another_kind() {
    for other in [Transport::Plain, Transport::Secured] {
        let (mut relay, now) = legs(Transport::Transparent, other);
        let up = pass(&mut relay, now, ACCESS_RTP, UE, &rtp(7, 1, b"secret"));
        assert_eq!(up, Err(DropReason::NoOutput), "{other:?}");
    }
}

//= tests/spec/relay.md#transport
//= type=test
//# On a secured leg nothing MUST leave before an egress key is installed.
//= tests/spec/relay.md#transport
//= type=test
//# On a secured leg plain RTP MUST NOT be forwarded.
#[test]
fn without_an_output_a_destination_or_a_key_nothing_leaves() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let media = rtp(9, 1, b"x");
    let mut egress = egress_spec(ACCESS, Transport::Secured);
    egress.to = None;
    call.command(Command::SetEgress(EgressId(ACCESS), egress));
    assert_eq!(call.pass(CORE_RTP, CORE, &media), Err(DropReason::NoDestination));
    let mut isolated = ingress_spec(FAR, Transport::Plain);
    isolated.output = None;
    call.command(Command::SetIngress(IngressId(FAR), isolated));
    assert_eq!(call.pass(CORE_RTP, CORE, &media), Err(DropReason::NoOutput));

    let (mut relay, now) = legs(Transport::Secured, Transport::Plain);
    let down = pass(&mut relay, now, CORE_RTP, CORE, &media);
    assert_eq!(down, Err(DropReason::NoEgressKey));
    let up = pass(&mut relay, now, ACCESS_RTP, UE, &media);
    assert_eq!(up, Err(DropReason::NoIngressKey));
}

#[test]
fn what_is_removed_gives_its_last_counters_and_its_port_is_free() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    call.pass(CORE_RTP, CORE, &rtp(9, 1, b"x")).unwrap();
    let removed =
        call.relay.handle_command(Command::RemoveIngress(IngressId(FAR)), call.now).unwrap();
    let Removed::Ingress(id, snapshot) = removed else {
        panic!("{removed:?}");
    };
    assert_eq!((id, snapshot.stats.forwarded.packets), (IngressId(FAR), 1));
    assert_eq!(call.pass(CORE_RTP, CORE, &rtp(9, 2, b"x")), Err(DropReason::NoFlow));
    let again = call.relay.handle_command(Command::RemoveIngress(IngressId(FAR)), call.now);
    assert!(again.is_err());
}

#[test]
fn a_datagram_for_nobody_leaves_its_neighbours_in_the_batch_alone() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    let up = rtp(9, 1, b"from the phone");
    let down = [rtp(7, 500, b"from the core"), rtp(8, 900, b"from the core too")];
    let batch = [
        (PortId(77), CORE, rtp(7, 1, b"for nobody")),
        (ACCESS_RTP, UE, call.seal(&up)),
        (CORE_RTP, CORE, down[0].clone()),
        (PortId(78), CORE, rtp(7, 2, b"for nobody")),
        (CORE_RTP, CORE, down[1].clone()),
    ];

    let passed = pass_all(&mut call.relay, call.now, &batch);

    assert_eq!(passed[0], Err(DropReason::NoFlow));
    assert_eq!(passed[1].as_ref().unwrap().2, up);
    for (sealed, plain) in [(2, &down[0]), (4, &down[1])] {
        let (_, _, sealed) = passed[sealed].as_ref().unwrap();
        assert_eq!(call.open(sealed), *plain);
    }
}
