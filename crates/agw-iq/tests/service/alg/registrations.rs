//! Registrations of UEs, what they say of a side, and the names of calls.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tonic::{Code, Request};

use agw_iq::alg::{AlgFailure, pb};
use agw_iq::client::CallError;
use agw_sdp::mediasec::{Agreed, MechanismError, MediaMechanism};
use agw_sdp::{OfferedSrtp, Protection};

use super::{desk, offer};
use crate::fake::from;

const SDES: &str = "sdes-srtp;mediasec";

fn field(name: &str, value: &str) -> pb::HeaderField {
    pb::HeaderField { name: name.to_owned(), value: value.to_owned() }
}

fn register(ue: &str) -> pb::RegisterRequest {
    pb::RegisterRequest {
        ue: ue.to_owned(),
        headers: vec![
            field("Security-Client", "ipsec-3gpp;alg=hmac-sha-1-96, sdes-srtp;mediasec"),
            field("Proxy-Require", "mediasec"),
            field("X-Other", "mediasec"),
        ],
        protected_signalling: true,
        mechanisms: Vec::new(),
    }
}

#[tokio::test]
async fn a_register_request_goes_on_without_what_ends_at_the_edge_or_is_answered_with_494() {
    let (desk, mut client, ..) = desk().await;
    let answer = client.register(from("alg-1", register("ue"))).await.unwrap().into_inner();

    assert_eq!(answer.verdict(), pb::RegisterVerdict::GoOn);
    assert_eq!(answer.security_server, [SDES]);
    let kept = field("Security-Client", "ipsec-3gpp;alg=hmac-sha-1-96");
    assert_eq!(answer.headers, [kept, field("X-Other", "mediasec")]);
    assert!(answer.gateway.is_some());
    let asked = desk.others.lock().unwrap()[0].clone();
    assert!(asked.contains("alg-1") && asked.contains("[SdesSrtp]"), "{asked}");

    let answer = client.register(register("changed")).await.unwrap().into_inner();
    assert_eq!(answer.verdict(), pb::RegisterVerdict::SecurityAgreementRequired);
    assert_eq!((answer.security_server, answer.headers), (vec![SDES.to_owned()], Vec::new()));
}

#[tokio::test]
async fn only_a_2xx_changes_what_was_agreed_and_what_holds_is_told() {
    let (desk, mut client, ..) = desk().await;
    let answer =
        |status, expires_s| pb::RegisterAnswerRequest { ue: "ue".into(), status, expires_s };
    assert_eq!(
        client.register_answer(answer(200, 600)).await.unwrap().get_ref().registration,
        None
    );
    *desk.agreed.lock().unwrap() = Some(Agreed {
        mechanisms: BTreeSet::from([MediaMechanism::SdesSrtp, MediaMechanism::MsrpTls]),
        protected_signalling: true,
        until: Instant::now() + Duration::from_secs(3_000),
    });
    client.register_answer(answer(200, 0)).await.unwrap();
    client.register_answer(answer(403, 600)).await.unwrap();
    let query = pb::QueryRegistrationRequest { ue: "ue".to_owned() };
    let answer = client.query_registration(query).await.unwrap().into_inner();

    let asked: Vec<String> = desk.others.lock().unwrap().clone();
    let expected = ["(\"ue\", For(600s))", "(\"ue\", NotAnyMore)", "(\"ue\", AsBefore)", "\"ue\""];
    assert_eq!(asked, expected);
    let registration = answer.registration.unwrap();
    let mechanisms: Vec<_> = registration.mechanisms().collect();
    assert_eq!(mechanisms, [pb::MediaMechanism::SdesSrtp, pb::MediaMechanism::MsrpTls]);
    assert!(registration.protected_signalling);
    assert!((2_900..3_000).contains(&registration.expires_s), "{}", registration.expires_s);
}

#[tokio::test]
async fn a_registration_that_breaks_a_rule_names_the_field() {
    let (desk, mut client, ..) = desk().await;
    let changes: [(&str, fn(&mut pb::RegisterRequest)); 9] = [
        ("ue", |r| r.ue.clear()),
        ("ue", |r| r.ue = "a b".to_owned()),
        ("headers", |r| r.headers = vec![field("Require", "mediasec"); 65]),
        ("headers[1].name", |r| r.headers[1].name.clear()),
        ("headers[1].value", |r| r.headers[1].value = "a\r\nRoute: b".to_owned()),
        ("headers[2].value", |r| r.headers[2].value = "a".repeat(8_193)),
        ("mechanisms[0]", |r| r.mechanisms = vec![0]),
        ("mechanisms[1]", |r| r.mechanisms = vec![1, 9]),
        ("mechanisms", |r| r.mechanisms = vec![1, 2, 1]),
    ];
    for (path, change) in changes {
        let mut request = register("ue");
        change(&mut request);
        let refused = CallError::from(client.register(request).await.unwrap_err());
        assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidArgument, Some(path)));
    }
    let answer = pb::RegisterAnswerRequest { ue: "ue".to_owned(), status: 100, expires_s: 1 };
    let refused = CallError::from(client.register_answer(answer).await.unwrap_err());
    assert_eq!(refused.field.as_deref(), Some("status"));
    assert!(desk.others.lock().unwrap().is_empty());
    desk.refusals.lock().unwrap().push(AlgFailure::Fields(MechanismError::Syntax));
    let refused = CallError::from(client.register(register("ue")).await.unwrap_err());
    assert_eq!((refused.code, refused.sip_status), (Code::InvalidArgument, Some(400)));
    assert_eq!(refused.reason.as_deref(), Some("SECURITY_FIELDS"));
}

#[tokio::test]
async fn a_side_that_names_its_ue_is_as_the_ue_registered_unless_the_offer_says_otherwise() {
    let (desk, mut client, ..) = desk().await;
    let mut request = offer();
    request.offerer.as_mut().unwrap().ue = "sip:alice@example.net".to_owned();
    client.offer(from("alg-1", request.clone())).await.unwrap();
    request.offerer.as_mut().unwrap().protection = pb::Protection::Secured.into();
    request.offerer.as_mut().unwrap().protected_signalling = Some(false);
    client.offer(request.clone()).await.unwrap();
    request.answerer.as_mut().unwrap().ue = "sip:bob@example.net".to_owned();
    let refused = CallError::from(client.offer(request).await.unwrap_err());

    assert_eq!(refused.field.as_deref(), Some("answerer.ue"));
    let asked = desk.others.lock().unwrap()[0].clone();
    assert_eq!(asked, "(Controller(\"alg-1\"), \"sip:alice@example.net\")");
    let offers = desk.offers.lock().unwrap();
    let chosen = |number: usize| {
        let near = &offers[number].near;
        (near.protection, near.offered_srtp, near.protected_signalling)
    };
    assert_eq!(chosen(0), (Protection::Plain, OfferedSrtp::PassOn, true));
    assert_eq!(chosen(1), (Protection::Secured, OfferedSrtp::PassOn, false));
}

#[tokio::test]
async fn a_list_of_calls_goes_on_page_by_page() {
    let (_desk, mut client, ..) = desk().await;
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListRequest { page_size: 2, page_token };
        let page = client.list(from("alg 1", request)).await.unwrap().into_inner();
        names.extend(page.calls.into_iter().map(|name| (name.controller, name.call_id)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let expected = ["one", "two", "three-two"].map(|id| ("alg 1".to_owned(), id.to_owned()));
    assert_eq!(names, expected);
    for (request, field) in [
        (pb::ListRequest { page_size: 1_001, ..Default::default() }, "page_size"),
        (pb::ListRequest { page_token: "odd".to_owned(), ..Default::default() }, "page_token"),
    ] {
        let refused = CallError::from(client.list(request).await.unwrap_err());
        assert_eq!(refused.field.as_deref(), Some(field));
    }
}

#[tokio::test]
async fn an_observer_looks_at_registrations_and_changes_none() {
    let (_desk, mut client, iq, _rig) = desk().await;
    let query = pb::QueryRegistrationRequest { ue: "ue".to_owned() };
    client.query_registration(from("observer-1", query)).await.unwrap();
    client.list(from("observer-1", pb::ListRequest::default())).await.unwrap();
    let refused = client.register(from("observer-1", register("ue"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let answer = pb::RegisterAnswerRequest { ue: "ue".to_owned(), status: 200, expires_s: 0 };
    let refused = client.register_answer(from("observer-1", answer)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    iq.with_epoch(5).change_through_connection(crate::sent::gates()).await.unwrap();
    let mut stale = Request::new(register("ue"));
    stale.metadata_mut().insert("agw-controller-epoch", "4".parse().unwrap());
    let refused = CallError::from(client.register(stale).await.unwrap_err());
    assert_eq!(refused.reason.as_deref(), Some("STALE_CONTROLLER"));
}
