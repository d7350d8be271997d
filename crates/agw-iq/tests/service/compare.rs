//! A controller's list of contexts against the gateway's.

use std::time::{Duration, SystemTime};

use agw_context::{ContextId, ContextName};
use agw_iq::client::CallError;
use agw_iq::pb;
use agw_iq::pb::DifferenceKind::{Correlation, UnknownHere, UnknownThere};

use crate::fake::rig;

fn here(id: u32, correlation: &str) -> ContextName {
    let correlation = Some(correlation).filter(|text| !text.is_empty()).map(Into::into);
    let created = SystemTime::UNIX_EPOCH + Duration::from_secs(id.into());
    ContextName { id: ContextId(id), correlation, created }
}

fn there(context_id: u32, correlation_id: &str) -> pb::ContextName {
    pb::ContextName { context_id, correlation_id: correlation_id.to_owned() }
}

//= tests/spec/iq.md#audit
//= type=test
//# A comparison with a controller's list MUST name every context that only one of both knows.
#[tokio::test]
async fn what_only_one_of_both_knows_is_named_and_what_both_know_is_not() {
    let rig = rig().await;
    rig.fake.state().names = vec![here(1, ""), here(3, "c"), here(5, "e"), here(7, "g")];

    let list = vec![there(5, "other"), there(2, "b"), there(3, "c"), there(9, "")];
    let (differences, compared) = rig.client.compare(list).await.unwrap();

    let told: Vec<_> = differences
        .iter()
        .map(|one| (one.context_id, one.kind(), one.correlation_id.as_str()))
        .collect();
    let expected = [
        (1, UnknownThere, ""),
        (2, UnknownHere, ""),
        (5, Correlation, "e"),
        (7, UnknownThere, "g"),
        (9, UnknownHere, ""),
    ];
    assert_eq!((told.as_slice(), compared), (&expected[..], 4));
    let created = |position: usize| differences[position].created.map(|at| at.seconds);
    assert_eq!((created(0), created(1)), (Some(1), None));
}

#[tokio::test]
async fn thousands_are_compared_in_parts_and_nothing_lies_between_two() {
    let rig = rig().await;
    rig.fake.state().names = (1..=10_000).map(|id| here(id, "")).collect();

    let every_third = (1..=10_000).filter(|id| id % 3 == 0).map(|id| there(id, "")).collect();
    let (differences, compared) = rig.client.compare(every_third).await.unwrap();

    assert_eq!((differences.len(), compared), (10_000 - 3_333, 10_000));
    assert!(differences.iter().all(|one| one.kind() == UnknownThere && one.context_id % 3 != 0));
    let (differences, compared) = rig.client.compare(Vec::new()).await.unwrap();
    assert_eq!((differences.len(), compared), (10_000, 10_000));
}

#[tokio::test]
async fn a_list_out_of_order_is_refused_where_it_is() {
    let rig = rig().await;
    for contexts in [vec![there(2, ""), there(2, "")], vec![there(1, ""), there(0, "")]] {
        let request = pb::CompareContextsRequest { contexts };
        let requests = tokio_stream::iter([request]);
        let answers = rig.client.service().compare_contexts(requests).await.unwrap();
        let error = CallError::from(answers.into_inner().message().await.unwrap_err());
        assert_eq!(error.field.as_deref(), Some("contexts[1].context_id"));
    }
    let contexts = (1..=1_001).map(|id| there(id, "")).collect();
    let requests = tokio_stream::iter([pb::CompareContextsRequest { contexts }]);
    let answers = rig.client.service().compare_contexts(requests).await.unwrap();
    let error = CallError::from(answers.into_inner().message().await.unwrap_err());
    assert_eq!(error.field.as_deref(), Some("contexts"));
}
