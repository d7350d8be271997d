//! Offers: ports are reserved on both sides, and the answerer is shown its own.

use std::net::{IpAddr, SocketAddr};

use agw_context::{Command, ContextChoice, Remote, Reserve, RtcpMode, StreamSpec};
use agw_relay::Transport;
use agw_sdes::{CryptoLines, Mode};

use crate::call::{Call, Dialogue};
use crate::decision::{Decision, Line, Relayed, decide};
use crate::description::{Fingerprint, MediaDescription, Profile, Protocol, SessionDescription};
use crate::dialogues::{Located, Place, within};
use crate::direction::Flow;
use crate::error::{AlgError, LineRefusal};
use crate::exchange::{Exchange, LineExchange, Manner, Offered};
use crate::family;
use crate::keys::Random;
use crate::leg::{Leg, Side, stream_id};
use crate::options::{AlgPolicy, MuxRule, Protection, SideOptions};
use crate::plan::{OfferStep, Pending, Plan, Step};

/// An offer on its way.
#[derive(Clone, Copy)]
pub struct OfferRequest<'a> {
    /// The dialogue; its `from_tag` is the offerer's.
    pub dialogue: Dialogue<'a>,
    /// The offer.
    pub sdp: &'a [u8],
    /// The offerer's side.
    pub near: &'a SideOptions,
    /// The answerer's side.
    pub far: &'a SideOptions,
    /// Whether the answerer is offered fresh keys, though it has some (RFC 4568 §7.1.4, §7.3).
    pub rekey: bool,
    /// Whether an offer of the other side that waits counts as rejected, if there is a session to
    /// go back to: for controllers that have no word for it.
    pub supersedes: bool,
    /// Whether all media of the call is dropped from now on, whatever signalling says of gates;
    /// `None` leaves that as it is.
    pub drops: Option<bool>,
}

impl Call {
    /// Plans an offer: what the gateway reserves, so that the answerer can be shown it.
    ///
    /// `random` fills a buffer with unpredictable octets.
    ///
    /// # Errors
    /// Why the offer is refused. Nothing has changed then; an earlier session goes on under its
    /// old keys (RFC 4568 §7.1.4).
    pub fn plan_offer(
        &self,
        request: &OfferRequest<'_>,
        policy: &AlgPolicy,
        random: &mut Random<'_>,
    ) -> Result<Plan, AlgError> {
        let description = SessionDescription::parse(request.sdp)?;
        let at = self.locate_offer(&request.dialogue)?;
        self.admit(&at, &description, request, policy)?;
        let place = Place::of(&at);
        let Place { branch, offerer, beside: _ } = place;
        let relayed = self.decide_all(&description, place, request, policy)?;
        let mut lines = Vec::with_capacity(relayed.len());
        for (line, (media, decision)) in description.media.iter().zip(relayed).enumerate() {
            lines.push(match decision {
                Decision::Declined(_) => {
                    let transport = media.transport().to_owned();
                    let far = self.leg(branch, offerer.other(), line);
                    let shown = shown_declined(media, far, request.far);
                    LineExchange::Declined { transport, shown }
                }
                Decision::PassBy => LineExchange::PassBy,
                Decision::Relayed(relayed) => {
                    let offer = Offer { description: &description, media, line, place, request };
                    LineExchange::Relayed(Box::new(self.offered(&offer, relayed, random)?))
                }
            });
        }
        let (near, far) = (Manner::of(request.near), Manner::of(request.far));
        let shared = self.has_shown(place, &lines);
        let within = within(&at, &request.dialogue);
        let offer = Fingerprint::of(request.sdp);
        let (answers, newest) = (Vec::new(), None);
        let exchange =
            Exchange { offerer, within, lines, offer, answers, newest, near, far, shared };
        Ok(self.reserve(at, exchange, description, request, policy))
    }

    fn admit(
        &self,
        at: &Located,
        description: &SessionDescription,
        request: &OfferRequest<'_>,
        policy: &AlgPolicy,
    ) -> Result<(), AlgError> {
        let (position, offerer) = match at {
            Located::New { .. } | Located::Beside { .. }
                if self.branches.len() >= policy.max_branches =>
            {
                return Err(AlgError::TooManyBranches { limit: policy.max_branches });
            }
            Located::New { .. } => return Ok(()),
            Located::Beside { position, .. } => {
                let lines = self.branches.get(*position).map_or(0, |branch| branch.lines);
                return keeps_lines(description, lines, policy);
            }
            Located::Branch { position, offerer } => (*position, *offerer),
        };
        let branch = self.branches.get(position).ok_or(AlgError::UnknownDialogue)?;
        let waiting = branch.exchange.as_ref().filter(|exchange| !exchange.is_answered());
        //= tests/spec/sdp.md#offer-and-answer
        //# While an offer of one side waits, an offer of the other side MUST be refused.
        let is_late = waiting.is_some_and(|exchange| exchange.offerer != offerer);
        //= tests/spec/sdp.md#re-offers
        //# Where rejections are not told, an offer of the other side MUST end one that waits.
        let within = within(at, &request.dialogue);
        let is_early = within.is_some_and(|callee| branch.asks_another(&callee));
        // A leg of its own is for a dialogue that has a session, there or on the common one.
        let goes_on = branch.established || branch.is_beside;
        if (is_late || is_early) && !(request.supersedes && goes_on) {
            return Err(AlgError::OfferPending);
        }
        keeps_lines(description, branch.lines, policy)
    }

    fn decide_all(
        &self,
        description: &SessionDescription,
        place: Place,
        request: &OfferRequest<'_>,
        policy: &AlgPolicy,
    ) -> Result<Vec<Decision>, AlgError> {
        let mut decisions = Vec::with_capacity(description.media.len());
        for (line, media) in description.media.iter().enumerate() {
            let protected = self.is_protected(place, line);
            let is_learnt = description.is_somewhere(media);
            let line_of = Line { media, protected, is_learnt };
            let decision = decide(&line_of, request.near, request.far, policy)?;
            //= tests/spec/sdp.md#offer-and-answer
            //# A master key that stands under two media lines MUST make the offer refused.
            if let Some(lines) = lines_of(&decision) {
                let mut others = decisions.iter().filter_map(lines_of);
                if others.any(|other| other.shares_key_with(lines)) {
                    return Err(AlgError::Line { line, refusal: LineRefusal::KeyRepeated });
                }
            }
            decisions.push(decision);
        }
        let refusals = decisions.iter().map(|decision| match decision {
            Decision::Declined(refusal) => Some(refusal),
            Decision::PassBy | Decision::Relayed(_) => None,
        });
        // Lines that were offered with port 0 are nobody's refusal.
        let refused = refusals.collect::<Option<Vec<_>>>().unwrap_or_default();
        match refused.into_iter().find(|refusal| **refusal != LineRefusal::Declined) {
            Some(refusal) => Err(AlgError::NothingLeft(refusal.clone())),
            None => Ok(decisions),
        }
    }

    /// Whether the offerer of a line is protected to the edge already.
    fn is_protected(&self, place: Place, line: usize) -> bool {
        let leg = self.leg(place.branch.or(place.beside), place.offerer, line);
        leg.is_some_and(|leg| leg.transport == Transport::Secured)
    }

    fn offered(
        &self,
        offer: &Offer<'_>,
        relayed: Relayed,
        random: &mut Random<'_>,
    ) -> Result<Offered, AlgError> {
        let Offer { description, media, line, place, request } = *offer;
        let Relayed { profile, far_profile, near, far, opportunistic, crypto } = relayed;
        let in_force = |side| self.leg(place.branch, side, line);
        let callee = in_force(place.offerer.other());
        // A stream that was answered in plain stays so: its leg has no keys to fall back from.
        let answerer = place.offerer.other();
        let asked = self.callee_asked(place, &request.dialogue);
        let rests =
            callee.is_some_and(|leg| leg.own.is_some()) && self.was_secured(answerer, asked, line);
        let stays_plain =
            opportunistic && !rests && callee.is_some_and(|leg| leg.transport == Transport::Plain);
        let far = if stays_plain { Transport::Plain } else { far };
        //= tests/spec/sdp.md#opportunistic-protection
        //# Of the dialogues of a fork one MUST be plain and another one secured, as each was
        //# answered.
        let may_change = |leg: &Leg| {
            let is_opportunistic = request.near.protection == Protection::Opportunistic;
            is_opportunistic
                && leg.transport != Transport::Transparent
                && near != Transport::Transparent
        };
        let (stands, asks) = (family::of_author(description, media), request.far.family);
        let chosen = crypto.map(|(_, chosen)| chosen);
        family::refuse_kept_key(in_force(place.offerer), stands, chosen.as_ref())
            .map_err(|refusal| AlgError::Line { line, refusal })?;
        let caller = in_force(place.offerer)
            .filter(|leg| leg.stands_in(stands) && (leg.transport == near || may_change(leg)));
        let callee = callee.filter(|leg| {
            leg.stands_in(asks) && (leg.transport == far || (opportunistic && rests))
        });
        let address = description.address(media);
        let remote = address.map(|ip| remote(media, ip));
        let (near_rtcp, mux_offered) = multiplexing(media, request);
        let keys = match far {
            Transport::Secured => {
                let own = callee.and_then(|leg| leg.own.as_ref());
                self.keys_for(place, line, own, request, random)?
            }
            Transport::Plain | Transport::Transparent => Vec::new(),
        };
        // Both ports, whatever the offer says: the answer decides.
        let leg = |side, needed, transport, remote| {
            let new = Leg::reserved(line, media.media, transport, remote);
            new.in_place_of(in_force(side), needed)
        };
        Ok(Offered {
            transport: media.transport().to_owned(),
            profile,
            far_profile,
            opportunistic,
            remote,
            flow: Flow::of(description, media),
            bandwidth: media.bandwidth(&description.session),
            chosen,
            requested: media.requests_e2ae() || self.is_protected(place, line),
            keys,
            mux_offered,
            near_rtcp,
            near: caller.is_none().then(|| leg(place.offerer, stands, near, remote)),
            far: callee.is_none().then(|| leg(answerer, asks, far, None)),
        })
    }

    fn callee_asked<'a>(&self, place: Place, dialogue: &Dialogue<'a>) -> Option<&'a str> {
        let branch = self.branches.get(place.branch.or(place.beside)?)?;
        branch.callee_of(dialogue)
    }

    /// Puts the commands together: one reservation for each side that needs something.
    fn reserve(
        &self,
        at: Located,
        exchange: Exchange,
        description: SessionDescription,
        request: &OfferRequest<'_>,
        policy: &AlgPolicy,
    ) -> Plan {
        let (mut commands, place) = (Vec::new(), Place::of(&at));
        let mut side = |side: Side, options: &SideOptions| {
            let lines = 0..exchange.lines.len();
            let legs = lines.filter_map(|line| Some((line, exchange.leg(side, line)?)));
            let specs = legs.map(|(line, leg)| spec(line, leg, options));
            let streams: Vec<StreamSpec> = specs.collect();
            if streams.is_empty() {
                return None;
            }
            let context = match (self.context, commands.is_empty()) {
                (Some(context), _) => ContextChoice::Existing(context),
                (None, true) => ContextChoice::New,
                (None, false) => ContextChoice::Latest,
            };
            let is_new = context == ContextChoice::New;
            commands.push(Command::Reserve(Reserve {
                context,
                correlation: is_new.then(|| self.correlation()).flatten(),
                realm: options.realm.clone(),
                family: self.family_for((place, side), &exchange, &description, options),
                heartbeat: None,
                priority: None,
                streams,
            }));
            Some(commands.len() - 1)
        };
        let near = side(exchange.offerer, request.near);
        let far = side(exchange.offerer.other(), request.far);
        let needed = self.needed_with(&at, &exchange);
        let dropping = request.drops.unwrap_or(self.dropping);
        // Before the releases: nothing changes any more in what was given back.
        commands.extend(self.drop_or_pass(dropping));
        commands.extend(self.releases(&needed));
        let hides_origin = policy.hides_origin;
        let step =
            OfferStep { at, exchange, near, far, needed, description, hides_origin, dropping };
        let generation = self.generation;
        Plan { commands, pending: Pending { generation, step: Step::Offer(Box::new(step)) } }
    }

    fn correlation(&self) -> Option<String> {
        let fits = (1..=128).contains(&self.id.len())
            && self.id.bytes().all(|octet| octet.is_ascii_graphic());
        fits.then(|| self.id.clone())
    }
}

/// One media line of an offer with what surrounds it.
struct Offer<'a> {
    description: &'a SessionDescription,
    media: &'a MediaDescription,
    line: usize,
    place: Place,
    request: &'a OfferRequest<'a>,
}

/// Where the offerer's RTCP will go, and whether the answerer is offered multiplexed RTCP.
fn multiplexing(media: &MediaDescription, request: &OfferRequest<'_>) -> (RtcpMode, bool) {
    let had_mux = media.has("rtcp-mux");
    let near = match request.near.mux {
        MuxRule::Accept | MuxRule::Offer | MuxRule::Require if had_mux => RtcpMode::Mux,
        MuxRule::Accept | MuxRule::Offer | MuxRule::Require | MuxRule::Remove => RtcpMode::Pair,
    };
    let far = match request.far.mux {
        MuxRule::Remove => false,
        MuxRule::Accept => had_mux,
        MuxRule::Offer | MuxRule::Require => true,
    };
    (near, far)
}

//= tests/spec/sdp.md#offer-and-answer
//# Media lines that are left out at the end MUST be taken for declined, unless the mode is strict.
/// Whether a new offer has the lines of its session: some leave out those that were declined.
fn keeps_lines(
    description: &SessionDescription,
    lines: usize,
    policy: &AlgPolicy,
) -> Result<(), AlgError> {
    let is_less = description.media.len() < lines;
    if is_less && policy.mode == Mode::Strict { Err(AlgError::MediaRemoved) } else { Ok(()) }
}

/// The crypto lines of an offered media line, if the gateway opens its media.
fn lines_of(decision: &Decision) -> Option<&CryptoLines> {
    match decision {
        Decision::Relayed(Relayed { crypto, .. }) => crypto.as_ref().map(|(lines, _)| lines),
        Decision::Declined(_) | Decision::PassBy => None,
    }
}

fn spec(line: usize, leg: &Leg, options: &SideOptions) -> StreamSpec {
    StreamSpec {
        id: stream_id(line),
        media: leg.media,
        transport: leg.transport,
        remote: leg.remote,
        rtcp: leg.rtcp,
        mode: leg.mode,
        source: options.source,
        extras: options.extras.clone(),
        ingress: None,
        egress: None,
    }
}

/// The transport that the answerer knows of a line which is not used any more.
fn shown_declined(
    media: &MediaDescription,
    far: Option<&Leg>,
    options: &SideOptions,
) -> Option<String> {
    let Protocol::Rtp(profile) = media.protocol else { return None };
    let secured = match far?.transport {
        Transport::Transparent => return None,
        Transport::Plain => false,
        Transport::Secured => options.protection == Protection::Secured,
    };
    let feedback = options.feedback.unwrap_or(profile.feedback);
    Some(Profile { secured, feedback }.name().to_owned())
}

/// Where the author of a media line receives.
pub(crate) fn remote(media: &MediaDescription, ip: IpAddr) -> Remote {
    Remote { rtp: SocketAddr::new(ip, media.port), rtcp: media.rtcp_address(ip) }
}
