//! Gates, addresses, connections: what the packet path is told about a leg.

use std::collections::BTreeMap;
use std::time::Duration;

use agw_context::{
    Change, ChangeThroughConnection, Command, Configure, ContextChoice, ContextId, CryptoChange,
    LateChoice, Policy, Reason, Release, SetTopology, SourcePolicy, StreamChange,
    StreamExtrasChange, StreamId, StreamMode, TerminationId, TopologyChange, Work,
};
use agw_relay::{
    Command as Step, EgressId, EgressSpec, Gate, IngressExtras, IngressSpec, Network, SourceFilter,
    SourceRule, Transport,
};

use crate::support::{World, access, core, remote, reserve, stream};

/// The last specs that a transaction gives to the packet path, by leg.
pub(crate) fn specs(work: &[Work]) -> BTreeMap<u32, (Option<IngressSpec>, Option<EgressSpec>)> {
    let mut specs: BTreeMap<_, (Option<_>, Option<_>)> = BTreeMap::new();
    for step in work.iter().flat_map(|work| &work.steps) {
        match step {
            Step::SetIngress(id, spec) => specs.entry(id.0).or_default().0 = Some(spec.clone()),
            Step::SetEgress(id, spec) => specs.entry(id.0).or_default().1 = Some(spec.clone()),
            Step::RemoveIngress(_)
            | Step::RemoveEgress(_)
            | Step::IngressCrypto(..)
            | Step::EgressCrypto(..)
            | Step::EndCall
            | Step::Follow(..)
            | Step::GroupIngressCrypto(..) => {}
        }
    }
    specs
}

pub(crate) fn unchanged(id: u16) -> StreamChange {
    StreamChange {
        id: StreamId(id),
        remote: None,
        late: LateChoice::default(),
        mode: None,
        source: None,
        relatch: false,
        extras: StreamExtrasChange::default(),
        ingress: CryptoChange::Keep,
        egress: CryptoChange::Keep,
    }
}

//= tests/spec/relay.md#gates
//= type=test
//# RTCP MUST pass while media is on hold.
//= tests/spec/relay.md#gates
//= type=test
//# An inactive stream MUST pass neither media nor RTCP.
#[test]
fn each_mode_opens_the_gates_of_its_directions() {
    let rtcp_only = Gate { rtp: false, rtcp: true };
    let table = [
        (StreamMode::Inactive, Gate::CLOSED, Gate::CLOSED),
        (StreamMode::SendOnly, rtcp_only, Gate::OPEN),
        (StreamMode::ReceiveOnly, Gate::OPEN, rtcp_only),
        (StreamMode::SendReceive, Gate::OPEN, Gate::OPEN),
    ];
    for (mode, ingress, egress) in table {
        let mut world = World::new(Policy::default());
        let mut reserve = access(ContextChoice::New);
        reserve.streams[0].mode = mode;
        let outcome = world.transact(vec![Command::Reserve(reserve)]).unwrap();
        let specs = specs(&outcome.work);
        let (Some(i), Some(e)) = &specs[&0] else {
            panic!("{specs:?}");
        };
        assert_eq!((i.gate, e.gate), (ingress, egress), "{mode:?}");
    }
}

#[test]
fn change_through_connection_reaches_one_stream_one_termination_or_all() {
    let mut world = World::new(Policy::default());
    let mut first = access(ContextChoice::New);
    first.streams.push(stream(2, Transport::Secured));
    let context = world.reserve(first).context;
    world.reserve(core(ContextChoice::Existing(context)));
    let mut touched = |termination: Option<u32>, stream: Option<u16>, mode| {
        let change = ChangeThroughConnection {
            context,
            termination: termination.map(TerminationId),
            stream: stream.map(StreamId),
            mode,
        };
        let outcome = world.transact(vec![Command::ChangeThroughConnection(change)]);
        outcome.map(|outcome| specs(&outcome.work).into_keys().collect::<Vec<_>>())
    };
    assert_eq!(touched(Some(1), Some(2), StreamMode::Inactive).unwrap(), [1]);
    assert_eq!(touched(Some(1), None, StreamMode::SendOnly).unwrap(), [0, 1]);
    assert_eq!(touched(None, None, StreamMode::Inactive).unwrap(), [0, 1, 2]);
    assert_eq!(touched(None, None, StreamMode::Inactive).unwrap(), [0; 0]);
    let unknown = touched(Some(2), Some(2), StreamMode::Inactive).unwrap_err();
    assert_eq!(unknown.error.reason(), Reason::UnknownStream);
    let unknown = touched(None, Some(7), StreamMode::Inactive).unwrap_err();
    assert_eq!(unknown.error.reason(), Reason::UnknownStream);
    let unknown = touched(Some(9), None, StreamMode::Inactive).unwrap_err();
    assert_eq!(unknown.error.reason(), Reason::UnknownTermination);
}

#[test]
fn source_rules_default_to_the_safe_one_of_the_transport() {
    let mut world = World::new(Policy::default());
    let now = world.now;
    let latch = |within| Some(SourcePolicy::Latch { within });
    let second = Duration::from_secs(1);
    let first = |within_ms| SourceRule::First { since: now, within_ms };
    let table = [
        (Transport::Secured, None, SourceRule::Authenticated),
        (Transport::Secured, latch(None), SourceRule::Authenticated),
        (Transport::Secured, Some(SourcePolicy::Signalled), SourceRule::Signalled),
        (Transport::Plain, None, SourceRule::Signalled),
        (Transport::Transparent, None, SourceRule::Signalled),
        (Transport::Plain, latch(None), first(3_000)),
        (Transport::Plain, latch(Some(second)), first(1_000)),
    ];
    for (leg, (transport, source, rule)) in (0u32..).zip(table) {
        let mut reserve = reserve(ContextChoice::New, "access", transport);
        reserve.streams[0].source = source;
        let outcome = world.transact(vec![Command::Reserve(reserve)]).unwrap();
        let specs = specs(&outcome.work);
        assert_eq!(specs[&leg].0.as_ref().unwrap().source, rule, "{transport:?} {source:?}");
    }
}

#[test]
fn addresses_that_cannot_be_a_peers_are_refused() {
    let listener = "127.0.0.1:7400".parse().unwrap();
    let mut world = World::new(Policy { listeners: vec![listener], ..Policy::default() });
    let refused = [
        "127.0.0.1:0",
        "0.0.0.0:5000",
        "0.1.2.3:5000",
        "240.0.0.1:5000",
        "224.0.0.1:5000",
        "255.255.255.255:5000",
        "127.0.0.1:7400",
        "127.0.0.1:7399",
        "127.0.0.1:39999",
        "127.0.0.1:40010",
        "127.0.0.1:41010",
        "[::]:5000",
        "[ff02::1]:5000",
        "[fe80::1]:5000",
        "[::ffff:127.0.0.1]:5000",
        "[::1]:41011",
    ];
    for address in refused {
        let mut reserve = access(ContextChoice::New);
        reserve.streams[0].remote = Some(remote(address));
        let refused = world.transact(vec![Command::Reserve(reserve)]).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::AddressRefused, "{address}");
    }
    let context = world.reserve(access(ContextChoice::New)).context;
    let mut other_family = unchanged(1);
    other_family.remote = Some(remote("[::1]:5000"));
    let configure = Configure::of(context, TerminationId(1), vec![other_family]);
    let refused = world.transact(vec![Command::Configure(configure)]).unwrap_err();
    assert_eq!(refused.error.field(), Some("streams[0].remote.rtp"));
}

//= tests/spec/iq.md#reservation
//= type=test
//# A context MUST connect two or more terminations.
#[test]
fn the_access_leg_moves_to_a_third_termination_while_the_far_end_stays() {
    let mut world = World::new(Policy::default());
    let (old, far) = world.call();
    let context = old.context;
    let mut third = core(ContextChoice::Existing(context));
    third.streams[0].remote = Some(remote("127.0.0.1:6000"));
    let outcome = world.transact(vec![Command::Reserve(third)]).unwrap();
    let waiting = specs(&outcome.work);
    assert_eq!(
        waiting.keys().copied().collect::<Vec<_>>(),
        [2],
        "the call in progress is left alone"
    );
    assert_eq!(waiting[&2].0.as_ref().unwrap().output, None);

    let change = TopologyChange::Connect(TerminationId(3), far.termination);
    let topology = SetTopology { context, change };
    let switched = specs(&world.transact(vec![Command::SetTopology(topology)]).unwrap().work);
    let output = |leg| switched[&leg].0.as_ref().unwrap().output;
    assert_eq!([output(0), output(1), output(2)], [None, Some(EgressId(2)), Some(EgressId(1))]);
    assert!(switched.values().all(|(_, egress)| egress.is_none()), "no sending half is touched");

    let release = Release { context, termination: Some(old.termination) };
    let outcome = world.transact(vec![Command::Release(release)]).unwrap();
    assert!(specs(&outcome.work).is_empty());
}

#[test]
fn when_two_are_left_they_are_connected() {
    let mut world = World::new(Policy::default());
    let (first, _) = world.call();
    let context = first.context;
    world.reserve(core(ContextChoice::Existing(context)));
    let release = Release { context, termination: Some(first.termination) };
    let outcome = world.transact(vec![Command::Release(release)]).unwrap();
    let specs = specs(&outcome.work);
    assert_eq!(specs[&1].0.as_ref().unwrap().output, Some(EgressId(2)));
    assert_eq!(specs[&2].0.as_ref().unwrap().output, Some(EgressId(1)));
}

#[test]
fn end_to_end_protection_is_never_joined_with_a_leg_that_opens_it() {
    let mut world = World::new(Policy::default());
    let transparent = reserve(ContextChoice::New, "access", Transport::Transparent);
    let context = world.reserve(transparent).context;
    let plain = core(ContextChoice::Existing(context));
    let refused = world.transact(vec![Command::Reserve(plain)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::FieldValue);
    world.reserve(reserve(ContextChoice::Existing(context), "core", Transport::Transparent));
}

#[test]
fn unknown_streams_and_empty_changes_are_refused() {
    let mut world = World::new(Policy::default());
    let context = world.reserve(access(ContextChoice::New)).context;
    let mut configure = |context, termination, streams| {
        let termination = TerminationId(termination);
        let configure = Configure::of(context, termination, streams);
        let refused = world.transact(vec![Command::Configure(configure)]).unwrap_err();
        (refused.error.reason(), refused.error.h248_code())
    };
    assert_eq!(configure(ContextId(9), 1, vec![unchanged(1)]).0, Reason::UnknownContext);
    assert_eq!(configure(context, 9, vec![unchanged(1)]), (Reason::UnknownTermination, 430));
    assert_eq!(configure(context, 1, vec![unchanged(9)]), (Reason::UnknownStream, 444));
    assert_eq!(configure(context, 1, vec![]), (Reason::FieldMissing, 441));
}

#[test]
fn a_source_filter_fits_its_termination_and_goes_as_it_came() {
    let mut world = World::new(Policy::default());
    let network = |address: &str| Network::new(address.parse().unwrap(), 24);
    let filter = |network, highest_port| SourceFilter { network, lowest_port: 4_000, highest_port };
    let refusals = [
        (filter(network("2001:db8::"), 4_000), "streams[0].source_filter.network"),
        (filter(network("192.0.2.0"), 3_999), "streams[0].source_filter.highest_port"),
    ];
    for (wrong, field) in refusals {
        let mut reserve = core(ContextChoice::New);
        reserve.streams[0].extras.source_filter = Some(wrong);
        let refused = world.transact(vec![Command::Reserve(reserve)]).unwrap_err();
        assert_eq!(refused.error.field(), Some(field));
    }
    let mut reserve = core(ContextChoice::New);
    let first = filter(network("192.0.2.0"), 4_010);
    reserve.streams[0].extras.source_filter = Some(first);
    let context = world.reserve(reserve).context;
    let mut configure = |source_filter| {
        let mut change = unchanged(1);
        change.extras.source_filter = source_filter;
        let termination = TerminationId(1);
        let configure = Configure::of(context, termination, vec![change]);
        let outcome = world.transact(vec![Command::Configure(configure)]).unwrap();
        let told = specs(&outcome.work).remove(&0).map(|(ingress, _)| ingress.unwrap().extras);
        let view = world.gateway.context(&world.controller, context).unwrap();
        (told, view.terminations[0].streams[0].extras.source_filter)
    };
    let second = filter(None, 4_000);
    let extras = |filter| {
        Some(Box::new(IngressExtras { source_filter: Some(filter), ..IngressExtras::default() }))
    };
    assert_eq!(configure(Change::Keep), (None, Some(first)));
    assert_eq!(configure(Change::Set(second)), (Some(extras(second)), Some(second)));
    assert_eq!(configure(Change::Clear), (Some(None), None));
}

#[test]
fn a_release_is_never_refused_for_what_stays_behind() {
    let mut world = World::new(Policy::default());
    let first = world.reserve(reserve(ContextChoice::New, "access", Transport::Transparent));
    let existing = ContextChoice::Existing(first.context);
    let second = world.reserve(reserve(existing, "core", Transport::Transparent));
    world.reserve(core(existing));
    let release = Release { context: first.context, termination: Some(second.termination) };
    world.transact(vec![Command::Release(release)]).unwrap();
    let view = world.gateway.context(&world.controller, first.context).unwrap();
    assert_eq!((view.terminations.len(), view.topology), (2, None));
}

#[test]
fn the_longest_time_gate_is_no_end_of_time() {
    let mut world = World::new(Policy::default());
    let mut reserve = core(ContextChoice::New);
    reserve.streams[0].source = Some(SourcePolicy::Latch { within: Some(Duration::MAX) });
    let outcome = world.transact(vec![Command::Reserve(reserve)]).unwrap();
    let specs = specs(&outcome.work);
    let rule = SourceRule::First { since: world.now, within_ms: 600_000 };
    assert_eq!(specs[&0].0.as_ref().unwrap().source, rule);
}

#[test]
fn events_after_the_last_possible_number_are_none() {
    let world = World::new(Policy::default());
    assert_eq!(world.gateway.events_after(u64::MAX, 1), Ok(vec![]));
}
