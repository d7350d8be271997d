//! What a stream must be to join a group.

use agw_relay::Transport;
use agw_srtp::{EgressKey, IngressKey};

use crate::checks::{Key as _, invalid};
use crate::command::{CryptoChange, CryptoContext};
use crate::error::{CommandError, Reason, Resource};
use crate::id::{ContextId, GroupId, StreamId};
use crate::model::Stream;
use crate::transaction::Transaction;

/// A stream that asks to join.
pub(crate) struct Candidate<'a> {
    pub(crate) context: ContextId,
    pub(crate) group: GroupId,
    pub(crate) stream: StreamId,
    pub(crate) transport: Transport,
    pub(crate) ingress: &'a Option<CryptoContext<IngressKey>>,
    pub(crate) egress: &'a Option<CryptoContext<EgressKey>>,
}

impl Transaction<'_, '_> {
    /// Refuses a stream that cannot be a member.
    pub(crate) fn check_member(
        &mut self,
        candidate: &Candidate<'_>,
        field: &str,
    ) -> Result<(), CommandError> {
        let Candidate { context, group: id, stream, transport, ingress, egress } = *candidate;
        let context = self.context(context)?;
        let group = context.group(id).ok_or(CommandError::UnknownGroup(id))?;
        if group.stream != stream {
            let rule = "is for another stream of the context";
            return Err(invalid(format!("{field}.group_id"), rule, Reason::FieldValue));
        }
        let field_of_transport = || format!("{field}.transport");
        match (group.transport, transport) {
            //= tests/spec/group.md#members
            //# A plain member MUST be refused in a secured group.
            (Transport::Secured, Transport::Plain) => {
                let rule = "a member of a secured group must be secured (TR 33.829 §5.1.3)";
                return Err(invalid(field_of_transport(), rule, Reason::PlainMember));
            }
            (of_group, of_member) if of_group != of_member => {
                let rule = "must be that of the group";
                return Err(invalid(field_of_transport(), rule, Reason::FieldValue));
            }
            _ => {}
        }
        if egress.is_some() {
            let rule = "is the group's: what leaves to members is sealed once for all of them";
            return Err(invalid(format!("{field}.egress_crypto"), rule, Reason::FieldValue));
        }
        if let Some(crypto) = ingress {
            let field = format!("{field}.ingress_crypto");
            if group.has_members_key() {
                let rule = "is the group's: its members send under one key";
                return Err(invalid(field, rule, Reason::FieldValue));
            }
            //= tests/spec/group.md#members
            //# A key of another suite than the group's MUST be refused.
            let suite = crypto.keys.first().map(|key| key.master().suite());
            if group.suite().is_some_and(|of_group| suite != Some(of_group)) {
                return Err(invalid(field, "must be of the group's suite", Reason::SuiteRefused));
            }
        }
        if context.members(id).count() >= group.max_members {
            return Err(CommandError::Exhausted { what: Resource::Members, realm: None });
        }
        Ok(())
    }

    /// Refuses changes of a member's keys that are the group's.
    pub(crate) fn check_members_keys(
        &mut self,
        context: ContextId,
        stream: &Stream,
        ingress: &CryptoChange<IngressKey>,
        egress: &CryptoChange<EgressKey>,
        field: &str,
    ) -> Result<(), CommandError> {
        let Some(id) = stream.group() else {
            return Ok(());
        };
        let group = self.context(context)?.group(id).ok_or(CommandError::UnknownGroup(id))?;
        if !matches!(egress, CryptoChange::Keep) {
            let rule = "is the group's: change it by SetGroup";
            return Err(invalid(format!("{field}.egress_crypto"), rule, Reason::FieldValue));
        }
        if group.has_members_key() && !matches!(ingress, CryptoChange::Keep) {
            let rule = "is the group's: change it by SetGroup";
            return Err(invalid(format!("{field}.ingress_crypto"), rule, Reason::FieldValue));
        }
        if let CryptoChange::Install(crypto) = ingress {
            let suite = crypto.keys.first().map(|key| key.master().suite());
            if group.suite().is_some_and(|of_group| suite != Some(of_group)) {
                let field = format!("{field}.ingress_crypto");
                return Err(invalid(field, "must be of the group's suite", Reason::SuiteRefused));
            }
        }
        Ok(())
    }
}
