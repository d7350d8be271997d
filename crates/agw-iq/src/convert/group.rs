//! Groups of conferences.

use std::time::Duration;

use agw_context::{
    Command, ContextChoice, ContextId, GroupId, RekeyInterval, RemoveGroup, SetGroup,
};
use agw_relay::CollisionRule;

use super::command::{context_id, expecting, optional_stream, optional_termination};
use super::crypto::crypto_context;
use super::stream::transport;
use crate::invalid::{InvalidRequest, optional};
use crate::pb;

pub(crate) fn set_group(command: &pb::SetGroup) -> Result<Command, InvalidRequest> {
    let pb::SetGroup {
        context_id,
        latest_context,
        group_id: group,
        stream_id,
        focus_termination_id,
        transport: travels,
        egress_crypto,
        ingress_crypto,
        ssrc_rule: rule,
        rekey_interval_ms,
        no_rekey_events,
        max_members,
        expected_generation,
    } = command;
    if *expected_generation != 0 && *latest_context {
        return Err(InvalidRequest::value("expected_generation", "goes with context_id only"));
    }
    let context = match (*context_id, *latest_context) {
        (0, false) => return Err(InvalidRequest::missing("context_id")),
        (0, true) => ContextChoice::Latest,
        (id, false) => ContextChoice::Existing(ContextId(id)),
        (_, true) => {
            let rule = "does not go together with context_id";
            return Err(InvalidRequest::value("latest_context", rule));
        }
    };
    let transport = match pb::Transport::try_from(*travels) {
        Ok(pb::Transport::Unspecified) => None,
        Ok(_) | Err(_) => Some(transport(*travels)?),
    };
    let set = Command::SetGroup(Box::new(SetGroup {
        context,
        group: group_id(*group)?.ok_or_else(|| InvalidRequest::missing("group_id"))?,
        stream: optional_stream(*stream_id)?,
        focus: optional_termination(*focus_termination_id),
        transport,
        collisions: ssrc_rule(*rule)?,
        rekey_interval: rekey_interval(*rekey_interval_ms, *no_rekey_events)?,
        max_members: usize::try_from(*max_members).ok().filter(|&most| most != 0),
        ingress: optional("ingress_crypto", ingress_crypto.as_ref(), crypto_context)?,
        egress: optional("egress_crypto", egress_crypto.as_ref(), crypto_context)?,
    }));
    Ok(expecting(*expected_generation, set))
}

pub(crate) fn remove_group(command: &pb::RemoveGroup) -> Result<Command, InvalidRequest> {
    let pb::RemoveGroup { context_id: context, group_id: group, expected_generation } = command;
    let remove = Command::RemoveGroup(RemoveGroup {
        context: context_id(*context)?,
        group: group_id(*group)?.ok_or_else(|| InvalidRequest::missing("group_id"))?,
    });
    Ok(expecting(*expected_generation, remove))
}

/// Reads the number of a group; 0 is none.
pub(super) fn group_id(id: u32) -> Result<Option<GroupId>, InvalidRequest> {
    match u16::try_from(id) {
        Ok(0) => Ok(None),
        Ok(id) => Ok(Some(GroupId(id))),
        Err(_) => Err(InvalidRequest::value("group_id", "is 1 to 65535")),
    }
}

fn ssrc_rule(rule: i32) -> Result<Option<CollisionRule>, InvalidRequest> {
    match pb::SsrcRule::try_from(rule) {
        Ok(pb::SsrcRule::Unspecified) => Ok(None),
        Ok(pb::SsrcRule::Drop) => Ok(Some(CollisionRule::Drop)),
        Ok(pb::SsrcRule::Alarm) => Ok(Some(CollisionRule::Alarm)),
        Ok(pb::SsrcRule::Rewrite) => Ok(Some(CollisionRule::Rewrite)),
        Err(_) => Err(InvalidRequest::unknown("ssrc_rule", rule)),
    }
}

fn rekey_interval(
    milliseconds: Option<u32>,
    never: bool,
) -> Result<Option<RekeyInterval>, InvalidRequest> {
    match (milliseconds, never) {
        (None, false) => Ok(None),
        (None, true) => Ok(Some(RekeyInterval::Never)),
        (Some(interval), false) => {
            Ok(Some(RekeyInterval::Within(Duration::from_millis(interval.into()))))
        }
        (Some(_), true) => {
            let rule = "does not go together with rekey_interval_ms";
            Err(InvalidRequest::value("no_rekey_events", rule))
        }
    }
}
