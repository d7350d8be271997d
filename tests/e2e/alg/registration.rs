//! Registrations with `mediasec`, and the calls to those who did or did not register so.

use agw_iq::alg::pb;
use agw_iq::client::CallError;
use agw_tests::Side;
use tonic::Code;

use super::party::{Party, talk};
use super::scene::{Scene, Way, text};

const UE: &str = "sip:phone@example.net;ob";
const SDES: &str = "sdes-srtp;mediasec";

fn field(name: &str, value: &str) -> pb::HeaderField {
    pb::HeaderField { name: name.to_owned(), value: value.to_owned() }
}

fn register(scene: &Scene, fields: &[pb::HeaderField]) -> Result<pb::RegisterResponse, CallError> {
    let request = pb::RegisterRequest {
        ue: UE.to_owned(),
        headers: fields.to_vec(),
        protected_signalling: true,
        mechanisms: Vec::new(),
    };
    let answer = scene.gateway.wait(scene.gateway.iq.alg().register(request));
    answer.map(tonic::Response::into_inner).map_err(CallError::from)
}

fn accept(scene: &Scene, expires_s: u32) -> Option<pb::Registration> {
    let request = pb::RegisterAnswerRequest { ue: UE.to_owned(), status: 200, expires_s };
    let answer = scene.gateway.wait(scene.gateway.iq.alg().register_answer(request));
    answer.expect("an answer").into_inner().registration
}

/// The registration of linphone-desktop issue 362.
fn registers(scene: &Scene) {
    let asks =
        [field("Security-Client", SDES), field("Require", "mediasec"), field("Supported", "path")];
    let challenged = register(scene, &asks).expect("a registration");
    assert_eq!(challenged.verdict(), pb::RegisterVerdict::GoOn);
    assert_eq!(challenged.headers, [field("Supported", "path")]);
    let mut answers = asks.to_vec();
    answers.extend(challenged.security_server.iter().map(|one| field("Security-Verify", one)));
    let accepted = register(scene, &answers).expect("a registration");
    assert_eq!(accepted.headers, [field("Supported", "path")]);
    let registration = accept(scene, 600).expect("an agreement");
    assert_eq!(registration.mechanisms().collect::<Vec<_>>(), [pb::MediaMechanism::SdesSrtp]);
}

/// A call from the core to the UE: what it is offered.
fn offered(scene: &Scene, way: Way, core: &Party) -> Result<String, CallError> {
    let mut offer = Scene::first_offer(way, Side::Core, core.describe("RTP/AVP", &[]));
    let answerer = offer.answerer.as_mut().expect("a side");
    (answerer.ue, answerer.protected_signalling) = (UE.to_owned(), None);
    scene.offer(offer).map(|offered| text(&offered.sdp))
}

//= tests/spec/sdp.md#registration
//= type=test
//# Only what both sides have told each other MUST be used.
#[test]
fn a_phone_that_registered_for_it_is_called_with_keys() {
    let Some(scene) = Scene::new() else { return };
    let (mut phone, mut core) = scene.parties();
    let way = Way::of("registered@core.example");
    registers(&scene);
    scene.gateway.ledger().await_line("agw_alg_registrations 1");

    let offer = offered(&scene, way, &core).expect("an offer");

    assert!(offer.contains(" RTP/SAVP 8\r\n") && offer.contains("a=3ge2ae:applied"), "{offer}");
    phone.reads(&offer, Some(1));
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
    core.reads(&text(&scene.answer(way, answer).expect("an answer").sdp), None);
    talk(&mut phone, &mut core);
}

//= tests/spec/sdp.md#registration
//= type=test
//# A UE that has not registered for it MUST NOT be offered protection to the edge, unless the offer
//# says so.
#[test]
fn a_phone_that_did_not_register_for_it_or_not_any_more_is_called_without_keys() {
    let Some(scene) = Scene::new() else { return };
    let (_, mut core) = scene.parties();
    let mut plain = Party::core(Side::Access.peer(), 0xAAAA_0009);
    let way = Way::of("plain@core.example");
    let offer = offered(&scene, way, &core).expect("an offer");
    assert!(offer.contains(" RTP/AVP 8\r\n"), "{offer}");
    assert!(!offer.contains("crypto") && !offer.contains("3ge2ae"), "{offer}");
    plain.reads(&offer, None);
    let answer = plain.describe("RTP/AVP", &[]);
    core.reads(&text(&scene.answer(way, answer).expect("an answer").sdp), None);
    talk(&mut plain, &mut core);

    registers(&scene);
    assert_eq!(accept(&scene, 0), None);
    scene.gateway.ledger().await_line("agw_alg_registrations 0");
    let offer = offered(&scene, Way::of("gone@core.example"), &core).expect("an offer");
    assert!(offer.contains(" RTP/AVP 8\r\n"), "{offer}");
}

//= tests/spec/sdp.md#registration
//= type=test
//# A Security-Verify that is not what the edge told MUST be answered with 494.
#[test]
fn a_phone_that_was_told_something_else_is_answered_with_494_and_is_not_called_with_keys() {
    let Some(scene) = Scene::new() else { return };
    let (_, core) = scene.parties();
    let bidden_down =
        [field("Security-Client", SDES), field("Security-Verify", "msrp-tls;mediasec")];
    let answer = register(&scene, &bidden_down).expect("a verdict");
    assert_eq!(answer.verdict(), pb::RegisterVerdict::SecurityAgreementRequired);
    assert_eq!(answer.security_server, [SDES]);
    assert_eq!(accept(&scene, 600), None);
    let offer = offered(&scene, Way::of("494@core.example"), &core).expect("an offer");
    assert!(offer.contains(" RTP/AVP 8\r\n"), "{offer}");

    let broken = register(&scene, &[field("Security-Client", "sdes-srtp;;mediasec")]);
    let broken = broken.expect_err("no list");
    assert_eq!((broken.code, broken.sip_status), (Code::InvalidArgument, Some(400)));
}
