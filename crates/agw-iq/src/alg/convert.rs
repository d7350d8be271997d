//! Requests of `agw.alg.v1`, taken apart.

use agw_context::{Controller, StreamExtras};
use agw_sdp::{MuxRule, OfferedSrtp, Protection, RtcpAttribute, SideOptions};
use agw_srtp::Suite;
use zeroize::Zeroizing;

use super::{Alg, Answer, CallName, Offer, Which, pb};
use crate::convert;
use crate::invalid::{InvalidRequest, each, optional, required};

/// The longest identifier and tag, in octets.
const MAX_NAME_OCTETS: usize = 255;
/// Calls of a page of a list, unless it says otherwise.
const DEFAULT_PAGE: usize = 100;
/// The most calls of a page.
const MAX_PAGE: usize = 1_000;
/// The most suites of an offer.
const MAX_SUITES: usize = 8;

/// `alg` knows the UEs that the sides may name.
pub(super) fn offer<A: Alg>(
    request: &pb::OfferRequest,
    controller: &Controller,
    alg: &A,
) -> Result<Offer, InvalidRequest> {
    let pb::OfferRequest {
        transaction_id: _,
        dialogue: names,
        sdp,
        offerer,
        answerer,
        rekey,
        priority,
    } = request;
    let side =
        |options: &pb::SideOptions| side(options, |ue, realm| alg.side(controller, ue, realm));
    Ok(Offer {
        name: required("dialogue", names.as_ref(), |names| dialogue(names, controller))?,
        sdp: description(sdp)?,
        near: required("offerer", offerer.as_ref(), side)?,
        far: required("answerer", answerer.as_ref(), side)?,
        rekey: *rekey,
        // Here rejections are told.
        supersedes: false,
        drops: None,
        priority: convert::priority(*priority)?,
    })
}

pub(super) fn answer<A>(
    request: &pb::AnswerRequest,
    controller: &Controller,
    _: &A,
) -> Result<Answer, InvalidRequest> {
    let pb::AnswerRequest { transaction_id: _, dialogue: names, sdp, status } = request;
    let both = |names: &pb::Dialogue| match dialogue(names, controller)? {
        CallName { to_tag: None, .. } => Err(InvalidRequest::missing("to_tag")),
        name => Ok(name),
    };
    let name = required("dialogue", names.as_ref(), both)?;
    let status = match u16::try_from(*status) {
        Ok(0) => None,
        Ok(status @ 100..=699) => Some(status),
        Ok(_) | Err(_) => return Err(InvalidRequest::value("status", "is 100 to 699, or 0")),
    };
    Ok(Answer { name, sdp: description(sdp)?, status, drops: None })
}

pub(super) fn reject<A>(
    request: &pb::RejectRequest,
    controller: &Controller,
    _: &A,
) -> Result<CallName, InvalidRequest> {
    let pb::RejectRequest { transaction_id: _, dialogue: names } = request;
    required("dialogue", names.as_ref(), |names| dialogue(names, controller))
}

pub(super) fn selector(call: Option<&pb::CallSelector>) -> Result<Which, InvalidRequest> {
    let read = |selector: &pb::CallSelector| {
        let pb::CallSelector { call_id, from_tag, to_tag, via_branch } = selector;
        let which = Which {
            call_id: name("call_id", call_id)?,
            from_tag: name_if_any("from_tag", from_tag)?,
            to_tag: name_if_any("to_tag", to_tag)?,
            via_branch: name_if_any("via_branch", via_branch)?,
            heard_ends_call: false,
        };
        let has_more = which.to_tag.is_some() || which.via_branch.is_some();
        if which.from_tag.is_none() && has_more {
            return Err(InvalidRequest::missing("from_tag"));
        }
        Ok(which)
    };
    required("call", call, read)
}

/// Where a list goes on, and how long it may be.
pub(super) fn list(
    request: &pb::ListRequest,
) -> Result<(Option<(Controller, String)>, usize), InvalidRequest> {
    let pb::ListRequest { page_size, page_token } = request;
    let limit = match usize::try_from(*page_size) {
        Ok(0) => DEFAULT_PAGE,
        Ok(size) if size <= MAX_PAGE => size,
        Ok(_) | Err(_) => return Err(InvalidRequest::value("page_size", "is 1 to 1000")),
    };
    // Identifiers are visible ASCII: the first blank from behind is the seam.
    let after = match page_token.rsplit_once(' ') {
        Some((controller, id)) => Some((Controller(controller.to_owned()), id.to_owned())),
        None if page_token.is_empty() => None,
        None => {
            let rule = "is next_page_token of the reply before";
            return Err(InvalidRequest::value("page_token", rule));
        }
    };
    Ok((after, limit))
}

fn dialogue(names: &pb::Dialogue, controller: &Controller) -> Result<CallName, InvalidRequest> {
    let pb::Dialogue { call_id, from_tag, to_tag, via_branch } = names;
    Ok(CallName {
        controller: controller.clone(),
        call_id: name("call_id", call_id)?,
        from_tag: name("from_tag", from_tag)?,
        to_tag: name_if_any("to_tag", to_tag)?,
        via_branch: name_if_any("via_branch", via_branch)?,
    })
}

/// An identifier, a tag, or the name of a UE.
pub(super) fn name(field: &str, text: &str) -> Result<String, InvalidRequest> {
    name_if_any(field, text)?.ok_or_else(|| InvalidRequest::missing(field))
}

fn name_if_any(field: &str, text: &str) -> Result<Option<String>, InvalidRequest> {
    if text.len() > MAX_NAME_OCTETS || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(InvalidRequest::value(field, "has at most 255 visible ASCII characters"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn description(sdp: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidRequest> {
    if sdp.is_empty() {
        return Err(InvalidRequest::missing("sdp"));
    }
    Ok(Zeroizing::new(sdp.to_vec()))
}

fn side(
    options: &pb::SideOptions,
    of_ue: impl FnOnce(&str, Option<String>) -> SideOptions,
) -> Result<SideOptions, InvalidRequest> {
    let pb::SideOptions {
        place,
        realm,
        address_family,
        protected_signalling,
        offered_srtp: offered,
        protection: protects,
        feedback,
        indicates_e2ae,
        suites: offers,
        rtcp_mux,
        rtcp_attribute: attribute,
        end_to_end_past_gateway,
        source,
        dscp,
        inactivity,
        pre_key,
        ue,
    } = options;
    let realm = (!realm.is_empty()).then(|| realm.clone());
    let base = match (pb::Place::try_from(*place), name_if_any("ue", ue)?) {
        (Ok(pb::Place::Unspecified), _) => return Err(InvalidRequest::missing("place")),
        (Ok(pb::Place::Access), Some(ue)) => of_ue(&ue, realm),
        (Ok(pb::Place::Access), None) => {
            SideOptions { protected_signalling: false, ..SideOptions::access(realm) }
        }
        (Ok(pb::Place::Core), None) => SideOptions::core(realm),
        (Ok(pb::Place::Core), Some(_)) => {
            return Err(InvalidRequest::value("ue", "is for PLACE_ACCESS"));
        }
        (Err(_), _) => return Err(InvalidRequest::unknown("place", *place)),
    };
    let dscp = optional("dscp", dscp.as_ref(), convert::dscp_rule)?.unwrap_or_default();
    let inactivity = optional("inactivity", inactivity.as_ref(), convert::inactivity)?.flatten();
    let pre_key = optional("pre_key", pre_key.as_ref(), convert::pre_key)?.flatten();
    Ok(SideOptions {
        family: convert::family("address_family", *address_family)?,
        offered_srtp: offered_srtp(*offered)?.unwrap_or(base.offered_srtp),
        protection: protection(*protects)?.unwrap_or(base.protection),
        feedback: *feedback,
        indicates_e2ae: indicates_e2ae.unwrap_or(base.indicates_e2ae),
        suites: suites(offers)?.unwrap_or_else(|| base.suites.clone()),
        mux: mux_rule(*rtcp_mux)?,
        rtcp_attribute: rtcp_attribute(*attribute)?,
        protected_signalling: protected_signalling.unwrap_or(base.protected_signalling),
        end_to_end_past_gateway: *end_to_end_past_gateway,
        source: optional("source", source.as_ref(), convert::source_policy)?.or(base.source),
        extras: StreamExtras { dscp, inactivity, pre_key, ..StreamExtras::default() },
        ..base
    })
}

fn suites(suites: &[i32]) -> Result<Option<Vec<Suite>>, InvalidRequest> {
    let read = each("suites", suites, |suite| {
        // The message is an element itself: its path ends with its position.
        convert::required_suite(*suite)
    })?;
    let is_repeated = |(place, suite)| read.iter().take(place).any(|one: &Suite| one == suite);
    if read.len() > MAX_SUITES || read.iter().enumerate().any(is_repeated) {
        return Err(InvalidRequest::value("suites", "are at most 8, each once"));
    }
    Ok((!read.is_empty()).then_some(read))
}

fn offered_srtp(offered: i32) -> Result<Option<OfferedSrtp>, InvalidRequest> {
    match pb::OfferedSrtp::try_from(offered) {
        Ok(pb::OfferedSrtp::Unspecified) => Ok(None),
        Ok(pb::OfferedSrtp::PassOn) => Ok(Some(OfferedSrtp::PassOn)),
        Ok(pb::OfferedSrtp::Terminate) => Ok(Some(OfferedSrtp::Terminate)),
        Ok(pb::OfferedSrtp::TerminateOnRequest) => Ok(Some(OfferedSrtp::TerminateOnRequest)),
        Err(_) => Err(InvalidRequest::unknown("offered_srtp", offered)),
    }
}

fn protection(protection: i32) -> Result<Option<Protection>, InvalidRequest> {
    match pb::Protection::try_from(protection) {
        Ok(pb::Protection::Unspecified) => Ok(None),
        Ok(pb::Protection::Plain) => Ok(Some(Protection::Plain)),
        Ok(pb::Protection::Secured) => Ok(Some(Protection::Secured)),
        Ok(pb::Protection::Opportunistic) => Ok(Some(Protection::Opportunistic)),
        Err(_) => Err(InvalidRequest::unknown("protection", protection)),
    }
}

fn mux_rule(rule: i32) -> Result<MuxRule, InvalidRequest> {
    match pb::MuxRule::try_from(rule) {
        Ok(pb::MuxRule::Unspecified | pb::MuxRule::Remove) => Ok(MuxRule::Remove),
        Ok(pb::MuxRule::Accept) => Ok(MuxRule::Accept),
        Ok(pb::MuxRule::Offer) => Ok(MuxRule::Offer),
        Ok(pb::MuxRule::Require) => Ok(MuxRule::Require),
        Err(_) => Err(InvalidRequest::unknown("rtcp_mux", rule)),
    }
}

fn rtcp_attribute(attribute: i32) -> Result<RtcpAttribute, InvalidRequest> {
    match pb::RtcpAttribute::try_from(attribute) {
        Ok(pb::RtcpAttribute::Unspecified | pb::RtcpAttribute::AsGiven) => {
            Ok(RtcpAttribute::AsGiven)
        }
        Ok(pb::RtcpAttribute::Never) => Ok(RtcpAttribute::Never),
        Ok(pb::RtcpAttribute::Full) => Ok(RtcpAttribute::Full),
        Err(_) => Err(InvalidRequest::unknown("rtcp_attribute", attribute)),
    }
}
