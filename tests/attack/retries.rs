//! C8: requests that are sent again.

use agw_iq::pb;
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
