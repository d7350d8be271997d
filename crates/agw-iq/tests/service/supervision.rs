//! Heartbeats, adoption, fencing, and what could not be carried out.

use agw_context::{
    AdoptContexts, Command, CommandError, Confirmation, ContextId, Controller, Refused,
    TerminationId,
};
use std::time::Duration;
use tonic::{Code, Request};

use agw_iq::backend::TransactError;
use agw_iq::client::CallError;
use agw_iq::pb;

use crate::fake::{Rig, from, rig};
use crate::sent;

fn word(context_id: u32, known: bool) -> pb::TerminationConfirmation {
    pb::TerminationConfirmation { context_id, termination_id: 2, known }
}

#[tokio::test]
async fn confirmations_go_to_the_gateway_and_those_it_does_not_know_come_back() {
    let rig = rig().await;
    let words = vec![word(7, true), word(8, false)];
    assert_eq!(rig.client.confirm(words).await.unwrap(), [word(8, false)]);
    let heard = |context, known| {
        let (context, termination) = (ContextId(context), TerminationId(2));
        Confirmation { context, termination, known }
    };
    let expected = vec![heard(7, true), heard(8, false)];
    assert_eq!(rig.fake.state().confirmed, [(Controller::local(), expected)]);
    let error = rig.client.confirm(vec![word(7, true), word(0, true)]).await.unwrap_err();
    assert_eq!(error.reason.as_deref(), Some("FIELD_MISSING"));
    assert_eq!(error.field.as_deref(), Some("terminations[1].context_id"));
}

#[tokio::test]
async fn an_adoption_goes_to_the_gateway_under_the_name_of_who_asks() {
    let rig = rig().await;
    assert_eq!(rig.client.adopt(vec![7]).await.unwrap(), [7]);
    assert_eq!(rig.client.adopt_orphans_of("alg-1").await.unwrap(), [7]);
    let request = pb::AdoptContextsRequest { context_ids: vec![7], ..Default::default() };
    rig.client.service().adopt_contexts(from("alg-2", request)).await.unwrap();
    let these = AdoptContexts::These(vec![ContextId(7)]);
    let all = AdoptContexts::OrphansOf(Controller("alg-1".to_owned()));
    let expected = [
        (Controller::local(), these.clone()),
        (Controller::local(), all),
        (Controller("alg-2".to_owned()), these),
    ];
    assert_eq!(rig.fake.state().adopted, expected);
}

#[tokio::test]
async fn a_refused_adoption_says_why() {
    let rig = rig().await;
    let other = Controller("alg-1".to_owned());
    let cases = [
        (CommandError::NotOrphaned(ContextId(7)), Code::FailedPrecondition, "NOT_ORPHANED"),
        (CommandError::AdoptionRefused(other), Code::PermissionDenied, "ADOPTION_REFUSED"),
        (CommandError::UnknownContext(ContextId(7)), Code::NotFound, "UNKNOWN_CONTEXT"),
    ];
    for (error, code, reason) in cases {
        rig.fake.state().errors.push_back(Refused { command: 0, error }.into());
        let refused = rig.client.adopt(vec![7]).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_deref()), (code, Some(reason)));
    }
}

#[tokio::test]
async fn heartbeats_are_asked_for_with_the_reservation() {
    let rig = rig().await;
    let reserve = pb::Reserve { heartbeat_ms: 30_000, ..sent::reserve() };
    rig.client.reserve(reserve).await.unwrap();
    let Command::Reserve(reserve) = rig.fake.command() else { panic!("not a reservation") };
    assert_eq!(reserve.heartbeat, Some(Duration::from_secs(30)));
    rig.client.reserve(sent::reserve()).await.unwrap();
    let Command::Reserve(reserve) = rig.fake.command() else { panic!("not a reservation") };
    assert_eq!(reserve.heartbeat, None);
}

async fn reserve(rig: &Rig, id: &str, epoch: Option<&'static str>) -> Result<(), CallError> {
    let mut request: Request<_> = Request::new(sent::reserve_request(id));
    if let Some(epoch) = epoch {
        request.metadata_mut().insert("agw-controller-epoch", epoch.parse().unwrap());
    }
    rig.client.service().reserve_connection_point(request).await?;
    Ok(())
}

//= tests/spec/iq.md#supervision
//= type=test
//# Of two instances of a controller the one with the lower epoch MUST be refused once the higher
//# one was seen.
#[tokio::test]
async fn the_older_of_two_instances_is_refused_and_acts_no_more() {
    let rig = rig().await;
    reserve(&rig, "t-1", Some("4")).await.unwrap();
    reserve(&rig, "t-2", Some("5")).await.unwrap();
    for epoch in [Some("4"), None] {
        let stale = reserve(&rig, "t-1", epoch).await.unwrap_err();
        assert_eq!(stale.code, Code::FailedPrecondition);
        assert_eq!(stale.reason.as_deref(), Some("STALE_CONTROLLER"));
    }
    let old = rig.client.clone().with_epoch(4);
    for refused in [
        old.drain().await.map(drop),
        old.adopt(vec![7]).await.map(drop),
        old.confirm(vec![word(7, true)]).await.map(drop),
        old.transact(Vec::new()).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().reason.as_deref(), Some("STALE_CONTROLLER"));
    }
    assert_eq!(rig.fake.transactions(), 2);
    let new = rig.client.clone().with_epoch(5);
    new.confirm(vec![word(7, true)]).await.unwrap();
    reserve(&rig, "t-1", Some("5")).await.unwrap();
    assert_eq!(rig.fake.transactions(), 2, "a retry by the new instance acts once");
    let wrong = reserve(&rig, "t-3", Some("five")).await.unwrap_err();
    assert_eq!(wrong.field.as_deref(), Some("agw-controller-epoch"));
}

//= tests/spec/iq.md#acknowledgement
//= type=test
//# What the packet path could not carry out MUST be released, and told as failed for good.
#[tokio::test]
async fn what_could_not_be_carried_out_is_told_as_failed_and_so_is_its_retry() {
    let rig = rig().await;
    let released = vec![ContextId(7), ContextId(9)];
    rig.fake.state().errors.push_back(TransactError::Failed { released });
    let failed = reserve(&rig, "t-1", None).await.unwrap_err();
    assert_eq!((failed.code, failed.h248_code), (Code::Internal, Some(500)));
    assert_eq!(failed.reason.as_deref(), Some("SYSTEM"));
    assert!(failed.to_string().contains("released: 7,9"), "{failed}");
    assert_eq!(reserve(&rig, "t-1", None).await.unwrap_err(), failed);
    assert_eq!(rig.fake.transactions(), 1);
}
