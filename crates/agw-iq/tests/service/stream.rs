//! Transactions on a stream.

use agw_context::{Command, CommandError, Refused};
use tokio_stream::{StreamExt, iter};
use tonic::Code;

use agw_iq::pb;
use agw_iq::pb::command::Command as Kind;
use agw_iq::pb::transact_stream_response::Outcome;

use crate::fake::{gateway, held_rig, rig};
use crate::sent;

fn request(transaction_id: &str, context_id: u32) -> pb::TransactStreamRequest {
    let gates = pb::ChangeThroughConnection { context_id, ..sent::gates() };
    pb::TransactStreamRequest {
        transaction_id: transaction_id.to_owned(),
        commands: vec![sent::command(Kind::ChangeThroughConnection(gates))],
    }
}

#[tokio::test]
async fn transactions_are_put_in_line_unasked_and_answered_in_their_order() {
    let rig = held_rig().await;
    let requests: Vec<_> = (1..=200).map(|n| request(&format!("t-{n}"), n)).collect();

    let answers = rig.client.service().transact_stream(iter(requests)).await.unwrap();
    while rig.fake.transactions() < 200 {
        tokio::task::yield_now().await;
    }
    rig.fake.turns.add_permits(200);
    let answers: Vec<_> = answers.into_inner().map(Result::unwrap).collect().await;

    let ids: Vec<_> = answers.iter().map(|answer| answer.transaction_id.clone()).collect();
    let expected: Vec<_> = (1..=200).map(|n| format!("t-{n}")).collect();
    assert_eq!(ids, expected);
    assert!(answers.iter().all(|answer| answer.gateway == gateway()));
    let contexts: Vec<u32> = rig
        .fake
        .state()
        .transactions
        .iter()
        .map(|(_, commands)| match commands.as_slice() {
            [Command::ChangeThroughConnection(change)] => change.context.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(contexts, (1..=200).collect::<Vec<u32>>());
}

#[tokio::test]
async fn a_refused_transaction_does_not_end_the_stream() {
    let rig = rig().await;
    let refused = Refused { command: 0, error: CommandError::Draining };
    rig.fake.state().errors.push_back(refused.into());
    let requests = [request("by-gateway", 7), request("unreadable", 0), request("good", 7)];

    let answers = rig.client.service().transact_stream(iter(requests)).await.unwrap();
    let answers: Vec<_> = answers.into_inner().map(Result::unwrap).collect().await;

    let [by_gateway, unreadable, good] = answers.as_slice() else { panic!("{answers:?}") };
    let Some(Outcome::Refused(refusal)) = &by_gateway.outcome else { panic!("{by_gateway:?}") };
    assert_eq!((refusal.reason.as_str(), refusal.h248_code), ("DRAINING", 503));
    assert_eq!((refusal.code, refusal.command), (Code::Unavailable as u32, Some(0)));
    let Some(Outcome::Refused(refusal)) = &unreadable.outcome else { panic!("{unreadable:?}") };
    let field = "commands[0].change_through_connection.context_id";
    assert_eq!((refusal.reason.as_str(), refusal.field.as_str()), ("FIELD_MISSING", field));
    assert!(matches!(&good.outcome, Some(Outcome::Done(done)) if done.replies.len() == 1));
}

#[tokio::test]
async fn a_transaction_of_a_broken_stream_can_be_tried_by_a_call() {
    let rig = rig().await;
    let answers = rig.client.service().transact_stream(iter([request("t-1", 7)])).await.unwrap();
    assert_eq!(answers.into_inner().map(Result::unwrap).collect::<Vec<_>>().await.len(), 1);

    let pb::TransactStreamRequest { transaction_id, commands } = request("t-1", 7);
    let retry = pb::TransactRequest { transaction_id, commands };
    rig.client.service().transact(retry).await.unwrap();

    assert_eq!(rig.fake.transactions(), 1);
}
