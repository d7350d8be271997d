//! What waits for the key of a leg: who may ask for it, and what the packet path is told.

use std::time::Duration;

use agw_context::{
    Change, Command, Configure, ContextChoice, ContextId, Policy, Reason, StreamChange,
    StreamExtrasChange, TerminationId,
};
use agw_relay::PreKeySpec;

use crate::streams::{specs, unchanged};
use crate::support::{World, access, core};

const BUFFER: PreKeySpec = PreKeySpec { packets: 8, time: Duration::from_secs(1) };

fn policy() -> Policy {
    Policy { max_pre_key_packets: 8, ..Policy::default() }
}

/// What the packet path is told of leg 0, which is audited alike.
fn told(world: &World, work: &[agw_context::Work]) -> Option<PreKeySpec> {
    let view = world.gateway.context(&world.controller, ContextId(1)).unwrap();
    let told = specs(work)[&0].0.as_ref().unwrap().extras.as_ref().and_then(|it| it.pre_key);
    assert_eq!(view.terminations[0].streams[0].extras.pre_key, told);
    told
}

#[test]
fn a_buffer_comes_changes_and_goes_as_the_controller_asks() {
    let mut world = World::new(policy());
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].extras.pre_key = Some(BUFFER);
    let work = world.transact(vec![Command::Reserve(reserve)]).unwrap().work;
    assert_eq!(told(&world, &work), Some(BUFFER));
    let smaller = PreKeySpec { packets: 1, ..BUFFER };
    for (pre_key, expected) in [(Change::Set(smaller), Some(smaller)), (Change::Clear, None)] {
        let extras = StreamExtrasChange { pre_key, ..StreamExtrasChange::default() };
        let streams = vec![StreamChange { extras, ..unchanged(1) }];
        let (context, termination) = (ContextId(1), TerminationId(1));
        let configure = Configure {
            context,
            termination,
            priority: None,
            streams,
            added: Vec::new(),
            removed: Vec::new(),
        };
        let work = world.transact(vec![Command::Configure(configure)]).unwrap().work;
        assert_eq!(told(&world, &work), expected);
    }
    assert_eq!(world.gateway.capabilities(world.now).max_pre_key_packets, 8);
}

#[test]
fn a_buffer_that_policy_or_the_transport_leaves_no_place_for_is_refused() {
    let mut world = World::new(policy());
    let mut too_many = access(ContextChoice::New);
    too_many.streams[0].extras.pre_key = Some(PreKeySpec { packets: 9, ..BUFFER });
    let mut plain = core(ContextChoice::New);
    plain.streams[0].extras.pre_key = Some(BUFFER);
    let mut empty = access(ContextChoice::New);
    empty.streams[0].extras.pre_key = Some(PreKeySpec { packets: 0, ..BUFFER });
    for (reserve, field) in [(too_many, "pre_key.packets"), (plain, "pre_key"), (empty, "pre_key")]
    {
        let error = world.transact(vec![Command::Reserve(reserve)]).unwrap_err().error;
        let expected = format!("streams[0].{field}");
        assert_eq!((error.field(), error.reason()), (Some(&*expected), Reason::FieldValue));
    }
    assert_eq!(world.gateway.context_count(), 0);
}
