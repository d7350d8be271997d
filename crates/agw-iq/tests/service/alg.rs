//! The service of the IMS-ALG: what reaches the calls, what is refused before, and what comes back.

mod registrations;

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic::{Code, Request};
use zeroize::Zeroizing;

use agw_context::{CommandError, Controller, Family, Priority, Resource, SourcePolicy};
use agw_iq::alg::pb::alg_service_client::AlgServiceClient;
use agw_iq::alg::{
    Alg, AlgFailure, Answer, CallName, CallView, Deleted, Offer, Registered, Registration, Which,
    pb,
};
use agw_iq::backend::Unavailable;
use agw_iq::client::{CallError, IqClient};
use agw_iq::server::services_with_alg;
use agw_iq::{Wipe, pb as iq};
use agw_sdp::mediasec::{Agreed, Registering};
use agw_sdp::{AlgError, MuxRule, OfferedSrtp, Protection, RtcpAttribute, SideOptions, Signalled};
use agw_srtp::Suite;

use crate::fake::{NOBODY, Rig, from, name_the_peer, rig};
use crate::sent;

/// What the calls were asked for, and what they answer.
#[derive(Default)]
struct Desk {
    offers: Mutex<Vec<Offer>>,
    others: Mutex<Vec<String>>,
    refusals: Mutex<Vec<AlgFailure>>,
    agreed: Mutex<Option<Agreed>>,
}

impl Desk {
    fn signalled(&self) -> Result<Signalled, AlgFailure> {
        let number = self.offers.lock().unwrap().len();
        match self.refusals.lock().unwrap().pop() {
            Some(refusal) => Err(refusal),
            None => Ok(Signalled {
                sdp: Zeroizing::new(format!("{number}: {}", sent::LINE).into_bytes()),
                context: None,
                streams: Vec::new(),
                rekey_advised: true,
            }),
        }
    }

    fn note(&self, what: impl std::fmt::Debug) {
        self.others.lock().unwrap().push(format!("{what:?}"));
    }
}

impl Alg for Desk {
    async fn offer(&self, offer: Offer) -> Result<Signalled, AlgFailure> {
        self.offers.lock().unwrap().push(offer);
        self.signalled()
    }

    async fn answer(&self, answer: Answer) -> Result<Signalled, AlgFailure> {
        self.note(answer.name);
        self.signalled()
    }

    async fn reject(&self, name: CallName) -> Result<Signalled, AlgFailure> {
        self.note(name);
        self.signalled()
    }

    async fn delete(&self, controller: Controller, which: Which) -> Result<Deleted, AlgFailure> {
        self.note((controller, which));
        Ok(Deleted::default())
    }

    async fn query(
        &self,
        controller: Controller,
        which: Which,
    ) -> Result<Vec<CallView>, AlgFailure> {
        self.note((controller, which));
        Ok(Vec::new())
    }

    fn list(&self, _: &Controller, _: Option<&str>, _: usize) -> Vec<String> {
        Vec::new()
    }

    fn seen(
        &self,
        controller: &Controller,
        after: Option<&(Controller, String)>,
        limit: usize,
    ) -> Vec<(Controller, String)> {
        let all = ["one", "two", "three two"].map(|id| (controller.clone(), id.replace(' ', "-")));
        let from = after.map_or(0, |after| all.iter().position(|one| one == after).unwrap() + 1);
        all[from..].iter().take(limit).cloned().collect()
    }

    fn register(
        &self,
        controller: &Controller,
        registration: &Registration,
    ) -> Result<Registering, AlgFailure> {
        self.note((controller, registration));
        let security_server = vec!["sdes-srtp;mediasec".to_owned()];
        match self.refusals.lock().unwrap().pop() {
            Some(refusal) => Err(refusal),
            None if registration.ue == "changed" => Ok(Registering::Disagrees { security_server }),
            None => Ok(Registering::GoesOn { security_server }),
        }
    }

    fn registered(&self, _: &Controller, ue: &str, registered: Registered) -> Option<Agreed> {
        self.note((ue, registered));
        self.agreed.lock().unwrap().clone()
    }

    fn registration(&self, _: &Controller, ue: &str) -> Option<Agreed> {
        self.note(ue);
        self.agreed.lock().unwrap().clone()
    }

    fn side(&self, controller: &Controller, ue: &str, realm: Option<String>) -> SideOptions {
        self.note((controller, ue));
        // Of one that has not registered.
        let protection = Protection::Plain;
        let offered_srtp = OfferedSrtp::PassOn;
        SideOptions { protection, offered_srtp, ..SideOptions::access(realm) }
    }
}

type Client = AlgServiceClient<tonic::transport::Channel>;

async fn desk() -> (Arc<Desk>, Client, IqClient, Rig) {
    let rig = rig().await;
    let desk = Arc::new(Desk::default());
    let services = services_with_alg(Arc::clone(&rig.fake), Arc::clone(&desk), true).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder()
        .layer(InterceptorLayer::new(name_the_peer))
        .add_routes(services.routes)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    let iq = IqClient::connect(&address, None).await.unwrap();
    (desk, iq.alg(), iq, rig)
}

fn side(place: pb::Place) -> Option<pb::SideOptions> {
    Some(pb::SideOptions { place: place.into(), ..pb::SideOptions::default() })
}

fn dialogue() -> Option<pb::Dialogue> {
    Some(pb::Dialogue {
        call_id: "call".to_owned(),
        from_tag: "a".to_owned(),
        ..pb::Dialogue::default()
    })
}

fn offer() -> pb::OfferRequest {
    pb::OfferRequest {
        dialogue: dialogue(),
        sdp: format!("v=0\r\n{}\r\n", sent::LINE).into_bytes(),
        offerer: side(pb::Place::Access),
        answerer: side(pb::Place::Core),
        ..pb::OfferRequest::default()
    }
}

#[tokio::test]
async fn a_side_is_what_its_place_says_and_access_is_not_taken_for_protected() {
    let (desk, mut client, ..) = desk().await;
    client.offer(offer()).await.unwrap();

    let offers = desk.offers.lock().unwrap();
    let Offer { name, near, far, rekey, priority, .. } = &offers[0];
    assert_eq!((&name.controller, name.to_tag.as_deref()), (&Controller::local(), None));
    assert_eq!(near.offered_srtp, OfferedSrtp::TerminateOnRequest);
    assert_eq!((near.protection, far.protection), (Protection::Secured, Protection::Plain));
    assert_eq!((near.protected_signalling, far.protected_signalling), (false, true));
    assert_eq!((near.indicates_e2ae, far.indicates_e2ae), (true, false));
    assert_eq!(near.source, Some(SourcePolicy::Latch { within: None }));
    assert_eq!((far.source, *rekey, *priority), (None, false, None));
}

#[tokio::test]
async fn every_option_of_a_side_reaches_the_calls() {
    let (desk, mut client, ..) = desk().await;
    let policy =
        iq::SourcePolicy { rule: iq::SourceRule::Signalled.into(), ..iq::SourcePolicy::default() };
    let offerer = pb::SideOptions {
        place: pb::Place::Core.into(),
        realm: "mars".to_owned(),
        address_family: iq::AddressFamily::Ipv6.into(),
        protected_signalling: Some(false),
        offered_srtp: pb::OfferedSrtp::Terminate.into(),
        protection: pb::Protection::Opportunistic.into(),
        feedback: Some(true),
        indicates_e2ae: Some(true),
        suites: vec![iq::Suite::AeadAes256Gcm.into(), iq::Suite::AesCm128HmacSha180.into()],
        rtcp_mux: pb::MuxRule::Require.into(),
        rtcp_attribute: pb::RtcpAttribute::Full.into(),
        end_to_end_past_gateway: true,
        source: Some(policy),
        dscp: Some(iq::DiffServ { rule: iq::DscpRule::Set.into(), code_point: Some(46) }),
        inactivity: Some(iq::Inactivity { time_ms: 30_000, ..iq::Inactivity::default() }),
        pre_key: Some(iq::PreKeyBuffer { packets: 8, time_ms: 500 }),
        ue: String::new(),
    };
    let priority = iq::Priority::Emergency.into();
    let request = pb::OfferRequest { offerer: Some(offerer), rekey: true, priority, ..offer() };
    client.offer(request).await.unwrap();

    let offers = desk.offers.lock().unwrap();
    let Offer { near, rekey, priority, .. } = &offers[0];
    assert_eq!((near.realm.as_deref(), near.family), (Some("mars"), Some(Family::V6)));
    assert_eq!((near.protected_signalling, near.indicates_e2ae), (false, true));
    assert_eq!(near.offered_srtp, OfferedSrtp::Terminate);
    assert_eq!(near.protection, Protection::Opportunistic);
    assert_eq!((near.feedback, near.end_to_end_past_gateway), (Some(true), true));
    assert_eq!(near.suites, [Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80]);
    assert_eq!((near.mux, near.rtcp_attribute), (MuxRule::Require, RtcpAttribute::Full));
    assert_eq!(near.source, Some(SourcePolicy::Signalled));
    assert!(near.extras.inactivity.is_some() && near.extras.pre_key.is_some());
    assert_eq!((*rekey, *priority), (true, Some(Priority::Emergency)));
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_names_the_field() {
    let (desk, mut client, ..) = desk().await;
    let changes: [(&str, fn(&mut pb::OfferRequest)); 12] = [
        ("dialogue", |r| r.dialogue = None),
        ("dialogue.call_id", |r| r.dialogue.as_mut().unwrap().call_id.clear()),
        ("dialogue.call_id", |r| r.dialogue.as_mut().unwrap().call_id = "x".repeat(256)),
        ("dialogue.from_tag", |r| r.dialogue.as_mut().unwrap().from_tag = "a b".to_owned()),
        ("sdp", |r| r.sdp.clear()),
        ("offerer", |r| r.offerer = None),
        ("answerer.place", |r| r.answerer.as_mut().unwrap().place = 0),
        ("answerer.place", |r| r.answerer.as_mut().unwrap().place = 7),
        ("offerer.suites", |r| r.offerer.as_mut().unwrap().suites = vec![1, 1]),
        ("offerer.rtcp_mux", |r| r.offerer.as_mut().unwrap().rtcp_mux = 9),
        ("priority", |r| r.priority = 9),
        ("transaction_id", |r| r.transaction_id = "no blanks".to_owned()),
    ];
    for (field, change) in changes {
        let mut request = offer();
        change(&mut request);
        let refused = CallError::from(client.offer(request).await.unwrap_err());
        assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidArgument, Some(field)));
        assert!(!refused.message.contains("inline"), "{}", refused.message);
    }
    let alone = pb::AnswerRequest { dialogue: dialogue(), sdp: vec![1], ..Default::default() };
    let refused = CallError::from(client.answer(alone).await.unwrap_err());
    assert_eq!(refused.field.as_deref(), Some("dialogue.to_tag"));
    for status in [1, 99, 700, 65_536 + 200] {
        let mut both = dialogue();
        both.iter_mut().for_each(|both| "b".clone_into(&mut both.to_tag));
        let odd = pb::AnswerRequest { dialogue: both, sdp: vec![1], status, ..Default::default() };
        let refused = CallError::from(client.answer(odd).await.unwrap_err());
        assert_eq!(refused.message, "status: is 100 to 699, or 0");
    }
    let call = pb::CallSelector {
        call_id: "call".to_owned(),
        to_tag: "b".to_owned(),
        ..pb::CallSelector::default()
    };
    let refused = client.query(pb::QueryRequest { call: Some(call) }).await.unwrap_err();
    assert_eq!(CallError::from(refused).field.as_deref(), Some("call.from_tag"));
    assert!(desk.offers.lock().unwrap().is_empty() && desk.others.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_of_the_calls_has_its_code_reason_and_sip_status() {
    let (desk, mut client, ..) = desk().await;
    let full = CommandError::Exhausted { what: Resource::Ports, realm: None };
    let split = CommandError::Exhausted { what: Resource::Terminations, realm: None };
    let branches = AlgError::TooManyBranches { limit: 8 };
    for (refusal, expected) in [
        (AlgError::UnknownCall.into(), (Code::NotFound, "UNKNOWN_CALL", 481)),
        (AlgError::OfferPending.into(), (Code::Aborted, "OFFER_PENDING", 491)),
        (AlgError::NoOffer.into(), (Code::FailedPrecondition, "NO_OFFER", 500)),
        (
            AlgError::TooManyCalls { limit: 1 }.into(),
            (Code::ResourceExhausted, "TOO_MANY_CALLS", 503),
        ),
        (CommandError::Draining.into(), (Code::Unavailable, "DRAINING", 503)),
        (full.into(), (Code::ResourceExhausted, "EXHAUSTED", 503)),
        (split.into(), (Code::ResourceExhausted, "EXHAUSTED", 500)),
        (branches.into(), (Code::ResourceExhausted, "TOO_MANY_BRANCHES", 500)),
        (Unavailable.into(), (Code::Unavailable, "UNAVAILABLE", 503)),
        (AlgFailure::Busy, (Code::Unavailable, "UNAVAILABLE", 503)),
    ] {
        desk.refusals.lock().unwrap().push(refusal);
        let refused = CallError::from(client.offer(offer()).await.unwrap_err());
        let (code, reason, status) = expected;
        assert_eq!((refused.code, refused.reason.as_deref()), (code, Some(reason)));
        assert_eq!((refused.sip_status, refused.field), (Some(status), None));
    }
}

#[tokio::test]
async fn a_retry_has_the_first_answer_and_a_refusal_for_want_of_room_is_tried_anew() {
    let (desk, mut client, ..) = desk().await;
    let request = pb::OfferRequest { transaction_id: "t".to_owned(), ..offer() };
    desk.refusals.lock().unwrap().push(AlgFailure::Busy);
    client.offer(request.clone()).await.unwrap_err();

    let first = client.offer(request.clone()).await.unwrap().into_inner();
    let second = client.offer(request).await.unwrap().into_inner();

    assert_eq!((&first.sdp, first.gateway.is_some()), (&second.sdp, second.gateway.is_some()));
    assert_eq!(desk.offers.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn roles_and_epochs_are_those_of_the_other_service() {
    let (desk, mut client, iq, _rig) = desk().await;
    let selector = || pb::CallSelector { call_id: "call".to_owned(), ..Default::default() };
    let query = || pb::QueryRequest { call: Some(selector()) };
    client.query(from("observer-1", query())).await.unwrap();
    let refused = client.offer(from("observer-1", offer())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        client.query(from(NOBODY, query())).await.unwrap_err().code(),
        Code::Unauthenticated
    );

    client.offer(from("alg-1", offer())).await.unwrap();
    assert_eq!(desk.offers.lock().unwrap()[0].name.controller.0, "alg-1");
    iq.with_epoch(5).change_through_connection(sent::gates()).await.unwrap();
    let mut stale = Request::new(offer());
    stale.metadata_mut().insert("agw-controller-epoch", "4".parse().unwrap());
    let refused = CallError::from(client.offer(stale).await.unwrap_err());
    assert_eq!(refused.reason.as_deref(), Some("STALE_CONTROLLER"));
}

#[test]
fn no_description_is_printed_and_a_wiped_request_has_none() {
    let answer = pb::AnswerRequest { sdp: offer().sdp, ..Default::default() };
    let offered = pb::OfferResponse { sdp: offer().sdp, ..Default::default() };
    let answered = pb::AnswerResponse { sdp: offer().sdp, ..Default::default() };
    let printed = format!("{:?} {answer:?} {offered:?} {answered:?}", offer());
    assert_eq!(printed.matches("sdp: redacted").count(), 4, "{printed}");
    assert!(!printed.contains("inline"), "{printed}");
    let (mut offer, mut answer) = (offer(), answer);
    offer.wipe();
    answer.wipe();
    assert!(offer.sdp.is_empty() && answer.sdp.is_empty());
}
