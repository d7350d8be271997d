//! One answered media line: the keys, addresses and gates of both its legs.

use std::time::Duration;

use agw_context::{CryptoChange, Family, Remote, RtcpMode, StreamChange, StreamMode};
use agw_relay::Transport;
use agw_sdes::{CryptoAttribute, CryptoLines, Mode};
use agw_srtp::RocOnRekey;
use zeroize::Zeroizing;

use crate::decision::learns;
use crate::description::{Bandwidth, MediaDescription, Protocol, SessionDescription};
use crate::direction::Flow;
use crate::error::{AlgError, LineRefusal};
use crate::exchange::{Exchange, Offered};
use crate::keys::{self, Random};
use crate::leg::{Leg, Side, install, unchanged};
use crate::offer::remote;
use crate::options::{AlgPolicy, MuxRule};
use crate::render::RelayEdit;

/// What an answered media line leads to.
pub(crate) struct Answered {
    pub(crate) near: StreamChange,
    pub(crate) far: StreamChange,
    pub(crate) settled: Settled,
    pub(crate) edit: RelayEdit,
    /// Whether a peer went to another address under a key of ours that it knew before.
    pub(crate) rekey_advised: bool,
}

/// What is remembered of it.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) near: SettledLeg,
    pub(crate) far: SettledLeg,
}

/// What is remembered of one leg.
#[derive(Debug)]
pub(crate) struct SettledLeg {
    pub(crate) keys: Option<Agreed>,
    pub(crate) remote: Option<Remote>,
    pub(crate) transport: Transport,
    pub(crate) rtcp: RtcpMode,
    pub(crate) mode: StreamMode,
}

/// The lines of both directions of a leg.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) own: CryptoAttribute,
    pub(crate) theirs: Box<CryptoAttribute>,
}

/// A media line of an answer with what it answers.
pub(crate) struct Answer<'a> {
    pub(crate) line: usize,
    pub(crate) media: &'a MediaDescription,
    pub(crate) description: &'a SessionDescription,
    pub(crate) exchange: &'a Exchange,
    pub(crate) offered: &'a Offered,
    pub(crate) near: &'a Leg,
    pub(crate) far: &'a Leg,
    pub(crate) policy: &'a AlgPolicy,
    /// Whether another callee answers than the one before.
    pub(crate) took_over: bool,
    /// Whether the dialogue of who answers was secured on this line before.
    pub(crate) was_secured: bool,
    /// Whether the call's media is dropped.
    pub(crate) dropping: bool,
}

impl Answer<'_> {
    pub(crate) fn settle(&self, random: &mut Random<'_>) -> Result<Answered, AlgError> {
        let Self { line, media, description, offered, .. } = *self;
        let refused = |refusal| AlgError::Line { line, refusal };
        self.check_transport().map_err(refused)?;
        self.check_mux().map_err(refused)?;
        self.check_address().map_err(refused)?;
        let (mut near, mut far) = (unchanged(line), unchanged(line));
        // Who has gone to the other family since, within another dialogue, is not where it was.
        let is_near = |remote: &Remote| self.near.stands_in(Some(Family::of(remote.rtp.ip())));
        near.remote = offered.remote.filter(is_near);
        far.remote = description.address(media).map(|ip| remote(media, ip));
        let flow = Flow::of(description, media);
        let modes = (offered.flow.mode_with(flow), flow.mode_with(offered.flow));
        (near.mode, far.mode) = (Some(self.gates(modes.0)), Some(self.gates(modes.1)));
        limit(&mut near, &mut far, offered.bandwidth, media.bandwidth(&description.session));
        let takes_mux = offered.mux_offered && media.has("rtcp-mux");
        let far_rtcp = if takes_mux { RtcpMode::Mux } else { RtcpMode::Pair };
        near.late.rtcp = (offered.near_rtcp != self.near.rtcp).then_some(offered.near_rtcp);
        far.late.rtcp = (far_rtcp != self.far.rtcp).then_some(far_rtcp);
        let far_transport = self.far_transport(&mut far).map_err(refused)?;
        let far_keys = self.far_keys(&mut far, far_transport).map_err(refused)?;
        let near_transport = self.near_transport(&mut near);
        let near_keys = self.near_keys(&mut near, random)?;
        let moved = self.far.moves(far.remote);
        let kept = moved && far_keys.as_ref().is_some_and(|keys| self.is_known(&keys.own));
        let edit = self.edit(near_keys.as_ref().map(|keys| &keys.own));
        let settled = Settled {
            near: SettledLeg {
                keys: near_keys,
                remote: near.remote,
                transport: near_transport,
                rtcp: offered.near_rtcp,
                mode: modes.0,
            },
            far: SettledLeg {
                keys: far_keys,
                remote: far.remote,
                transport: far_transport,
                rtcp: far_rtcp,
                mode: modes.1,
            },
        };
        Ok(Answered { near, far, settled, edit, rekey_advised: kept })
    }

    //= tests/spec/ng.md#gates
    //# While a call's media is dropped, no answer MUST open its gates.
    /// The gates that signalling wants, unless the call's media is dropped.
    const fn gates(&self, wanted: StreamMode) -> StreamMode {
        if self.dropping { StreamMode::Inactive } else { wanted }
    }

    fn check_transport(&self) -> Result<(), LineRefusal> {
        let Self { media, offered, policy, .. } = *self;
        let Protocol::Rtp(profile) = media.protocol else {
            return Err(LineRefusal::TransportChanged);
        };
        let is_same = profile.secured == offered.far_profile.secured;
        let is_tolerant = policy.mode == Mode::Tolerant;
        // TS 34.229-1 answers with keys under RTP/AVP.
        let is_secured = profile.secured || (is_tolerant && media.has("crypto"));
        let is_unasked = (profile.secured || media.has("crypto")) && offered.keys.is_empty();
        //= tests/spec/sdp.md#opportunistic-protection
        //# A crypto line in an answer to an offer without one MUST make the answer refused.
        if is_unasked && offered.opportunistic {
            return Err(LineRefusal::KeyUnasked);
        }
        //= tests/spec/sdp.md#offer-and-answer
        //# A crypto line in an answer to an offer of RTP MUST go no further, and make the answer
        //# refused if the mode is strict.
        // Phones for which SRTP is optional write one whatever they were offered, and speak RTP:
        // baresip 1.0.0 does.
        let is_cut = self.far.transport != Transport::Transparent;
        if is_unasked && is_cut && is_same && !is_tolerant {
            return Err(LineRefusal::KeyUnasked);
        }
        if is_same || (is_secured && (offered.far_profile.secured || offered.opportunistic)) {
            return Ok(());
        }
        Err(LineRefusal::TransportChanged)
    }

    fn check_mux(&self) -> Result<(), LineRefusal> {
        let Self { media, offered, exchange, policy, .. } = *self;
        match (offered.mux_offered, media.has("rtcp-mux")) {
            (true, false) if exchange.far.mux == MuxRule::Require => {
                Err(LineRefusal::NotMultiplexed)
            }
            (false, true) if policy.mode == Mode::Strict => Err(LineRefusal::MuxAdded),
            (true | false, true | false) => Ok(()),
        }
    }

    fn check_address(&self) -> Result<(), LineRefusal> {
        let Self { media, description, exchange, far, .. } = *self;
        if description.is_somewhere(media) && !learns(exchange.far.source, far.transport) {
            return Err(LineRefusal::HostName);
        }
        Ok(())
    }

    //= tests/spec/sdp.md#opportunistic-protection
    //# An answer without a crypto line to keys under RTP/AVP MUST make the stream plain.
    /// What is spoken with the answerer: what was offered, or RTP if it took no key that it was
    /// free not to take.
    ///
    /// Behind a fork one callee may take a key and another one none: keys in force rest meanwhile.
    fn far_transport(&self, change: &mut StreamChange) -> Result<Transport, LineRefusal> {
        let Self { media, offered, exchange, far, .. } = *self;
        let wanted = match (offered.opportunistic, media.has("crypto")) {
            (true, false) => Transport::Plain,
            (true, true) if !offered.keys.is_empty() => Transport::Secured,
            (true | false, true | false) => far.transport,
        };
        //= tests/spec/sdp.md#opportunistic-protection
        //# A dialogue that was secured MUST NOT become plain.
        if wanted == Transport::Plain && offered.opportunistic && self.was_secured {
            return Err(LineRefusal::Downgraded);
        }
        //= tests/spec/sdp.md#opportunistic-protection
        //# Of the dialogues of a fork one MUST be plain and another one secured, as each was
        //# answered.
        if wanted != far.transport {
            change.late.transport = Some(wanted);
            change.late.keys_rest = far.own.is_some();
            change.source = exchange.far.source;
        }
        Ok(wanted)
    }

    //= tests/spec/sdp.md#opportunistic-protection
    //# A callee's offer that is answered MUST be in force as it was made, whatever another dialogue
    //# has made of the leg meanwhile.
    /// What is spoken with the offerer: what its offer has agreed on. Another dialogue may have
    /// changed the leg that they share while the offer waited.
    fn near_transport(&self, change: &mut StreamChange) -> Transport {
        let Self { offered, exchange, near, .. } = *self;
        let wanted = match (near.transport, offered.chosen.is_some()) {
            (Transport::Plain, true) => Transport::Secured,
            (Transport::Secured, false) => Transport::Plain,
            (is_same, true | false) => is_same,
        };
        if wanted != near.transport {
            change.late.transport = Some(wanted);
            change.late.keys_rest = near.own.is_some();
            change.source = exchange.near.source;
        }
        wanted
    }

    /// The answerer's keys: its one line answers one of ours, which is ours from now on.
    fn far_keys(
        &self,
        change: &mut StreamChange,
        transport: Transport,
    ) -> Result<Option<Agreed>, LineRefusal> {
        let Self { media, offered, far, policy, .. } = *self;
        if transport != Transport::Secured {
            return Ok(None);
        }
        let texts = keys::texts(&offered.keys);
        let ours = CryptoLines::parse(texts.iter().map(|text| text.as_str()), Mode::Tolerant)?;
        //= tests/spec/sdp.md#offer-and-answer
        //# An accepted secured line without a crypto line MUST make the answer refused.
        let theirs = keys::lines_of(media, policy)?;
        let tag = ours.verify_answer(&theirs)?.tag();
        let missing = || LineRefusal::Crypto(agw_sdes::StreamRejected::NoLine);
        let theirs = theirs.into_chosen(tag).ok_or_else(missing)?;
        policy.sdes.check(&theirs).map_err(keys::refused)?;
        if offered.chosen.as_ref().is_some_and(|chosen| chosen.shares_key_with(&theirs)) {
            return Err(LineRefusal::KeyRepeated);
        }
        let ours = ours.into_chosen(tag).ok_or_else(missing)?;
        // The key was offered before the address was known; counters that went on with it cannot
        // start anew.
        let for_moved = if self.is_known(&ours) { RocOnRekey::Keep } else { RocOnRekey::Reset };
        let moved = far.own.is_some() && far.moves(change.remote);
        let rocs = (self.peers_roc(far, change.remote, &theirs), moved.then_some(for_moved));
        install(change, &theirs, &ours, rocs)?;
        //= tests/spec/sdp.md#forking
        //# The key of a callee MUST open nothing once another one has answered in its place.
        if let (true, CryptoChange::Install(ingress)) = (self.took_over, &mut change.ingress) {
            ingress.overlap = Some(Duration::ZERO);
        }
        Ok(Some(Agreed { own: ours, theirs: Box::new(theirs) }))
    }

    //= tests/spec/sdp.md#re-offers
    //# A peer that moves and keeps its key MUST be heard under it as before, unless the mode is
    //# strict.
    /// What becomes of a peer's rollover counters where it does not follow from the keys: RFC 4568
    /// §7.1.4 has who moves take a new key, and phones that change their network do not.
    fn peers_roc(
        &self,
        leg: &Leg,
        remote: Option<Remote>,
        theirs: &CryptoAttribute,
    ) -> Option<RocOnRekey> {
        let is_known = leg.theirs.as_ref().is_some_and(|known| known.shares_key_with(theirs));
        let is_tolerated = self.policy.mode == Mode::Tolerant;
        (is_known && is_tolerated && leg.moves(remote)).then_some(RocOnRekey::Keep)
    }

    /// The offerer's keys: its chosen line, and our answer to it.
    fn near_keys(
        &self,
        change: &mut StreamChange,
        random: &mut Random<'_>,
    ) -> Result<Option<Agreed>, AlgError> {
        let Self { line, offered, exchange, near, .. } = *self;
        let Some(chosen) = &offered.chosen else { return Ok(None) };
        //= tests/spec/sdp.md#re-offers
        //# An offerer that keeps its address MUST be answered with the key that it knows.
        //= tests/spec/sdp.md#forking
        //# Every answer to one offer MUST give a protected caller the same address and key.
        let moved = near.moves(offered.remote);
        // Another callee is heard on their common leg, and knows the key as the one before does.
        let switched = self.took_over && exchange.offerer == Side::Callee;
        let known = near.own.as_ref().filter(|_| !moved || switched);
        let own = keys::answer(chosen, known, random)?;
        let for_moved = if switched { RocOnRekey::Keep } else { RocOnRekey::Reset };
        let roc = (moved && near.own.is_some()).then_some(for_moved);
        let refused = |refusal| AlgError::Line { line, refusal };
        let rocs = (self.peers_roc(near, offered.remote, chosen), roc);
        install(change, chosen, &own, rocs).map_err(refused)?;
        if let (true, CryptoChange::Install(ingress)) = (switched, &mut change.ingress) {
            ingress.overlap = Some(Duration::ZERO);
        }
        let theirs = keys::twin(chosen).map_err(refused)?;
        Ok(Some(Agreed { own, theirs: Box::new(theirs) }))
    }

    fn is_known(&self, own: &CryptoAttribute) -> bool {
        self.far.own.as_ref().is_some_and(|known| known.shares_key_with(own))
    }

    /// How the answer changes for the offerer.
    fn edit(&self, own: Option<&CryptoAttribute>) -> RelayEdit {
        let Self { offered, exchange, near, .. } = *self;
        let is_cut = near.transport != Transport::Transparent;
        let lines: Vec<Zeroizing<String>> = own.iter().map(|own| own.expose_line()).collect();
        RelayEdit {
            local: near.local_with(offered.near_rtcp),
            transport: Some(offered.transport.clone()),
            crypto: is_cut.then_some(lines),
            //= tests/spec/sdp.md#indications
            //# A UE that asked for e2ae protection MUST be told that it is applied.
            applied: exchange.near.indicates_e2ae && offered.requested && own.is_some(),
            mux: offered.near_rtcp == RtcpMode::Mux,
            drops_feedback: offered.far_profile.feedback && !offered.profile.feedback,
            rtcp: exchange.near.rtcp_attribute,
        }
    }
}

//= tests/spec/sdp.md#bandwidth
//# A stream MUST be policed by the greater bandwidth of both sides, if both say one.
/// What one side wants to receive at most is what the other may send.
fn limit(near: &mut StreamChange, far: &mut StreamChange, offer: Bandwidth, answer: Bandwidth) {
    let greater = |a: u64, b: u64| if a == 0 || b == 0 { 0 } else { a.max(b) };
    let media_bps = greater(offer.media_bps, answer.media_bps);
    let rtcp_bps = greater(offer.rtcp_bps, answer.rtcp_bps);
    for change in [near, far] {
        change.extras.media_bps = Some(media_bps);
        change.extras.rtcp_bps = Some(rtcp_bps);
    }
}
