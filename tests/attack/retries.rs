//! C8: requests that are sent again, or come when they have been overtaken.

use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_tests::{Endpoint, Side, api};

use crate::scene::Scene;

#[test]
fn a_request_that_is_sent_ten_times_is_carried_out_once() {
    let Some(mut scene) = Scene::new("C8", "requests replayed and duplicated") else { return };
    let gateway = &scene.gateway;
    let endpoint = Endpoint::plain(Side::Core.peer());
    let mut service = gateway.iq.service();
    let commands = api::call(vec![api::plain(1, &endpoint)], vec![api::plain(1, &endpoint)]);
    let commands: Vec<_> =
        commands.into_iter().map(|command| pb::Command { command: Some(command) }).collect();
    let request = pb::TransactRequest { transaction_id: "replayed".to_owned(), commands };
    let mut send = |request: pb::TransactRequest| {
        let reply = gateway.wait(service.transact(request));
        reply.map(|reply| reply.into_inner().replies).map_err(|status| status.code())
    };

    let first = send(request.clone()).expect("a call");
    let state = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    for _ in 0..10 {
        assert_eq!(send(request.clone()).as_ref(), Ok(&first));
    }
    // The same id for something else.
    let mut other = request.clone();
    let _ = other.commands.pop();
    assert!(send(other).is_err());

    let after = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    assert_eq!(after.len(), 2);
    let ids = |contexts: &[pb::ContextInfo]| -> Vec<_> {
        contexts.iter().map(|context| context.context_id).collect()
    };
    assert_eq!(ids(&after), ids(&state));
    // What was released stays so: the request does not bring it back.
    let context = after.iter().map(|one| one.context_id).find(|id| *id != scene.call.context);
    let release = api::release(context.expect("the context"));
    gateway.wait(gateway.iq.release(release)).expect("its end");
    let again = send(request);
    assert_eq!(again, Ok(first));
    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit").len(), 1);
    scene.row.tried(12);
    scene.goes_on();
}

/// Orders that were written for another state of the call: none of them acts, whatever it is about.
#[test]
fn orders_that_were_overtaken_do_not_act() {
    let Some(mut scene) = Scene::new("C8", "older orders that arrive late") else { return };
    let (gateway, context_id) = (&scene.gateway, scene.call.context);
    let state = || gateway.wait(gateway.iq.contexts(false)).expect("an audit").remove(0);
    let looked = state().generation;
    let resume = api::gates(context_id, 0, pb::StreamMode::SendReceive);
    gateway.wait(gateway.iq.change_through_connection(resume)).expect("a newer order");
    let before = state();
    let closed = pb::StreamMode::Inactive.into();
    let change = pb::StreamChange { mode: closed, ..pb::StreamChange::default() };
    let late = [
        Command::Configure(pb::Configure {
            expected_generation: looked,
            ..api::configure(context_id, 1, change)
        }),
        Command::ChangeThroughConnection(pb::ChangeThroughConnection {
            expected_generation: looked,
            ..api::gates(context_id, 0, pb::StreamMode::Inactive)
        }),
        Command::Release(pb::Release { expected_generation: looked, ..api::release(context_id) }),
        Command::SetTopology(pb::SetTopology {
            expected_generation: looked,
            ..api::topology(context_id, vec![api::associated(1, 2, pb::Relation::Isolate)])
        }),
        Command::Reserve(pb::Reserve {
            context_id,
            expected_generation: looked,
            ..api::reserve("core", vec![api::plain(1, &Endpoint::plain(Side::Core.peer()))])
        }),
    ];

    for order in late {
        let refused = gateway.wait(gateway.iq.transact(vec![order])).expect_err("overtaken");
        assert_eq!(refused.reason.as_deref(), Some("GENERATION_MISMATCH"));
        assert_eq!(state(), before);
    }

    scene.row.tried(5);
    scene.goes_on();
}
