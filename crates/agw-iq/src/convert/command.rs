//! Commands.

use std::collections::BTreeSet;
use std::time::Duration;

use agw_context::{
    Association, ChangeThroughConnection, Command, Configure, ContextChoice, ContextId, Priority,
    Relation, Release, Reserve, SetTopology, StreamId, TerminationId, TopologyChange,
};

use super::group::{remove_group, set_group};
use super::key::{activate_key, cancel_key, stage_key};
use super::stream::{stream, stream_change, stream_id, stream_mode};
use super::{MAX_ID_OCTETS, MAX_STREAMS, address, correlation_id};
use crate::invalid::{InvalidRequest, each};
use crate::pb;

/// Reads a command; the name is that of its field, for paths.
pub(crate) fn command(command: &pb::Command) -> Result<(&'static str, Command), InvalidRequest> {
    use pb::command::Command as Kind;
    let pb::Command { command } = command;
    let (name, result) = match command {
        None => return Err(InvalidRequest::missing("command")),
        Some(Kind::Reserve(command)) => ("reserve", reserve(command)),
        Some(Kind::Configure(command)) => ("configure", configure(command)),
        Some(Kind::ChangeThroughConnection(command)) => {
            ("change_through_connection", change_through_connection(command))
        }
        Some(Kind::SetTopology(command)) => ("set_topology", set_topology(command)),
        Some(Kind::Release(command)) => ("release", release(command)),
        Some(Kind::StageKey(command)) => ("stage_key", stage_key(command)),
        Some(Kind::ActivateKey(command)) => ("activate_key", activate_key(command)),
        Some(Kind::CancelKey(command)) => ("cancel_key", cancel_key(command)),
        Some(Kind::SetGroup(command)) => ("set_group", set_group(command)),
        Some(Kind::RemoveGroup(command)) => ("remove_group", remove_group(command)),
    };
    Ok((name, result.map_err(|error| error.under(name))?))
}

pub(crate) fn reserve(command: &pb::Reserve) -> Result<Command, InvalidRequest> {
    let pb::Reserve {
        context_id,
        latest_context,
        correlation_id: correlation,
        realm,
        address_family,
        streams,
        heartbeat_ms,
        priority: precedence,
    } = command;
    let context = match (*context_id, *latest_context) {
        (0, false) => ContextChoice::New,
        (0, true) => ContextChoice::Latest,
        (id, false) => ContextChoice::Existing(ContextId(id)),
        (_, true) => {
            let rule = "does not go together with context_id";
            return Err(InvalidRequest::value("latest_context", rule));
        }
    };
    let correlation = correlation_id(correlation)?;
    if correlation.is_some() && context != ContextChoice::New {
        return Err(InvalidRequest::value("correlation_id", "is for a new context only"));
    }
    if realm.len() > MAX_ID_OCTETS {
        return Err(InvalidRequest::value("realm", "has at most 128 octets"));
    }
    check_streams(streams.iter().map(|stream| stream.stream_id))?;
    Ok(Command::Reserve(Reserve {
        context,
        correlation,
        realm: Some(realm.clone()).filter(|realm| !realm.is_empty()),
        family: address::family("address_family", *address_family)?,
        heartbeat: Some(Duration::from_millis((*heartbeat_ms).into())).filter(|h| !h.is_zero()),
        priority: priority(*precedence)?,
        streams: each("streams", streams, stream)?,
    }))
}

pub(crate) fn configure(command: &pb::Configure) -> Result<Command, InvalidRequest> {
    let pb::Configure {
        context_id: context,
        termination_id: termination,
        streams,
        priority: precedence,
    } = command;
    let context = context_id(*context)?;
    let termination = termination_id("termination_id", *termination)?;
    let priority = priority(*precedence)?;
    if priority.is_none() || !streams.is_empty() {
        check_streams(streams.iter().map(|stream| stream.stream_id))?;
    }
    let streams = each("streams", streams, stream_change)?;
    Ok(Command::Configure(Configure { context, termination, streams, priority }))
}

pub(crate) fn priority(priority: i32) -> Result<Option<Priority>, InvalidRequest> {
    match pb::Priority::try_from(priority) {
        Ok(pb::Priority::Unspecified) => Ok(None),
        Ok(pb::Priority::Normal) => Ok(Some(Priority::Normal)),
        Ok(pb::Priority::Priority) => Ok(Some(Priority::Priority)),
        Ok(pb::Priority::Emergency) => Ok(Some(Priority::Emergency)),
        Err(_) => Err(InvalidRequest::unknown("priority", priority)),
    }
}

/// One to 64 streams, each at most once.
fn check_streams(ids: impl ExactSizeIterator<Item = u32>) -> Result<(), InvalidRequest> {
    if !(1..=MAX_STREAMS).contains(&ids.len()) {
        return Err(InvalidRequest::value("streams", "are 1 to 64"));
    }
    let mut seen = BTreeSet::new();
    for (position, id) in ids.enumerate() {
        if !seen.insert(id) {
            let field = format!("streams[{position}].stream_id");
            return Err(InvalidRequest::value(&field, "differs from the others"));
        }
    }
    Ok(())
}

pub(crate) fn change_through_connection(
    command: &pb::ChangeThroughConnection,
) -> Result<Command, InvalidRequest> {
    let pb::ChangeThroughConnection { context_id: context, termination_id, stream_id, mode } =
        command;
    Ok(Command::ChangeThroughConnection(ChangeThroughConnection {
        context: context_id(*context)?,
        termination: optional_termination(*termination_id),
        stream: optional_stream(*stream_id)?,
        mode: stream_mode(*mode)?.ok_or_else(|| InvalidRequest::missing("mode"))?,
    }))
}

pub(crate) fn set_topology(command: &pb::SetTopology) -> Result<Command, InvalidRequest> {
    let pb::SetTopology {
        context_id: context,
        from_termination_id,
        to_termination_id,
        associations,
    } = command;
    let context = context_id(*context)?;
    if !associations.is_empty() {
        if (*from_termination_id, *to_termination_id) != (0, 0) {
            let rule = "does not go together with two terminations that hear each other";
            return Err(InvalidRequest::value("associations", rule));
        }
        let associations = each("associations", associations, association)?;
        let change = TopologyChange::Associate(associations);
        return Ok(Command::SetTopology(SetTopology { context, change }));
    }
    if from_termination_id == to_termination_id && *to_termination_id != 0 {
        let rule = "differs from from_termination_id";
        return Err(InvalidRequest::value("to_termination_id", rule));
    }
    let change = TopologyChange::Connect(
        termination_id("from_termination_id", *from_termination_id)?,
        termination_id("to_termination_id", *to_termination_id)?,
    );
    Ok(Command::SetTopology(SetTopology { context, change }))
}

fn association(association: &pb::Association) -> Result<Association, InvalidRequest> {
    let pb::Association { from_termination_id, to_termination_id, relation: related, stream_id } =
        association;
    let from = termination_id("from_termination_id", *from_termination_id)?;
    let to = termination_id("to_termination_id", *to_termination_id)?;
    if from == to {
        let rule = "differs from from_termination_id";
        return Err(InvalidRequest::value("to_termination_id", rule));
    }
    let relation = relation(*related)?;
    Ok(Association { from, to, relation, stream: optional_stream(*stream_id)? })
}

fn relation(relation: i32) -> Result<Relation, InvalidRequest> {
    match pb::Relation::try_from(relation) {
        Ok(pb::Relation::Unspecified) => Err(InvalidRequest::missing("relation")),
        Ok(pb::Relation::BothWay) => Ok(Relation::BothWay),
        Ok(pb::Relation::OneWay) => Ok(Relation::OneWay),
        Ok(pb::Relation::Isolate) => Ok(Relation::Isolate),
        Err(_) => Err(InvalidRequest::unknown("relation", relation)),
    }
}

pub(crate) fn release(command: &pb::Release) -> Result<Command, InvalidRequest> {
    let pb::Release { context_id: context, termination_id } = command;
    Ok(Command::Release(Release {
        context: context_id(*context)?,
        termination: optional_termination(*termination_id),
    }))
}

pub(super) fn context_id(id: u32) -> Result<ContextId, InvalidRequest> {
    match id {
        0 => Err(InvalidRequest::missing("context_id")),
        id => Ok(ContextId(id)),
    }
}

pub(super) fn termination_id(field: &str, id: u32) -> Result<TerminationId, InvalidRequest> {
    optional_termination(id).ok_or_else(|| InvalidRequest::missing(field))
}

pub(super) fn optional_termination(id: u32) -> Option<TerminationId> {
    Some(TerminationId(id)).filter(|id| id.0 != 0)
}

pub(super) fn optional_stream(id: u32) -> Result<Option<StreamId>, InvalidRequest> {
    match id {
        0 => Ok(None),
        id => stream_id(id).map(Some),
    }
}
