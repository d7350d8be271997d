//! Making, changing, re-keying and ending a group.

use std::time::Duration;

use agw_relay::{Command as Step, EgressCrypto, IngressCrypto, Transport};
use agw_srtp::{EgressKey, IngressKey};

use super::command::RekeyInterval;
use super::{Group, RemoveGroup, SetGroup};
use crate::checks::{Key, invalid};
use crate::command::{ContextChoice, CryptoContext, Direction};
use crate::error::{CommandError, Reason};
use crate::fingerprint::Fingerprint;
use crate::held::Keys;
use crate::id::{ContextId, GroupId};
use crate::reply::{ReleaseReply, ReleasedGroup, Reply};
use crate::transaction::Transaction;

/// The longest time that changes of membership may gather.
pub const MAX_REKEY_INTERVAL: Duration = Duration::from_secs(600);

impl Transaction<'_, '_> {
    pub(crate) fn set_group(&mut self, set: SetGroup) -> Result<Reply, CommandError> {
        let context = match set.context {
            ContextChoice::Existing(id) => id,
            ContextChoice::Latest => self.latest.ok_or_else(|| {
                let rule = "no earlier command of the transaction created a context";
                invalid("latest_context", rule, Reason::FieldValue)
            })?,
            ContextChoice::New => {
                let rule = "a group is in a context that exists";
                return Err(invalid("context_id", rule, Reason::FieldMissing));
            }
        };
        let mut group = match self.context(context)?.group(set.group) {
            Some(group) => group.clone(),
            None => self.new_group(context, &set)?,
        };
        self.change_group(context, &mut group, &set)?;
        let SetGroup { group: id, ingress, egress, .. } = set;
        if group.transport != Transport::Secured {
            let given =
                [(egress.is_some(), "egress_crypto"), (ingress.is_some(), "ingress_crypto")];
            if let Some((_, field)) = given.into_iter().find(|(given, _)| *given) {
                let rule = "keys are for secured groups only";
                return Err(invalid(field, rule, Reason::CryptoOnPlainTransport));
            }
        }
        if let Some(crypto) = egress {
            self.rekey_sending(context, &mut group, crypto)?;
        }
        if let Some(crypto) = ingress {
            self.rekey_members(context, id, &mut group, crypto)?;
        }
        self.keep_shared_keys(&group);
        let groups = self.context(context)?.groups.get_or_insert_default();
        groups.insert(id, group);
        Ok(Reply::Done { context })
    }

    fn new_group(&mut self, context: ContextId, set: &SetGroup) -> Result<Group, CommandError> {
        let missing =
            |field: &str| invalid(field, "is needed for a new group", Reason::FieldMissing);
        let stream = set.stream.ok_or_else(|| missing("stream_id"))?;
        let focus = set.focus.ok_or_else(|| missing("focus_termination_id"))?;
        let transport = set.transport.ok_or_else(|| missing("transport"))?;
        if transport == Transport::Transparent {
            let rule = "must be plain or secured: a group's packets are the gateway's to seal";
            return Err(invalid("transport", rule, Reason::FieldValue));
        }
        if self.context(context)?.groups().any(|(_, other)| other.stream == stream) {
            let rule = "another group of the context has the stream";
            return Err(invalid("stream_id", rule, Reason::FieldValue));
        }
        let policy = &self.gateway.policy;
        let (max_members, interval) = (policy.max_group_members, policy.group_rekey_interval);
        let leg = self.gateway.take_leg((context, focus, stream), self.around.now);
        self.note_leg(leg);
        let mut half = || u64::from((self.around.random)(u32::MAX));
        let seed = half() << 32 | half();
        Ok(Group {
            leg,
            stream,
            focus,
            transport,
            collisions: set.collisions.unwrap_or_default(),
            rekey_interval: Some(interval),
            max_members,
            seed,
            ingress_keys: Keys::default(),
            egress_keys: Keys::default(),
        })
    }

    /// What is not about keys.
    fn change_group(
        &mut self,
        context: ContextId,
        group: &mut Group,
        set: &SetGroup,
    ) -> Result<(), CommandError> {
        let stays = "stays as it is for a group's life";
        if set.stream.is_some_and(|stream| stream != group.stream) {
            return Err(invalid("stream_id", stays, Reason::FieldValue));
        }
        if set.transport.is_some_and(|transport| transport != group.transport) {
            return Err(invalid("transport", stays, Reason::FieldValue));
        }
        if let Some(focus) = set.focus {
            let stream = self.termination(context, focus)?.streams.get(group.stream);
            let unknown = || CommandError::unknown_stream(focus, group.stream);
            let stream = stream.ok_or_else(unknown)?;
            if stream.group().is_some() || stream.transport == Transport::Transparent {
                let rule = "must be neither a member's nor transparent";
                return Err(invalid("focus_termination_id", rule, Reason::FieldValue));
            }
            group.focus = focus;
        }
        group.collisions = set.collisions.unwrap_or(group.collisions);
        match set.rekey_interval {
            None => {}
            Some(RekeyInterval::Never) => group.rekey_interval = None,
            Some(RekeyInterval::Within(interval)) if interval <= MAX_REKEY_INTERVAL => {
                group.rekey_interval = Some(interval);
            }
            Some(RekeyInterval::Within(_)) => {
                let rule = "must be at most 600,000";
                return Err(invalid("rekey_interval_ms", rule, Reason::FieldValue));
            }
        }
        if let Some(members) = set.max_members {
            if members > self.gateway.policy.max_group_members {
                let rule = "is more than policy allows";
                return Err(invalid("max_members", rule, Reason::FieldValue));
            }
            group.max_members = members;
        }
        Ok(())
    }

    fn rekey_sending(
        &mut self,
        context: ContextId,
        group: &mut Group,
        crypto: CryptoContext<EgressKey>,
    ) -> Result<(), CommandError> {
        let field = "egress_crypto";
        refuse_other_suite(group, &crypto, field)?;
        let roc = crypto.roc.unwrap_or_default();
        let (own, members) = (&mut group.egress_keys, &group.ingress_keys);
        let place = (context, Direction::Egress);
        self.install_group_keys(own, members, &crypto, roc, place, field)?;
        let CryptoContext { keys, parameters, roc: _, overlap: _, source: _ } = crypto;
        let change = EgressCrypto::Install { keys, parameters, roc };
        self.push_crypto(context, Step::EgressCrypto(group.egress_id(), change));
        Ok(())
    }

    fn rekey_members(
        &mut self,
        context: ContextId,
        id: GroupId,
        group: &mut Group,
        crypto: CryptoContext<IngressKey>,
    ) -> Result<(), CommandError> {
        let field = "ingress_crypto";
        refuse_other_suite(group, &crypto, field)?;
        let has_own = |keys: &Keys| keys.installed.is_some();
        if self.context(context)?.members(id).any(|(_, stream)| has_own(&stream.ingress_keys)) {
            let rule = "members have brought keys of their own";
            return Err(invalid(field, rule, Reason::FieldValue));
        }
        let roc = crypto.roc.unwrap_or_default();
        let (members, own) = (&mut group.ingress_keys, &group.egress_keys);
        let place = (context, Direction::Ingress);
        self.install_group_keys(members, own, &crypto, roc, place, field)?;
        let CryptoContext { keys, parameters, roc: _, overlap, source: _ } = crypto;
        let overlap = overlap.unwrap_or(self.gateway.policy.default_overlap);
        let change = IngressCrypto::Install { keys, parameters, roc, overlap };
        self.push_crypto(context, Step::GroupIngressCrypto(group.egress_id(), change));
        Ok(())
    }

    /// As for a stream, but the key of the other direction may be the same: within a group the
    /// gateway and its members may send under one key, because their SSRCs are told apart.
    fn install_group_keys<K: Key>(
        &mut self,
        keys: &mut Keys,
        others: &Keys,
        crypto: &CryptoContext<K>,
        roc: agw_srtp::RocOnRekey,
        place: (ContextId, Direction),
        field: &str,
    ) -> Result<(), CommandError> {
        let installed = self.checked(crypto, field)?;
        for (position, key) in installed.fingerprints().enumerate() {
            //= tests/spec/group.md#key-lifetime
            //# A key that a group had MUST NOT be a group's again.
            // A member's key may have been the gateway's own to seal with, and how much of its lifetime
            // is used went with the group that had it: none comes back.
            let is_here = keys.fingerprints().any(|own| own == key);
            if keys.was_used(key) || (!is_here && self.spent_by(key).is_some()) {
                let field = format!("{field}.keys[{position}]");
                return Err(CommandError::KeyReuse { field, direction: K::DIRECTION });
            }
            self.share_key(keys, others, key);
        }
        self.install_keys(keys, installed, place, roc, field).map(drop)
    }

    //= tests/spec/group.md#members
    //# A key that a group uses MUST be refused outside of it.
    /// Lets one direction of a group take a key that is the other one's.
    pub(super) fn share_key(&mut self, own: &Keys, others: &Keys, key: Fingerprint) {
        let is_theirs = others.live().any(|other| other == key);
        if is_theirs && !own.fingerprints().any(|own| own == key) {
            self.remove_key(key);
        }
    }

    pub(crate) fn remove_group(&mut self, remove: RemoveGroup) -> Result<Reply, CommandError> {
        let RemoveGroup { context: id, group: number } = remove;
        let context = self.context(id)?;
        let group = context.group(number).ok_or(CommandError::UnknownGroup(number))?.clone();
        if context.members(number).next().is_some() {
            let rule = "has members: release them first";
            return Err(invalid("group_id", rule, Reason::GroupNotEmpty));
        }
        let groups = context.groups.take().map(|mut groups| {
            groups.remove(number);
            groups
        });
        context.groups = groups.filter(|groups| !groups.is_empty());
        self.remove_keys_of_group(&group, id);
        let groups = vec![group.released(number)];
        let streams = Vec::new();
        Ok(Reply::Released(ReleaseReply { context: id, context_ended: false, streams, groups }))
    }

    /// Ends all groups of a context that ends.
    pub(crate) fn remove_groups(
        &mut self,
        context: ContextId,
    ) -> Result<Vec<ReleasedGroup>, CommandError> {
        let groups = self.context(context)?.groups.take();
        let mut released = Vec::new();
        for (number, group) in groups.iter().flat_map(|groups| groups.iter()) {
            self.remove_keys_of_group(group, context);
            released.push(group.released(number));
        }
        Ok(released)
    }

    fn remove_keys_of_group(&mut self, group: &Group, context: ContextId) {
        self.retire(&group.ingress_keys, context, Direction::Ingress);
        self.retire(&group.egress_keys, context, Direction::Egress);
        // One that was made a moment ago is not among those that the commit takes away.
        self.undo_leg(group.leg);
    }
}

impl Group {
    //= tests/spec/iq.md#release
    //# The end of a group MUST return its final statistics.
    /// What is told of its end.
    const fn released(&self, group: GroupId) -> ReleasedGroup {
        let Self { stream, focus, .. } = *self;
        ReleasedGroup { group, stream, focus, egress: self.egress_id() }
    }
}

fn refuse_other_suite<K: Key>(
    group: &Group,
    crypto: &CryptoContext<K>,
    field: &str,
) -> Result<(), CommandError> {
    let suite = crypto.keys.first().map(|key| key.master().suite());
    if group.suite().is_some_and(|of_group| suite != Some(of_group)) {
        return Err(invalid(field, "must be of the group's suite", Reason::SuiteRefused));
    }
    Ok(())
}
