//! What an answer decides that its offer left open.

use agw_context::{
    Command, Configure, ContextChoice, CryptoChange, LateChoice, Policy, Reason, Reply, RtcpMode,
    StreamChange, TerminationReply,
};
use agw_relay::{RtcpIngress, Transport};

use crate::streams::{specs, unchanged};
use crate::support::{World, access, core, ingress, reserve, termination};

fn choose(at: &TerminationReply, late: LateChoice) -> Command {
    configure(at, StreamChange { late, ..unchanged(1) })
}

fn configure(at: &TerminationReply, change: StreamChange) -> Command {
    let TerminationReply { context, termination, .. } = *at;
    let streams = vec![change];
    Command::Configure(Configure::of(context, termination, streams))
}

fn transport(transport: Transport) -> LateChoice {
    LateChoice { transport: Some(transport), ..LateChoice::default() }
}

fn rtcp(mode: RtcpMode) -> LateChoice {
    LateChoice { rtcp: Some(mode), ..LateChoice::default() }
}

#[test]
fn a_secured_stream_without_a_key_becomes_plain_and_is_keyed_no_more() {
    let mut world = World::new(Policy::default());
    let (access, _) = world.call();
    let outcome = world.transact(vec![choose(&access, transport(Transport::Plain))]).unwrap();
    let (ingress_spec, egress_spec) = &specs(&outcome.work)[&0];
    assert_eq!(ingress_spec.as_ref().unwrap().transport, Transport::Plain);
    assert_eq!(egress_spec.as_ref().unwrap().transport, Transport::Plain);
    let change = StreamChange { ingress: CryptoChange::Install(ingress(1)), ..unchanged(1) };
    let refused = world.transact(vec![configure(&access, change)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::CryptoOnPlainTransport);
}

//= tests/spec/iq.md#late-choices
//= type=test
//# A stream that has or had a key MUST keep its transport, unless its keys are told to rest.
#[test]
fn a_stream_that_has_or_had_a_key_keeps_its_transport_unless_its_keys_rest() {
    let mut world = World::new(Policy::default());
    let (access, core) = world.call();
    let change = StreamChange { ingress: CryptoChange::Install(ingress(1)), ..unchanged(1) };
    world.transact(vec![configure(&access, change)]).unwrap();
    let downgrade = || choose(&access, transport(Transport::Plain));
    let refused = world.transact(vec![downgrade()]).unwrap_err();
    assert_eq!(refused.error.field(), Some("streams[0].transport"));
    let change = StreamChange { ingress: CryptoChange::Remove, ..unchanged(1) };
    world.transact(vec![configure(&access, change)]).unwrap();
    assert_eq!(world.transact(vec![downgrade()]).unwrap_err().error.reason(), Reason::FieldValue);
    world.transact(vec![choose(&core, transport(Transport::Secured))]).unwrap();
    let rest = LateChoice { keys_rest: true, ..transport(Transport::Plain) };
    let outcome = world.transact(vec![choose(&access, rest)]).unwrap();
    assert_eq!(specs(&outcome.work)[&0].0.as_ref().unwrap().transport, Transport::Plain);
}

#[test]
fn what_passes_end_to_end_is_never_cut_and_the_reverse() {
    let mut world = World::new(Policy::default());
    let through = world.reserve(reserve(ContextChoice::New, "core", Transport::Transparent));
    let refused = world.transact(vec![choose(&through, transport(Transport::Plain))]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::FieldValue);
    let plain = world.reserve(core(ContextChoice::New));
    let to = transport(Transport::Transparent);
    let refused = world.transact(vec![choose(&plain, to)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::FieldValue);
}

//= tests/spec/iq.md#late-choices
//= type=test
//# RTCP MUST change between a port of its own and that of RTP only where both are open.
#[test]
fn rtcp_changes_between_a_pair_of_ports_and_one_where_there_is_a_pair() {
    let mut world = World::new(Policy::default());
    let pair = world.reserve(access(ContextChoice::New));
    let own_port = pair.streams[0].rtcp;
    for mode in [RtcpMode::Mux, RtcpMode::Pair] {
        let outcome = world.transact(vec![choose(&pair, rtcp(mode))]).unwrap();
        let told = termination(&outcome.replies[0]).streams[0];
        let is_mux = mode == RtcpMode::Mux;
        assert_eq!(told.rtcp, if is_mux { Some(told.rtp) } else { own_port });
        let spec = specs(&outcome.work)[&0].0.clone().unwrap();
        assert_eq!(spec.rtcp == RtcpIngress::Mux, is_mux);
    }
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].rtcp = RtcpMode::Mux;
    let single = world.reserve(reserve);
    for (at, mode) in [(&single, RtcpMode::Pair), (&pair, RtcpMode::Off)] {
        let refused = world.transact(vec![choose(at, rtcp(mode))]).unwrap_err();
        assert_eq!(refused.error.field(), Some("streams[0].rtcp"));
    }
    let open = world.ports.open.len();
    let outcome = world.transact(vec![choose(&pair, rtcp(RtcpMode::Mux))]).unwrap();
    assert!(matches!(outcome.replies[0], Reply::Termination(_)));
    assert_eq!(world.ports.open.len(), open);
}
