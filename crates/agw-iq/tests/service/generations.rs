//! Commands under the condition that their context is as their sender believes.

use agw_context::{Command, CommandError, Refused};
use agw_iq::backend::TransactError;
use agw_iq::pb;
use agw_iq::pb::command::Command as Kind;
use tonic::Code;

use crate::fake::{GENERATION, rig};
use crate::sent;

/// A command of each kind that expects generation 9.
fn expecting() -> Vec<Kind> {
    let expected_generation = 9;
    vec![
        Kind::Reserve(pb::Reserve {
            context_id: 7,
            correlation_id: String::new(),
            expected_generation,
            ..sent::reserve()
        }),
        Kind::Configure(pb::Configure { expected_generation, ..sent::configure() }),
        Kind::ChangeThroughConnection(pb::ChangeThroughConnection {
            expected_generation,
            ..sent::gates()
        }),
        Kind::SetTopology(pb::SetTopology {
            expected_generation,
            ..sent::associations(&[(1, 2, pb::Relation::BothWay, 0)])
        }),
        Kind::Release(pb::Release { context_id: 7, termination_id: 0, expected_generation }),
        Kind::StageKey(pb::StageKey { expected_generation, ..sent::stage_key() }),
        Kind::ActivateKey(pb::ActivateKey {
            context_id: 7,
            group_id: 1,
            direction: pb::Direction::Egress.into(),
            expected_generation,
            ..Default::default()
        }),
        Kind::CancelKey(pb::CancelKey {
            context_id: 7,
            group_id: 1,
            direction: pb::Direction::Egress.into(),
            expected_generation,
            ..Default::default()
        }),
        Kind::SetGroup(pb::SetGroup {
            context_id: 7,
            group_id: 1,
            expected_generation,
            ..Default::default()
        }),
        Kind::RemoveGroup(pb::RemoveGroup { context_id: 7, group_id: 1, expected_generation }),
    ]
}

#[tokio::test]
async fn whatever_a_command_is_it_can_expect_a_generation_and_is_told_the_new_one() {
    let rig = rig().await;
    for kind in expecting() {
        let told = format!("{kind:?}");
        let replies = rig.client.transact(vec![kind]).await.expect(&told);
        let Command::Expecting(expecting) = rig.fake.command() else { panic!("{told}") };
        assert_eq!(expecting.generation, 9, "{told}");
        let generation = match replies[0].reply.clone().expect("a reply") {
            pb::command_reply::Reply::Termination(reply) => reply.generation,
            pb::command_reply::Reply::Done(reply) => reply.generation,
            pb::command_reply::Reply::Released(_) => GENERATION,
        };
        assert_eq!(generation, GENERATION, "{told}");
    }
}

#[tokio::test]
async fn a_command_that_was_overtaken_is_aborted_with_the_generation_that_is() {
    let rig = rig().await;
    let error = CommandError::OtherGeneration { expected: 9, is: 11 };
    rig.fake.state().errors.push_back(TransactError::Refused(Refused { command: 0, error }));

    let gates = pb::ChangeThroughConnection { expected_generation: 9, ..sent::gates() };
    let error = rig.client.change_through_connection(gates).await.unwrap_err();

    assert_eq!((error.code, error.h248_code), (Code::Aborted, Some(473)));
    assert_eq!(error.reason.as_deref(), Some("GENERATION_MISMATCH"));
    let field = "change_through_connection.expected_generation";
    assert_eq!(error.field.as_deref(), Some(field));
}

#[tokio::test]
async fn a_context_that_is_to_be_made_has_no_generation() {
    let rig = rig().await;
    let reserve = pb::Reserve { expected_generation: 1, ..sent::reserve() };
    let error = rig.client.reserve(reserve).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("reserve.expected_generation"));
    let nothing = pb::Configure { remove_stream_ids: vec![3, 0], ..sent::configure() };
    let error = rig.client.configure(nothing).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("configure.remove_stream_ids[1]"));
}
