//! Why an offer or an answer is refused.

use agw_sdes::{AnswerError, StreamRejected};

use crate::description::SdpError;

/// Why an exchange of session descriptions fails; nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlgError {
    /// The octets are no session description.
    #[error("{0}")]
    Description(#[from] SdpError),
    /// No media line is left that could be offered.
    #[error("no media line can be relayed; the first: {0}")]
    NothingLeft(LineRefusal),
    /// The answer does not fit the offer, or cannot be used.
    #[error("media line {}: {refusal}", .line + 1)]
    Line {
        /// The media line, from 0.
        line: usize,
        /// Why.
        refusal: LineRefusal,
    },
    /// An answer has other media lines than its offer.
    #[error("an answer has as many media lines as its offer: {offered}, not {found} (RFC 3264 §6)")]
    MediaCount {
        /// Those of the offer.
        offered: usize,
        /// Those of the answer.
        found: usize,
    },
    /// A new offer has fewer media lines than the session.
    #[error("a new offer keeps the media lines that there are (RFC 3264 §8)")]
    MediaRemoved,
    /// Keys would travel over signalling that nobody protects.
    #[error("keys are not exchanged over unprotected signalling (RFC 4568 §8.3)")]
    UnprotectedSignalling,
    /// Crypto lines without encryption would be offered.
    #[error(
        "UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP are not offered: policy.allow_unencrypted is off"
    )]
    Unencrypted,
    /// An offer came while another one waits for its answer.
    #[error("an offer waits for its answer (RFC 3264 §4)")]
    OfferPending,
    /// An answer came to no offer.
    #[error("no offer waits for an answer")]
    NoOffer,
    /// The dialogue is not one of the call.
    #[error("the call has no such dialogue")]
    UnknownDialogue,
    /// The call is not known.
    #[error("the call is not known")]
    UnknownCall,
    /// The call has as many branches as policy allows.
    #[error("the call has {limit} branches, which is the limit")]
    TooManyBranches {
        /// The limit.
        limit: usize,
    },
    /// There are as many calls as allowed.
    #[error("there are {limit} calls, which is the limit")]
    TooManyCalls {
        /// The limit.
        limit: usize,
    },
    /// The call changed while the gateway worked on a plan for it.
    #[error("the call has changed since the plan was made")]
    Stale,
    /// The gateway's replies are not those to the plan's commands.
    #[error("the gateway's replies do not fit the commands")]
    Replies,
    /// No suite is left that a side could be offered.
    #[error("no suite is left that could be offered (RFC 4568 §5.1.1)")]
    NoSuite,
    /// A fresh key could not be made.
    #[error("no key could be made")]
    KeyGeneration,
}

/// Why a media line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineRefusal {
    /// Its stream is not offered: its port is 0.
    #[error("it is declined")]
    Declined,
    /// Its transport cannot be relayed as asked for.
    #[error("its transport cannot be relayed")]
    Transport,
    /// Its SRTP is keyed by DTLS, which does not end at the gateway.
    #[error("SRTP that is keyed by DTLS does not end here, only by `a=crypto` (RFC 4568)")]
    Dtls,
    /// Its author receives somewhere that nobody knows, and the gateway does not learn it.
    #[error(
        "its `c=` names a host, or an address of a link, and the gateway neither asks DNS nor is \
         told to learn who sends"
    )]
    HostName,
    /// None of its crypto lines can be used.
    #[error("{0}")]
    Crypto(#[from] StreamRejected),
    /// Its crypto line does not answer the offered ones.
    #[error("{0}")]
    Answer(#[from] AnswerError),
    /// Its transport is not the offered one.
    #[error("an answer keeps the transport of its offer (RFC 3264 §6)")]
    TransportChanged,
    /// It takes no key, though its dialogue has had one.
    #[error(
        "its dialogue was secured and stays so: the answers of a dialogue are the same (RFC 3261 \
         §13.2.1), and a new one leaves out no protection (RFC 8643 §3.1)"
    )]
    Downgraded,
    /// It takes a key, though it was offered none: it would be sent media in clear.
    #[error("an answer has no crypto line where its offer has none (RFC 4568 §5.1.2)")]
    KeyUnasked,
    /// It does not take multiplexed RTCP, which was required.
    #[error("an answer takes `a=rtcp-mux`, which the offer requires (RFC 8858)")]
    NotMultiplexed,
    /// It takes multiplexed RTCP, which was not offered.
    #[error("an answer does not add `a=rtcp-mux` (RFC 5761 §5.1.1)")]
    MuxAdded,
    /// A master key stands on two media lines, or comes back from the other side.
    #[error("every master key of a session is unique (RFC 4568 §6.1, §7.1.2)")]
    KeyRepeated,
    /// Its author goes to another address family under the key that it has.
    #[error("who goes to another address family takes a new master key (RFC 4568 §7.1.4)")]
    KeyKept,
}

impl AlgError {
    /// The status of the SIP response that says it best.
    #[must_use]
    pub const fn sip_status(&self) -> u16 {
        match self {
            Self::Description(_) => 400,
            Self::NothingLeft(_)
            | Self::Line { .. }
            | Self::MediaCount { .. }
            | Self::MediaRemoved
            | Self::UnprotectedSignalling
            | Self::NoSuite
            | Self::Unencrypted => 488,
            Self::OfferPending => 491,
            // Another gateway would refuse a branch of this call as well.
            Self::TooManyBranches { .. }
            | Self::NoOffer
            | Self::Stale
            | Self::Replies
            | Self::KeyGeneration => 500,
            Self::UnknownDialogue | Self::UnknownCall => 481,
            Self::TooManyCalls { .. } => 503,
        }
    }

    /// The machine-readable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Description(_) => "DESCRIPTION",
            Self::NothingLeft(_) => "NOTHING_LEFT",
            Self::Line { refusal, .. } => refusal.reason(),
            Self::MediaCount { .. } => "MEDIA_COUNT",
            Self::MediaRemoved => "MEDIA_REMOVED",
            Self::UnprotectedSignalling => "UNPROTECTED_SIGNALLING",
            Self::Unencrypted => "UNENCRYPTED",
            Self::OfferPending => "OFFER_PENDING",
            Self::NoOffer => "NO_OFFER",
            Self::UnknownDialogue => "UNKNOWN_DIALOGUE",
            Self::UnknownCall => "UNKNOWN_CALL",
            Self::TooManyBranches { .. } => "TOO_MANY_BRANCHES",
            Self::TooManyCalls { .. } => "TOO_MANY_CALLS",
            Self::Stale => "STALE",
            Self::Replies => "REPLIES",
            Self::NoSuite => "NO_SUITE",
            Self::KeyGeneration => "KEY_GENERATION",
        }
    }
}

impl LineRefusal {
    /// The machine-readable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Declined => "DECLINED",
            Self::Transport | Self::Dtls => "TRANSPORT",
            Self::HostName => "HOST_NAME",
            Self::Crypto(_) => "CRYPTO_REFUSED",
            Self::Answer(_) | Self::KeyUnasked => "CRYPTO_ANSWER",
            Self::TransportChanged => "TRANSPORT_CHANGED",
            Self::Downgraded => "DOWNGRADED",
            Self::NotMultiplexed | Self::MuxAdded => "RTCP_MUX",
            Self::KeyRepeated | Self::KeyKept => "KEY_REPEATED",
        }
    }
}
