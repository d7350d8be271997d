//! Commands that come late.

use agw_context::{
    ChangeThroughConnection, Command, ContextChoice, ContextId, Expecting, Policy, Reason, Release,
    StreamMode,
};

use crate::support::{World, access, core};

fn gates(context: ContextId, mode: StreamMode) -> Command {
    let change = ChangeThroughConnection { context, termination: None, stream: None, mode };
    Command::ChangeThroughConnection(change)
}

fn expecting(generation: u64, command: Command) -> Command {
    Command::Expecting(Box::new(Expecting { generation, command }))
}

fn generation(world: &World, context: ContextId) -> u64 {
    world.gateway.context(&world.controller, context).unwrap().generation
}

//= tests/spec/iq.md#generations
//= type=test
//# The generation of a context MUST grow with each accepted change and be told with it.
#[test]
fn the_generation_grows_by_one_with_each_accepted_transaction() {
    let mut world = World::new(Policy::default());
    let (call, _) = world.call();
    assert_eq!(generation(&world, call.context), 2, "two reservations");
    let (hold, resume) =
        (gates(call.context, StreamMode::SendOnly), gates(call.context, StreamMode::SendReceive));
    let outcome = world.transact(vec![hold, resume]).unwrap();
    assert_eq!(outcome.generations, [3, 3], "one transaction");

    let unknown = ChangeThroughConnection {
        context: call.context,
        termination: Some(agw_context::TerminationId(9)),
        stream: None,
        mode: StreamMode::Inactive,
    };
    let good = gates(call.context, StreamMode::Inactive);
    world.transact(vec![good, Command::ChangeThroughConnection(unknown)]).unwrap_err();
    assert_eq!(generation(&world, call.context), 3, "nothing was accepted");
    let release = Release { context: call.context, termination: None };
    let outcome = world.transact(vec![Command::Release(release)]).unwrap();
    assert_eq!(outcome.generations, [0], "it has ended");
}

//= tests/spec/iq.md#generations
//= type=test
//# A command that expects another generation than its context's MUST be refused.
#[test]
fn an_order_that_was_overtaken_is_refused_and_changes_nothing() {
    let mut world = World::new(Policy::default());
    let (call, _) = world.call();
    let context = call.context;
    let at = generation(&world, context);
    let late = || expecting(at, gates(context, StreamMode::Inactive));
    world.transact(vec![gates(context, StreamMode::SendReceive)]).unwrap();
    let before = world.gateway.context(&world.controller, context);

    let refused = world.transact(vec![late()]).unwrap_err();

    assert_eq!(refused.error.reason(), Reason::GenerationMismatch);
    assert_eq!(refused.error.field(), Some("expected_generation"));
    assert_eq!(
        refused.error.to_string(),
        "the context is at generation 3, not 2: somebody has \
        changed it meanwhile"
    );
    assert_eq!(world.gateway.context(&world.controller, context), before);
    let again = vec![
        expecting(3, gates(context, StreamMode::SendOnly)),
        expecting(3, gates(context, StreamMode::Inactive)),
    ];
    assert_eq!(world.transact(again).unwrap().generations, [4, 4]);
}

#[test]
fn nothing_is_expected_of_a_context_that_is_to_be_made() {
    let mut world = World::new(Policy::default());
    let new = expecting(1, Command::Reserve(access(ContextChoice::New)));
    let refused = world.transact(vec![new]).unwrap_err();
    assert_eq!(refused.error.field(), Some("expected_generation"));
    let (call, _) = world.call();
    let third = core(ContextChoice::Existing(call.context));
    world.transact(vec![expecting(2, Command::Reserve(third))]).unwrap();
    let unknown = gates(ContextId(99), StreamMode::Inactive);
    let refused = world.transact(vec![expecting(1, unknown)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::UnknownContext);
}
