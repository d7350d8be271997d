//! What an operator and a face on top of this library can choose.

use agw_context::{Family, SourcePolicy, StreamExtras};
use agw_sdes::Mode;
use agw_srtp::Suite;

/// What holds for every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlgPolicy {
    /// How closely crypto lines must keep to their grammar.
    pub mode: Mode,
    /// Which crypto lines of peers may be used.
    pub sdes: agw_sdes::Policy,
    /// Whether keys may be exchanged over signalling that nobody protects (RFC 4568 §8.3,
    /// TS 33.328 §6.2.1.2).
    pub allow_unprotected_signalling: bool,
    /// Whether `o=` lines show the gateway's address in place of their author's.
    pub hides_origin: bool,
    /// What becomes of media lines that are not RTP.
    pub other_media: OtherMedia,
    /// The most branches of a call.
    pub max_branches: usize,
}

impl Default for AlgPolicy {
    fn default() -> Self {
        Self {
            mode: Mode::Tolerant,
            sdes: agw_sdes::Policy::default(),
            allow_unprotected_signalling: false,
            hides_origin: true,
            other_media: OtherMedia::Decline,
            max_branches: 8,
        }
    }
}

/// What becomes of media lines that are not RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherMedia {
    /// They are offered with port 0.
    #[default]
    Decline,
    /// They go past the gateway as they are.
    PassBy,
}

/// One side of a call, as one offer or answer wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideOptions {
    /// The gateway's realm; `None` is its default realm.
    pub realm: Option<String>,
    /// The address family towards this side; `None` is that of its own address or of what it has
    /// already, else the realm's. Another one than it has gives it a new address.
    pub family: Option<Family>,
    /// The same for who is called and stands nowhere yet, where `family` does not say.
    pub family_of_new: Option<Family>,
    /// What becomes of SRTP that this side offers.
    pub offered_srtp: OfferedSrtp,
    /// What this side is offered.
    pub protection: Protection,
    /// Whether this side is offered RTP/AVPF or RTP/SAVPF; `None` is as the other side offered.
    pub feedback: Option<bool>,
    /// Whether this side is a UE that knows `a=3ge2ae`: then `applied` is told to it
    /// (TS 24.229 §7.5.2).
    pub indicates_e2ae: bool,
    /// The suites that this side is offered, the best first.
    pub suites: Vec<Suite>,
    /// What this side is offered without encryption, where policy allows it.
    pub unencrypted: Unencrypted,
    /// What becomes of multiplexed RTCP (RFC 5761).
    pub mux: MuxRule,
    /// What stands as `a=rtcp`.
    pub rtcp_attribute: RtcpAttribute,
    /// Whether the signalling to this side is protected, by IPsec, TLS or place.
    pub protected_signalling: bool,
    /// Whether media goes past the gateway when it is protected end to end: such lines then stay
    /// as they are, addresses included.
    pub end_to_end_past_gateway: bool,
    /// Whom the gateway listens to; `None` is its safe default.
    pub source: Option<SourcePolicy>,
    /// What the gateway is asked for besides on each stream, but for bandwidth.
    pub extras: StreamExtras,
}

impl SideOptions {
    /// The core network: RTP, SRTP passes end to end.
    #[must_use]
    pub fn core(realm: Option<String>) -> Self {
        Self {
            realm,
            family: None,
            family_of_new: None,
            offered_srtp: OfferedSrtp::PassOn,
            protection: Protection::Plain,
            feedback: None,
            indicates_e2ae: false,
            suites: vec![Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32],
            unencrypted: Unencrypted::default(),
            mux: MuxRule::Remove,
            rtcp_attribute: RtcpAttribute::AsGiven,
            protected_signalling: true,
            end_to_end_past_gateway: false,
            source: None,
            extras: StreamExtras::default(),
        }
    }

    /// A UE that registered for e2ae protection, as `requested` in its offers asks for it and as
    /// its calls are offered it (TS 33.328 §7.2.1, §7.3.1).
    #[must_use]
    pub fn access(realm: Option<String>) -> Self {
        Self {
            offered_srtp: OfferedSrtp::TerminateOnRequest,
            protection: Protection::Secured,
            indicates_e2ae: true,
            source: Some(SourcePolicy::Latch { within: None }),
            ..Self::core(realm)
        }
    }
}

/// What becomes of SRTP that a side offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OfferedSrtp {
    /// It passes end to end: the gateway forwards it untouched, its lines stay as they are.
    #[default]
    PassOn,
    /// The gateway opens and seals it.
    Terminate,
    /// The gateway opens and seals it if the offer has `a=3ge2ae:requested`; else it passes.
    TerminateOnRequest,
}

/// What a side is offered when its media does not pass end to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// RTP.
    #[default]
    Plain,
    /// SRTP, and nothing else is accepted.
    Secured,
    /// SRTP with keys under RTP/AVP; an answer without a key is a plain stream (RFC 8643).
    Opportunistic,
}

/// What is offered without encryption, under tags all the same (RFC 4568 §6.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unencrypted {
    /// SRTP: `UNENCRYPTED_SRTP`.
    pub srtp: bool,
    /// SRTCP: `UNENCRYPTED_SRTCP`.
    pub srtcp: bool,
}

/// What becomes of RTCP on the port of RTP (RFC 5761), towards one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MuxRule {
    /// It is neither offered nor accepted.
    Remove,
    /// It is accepted when offered by this side, and offered to it when the other side offered it.
    #[default]
    Accept,
    /// It is accepted when offered by this side, and always offered to it.
    Offer,
    /// It is offered, and an answer without it is refused (RFC 8858).
    Require,
}

/// What stands as `a=rtcp` (RFC 3605).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RtcpAttribute {
    /// The gateway's port, where the other side wrote the attribute.
    #[default]
    AsGiven,
    /// Nothing.
    Never,
    /// The gateway's port and address, always.
    Full,
}
