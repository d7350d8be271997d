//! Reserve, or Reserve and Configure, an AGW Connection Point (TS 23.334 §8.2, §8.3).

use agw_relay::Transport;

use crate::admission::Priority;
use crate::checks::{self, invalid};
use crate::command::{ContextChoice, CryptoChange, Family, Reserve, SourcePolicy, StreamSpec};
use crate::error::{CommandError, Reason, Resource};
use crate::few::Few;
use crate::group::Candidate;
use crate::held::Keys;
use crate::id::{ContextId, TerminationId};
use crate::keys::refuse_crypto;
use crate::leg::Place;
use crate::model::{Stream, Termination, TerminationExtras};
use crate::reply::{Reply, TerminationReply};
use crate::rewrite::{self, Rewritten};
use crate::supervision::check_period;
use crate::transaction::Transaction;

impl Transaction<'_, '_> {
    pub(crate) fn reserve(&mut self, reserve: Reserve) -> Result<Reply, CommandError> {
        let Reserve { context, correlation, realm, family, heartbeat, priority, streams } = reserve;
        checks::correlation(correlation.as_ref())?;
        check_period(heartbeat)?;
        self.check_streams(&streams)?;
        let (realm, address, family) = self.realm_address(realm, family, &streams)?;
        let context = self.choose_context(context, correlation, priority)?;
        let is_member = streams.iter().any(|stream| stream.extras.group.is_some());
        let termination = self.next_termination(context, is_member)?;
        let place = Place { context, termination, realm, address, family };
        let (_, outside) = self.gateway.addresses(realm, address)?;
        let dscp = self.gateway.realms.get(realm).and_then(|realm| realm.config.dscp).unwrap_or(0);
        let extras = TerminationExtras { heartbeat }.kept();
        // There are not so many: each realm has ports of its own.
        let little = |position| u16::try_from(position).unwrap_or_default();
        let at = (little(realm), little(address));
        let streams_made = Few::default();
        let mut made = Termination { at, family, outside, dscp, streams: streams_made, extras };
        for (position, spec) in streams.into_iter().enumerate() {
            let id = spec.id;
            let stream = self.add_stream(&place, spec, &format!("streams[{position}]"))?;
            made.streams.insert(id, stream);
        }
        //= tests/spec/iq.md#reservation
        //# A reservation MUST answer with the local addresses of every stream.
        let locals = made.locals();
        self.context(context)?.terminations.insert(termination, made);
        self.connect_when_two(context)?;
        Ok(Reply::Termination(TerminationReply {
            context,
            termination,
            streams: locals,
            released: Vec::new(),
        }))
    }

    fn check_streams(&self, streams: &[StreamSpec]) -> Result<(), CommandError> {
        if streams.is_empty() || streams.len() > self.gateway.policy.max_streams {
            let rule = "must be 1 to the most streams that a termination may have";
            return Err(invalid("streams", rule, Reason::FieldValue));
        }
        for (position, stream) in streams.iter().enumerate() {
            let field = format!("streams[{position}].stream_id");
            if stream.id.0 == 0 {
                return Err(invalid(field, "must be 1 to 65535", Reason::FieldValue));
            }
            let others = streams.get(..position).unwrap_or_default();
            if others.iter().any(|other| other.id == stream.id) {
                return Err(invalid(field, "must differ from the others", Reason::StreamExists));
            }
        }
        rewrite::check_alike(streams)
    }

    /// The realm by name, and its address of the asked, signalled or first family.
    fn realm_address(
        &self,
        realm: Option<String>,
        family: Option<Family>,
        streams: &[StreamSpec],
    ) -> Result<(usize, usize, Family), CommandError> {
        let realms = &self.gateway.realms;
        let position = match realm {
            None => self.gateway.default_realm(),
            Some(name) => realms
                .iter()
                .position(|realm| realm.config.name == name)
                //= tests/spec/iq.md#reservation
                //# A reservation in an unknown realm MUST be refused.
                .ok_or(CommandError::UnknownRealm(name))?,
        };
        let signalled = streams.iter().find_map(|stream| stream.remote);
        let family = family.or(signalled.map(|remote| Family::of(remote.rtp.ip())));
        let addresses = || realms.get(position).into_iter().flat_map(|one| one.addresses(family));
        if addresses().next().is_none() {
            let rule = "the realm has no address of this family";
            return Err(invalid("address_family", rule, Reason::FieldValue));
        }
        //= tests/spec/iq.md#realms
        //# A reservation in a realm that is not available MUST be refused by that reason.
        let (address, bound, _) = addresses()
            .find(|(.., is_up)| *is_up)
            .ok_or_else(|| CommandError::RealmUnavailable(self.gateway.realm_name(position)))?;
        Ok((position, address, Family::of(bound.bind)))
    }

    //= tests/spec/iq.md#reservation
    //# A stream without the protection that its realm demands MUST be refused.
    pub(crate) fn check_protection(
        &self,
        realm: usize,
        transport: Transport,
        field: &str,
    ) -> Result<(), CommandError> {
        let realm = self.gateway.realms.get(realm);
        if realm.is_none_or(|realm| realm.config.protection.admits(transport)) {
            return Ok(());
        }
        let rule = match transport {
            Transport::Plain => "the realm demands SRTP: a plain stream is refused",
            Transport::Transparent => "the realm demands SRTP that the gateway opens and seals",
            Transport::Secured => return Ok(()),
        };
        Err(invalid(format!("{field}.transport"), rule, Reason::PlainRefused))
    }

    fn choose_context(
        &mut self,
        choice: ContextChoice,
        correlation: Option<String>,
        priority: Option<Priority>,
    ) -> Result<ContextId, CommandError> {
        let existing = match choice {
            ContextChoice::New => {
                return self.add_context(correlation, priority.unwrap_or_default());
            }
            ContextChoice::Existing(id) => id,
            ContextChoice::Latest => self.latest.ok_or_else(|| {
                let rule = "no earlier command of the transaction created a context";
                invalid("latest_context", rule, Reason::FieldValue)
            })?,
        };
        if correlation.is_some() {
            let rule = "is given with a new context only";
            return Err(invalid("correlation_id", rule, Reason::FieldValue));
        }
        let context = self.context(existing)?;
        context.priority = priority.unwrap_or(context.priority);
        Ok(existing)
    }

    /// The number of a new termination; members of groups are counted by their groups.
    fn next_termination(
        &mut self,
        context: ContextId,
        is_member: bool,
    ) -> Result<TerminationId, CommandError> {
        let most = self.gateway.policy.max_terminations;
        let context = self.context(context)?;
        let terminations = &context.terminations;
        let counts = |at: &&Termination| at.streams.values().all(|one| one.group().is_none());
        let is_full =
            || terminations.len() >= most && terminations.values().filter(counts).count() >= most;
        if !is_member && is_full() {
            return Err(CommandError::Exhausted { what: Resource::Terminations, realm: None });
        }
        let termination = TerminationId(context.next_termination);
        context.next_termination += 1;
        Ok(termination)
    }

    pub(crate) fn add_stream(
        &mut self,
        place: &Place,
        spec: StreamSpec,
        field: &str,
    ) -> Result<Stream, CommandError> {
        let StreamSpec {
            id,
            media,
            transport,
            remote,
            rtcp,
            mode,
            source,
            mut extras,
            ingress,
            egress,
        } = spec;
        if transport != Transport::Secured {
            refuse_crypto(&ingress, field, "ingress_crypto")?;
            refuse_crypto(&egress, field, "egress_crypto")?;
        }
        self.check_protection(place.realm, transport, field)?;
        if let Some(remote) = &remote {
            let field = format!("{field}.remote");
            let at = (place.context, place.termination);
            self.check_remote(at, remote, &field, (place.realm, place.family))?;
        }
        extras.check(field, place.family, transport, &self.gateway.policy)?;
        if let Some(group) = extras.group {
            let (context, stream) = (place.context, id);
            let (ingress, egress) = (&ingress, &egress);
            let candidate = Candidate { context, group, stream, transport, ingress, egress };
            self.check_member(&candidate, field)?;
        }
        let source = source.unwrap_or(SourcePolicy::default_of(transport));
        checks::source(source, &format!("{field}.source"), transport)?;
        checks::latch_once(extras.latch_once, source, field)?;
        let leg = self.gateway.take_leg((place.context, place.termination, id), self.around.now);
        self.note_leg(leg);
        let rewritten = Rewritten { context: place.context, leg, transport, ssrc: None };
        self.settle_rewriting(rewritten, &mut extras, field)?;
        let ports = self.open_ports(place, rtcp)?;
        let mut stream = Stream {
            leg,
            media,
            transport,
            mode,
            rtcp,
            source,
            latching: self.latching(source),
            remote,
            extras: extras.kept(&self.gateway.policy),
            pair: ports.pair,
            rtp_port: ports.rtp,
            rtcp_port: ports.rtcp,
            ingress_keys: Keys::default(),
            egress_keys: Keys::default(),
        };
        let ingress = ingress.map_or(CryptoChange::Keep, CryptoChange::Install);
        let egress = egress.map_or(CryptoChange::Keep, CryptoChange::Install);
        self.change_ingress(place.context, &mut stream, ingress, false, field)?;
        self.change_egress(place.context, &mut stream, egress, false, field)?;
        Ok(stream)
    }
}
