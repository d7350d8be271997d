//! A SIP server that knows no SDP: it hands descriptions to the gateway and sends on what it gets.

use std::rc::Rc;

use agw_iq::alg::pb;
use agw_iq::client::CallError;
use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::{Gateway, Side, Stage};

use super::party::Party;
use crate::on_stage;

/// The tag of who calls.
pub(crate) const CALLER: &str = "from-caller";
/// The tag of who answers.
pub(crate) const CALLEE: &str = "from-callee";

/// A gateway with its SIP server, and where the parties are.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    library: Libsrtp,
    _stage: Rc<Stage>,
}

/// How an offer of a side becomes a request.
pub(crate) type Request = fn(Way, Side, Vec<u8>) -> pb::OfferRequest;

/// One way that a call takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) call_id: &'static str,
    pub(crate) callee: &'static str,
    pub(crate) branch: &'static str,
}

impl Way {
    /// The only one of a call.
    pub(crate) const fn of(call_id: &'static str) -> Self {
        Self { call_id, callee: CALLEE, branch: "" }
    }

    fn dialogue(self, from: &str, to: &str) -> Option<pb::Dialogue> {
        Some(pb::Dialogue {
            call_id: self.call_id.to_owned(),
            from_tag: from.to_owned(),
            to_tag: to.to_owned(),
            via_branch: self.branch.to_owned(),
        })
    }

    /// The request with an answer of the callee.
    pub(crate) fn answer(self, sdp: Vec<u8>) -> pb::AnswerRequest {
        let dialogue = self.dialogue(CALLER, self.callee);
        pb::AnswerRequest { dialogue, sdp, ..pb::AnswerRequest::default() }
    }

    /// The call.
    pub(crate) fn selector(self) -> Option<pb::CallSelector> {
        let call_id = self.call_id.to_owned();
        Some(pb::CallSelector { call_id, ..pb::CallSelector::default() })
    }
}

impl Scene {
    /// `None` where it cannot play, which was told as a skip.
    pub(crate) fn new() -> Option<Self> {
        let stage = on_stage()?;
        let Ok(library) = Libsrtp::load() else {
            peer::skip(libsrtp::PEER);
            return None;
        };
        Some(Self { gateway: Gateway::start(), library, _stage: stage })
    }

    /// A phone in the access realm and a peer in the core.
    pub(crate) fn parties(&self) -> (Party, Party) {
        (self.phone(0xAAAA_0001), Party::core(Side::Core.peer(), 0xCCCC_0001))
    }

    /// A phone in the access realm.
    pub(crate) fn phone(&self, ssrc: u32) -> Party {
        Party::phone(Side::Access.peer(), ssrc, self.library)
    }

    /// The request of a first offer that the caller sends from a side.
    pub(crate) fn first_offer(way: Way, from: Side, sdp: Vec<u8>) -> pb::OfferRequest {
        Self::offer_request(way.dialogue(CALLER, ""), from, sdp)
    }

    /// The request of an offer within the dialogue that the caller sends from a side.
    pub(crate) fn next_offer(way: Way, from: Side, sdp: Vec<u8>) -> pb::OfferRequest {
        Self::offer_request(way.dialogue(CALLER, way.callee), from, sdp)
    }

    fn offer_request(dialogue: Option<pb::Dialogue>, from: Side, sdp: Vec<u8>) -> pb::OfferRequest {
        let to = match from {
            Side::Access => Side::Core,
            Side::Core => Side::Access,
        };
        let (offerer, answerer) = (Some(options(from)), Some(options(to)));
        pb::OfferRequest { dialogue, sdp, offerer, answerer, ..pb::OfferRequest::default() }
    }

    /// Hands an offer over.
    pub(crate) fn offer(&self, request: pb::OfferRequest) -> Result<pb::OfferResponse, CallError> {
        let answer = self.gateway.wait(self.gateway.iq.alg().offer(request));
        answer.map(tonic::Response::into_inner).map_err(CallError::from)
    }

    /// Hands an answer of the callee over.
    pub(crate) fn answer(&self, way: Way, sdp: Vec<u8>) -> Result<pb::AnswerResponse, CallError> {
        let answer = self.gateway.wait(self.gateway.iq.alg().answer(way.answer(sdp)));
        answer.map(tonic::Response::into_inner).map_err(CallError::from)
    }

    /// Says that an offer was rejected.
    pub(crate) fn reject(&self, way: Way) -> pb::RejectResponse {
        let dialogue = way.dialogue(CALLER, way.callee);
        let request = pb::RejectRequest { dialogue, ..pb::RejectRequest::default() };
        let answer = self.gateway.wait(self.gateway.iq.alg().reject(request));
        answer.expect("a rejection").into_inner()
    }

    /// Ends a call.
    pub(crate) fn delete(&self, way: Way) -> Result<pb::DeleteResponse, CallError> {
        let request = pb::DeleteRequest { call: way.selector(), ..pb::DeleteRequest::default() };
        let answer = self.gateway.wait(self.gateway.iq.alg().delete(request));
        answer.map(tonic::Response::into_inner).map_err(CallError::from)
    }

    /// Looks at a call.
    pub(crate) fn query(&self, way: Way) -> Result<pb::Call, CallError> {
        let request = pb::QueryRequest { call: way.selector() };
        let answer = self.gateway.wait(self.gateway.iq.alg().query(request));
        let mut calls = answer.map_err(CallError::from)?.into_inner().calls;
        assert_eq!(calls.len(), 1);
        Ok(calls.remove(0))
    }

    /// A call from the access side that stands, with its parties.
    pub(crate) fn originating(&self, way: Way) -> (Party, Party) {
        let (mut phone, mut core) = self.parties();
        let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
        self.exchange(way, &mut phone, &mut core, (offer, Scene::first_offer));
        (phone, core)
    }

    /// An offer of the phone with the core's answer; tells the descriptions that went on.
    pub(crate) fn exchange(
        &self,
        way: Way,
        phone: &mut Party,
        core: &mut Party,
        (offer, request): (Vec<u8>, Request),
    ) -> (String, String) {
        let offered = self.offer(request(way, Side::Access, offer)).expect("an offer");
        let offered = text(&offered.sdp);
        core.reads(&offered, None);
        let answered = self.answer(way, core.describe("RTP/AVP", &[])).expect("an answer");
        let answered = text(&answered.sdp);
        phone.reads(&answered, None);
        (offered, answered)
    }
}

/// How a UE asks for protection to the edge.
pub(crate) const REQUESTED: &str = "a=3ge2ae:requested";

/// A description as a text.
pub(crate) fn text(sdp: &[u8]) -> String {
    String::from_utf8(sdp.to_vec()).expect("a text")
}

fn options(side: Side) -> pb::SideOptions {
    let place = match side {
        Side::Access => pb::Place::Access,
        Side::Core => pb::Place::Core,
    };
    pb::SideOptions {
        place: place.into(),
        realm: side.name().to_owned(),
        protected_signalling: Some(true),
        ..pb::SideOptions::default()
    }
}
