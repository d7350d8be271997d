//! Several commands, all or none; and the same ones again.

use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Side, api, terminations};
use tonic::Code;

//= tests/spec/iq.md#transactions
//= type=test
//# The commands of a transaction MUST be carried out all or none.
//= tests/spec/iq.md#acknowledgement
//= type=test
//# A refused command MUST change nothing.
//= tests/spec/iq.md#reservation
//= type=test
//# A reservation in an unknown realm MUST be refused.
#[test]
fn a_bad_command_undoes_those_before_it() {
    let gateway = Gateway::start();
    let endpoint = Endpoint::plain(Side::Access.peer());
    let good = api::call(vec![api::plain(1, &endpoint)], vec![api::plain(1, &endpoint)]);
    let bad = Command::Reserve(api::join("nowhere", vec![api::plain(1, &endpoint)]));
    for _ in 0..100 {
        let commands = [good.clone(), vec![bad.clone()]].concat();
        let refused = gateway.wait(gateway.iq.transact(commands)).expect_err("an unknown realm");
        assert_eq!(refused.reason.as_deref(), Some("UNKNOWN_REALM"));
        assert_eq!(refused.command, Some(2));
        assert_eq!(refused.field.as_deref(), Some("commands[2].reserve.realm"));
    }

    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit"), []);
    let capabilities = gateway.wait(gateway.iq.capabilities()).expect("capabilities");
    for realm in capabilities.realms {
        assert_eq!((realm.ports_used, realm.ports_resting), (0, 0), "{}", realm.name);
    }
    assert_eq!(gateway.daemon.ports.in_use(), Vec::<u16>::new());
}

#[test]
fn a_bad_change_leaves_a_call_as_it_was() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    call.talk();
    let close = api::gates(call.context, 0, pb::StreamMode::Inactive);
    let unknown = api::gates(call.context, 7, pb::StreamMode::Inactive);
    let commands = vec![
        Command::ChangeThroughConnection(close),
        Command::Release(pb::Release {
            context_id: call.context,
            termination_id: 2,
            ..Default::default()
        }),
        Command::ChangeThroughConnection(unknown),
    ];

    let refused = gateway.wait(gateway.iq.transact(commands)).expect_err("no such termination");

    assert_eq!(refused.reason.as_deref(), Some("UNKNOWN_TERMINATION"));
    assert_eq!((refused.code, refused.command), (Code::NotFound, Some(2)));
    for _ in 0..10 {
        call.talk();
    }
    call.report();
}

//= tests/spec/iq.md#transactions
//= type=test
//# A repeated transaction id MUST give the first answer again and MUST NOT act twice.
//= tests/spec/iq.md#transactions
//= type=test
//# A transaction id that comes with other content MUST be refused.
#[test]
fn a_transaction_that_is_sent_again_acts_once() {
    let gateway = Gateway::start();
    let endpoint = Endpoint::plain(Side::Access.peer());
    let commands = api::call(vec![api::plain(1, &endpoint)], vec![api::plain(1, &endpoint)]);
    let wrapped = |commands: &[Command]| -> Vec<_> {
        commands.iter().cloned().map(|one| pb::Command { command: Some(one) }).collect()
    };
    let request = pb::TransactRequest {
        transaction_id: "controller-1:call-7".to_owned(),
        commands: wrapped(&commands),
    };
    let mut service = gateway.iq.service();

    let first = gateway.wait(service.transact(request.clone())).expect("a call").into_inner();
    let again = gateway.wait(service.transact(request.clone())).expect("the call").into_inner();

    assert_eq!(first.replies, again.replies);
    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit").len(), 1);
    let other = pb::TransactRequest { commands: wrapped(&commands[..1]), ..request };
    let status = gateway.wait(service.transact(other)).expect_err("other content");
    let refused = agw_iq::client::CallError::from(status);
    assert_eq!(refused.reason.as_deref(), Some("TRANSACTION_ID_REUSED"));
    assert_eq!(refused.code, Code::FailedPrecondition);
}

#[test]
fn a_stream_of_transactions_answers_in_order_and_goes_on_after_a_refusal() {
    let gateway = Gateway::start();
    let endpoint = Endpoint::plain(Side::Access.peer());
    let requests: Vec<_> = (0..9)
        .map(|number| {
            let realm = if number % 3 == 1 { "nowhere" } else { "core" };
            let reserve = api::reserve(realm, vec![api::plain(1, &endpoint)]);
            pb::TransactStreamRequest {
                transaction_id: format!("t{number}"),
                commands: vec![pb::Command { command: Some(Command::Reserve(reserve)) }],
            }
        })
        .collect();

    let answers = gateway.wait(async {
        let mut service = gateway.iq.service();
        let call = service.transact_stream(tokio_stream::iter(requests));
        let mut answers = call.await.expect("a stream").into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await.expect("an answer") {
            all.push(answer);
        }
        all
    });

    let ids: Vec<_> = answers.iter().map(|answer| answer.transaction_id.as_str()).collect();
    assert_eq!(ids, ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"]);
    for (number, answer) in answers.into_iter().enumerate() {
        match answer.outcome.expect("an outcome") {
            pb::transact_stream_response::Outcome::Done(done) => {
                assert_ne!(number % 3, 1);
                assert_eq!(terminations(&done.replies).len(), 1);
            }
            pb::transact_stream_response::Outcome::Refused(refusal) => {
                assert_eq!((number % 3, refusal.reason.as_str()), (1, "UNKNOWN_REALM"));
            }
        }
    }
}

#[test]
fn what_does_not_exist_is_not_found() {
    let gateway = Gateway::start();
    let (call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    let wrong = |context, termination, stream| pb::ChangeThroughConnection {
        stream_id: stream,
        ..api::gates(context, termination, pb::StreamMode::Inactive)
    };
    for (change, reason) in [
        (wrong(call.context ^ 1, 0, 0), "UNKNOWN_CONTEXT"),
        (wrong(call.context, 3, 0), "UNKNOWN_TERMINATION"),
        (wrong(call.context, 1, 2), "UNKNOWN_STREAM"),
    ] {
        let change = gateway.iq.change_through_connection(change);
        let refused = gateway.wait(change).expect_err("nothing there");
        assert_eq!((refused.code, refused.reason.as_deref()), (Code::NotFound, Some(reason)));
    }
    let changes = [1, 7].map(|stream_id| pb::StreamChange { stream_id, ..Default::default() });
    let configure = pb::Configure {
        context_id: call.context,
        termination_id: 1,
        streams: changes.into(),
        ..pb::Configure::default()
    };
    let refused = gateway.wait(gateway.iq.configure(configure)).expect_err("no stream 7");
    assert_eq!(refused.field.as_deref(), Some("configure.streams[1].stream_id"));
}
