//! What becomes of an offered media line: declined, past the gateway, or relayed, and how.

use agw_context::SourcePolicy;
use agw_relay::Transport;
use agw_sdes::{CryptoAttribute, CryptoLines, Mode};

use crate::description::{MediaDescription, Profile, Protocol};
use crate::error::{AlgError, LineRefusal};
use crate::keys;
use crate::options::{AlgPolicy, OfferedSrtp, OtherMedia, Protection, SideOptions, Unencrypted};

/// What becomes of an offered media line.
pub(crate) enum Decision {
    Declined(LineRefusal),
    PassBy,
    Relayed(Relayed),
}

/// How an offered media line is relayed.
pub(crate) struct Relayed {
    pub(crate) profile: Profile,
    pub(crate) far_profile: Profile,
    /// What the gateway speaks with the offerer.
    pub(crate) near: Transport,
    /// What the gateway speaks with the answerer.
    pub(crate) far: Transport,
    pub(crate) opportunistic: bool,
    /// The offerer's lines, if the gateway opens its media, and the chosen one.
    pub(crate) crypto: Option<(CryptoLines, CryptoAttribute)>,
}

/// One line of an offer.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) media: &'a MediaDescription,
    /// Whether its offerer is protected to the edge already.
    pub(crate) protected: bool,
    /// Whether its offerer's address has to be learnt.
    pub(crate) is_learnt: bool,
}

/// Decides for one line.
///
/// # Errors
/// [`AlgError::UnprotectedSignalling`] and [`AlgError::Unencrypted`], which concern the offer as a
/// whole.
pub(crate) fn decide(
    line: &Line<'_>,
    near: &SideOptions,
    far: &SideOptions,
    policy: &AlgPolicy,
) -> Result<Decision, AlgError> {
    let decision = relayed(line, near, far, policy)?;
    if let Decision::Relayed(relayed) = &decision
        && line.is_learnt
        && !learns(near.source, relayed.near)
    {
        //= tests/spec/sdp.md#addresses
        //# A line whose author's address is not known MUST be declined where none is learnt.
        return Ok(Decision::Declined(LineRefusal::HostName));
    }
    Ok(decision)
}

/// Whether a leg learns its peer's address.
pub(crate) fn learns(source: Option<SourcePolicy>, transport: Transport) -> bool {
    match source.unwrap_or(SourcePolicy::default_of(transport)) {
        SourcePolicy::Latch { within: _ } => true,
        SourcePolicy::Signalled => false,
    }
}

fn relayed(
    line: &Line<'_>,
    near: &SideOptions,
    far: &SideOptions,
    policy: &AlgPolicy,
) -> Result<Decision, AlgError> {
    let Line { media, protected, is_learnt: _ } = *line;
    if media.port == 0 {
        return Ok(Decision::Declined(LineRefusal::Declined));
    }
    let profile = match media.protocol {
        Protocol::Rtp(profile) => profile,
        Protocol::Dtls if far.end_to_end_past_gateway => return Ok(Decision::PassBy),
        Protocol::Dtls => return Ok(Decision::Declined(LineRefusal::Dtls)),
        Protocol::Other => {
            return Ok(match policy.other_media {
                OtherMedia::Decline => Decision::Declined(LineRefusal::Transport),
                OtherMedia::PassBy => Decision::PassBy,
            });
        }
    };
    match srtp(media, profile, protected, near, far, policy) {
        Srtp::EndToEnd if far.end_to_end_past_gateway => Ok(Decision::PassBy),
        Srtp::EndToEnd => Ok(Decision::Relayed(Relayed {
            profile,
            far_profile: profile,
            near: Transport::Transparent,
            far: Transport::Transparent,
            opportunistic: false,
            crypto: None,
        })),
        Srtp::Terminated => match choose(media, policy) {
            Ok(crypto) => {
                refuse_in_clear(near, policy)?;
                cut(profile, Some(crypto), far, policy).map(Decision::Relayed)
            }
            //= tests/spec/sdp.md#opportunistic-protection
            //# Keys under RTP/AVP that cannot be used MUST be answered with a plain stream.
            Err(_) if !profile.secured && !media.requests_e2ae() => {
                cut(profile, None, far, policy).map(Decision::Relayed)
            }
            //= tests/spec/sdp.md#offer-and-answer
            //# A secured line without a crypto line that can be used MUST be declined.
            Err(refusal) => Ok(Decision::Declined(refusal)),
        },
        Srtp::None => cut(profile, None, far, policy).map(Decision::Relayed),
    }
}

/// What an offer does with SRTP, as this side may.
enum Srtp {
    /// Nothing.
    None,
    /// It passes.
    EndToEnd,
    /// It ends at the gateway.
    Terminated,
}

fn srtp(
    media: &MediaDescription,
    profile: Profile,
    protected: bool,
    near: &SideOptions,
    far: &SideOptions,
    policy: &AlgPolicy,
) -> Srtp {
    // Keys under RTP/AVP are an offer of SRTP too (RFC 8643; TS 34.229-1 writes e2ae so).
    let has_keys = policy.mode == Mode::Tolerant && media.has("crypto");
    if !profile.secured && !has_keys {
        return Srtp::None;
    }
    match near.offered_srtp {
        OfferedSrtp::Terminate => Srtp::Terminated,
        //= tests/spec/sdp.md#re-offers
        //# Who is protected to the edge MUST stay so, though a new offer does not ask again.
        OfferedSrtp::TerminateOnRequest if protected || media.requests_e2ae() => Srtp::Terminated,
        // What is not certain to be secured from end to end is secured up to the edge.
        OfferedSrtp::PassOn | OfferedSrtp::TerminateOnRequest
            if !profile.secured && far.protection != Protection::Plain =>
        {
            Srtp::None
        }
        //= tests/spec/sdp.md#end-to-end
        //# SRTP that nobody asks to end at the edge MUST pass from end to end.
        OfferedSrtp::PassOn | OfferedSrtp::TerminateOnRequest => Srtp::EndToEnd,
    }
}

fn choose(
    media: &MediaDescription,
    policy: &AlgPolicy,
) -> Result<(CryptoLines, CryptoAttribute), LineRefusal> {
    let lines = keys::lines_of(media, policy)?;
    let chosen = keys::twin(lines.choose(&policy.sdes)?)?;
    Ok((lines, chosen))
}

/// Media that ends at the gateway on both sides.
fn cut(
    profile: Profile,
    crypto: Option<(CryptoLines, CryptoAttribute)>,
    far: &SideOptions,
    policy: &AlgPolicy,
) -> Result<Relayed, AlgError> {
    let near = if crypto.is_some() { Transport::Secured } else { Transport::Plain };
    let feedback = far.feedback.unwrap_or(profile.feedback);
    let (transport, secured) = match far.protection {
        Protection::Plain => (Transport::Plain, false),
        Protection::Secured => (Transport::Secured, true),
        Protection::Opportunistic => (Transport::Secured, false),
    };
    if transport == Transport::Secured {
        refuse_in_clear(far, policy)?;
        refuse_unencrypted(far.unencrypted, policy)?;
    }
    Ok(Relayed {
        profile,
        far_profile: Profile { secured, feedback },
        near,
        far: transport,
        opportunistic: far.protection == Protection::Opportunistic,
        crypto,
    })
}

//= tests/spec/sdp.md#end-to-access-edge
//# Crypto lines that turn encryption off MUST NOT be offered unless policy allows them.
fn refuse_unencrypted(wanted: Unencrypted, policy: &AlgPolicy) -> Result<(), AlgError> {
    if wanted == Unencrypted::default() || policy.sdes.allow_unencrypted {
        return Ok(());
    }
    Err(AlgError::Unencrypted)
}

//= tests/spec/sdp.md#signalling
//# Keys MUST NOT be exchanged over unprotected signalling unless it is configured.
fn refuse_in_clear(side: &SideOptions, policy: &AlgPolicy) -> Result<(), AlgError> {
    if side.protected_signalling || policy.allow_unprotected_signalling {
        return Ok(());
    }
    Err(AlgError::UnprotectedSignalling)
}
