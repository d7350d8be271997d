//! Keys that wait: for a stream, or for a group.

use std::time::SystemTime;

use agw_context::{
    ActivateKey, CancelKey, Command, ContextId, DirectedKey, GroupId, GroupKey, GroupKeyChange,
    KeySlot, StageKey,
};
use agw_srtp::RocOnRekey;

use super::command::{context_id, expecting, termination_id};
use super::crypto::{direction, overlap, roc, staged_key};
use super::group::group_id;
use super::stream::stream_id;
use crate::invalid::InvalidRequest;
use crate::pb;

/// Whose key.
enum Holder {
    Stream(KeySlot),
    Group(ContextId, GroupId),
}

pub(crate) fn stage_key(command: &pb::StageKey) -> Result<Command, InvalidRequest> {
    use pb::stage_key::Key;
    let pb::StageKey { context_id, termination_id, stream_id, key, group_id, expected_generation } =
        command;
    let holder = holder(*context_id, *termination_id, *stream_id, *group_id)?;
    let key = match key {
        None => return Err(InvalidRequest::missing("ingress_crypto")),
        Some(Key::IngressCrypto(key)) => {
            DirectedKey::Ingress(staged_key(key).map_err(|error| error.under("ingress_crypto"))?)
        }
        Some(Key::EgressCrypto(key)) => {
            DirectedKey::Egress(staged_key(key).map_err(|error| error.under("egress_crypto"))?)
        }
    };
    let stage = match holder {
        Holder::Stream(slot) => Command::StageKey(StageKey { slot, key }),
        Holder::Group(context, group) => of_group(context, group, GroupKeyChange::Stage(key)),
    };
    Ok(expecting(*expected_generation, stage))
}

pub(crate) fn activate_key(command: &pb::ActivateKey) -> Result<Command, InvalidRequest> {
    let pb::ActivateKey {
        context_id,
        termination_id,
        stream_id,
        direction: of,
        roc_on_rekey,
        initial_roc,
        overlap_ms,
        at,
        group_id,
        expected_generation,
    } = command;
    let direction = direction(*of)?;
    let holder = holder(*context_id, *termination_id, *stream_id, *group_id)?;
    let roc = roc(*roc_on_rekey, *initial_roc)?.unwrap_or(RocOnRekey::Keep);
    let overlap = overlap(direction, *overlap_ms)?;
    let at = (*at).map(moment).transpose()?;
    let activate = match holder {
        Holder::Stream(slot) => {
            Command::ActivateKey(ActivateKey { slot, direction, roc, overlap, at })
        }
        Holder::Group(context, group) => {
            of_group(context, group, GroupKeyChange::Activate { direction, roc, overlap, at })
        }
    };
    Ok(expecting(*expected_generation, activate))
}

pub(crate) fn cancel_key(command: &pb::CancelKey) -> Result<Command, InvalidRequest> {
    let pb::CancelKey {
        context_id,
        termination_id,
        stream_id,
        direction: of,
        group_id,
        expected_generation,
    } = command;
    let holder = holder(*context_id, *termination_id, *stream_id, *group_id)?;
    let direction = direction(*of)?;
    let cancel = match holder {
        Holder::Stream(slot) => Command::CancelKey(CancelKey { slot, direction }),
        Holder::Group(context, group) => {
            of_group(context, group, GroupKeyChange::Cancel(direction))
        }
    };
    Ok(expecting(*expected_generation, cancel))
}

const fn of_group(context: ContextId, group: GroupId, change: GroupKeyChange) -> Command {
    Command::GroupKey(GroupKey { context, group, change })
}

fn holder(
    context: u32,
    termination: u32,
    stream: u32,
    group: u32,
) -> Result<Holder, InvalidRequest> {
    let context = context_id(context)?;
    let Some(group) = group_id(group)? else {
        let termination = termination_id("termination_id", termination)?;
        return Ok(Holder::Stream(KeySlot { context, termination, stream: stream_id(stream)? }));
    };
    if (termination, stream) != (0, 0) {
        let rule = "does not go together with termination_id or stream_id";
        return Err(InvalidRequest::value("group_id", rule));
    }
    Ok(Holder::Group(context, group))
}

/// A time on the wall clock.
fn moment(at: prost_types::Timestamp) -> Result<SystemTime, InvalidRequest> {
    SystemTime::try_from(at).map_err(|_| InvalidRequest::value("at", "is a time"))
}
