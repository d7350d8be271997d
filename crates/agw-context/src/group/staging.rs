//! Keys that wait for a whole group: brought, put in force, discarded.

use std::time::{Duration, Instant};

use agw_relay::{Command as Step, EgressCrypto, IngressCrypto, IngressId, Transport};
use agw_srtp::RocOnRekey;

use super::{Group, GroupKey, GroupKeyChange};
use crate::checks::{Key, invalid};
use crate::command::{DirectedKey, Direction};
use crate::error::{CommandError, Reason};
use crate::gateway::Gateway;
use crate::held::Keys;
use crate::id::{ContextId, GroupId, StreamId, TerminationId};
use crate::model::Context;
use crate::reply::Reply;
use crate::transaction::Transaction;

impl Transaction<'_, '_> {
    pub(crate) fn group_key(&mut self, command: GroupKey) -> Result<Reply, CommandError> {
        let GroupKey { context, group: id, change } = command;
        let known = self.context(context)?.group(id).ok_or(CommandError::UnknownGroup(id))?;
        let mut group = known.clone();
        if group.transport != Transport::Secured {
            let rule = "keys are for secured groups only";
            return Err(invalid("group_id", rule, Reason::CryptoOnPlainTransport));
        }
        match change {
            GroupKeyChange::Stage(key) => self.stage_group_key(context, &mut group, key)?,
            GroupKeyChange::Activate { direction, roc, overlap, at } => {
                let given = overlap;
                let overlap = self.overlap(given)?;
                let nothing = CommandError::NothingStaged { stream: group.stream, direction };
                if let Some(at) = at {
                    let timed = self.timed(at, roc, overlap)?;
                    group.keys(direction).staged.as_mut().ok_or(nothing)?.timed = Some(timed);
                } else if group.keys(direction).put_staged_in_force(given) {
                    self.push_crypto(context, group.activation(direction, roc, overlap));
                } else {
                    return Err(nothing);
                }
            }
            GroupKeyChange::Cancel(direction) => {
                if !self.discard_staged(group.keys(direction), direction) {
                    return Err(CommandError::NothingStaged { stream: group.stream, direction });
                }
                self.push_crypto(context, group.cancellation(direction));
            }
        }
        self.keep_shared_keys(&group);
        self.context(context)?.groups.get_or_insert_default().insert(id, group);
        Ok(Reply::Done { context })
    }

    //= tests/spec/group.md#re-key
    //# A key that is staged for a group MUST reach every member, those that join later included,
    //# and MUST NOT seal before it is activated.
    fn stage_group_key(
        &mut self,
        context: ContextId,
        group: &mut Group,
        key: DirectedKey,
    ) -> Result<(), CommandError> {
        let id = group.egress_id();
        let step = match key {
            DirectedKey::Ingress(key) => {
                let (own, others) = (&mut group.ingress_keys, &group.egress_keys);
                let number = self.stage_shared(own, others, &key, context)?;
                Step::GroupIngressCrypto(id, IngressCrypto::Stage(key, number))
            }
            DirectedKey::Egress(key) => {
                let (own, others) = (&mut group.egress_keys, &group.ingress_keys);
                self.stage_shared(own, others, &key, context)?;
                Step::EgressCrypto(id, EgressCrypto::Stage(key))
            }
        };
        self.push_crypto(context, step);
        Ok(())
    }

    /// As for a stream, but the key of the other direction may be the same.
    fn stage_shared<K: Key>(
        &mut self,
        own: &mut Keys,
        others: &Keys,
        key: &K,
        context: ContextId,
    ) -> Result<u32, CommandError> {
        let fingerprint = self.gateway.fingerprinter.of(key.master());
        self.share_key(own, others, fingerprint);
        self.stage(own, key, context)
    }

    /// What one direction of a group has given up stays taken where the other one has it.
    pub(super) fn keep_shared_keys(&mut self, group: &Group) {
        let keys = [&group.ingress_keys, &group.egress_keys];
        keys.into_iter().flat_map(Keys::fingerprints).for_each(|key| self.keep_key(key));
    }
}

impl Group {
    /// The keys of one direction.
    fn keys(&mut self, direction: Direction) -> &mut Keys {
        match direction {
            Direction::Ingress => &mut self.ingress_keys,
            Direction::Egress => &mut self.egress_keys,
        }
    }

    /// What the packet path does to put a staged key in force.
    fn activation(&self, direction: Direction, roc: RocOnRekey, overlap: Duration) -> Step {
        match direction {
            Direction::Ingress => {
                let change = IngressCrypto::Activate { roc, overlap };
                Step::GroupIngressCrypto(self.egress_id(), change)
            }
            Direction::Egress => {
                Step::EgressCrypto(self.egress_id(), EgressCrypto::Activate { roc })
            }
        }
    }

    fn cancellation(&self, direction: Direction) -> Step {
        match direction {
            Direction::Ingress => Step::GroupIngressCrypto(self.egress_id(), IngressCrypto::Cancel),
            Direction::Egress => Step::EgressCrypto(self.egress_id(), EgressCrypto::Cancel),
        }
    }

    /// The activations to come.
    pub(crate) fn timed(&self) -> impl Iterator<Item = (Instant, u32, Direction)> {
        let of =
            |keys: &Keys, direction| keys.timed().map(|timed| (timed.due, self.leg, direction));
        let ingress = of(&self.ingress_keys, Direction::Ingress);
        ingress.into_iter().chain(of(&self.egress_keys, Direction::Egress))
    }
}

impl Context {
    /// The group that has a leg's number.
    pub(crate) fn group_of_leg(&self, leg: u32) -> Option<GroupId> {
        self.groups().find(|(_, group)| group.leg == leg).map(|(id, _)| id)
    }

    fn group_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.as_mut()?.get_mut(id)
    }
}

impl Gateway {
    /// Puts a group's key in force whose time has come; tells the group and what the packet path
    /// must do.
    pub(crate) fn activate_group_key(
        &mut self,
        id: ContextId,
        leg: u32,
        due: Instant,
        direction: Direction,
    ) -> Option<(GroupId, Vec<Step>)> {
        let context = self.contexts.get_mut(&id)?;
        let number = context.group_of_leg(leg)?;
        let before = context.group_specs().remove(&leg);
        let group = context.group_mut(number)?;
        let timed = group.keys(direction).timed().filter(|timed| timed.due == due)?;
        group.keys(direction).put_staged_in_force(Some(timed.overlap));
        let activation = group.activation(direction, timed.roc, timed.overlap);
        let egress = group.egress_id();
        // Whether the gateway seals under the members' key may be another matter now.
        let after =
            context.group_specs().remove(&leg).filter(|after| Some(after) != before.as_ref());
        let spec = after.map(|spec| Step::SetEgress(egress, spec));
        if direction == Direction::Egress {
            self.churn.forget((id, number));
        }
        Some((number, spec.into_iter().chain([activation]).collect()))
    }

    /// The group for which a member has begun with the key that waits under a number.
    pub(crate) fn group_whose_key_began(
        &self,
        (context, termination, stream): (ContextId, TerminationId, StreamId),
        number: u32,
    ) -> Option<GroupId> {
        let context = self.contexts.get(&context)?;
        let id = context.terminations.get(termination)?.streams.get(stream)?.group()?;
        let staged = context.group(id)?.ingress_keys.staged.as_ref()?;
        (staged.number == number).then_some(id)
    }

    /// The packet path discarded a staged key of a group that no packet had activated.
    pub(crate) fn group_key_was_discarded(&mut self, context: ContextId, leg: IngressId, key: u32) {
        let Some(context) = self.contexts.get_mut(&context) else { return };
        let group = context.group_of_leg(leg.0).and_then(|id| context.group_mut(id));
        let Some(group) = group else { return };
        let Some(key) = group.ingress_keys.was_discarded(key) else { return };
        let has = |keys: &Keys| keys.fingerprints().any(|other| other == key);
        if !has(&group.ingress_keys) && !has(&group.egress_keys) {
            self.keys.free(key);
        }
    }
}
