//! A call whose controller is lost goes on, and goes with its context to the one that adopts it.

use agw_iq::alg::pb;
use agw_iq::client::{CallError, IqClient};
use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::{Gateway, Side};

use super::party::{Party, talk};
use super::scene::{REQUESTED, Scene, Way, text};
use crate::on_stage;
use crate::supervision::{FIRST, LOST_SOON, SECOND, Watched};

const UE: &str = "sip:phone@example.net;ob";
const WAY: Way = Way::of("adopted@ue.example");

fn offer(
    gateway: &Gateway,
    controller: &IqClient,
    request: pb::OfferRequest,
) -> Result<String, CallError> {
    let answer = gateway.wait(controller.alg().offer(request)).map_err(CallError::from);
    answer.map(|answer| text(&answer.into_inner().sdp))
}

fn answer(gateway: &Gateway, controller: &IqClient, sdp: Vec<u8>) -> String {
    let answer = gateway.wait(controller.alg().answer(WAY.answer(sdp)));
    text(&answer.expect("an answer").into_inner().sdp)
}

//= tests/spec/sdp.md#adoption
//= type=test
//# The call of a context that was adopted MUST be its new controller's, and not known to the one
//# before.
#[test]
fn a_call_goes_to_the_controller_that_adopts_its_context() {
    let Some(_stage) = on_stage() else { return };
    let Ok(library) = Libsrtp::load() else { return peer::skip(libsrtp::PEER) };
    let mut watched = Watched::new(&LOST_SOON);
    let mut phone = Party::phone(Side::Access.peer(), 0xAAAA_0001, library);
    let mut core = Party::core(Side::Core.peer(), 0xCCCC_0001);
    let line = phone.key().sdes_line(1);
    let described = phone.describe("RTP/SAVP", &[&line, REQUESTED]);
    let first = watched.gateway.iq.clone();
    let offered = Scene::first_offer(WAY, Side::Access, described.clone());
    core.reads(&offer(&watched.gateway, &first, offered).expect("an offer"), None);
    phone.reads(&answer(&watched.gateway, &first, core.describe("RTP/AVP", &[])), None);
    talk(&mut phone, &mut core);
    drop(first);
    watched.lose_controller(1);
    talk(&mut phone, &mut core);

    let gateway = &watched.gateway;
    let second = watched.controller(SECOND);
    let adopted = gateway.wait(second.adopt_orphans_of(FIRST)).expect("an adoption");

    let query = || pb::QueryRequest { call: WAY.selector() };
    let seen = gateway.wait(second.alg().query(query())).expect("its call").into_inner();
    assert_eq!(seen.calls.iter().map(|call| call.context_id).collect::<Vec<_>>(), adopted);
    let reoffer = || Scene::next_offer(WAY, Side::Access, described.clone());
    core.reads(&offer(gateway, &second, reoffer()).expect("a new offer"), None);
    phone.reads(&answer(gateway, &second, core.describe("RTP/AVP", &[])), None);
    talk(&mut phone, &mut core);
    let back = watched.controller(FIRST);
    let unknown = gateway.wait(back.alg().query(query())).expect_err("another one's");
    assert_eq!(CallError::from(unknown).sip_status, Some(481));
    let delete = pb::DeleteRequest { call: WAY.selector(), ..pb::DeleteRequest::default() };
    gateway.wait(second.alg().delete(delete)).expect("the end");
    gateway.ledger().await_line("agw_contexts 0");
    gateway.ledger().await_line("agw_alg_calls 0");
}

/// The agreement with a UE, as a controller sees it.
fn agreed(gateway: &Gateway, controller: &IqClient) -> Option<pb::Registration> {
    let query = pb::QueryRegistrationRequest { ue: UE.to_owned() };
    let answer = gateway.wait(controller.alg().query_registration(query));
    answer.expect("an answer").into_inner().registration
}

//= tests/spec/sdp.md#adoption
//= type=test
//# What was agreed with the UEs of a controller that is lost MUST be that of who adopts its orphans
//# by its name.
#[test]
fn ues_go_to_the_controller_that_adopts_the_orphans_of_theirs_and_not_while_it_is_there() {
    let Some(_stage) = on_stage() else { return };
    let mut watched = Watched::new(&LOST_SOON);
    let first = watched.gateway.iq.clone();
    for name in ["Security-Client", "Security-Verify"] {
        let value = "sdes-srtp;mediasec".to_owned();
        let headers = ["Security-Client", name].map(str::to_owned);
        let headers = headers.map(|name| pb::HeaderField { name, value: value.clone() }).to_vec();
        let request = pb::RegisterRequest {
            ue: UE.to_owned(),
            headers,
            protected_signalling: true,
            mechanisms: Vec::new(),
        };
        watched.gateway.wait(first.alg().register(request)).expect("a registration");
    }
    let accepted = pb::RegisterAnswerRequest { ue: UE.to_owned(), status: 200, expires_s: 600 };
    watched.gateway.wait(first.alg().register_answer(accepted)).expect("an agreement");
    let second = watched.controller(SECOND);
    watched.gateway.wait(second.adopt_orphans_of(FIRST)).expect("nothing to adopt");
    assert_eq!(agreed(&watched.gateway, &second), None, "its controller is there");
    // Something that is orphaned tells when the first controller is lost.
    let phone = Party::core(Side::Access.peer(), 0xAAAA_0002);
    let offered = Scene::first_offer(WAY, Side::Access, phone.describe("RTP/AVP", &[]));
    offer(&watched.gateway, &first, offered).expect("an offer");
    drop(first);
    watched.lose_controller(1);

    watched.gateway.wait(second.adopt_orphans_of(FIRST)).expect("an adoption");

    let registration = agreed(&watched.gateway, &second).expect("an agreement");
    assert_eq!(registration.mechanisms().collect::<Vec<_>>(), [pb::MediaMechanism::SdesSrtp]);
    let back = watched.controller(FIRST);
    assert_eq!(agreed(&watched.gateway, &back), None, "another one's");
}
