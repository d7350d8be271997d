//! New calls are refused before anything is done for them, everything else is not.

use agw_context::Resource;
use agw_iq::client::CallError;
use agw_iq::pb;
use agw_iq::pb::transact_stream_response::Outcome;
use tonic::Code;

use crate::fake::{NOBODY, Rig, from, rig};
use crate::sent;

/// A gateway whose processor is busy.
async fn busy() -> Rig {
    let rig = rig().await;
    rig.fake.state().full = Some(Resource::Cpu);
    rig
}

fn with_priority(priority: pb::Priority) -> pb::Reserve {
    pb::Reserve { priority: priority.into(), ..sent::reserve() }
}

//= tests/spec/iq.md#admission
//= type=test
//# A refusal for want of resources MUST say what ran out.
#[tokio::test]
async fn a_normal_call_is_refused_unread_and_told_what_ran_out() {
    let rig = busy().await;
    // Not even a stream: nobody has looked.
    let unread = pb::Reserve { streams: Vec::new(), ..pb::Reserve::default() };
    let refused = rig.client.reserve(unread).await.unwrap_err();
    assert_eq!((refused.code, refused.h248_code), (Code::ResourceExhausted, Some(510)));
    assert_eq!(refused.reason.as_deref(), Some("EXHAUSTED"));
    assert_eq!(refused.limit, Some(Resource::Cpu));
    assert_eq!(refused.overload_percent, Some(42));
    assert_eq!(rig.fake.transactions(), 0);
}

//= tests/spec/iq.md#admission
//= type=test
//# A change or release of what exists MUST be carried out whatever the load is.
#[tokio::test]
async fn priority_calls_changes_and_releases_pass() {
    let rig = busy().await;
    rig.client.reserve(with_priority(pb::Priority::Priority)).await.unwrap();
    rig.client.reserve(with_priority(pb::Priority::Emergency)).await.unwrap();
    rig.client.reserve(pb::Reserve { context_id: 7, ..sent::reserve() }).await.unwrap();
    rig.client.configure(sent::configure()).await.unwrap();
    rig.client
        .release(pb::Release { context_id: 7, termination_id: 0, ..Default::default() })
        .await
        .unwrap();
    assert_eq!(rig.fake.transactions(), 5);
    rig.client.reserve(with_priority(pb::Priority::Normal)).await.unwrap_err();
}

#[tokio::test]
async fn a_transaction_counts_as_its_lowest_priority() {
    let rig = busy().await;
    let reserve = |reserve| pb::command::Command::Reserve(reserve);
    let emergency = || reserve(with_priority(pb::Priority::Emergency));
    let join = || reserve(pb::Reserve { latest_context: true, ..sent::reserve() });
    rig.client.transact(vec![emergency(), join()]).await.unwrap();
    let refused = rig.client.transact(vec![emergency(), reserve(sent::reserve())]).await;
    assert_eq!(refused.unwrap_err().limit, Some(Resource::Cpu));
}

#[tokio::test]
async fn a_refusal_on_a_stream_of_transactions_says_as_much_and_does_not_end_it() {
    let rig = busy().await;
    let of = |reserve| pb::TransactStreamRequest {
        transaction_id: String::new(),
        commands: vec![sent::command(pb::command::Command::Reserve(reserve))],
    };
    let requests = [of(sent::reserve()), of(with_priority(pb::Priority::Emergency))];
    let answers = rig.client.service().transact_stream(tokio_stream::iter(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    let refused = answers.message().await.unwrap().unwrap();
    let Some(Outcome::Refused(refusal)) = refused.outcome else { panic!("{refused:?}") };
    assert_eq!((refusal.reason.as_str(), refusal.limit.as_str()), ("EXHAUSTED", "cpu"));
    assert_eq!(refused.gateway.unwrap().overload_percent, 42);
    let admitted = answers.message().await.unwrap().unwrap();
    assert!(matches!(admitted.outcome, Some(Outcome::Done(_))), "{admitted:?}");
}

#[tokio::test]
async fn a_retry_of_what_was_admitted_gets_its_answer_and_a_refused_one_another_chance() {
    let rig = rig().await;
    let mut service = rig.client.service();
    service.reserve_connection_point(sent::reserve_request("t-1")).await.unwrap();
    rig.fake.state().full = Some(Resource::Memory);
    service.reserve_connection_point(sent::reserve_request("t-1")).await.unwrap();
    service.reserve_connection_point(sent::reserve_request("t-2")).await.unwrap_err();
    rig.fake.state().full = None;
    service.reserve_connection_point(sent::reserve_request("t-2")).await.unwrap();
    assert_eq!(rig.fake.transactions(), 2);
}

//= tests/spec/iq.md#access
//= type=test
//# A request of a connection without an identity MUST be refused.
#[tokio::test]
async fn a_connection_without_an_identity_may_do_nothing() {
    let rig = rig().await;
    let mut service = rig.client.service();
    let reserve = service.reserve_connection_point(from(NOBODY, sent::reserve_request("")));
    assert_eq!(reserve.await.unwrap_err().code(), Code::Unauthenticated);
    let audit = service.audit_value(from(NOBODY, pb::AuditValueRequest::default()));
    assert_eq!(audit.await.unwrap_err().code(), Code::Unauthenticated);
    let events = service.subscribe_events(from(NOBODY, pb::SubscribeEventsRequest::default()));
    assert_eq!(events.await.unwrap_err().code(), Code::Unauthenticated);
    let method = pb::ServiceChangeMethod::Forced.into();
    let lock = pb::ServiceChangeRequest { method, ..Default::default() };
    let lock = service.service_change(from(NOBODY, lock)).await.unwrap_err();
    assert_eq!(lock.code(), Code::Unauthenticated);
    assert_eq!(rig.fake.transactions(), 0);
}

#[tokio::test]
async fn an_unknown_priority_is_refused_by_its_field() {
    let rig = rig().await;
    let odd = pb::Reserve { priority: 9, ..sent::reserve() };
    let refused: CallError = rig.client.reserve(odd).await.unwrap_err();
    assert_eq!(refused.field.as_deref(), Some("reserve.priority"));
    let change = pb::Configure { priority: 9, ..sent::configure() };
    let refused = rig.client.configure(change).await.unwrap_err();
    assert_eq!(refused.field.as_deref(), Some("configure.priority"));
}
