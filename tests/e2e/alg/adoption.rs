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
