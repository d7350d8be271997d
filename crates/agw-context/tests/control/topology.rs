//! Topology: associations of three and more terminations, and what they become for each leg.

use std::collections::BTreeMap;

use agw_context::{
    Association, Command, CommandError, Configure, ContextChoice, ContextId, Policy, Reason,
    Relation, Release, SetTopology, StreamId, TerminationId, TopologyChange,
};
use agw_relay::{Command as Step, Transport};

use crate::support::{World, core, reserve, stream};

/// Terminations of one context, and where each leg goes, as the packet path was told.
struct Rig {
    world: World,
    context: ContextId,
    outputs: BTreeMap<u32, Option<u32>>,
}

impl Rig {
    /// `terminations` of streams 1 and 2; leg 2n belongs to stream 1 of termination n + 1, the
    /// next one to its stream 2.
    fn new(terminations: usize) -> Self {
        let world = World::new(Policy::default());
        let mut rig = Self { world, context: ContextId(0), outputs: BTreeMap::new() };
        let mut choice = ContextChoice::New;
        for _ in 0..terminations {
            let mut reserve = core(choice);
            reserve.streams.push(stream(2, Transport::Plain));
            rig.transact(vec![Command::Reserve(reserve)]).unwrap();
            rig.context = ContextId(1);
            choice = ContextChoice::Existing(rig.context);
        }
        rig
    }

    fn transact(&mut self, commands: Vec<Command>) -> Result<(), CommandError> {
        let outcome = self.world.transact(commands).map_err(|refused| refused.error)?;
        for step in outcome.work.into_iter().flat_map(|work| work.steps) {
            match step {
                Step::SetIngress(id, spec) => {
                    self.outputs.insert(id.0, spec.output.map(|egress| egress.0));
                }
                Step::RemoveIngress(id) => drop(self.outputs.remove(&id.0)),
                Step::SetEgress(..)
                | Step::RemoveEgress(_)
                | Step::IngressCrypto(..)
                | Step::EgressCrypto(..)
                | Step::EndCall
                | Step::Follow(..)
                | Step::GroupIngressCrypto(..) => {}
            }
        }
        Ok(())
    }

    fn associate(&mut self, associations: &[Association]) -> Result<(), CommandError> {
        let change = TopologyChange::Associate(associations.to_vec());
        self.transact(vec![Command::SetTopology(SetTopology { context: self.context, change })])
    }

    /// Where each termination's stream 1 goes, by the number of the other termination.
    fn heard_by(&self) -> Vec<Option<u32>> {
        self.outputs.iter().step_by(2).map(|(_, to)| to.map(|leg| leg / 2 + 1)).collect()
    }

    fn associations(&self) -> Vec<Association> {
        self.world.gateway.context(&self.world.controller, self.context).unwrap().associations
    }
}

fn both(from: u32, to: u32) -> Association {
    let (from, to) = (TerminationId(from), TerminationId(to));
    Association { from, to, relation: Relation::BothWay, stream: None }
}

fn one_way(from: u32, to: u32) -> Association {
    Association { relation: Relation::OneWay, ..both(from, to) }
}

fn isolate(from: u32, to: u32) -> Association {
    Association { relation: Relation::Isolate, ..both(from, to) }
}

fn on_stream(id: u16, association: Association) -> Association {
    Association { stream: Some(StreamId(id)), ..association }
}

//= tests/spec/iq.md#topology
//= type=test
//# Several terminations MUST be able to feed the same one.
//= tests/spec/iq.md#topology
//= type=test
//# An association MUST change its own pair of terminations only.
#[test]
fn a_third_termination_feeds_the_far_end_before_it_takes_over() {
    let mut rig = Rig::new(3);
    assert_eq!(rig.heard_by(), [Some(2), Some(1), None]);

    rig.associate(&[one_way(3, 2)]).unwrap();
    assert_eq!(rig.heard_by(), [Some(2), Some(1), Some(2)]);

    rig.associate(&[isolate(1, 2), both(3, 2)]).unwrap();
    assert_eq!(rig.heard_by(), [None, Some(3), Some(2)]);
}

//= tests/spec/iq.md#topology
//= type=test
//# A topology in which a stream of a termination has two outputs MUST be refused.
#[test]
fn two_outputs_are_refused_and_nothing_changes() {
    let mut rig = Rig::new(3);
    let before = rig.associations();
    let table = [
        (vec![both(3, 2)], "associations[0]"),
        (vec![one_way(2, 3)], "associations[0]"),
        (vec![one_way(3, 2), isolate(3, 1), on_stream(2, both(2, 3))], "associations[2]"),
        (vec![both(1, 3)], "associations[0]"),
    ];
    for (associations, field) in table {
        let refused = rig.associate(&associations).unwrap_err();
        assert_eq!(refused.reason(), Reason::TopologyRefused);
        assert_eq!((refused.field(), refused.h248_code()), (Some(field), 449));
    }
    assert_eq!(rig.associations(), before);
    assert_eq!(rig.heard_by(), [Some(2), Some(1), None]);
}

//= tests/spec/iq.md#topology
//= type=test
//# The topology in force MUST be audited as the list of its associations.
#[test]
fn a_stream_goes_its_own_way_until_all_streams_are_associated() {
    let mut rig = Rig::new(3);
    let own = [on_stream(2, isolate(1, 2)), on_stream(2, both(3, 2))];
    rig.associate(&own).unwrap();
    assert_eq!(rig.heard_by(), [Some(2), Some(1), None]);
    let of_stream_2: Vec<Option<u32>> = rig.outputs.values().skip(1).step_by(2).copied().collect();
    assert_eq!(of_stream_2, [None, Some(5), Some(3)]);
    assert_eq!(rig.associations(), [both(1, 2), own[0], own[1]]);

    let refused = rig.associate(&[one_way(1, 2)]).map(drop);
    assert!(refused.is_ok(), "one way from 1 leaves stream 2 of termination 2 its one output");
    assert_eq!(rig.associations(), [own[1], one_way(1, 2)]);
}

#[test]
fn isolated_terminations_stay_apart_when_others_go() {
    let mut rig = Rig::new(3);
    rig.associate(&[isolate(2, 1)]).unwrap();
    assert_eq!(rig.heard_by(), [None, None, None]);
    let release = Release { context: rig.context, termination: Some(TerminationId(3)) };
    rig.transact(vec![Command::Release(release)]).unwrap();
    assert_eq!(rig.heard_by(), [None, None]);
    assert_eq!(rig.associations(), [isolate(2, 1)]);
}

#[test]
fn a_switch_and_the_release_of_the_old_leg_are_one_transaction() {
    let mut rig = Rig::new(3);
    rig.associate(&[one_way(3, 2)]).unwrap();
    let context = rig.context;
    let change = TopologyChange::Associate(vec![isolate(1, 2), both(3, 2)]);
    let release = Release { context, termination: Some(TerminationId(1)) };
    rig.transact(vec![
        Command::SetTopology(SetTopology { context, change }),
        Command::Release(release),
    ])
    .unwrap();
    assert_eq!(rig.heard_by(), [Some(3), Some(2)]);
    let view = rig.world.gateway.context(&rig.world.controller, context).unwrap();
    assert_eq!(view.associations, [both(3, 2)]);
    assert_eq!(view.topology, Some((TerminationId(3), TerminationId(2))));
}

#[test]
fn the_simple_form_isolates_all_others() {
    let mut rig = Rig::new(4);
    rig.associate(&[one_way(3, 2), both(4, 3)]).unwrap_err();
    rig.associate(&[one_way(3, 2), one_way(4, 1)]).unwrap();
    let change = TopologyChange::Connect(TerminationId(4), TerminationId(3));
    let topology = SetTopology { context: rig.context, change };
    rig.transact(vec![Command::SetTopology(topology)]).unwrap();
    assert_eq!(rig.heard_by(), [None, None, Some(4), Some(3)]);
    assert_eq!(rig.associations(), [both(4, 3)]);
}

#[test]
fn what_does_not_exist_is_refused_with_its_name() {
    let mut rig = Rig::new(2);
    let mut refused = |associations: &[Association]| {
        let error = rig.associate(associations).unwrap_err();
        (error.reason(), error.field().map(str::to_owned))
    };
    let field = |field: &str| Some(field.to_owned());
    let unknown = (Reason::UnknownTermination, field("termination_id"));
    assert_eq!(refused(&[both(1, 3)]), unknown);
    let unknown = (Reason::UnknownStream, field("associations[0].stream_id"));
    assert_eq!(refused(&[on_stream(3, both(1, 2))]), unknown);
    let same = (Reason::FieldValue, field("associations[1].to_termination_id"));
    assert_eq!(refused(&[both(1, 2), both(2, 2)]), same);
    assert_eq!(refused(&[]), (Reason::FieldValue, field("associations")));
}

#[test]
fn a_transparent_stream_is_not_associated_with_one_that_the_gateway_opens() {
    let mut rig = Rig::new(2);
    let transparent = reserve(ContextChoice::Existing(rig.context), "core", Transport::Transparent);
    rig.transact(vec![Command::Reserve(transparent)]).unwrap();
    let refused = rig.associate(&[isolate(1, 2), both(3, 2)]).unwrap_err();
    assert_eq!(refused.reason(), Reason::TopologyRefused);
}

impl Rig {
    /// Takes stream 2 from a termination and gives it a new one of that number.
    fn exchange(&mut self, termination: u32) {
        let (context, termination) = (self.context, TerminationId(termination));
        let mut configure = Configure::of(context, termination, Vec::new());
        configure.removed = vec![StreamId(2)];
        self.transact(vec![Command::Configure(configure)]).unwrap();
        let mut configure = Configure::of(context, termination, Vec::new());
        configure.added = vec![stream(2, Transport::Plain)];
        self.transact(vec![Command::Configure(configure)]).unwrap();
    }

    /// The terminations at which a stream leaves, by the terminations that it arrives at.
    fn ways(&self, id: u16) -> Vec<Option<u32>> {
        let context = self.world.gateway.context(&self.world.controller, self.context).unwrap();
        let streams = context.terminations.iter().flat_map(|at| {
            let of_number = at.streams.iter().filter(|stream| stream.id == StreamId(id));
            of_number.map(|stream| (at.id.0, stream.ingress.0))
        });
        let streams: Vec<_> = streams.collect();
        let place = |leg| streams.iter().find(|(_, other)| *other == leg).map(|(at, _)| *at);
        streams.iter().map(|(_, leg)| self.outputs[leg].and_then(place)).collect()
    }
}

//= tests/spec/iq.md#topology
//= type=test
//# What was isolated on a stream MUST stay so when the stream goes and comes again.
#[test]
fn what_is_isolated_on_a_stream_stays_so_whichever_side_exchanges_it() {
    let apart = [None, None];
    let table = [
        (vec![on_stream(2, isolate(1, 2))], apart, vec![both(1, 2), on_stream(2, isolate(1, 2))]),
        (
            vec![on_stream(2, one_way(1, 2))],
            [Some(2), None],
            vec![both(1, 2), on_stream(2, one_way(1, 2))],
        ),
        // What one stream alone was let pass is not passed on to the next one.
        (vec![isolate(1, 2), on_stream(2, both(1, 2))], apart, vec![isolate(1, 2)]),
        (
            vec![one_way(2, 1), on_stream(2, one_way(1, 2))],
            apart,
            vec![one_way(2, 1), on_stream(2, isolate(1, 2))],
        ),
        (vec![one_way(2, 1), on_stream(2, both(1, 2))], [None, Some(1)], vec![one_way(2, 1)]),
        (vec![both(1, 2)], [Some(2), Some(1)], vec![both(1, 2)]),
    ];
    for (associations, ways, audited) in table {
        for termination in [1, 2] {
            let mut rig = Rig::new(2);
            rig.associate(&associations).unwrap();
            let of_audio = rig.ways(1);
            rig.exchange(termination);
            rig.exchange(3 - termination);
            assert_eq!(rig.ways(2), ways, "{associations:?}");
            assert_eq!(rig.ways(1), of_audio, "{associations:?}");
            assert_eq!(rig.associations(), audited);
        }
    }
}

#[test]
fn terminations_that_heard_each_other_on_one_stream_only_do_not_do_so_on_all_later() {
    let mut rig = Rig::new(3);
    let change = TopologyChange::Connect(TerminationId(1), TerminationId(3));
    let topology = SetTopology { context: rig.context, change };
    rig.transact(vec![Command::SetTopology(topology)]).unwrap();
    rig.associate(&[on_stream(2, one_way(2, 1))]).unwrap();
    let release = |termination| {
        let termination = Some(TerminationId(termination));
        Command::Release(Release { context: ContextId(1), termination })
    };
    rig.transact(vec![release(3)]).unwrap();
    assert_eq!((rig.ways(1), rig.ways(2)), (vec![None, None], vec![None, Some(1)]));
    rig.exchange(2);
    rig.transact(vec![Command::Reserve(core(ContextChoice::Existing(rig.context)))]).unwrap();
    rig.transact(vec![release(4)]).unwrap();
    assert_eq!((rig.ways(1), rig.ways(2)), (vec![None, None], vec![None, None]));
    assert_eq!(rig.associations(), [isolate(2, 1)]);
}
