//! An offer on its way to its answer.

use agw_context::{Remote, RtcpMode, SourcePolicy};
use agw_sdes::CryptoAttribute;

use crate::description::{Bandwidth, Fingerprint, Profile, Text};
use crate::direction::Flow;
use crate::leg::{Leg, Side};
use crate::options::{MuxRule, RtcpAttribute, SideOptions};

/// Answers to one offer that are remembered: a proxy forks to fewer.
const MAX_ANSWERS: usize = 32;

/// An offer, waiting for its answer or answered.
///
/// ```text
/// ──offer──▶ waiting ──answer──▶ answered ──answer (183, then 200)──▶ answered
///               │                    │
///               └─reject─▶ (before)  └─offer─▶ waiting, the old session in force
/// ```
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) offerer: Side,
    /// The callee of the dialogue within which the offer was made; none of a first offer, which
    /// any callee may answer.
    pub(crate) within: Option<String>,
    pub(crate) lines: Vec<LineExchange>,
    /// What was offered.
    pub(crate) offer: Fingerprint,
    /// What has answered it, each with its callee if it had a tag.
    pub(crate) answers: Vec<(Option<String>, Fingerprint)>,
    /// The last answer to what was offered within a dialogue.
    pub(crate) newest: Option<Text>,
    pub(crate) near: Manner,
    pub(crate) far: Manner,
    /// Whether an earlier offer has shown its keys, perhaps to another one.
    pub(crate) shared: bool,
}

/// What an answer needs to know of a side's options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) indicates_e2ae: bool,
    pub(crate) mux: MuxRule,
    pub(crate) rtcp_attribute: RtcpAttribute,
    pub(crate) source: Option<SourcePolicy>,
}

impl Manner {
    pub(crate) const fn of(options: &SideOptions) -> Self {
        let SideOptions { indicates_e2ae, mux, rtcp_attribute, source, .. } = options;
        let (mux, rtcp_attribute) = (*mux, *rtcp_attribute);
        Self { indicates_e2ae: *indicates_e2ae, mux, rtcp_attribute, source: *source }
    }
}

/// One media line of an offer.
#[derive(Debug)]
pub(crate) enum LineExchange {
    /// Offered with port 0, or refused here.
    Declined {
        /// The transport as the offerer wrote it.
        transport: String,
        /// The transport that the answerer knows.
        shown: Option<String>,
    },
    /// Past the gateway.
    PassBy,
    /// Through the gateway.
    Relayed(Box<Offered>),
}

/// A relayed media line of an offer.
#[derive(Debug)]
pub(crate) struct Offered {
    /// The transport as the offerer wrote it, which the answer repeats.
    pub(crate) transport: String,
    /// The same, understood.
    pub(crate) profile: Profile,
    /// What the answerer was offered.
    pub(crate) far_profile: Profile,
    /// Whether a plain answer to offered keys is taken (RFC 8643).
    pub(crate) opportunistic: bool,
    pub(crate) remote: Option<Remote>,
    pub(crate) flow: Flow,
    pub(crate) bandwidth: Bandwidth,
    /// The offerer's crypto line that will be answered.
    pub(crate) chosen: Option<CryptoAttribute>,
    /// Whether the offerer asked for e2ae protection.
    pub(crate) requested: bool,
    /// Our crypto lines that the answerer was offered.
    pub(crate) keys: Vec<CryptoAttribute>,
    /// Whether the answerer was offered multiplexed RTCP.
    pub(crate) mux_offered: bool,
    /// Where the offerer's RTCP will go.
    pub(crate) near_rtcp: RtcpMode,
    /// What was reserved for this line on the offerer's side.
    pub(crate) near: Option<Leg>,
    /// What was reserved for this line on the answerer's side.
    pub(crate) far: Option<Leg>,
}

impl Exchange {
    pub(crate) const fn is_answered(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Notes an answer; its text, if it is within a dialogue.
    pub(crate) fn note(&mut self, callee: Option<String>, said: Fingerprint, text: Option<Text>) {
        let answer = (callee, said);
        if !self.answers.contains(&answer) {
            self.answers.push(answer);
        }
        if self.answers.len() > MAX_ANSWERS {
            self.answers.remove(0);
        }
        self.newest = text.or(self.newest.take());
    }

    /// Whether this has answered it within the dialogue of a callee.
    pub(crate) fn was_answered(&self, callee: &str, said: Fingerprint) -> bool {
        self.answers.iter().any(|(by, answer)| by.as_deref() == Some(callee) && *answer == said)
    }

    /// Where its lines begin to use the gateway on a side, besides what was there.
    pub(crate) fn leg(&self, side: Side, line: usize) -> Option<&Leg> {
        let offered = self.offered(line)?;
        if side == self.offerer { offered.near.as_ref() } else { offered.far.as_ref() }
    }

    pub(crate) fn offered(&self, line: usize) -> Option<&Offered> {
        match self.lines.get(line)? {
            LineExchange::Relayed(offered) => Some(offered),
            LineExchange::Declined { .. } | LineExchange::PassBy => None,
        }
    }
}
