//! Commands.

use std::collections::BTreeSet;
use std::time::Duration;

use agw_context::{
    Association, ChangeThroughConnection, Command, Configure, ContextChoice, ContextId, Expecting,
    Priority, Relation, Release, Reserve, SetTopology, StreamId, TerminationId, TopologyChange,
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
        expected_generation,
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
    check_streams("streams", streams.iter().map(|stream| stream.stream_id))?;
    if *expected_generation != 0 && *context_id == 0 {
        return Err(InvalidRequest::value("expected_generation", "goes with context_id only"));
    }
    let reserve = Command::Reserve(Reserve {
        context,
        correlation,
        realm: Some(realm.clone()).filter(|realm| !realm.is_empty()),
        family: address::family("address_family", *address_family)?,
        heartbeat: Some(Duration::from_millis((*heartbeat_ms).into())).filter(|h| !h.is_zero()),
        priority: priority(*precedence)?,
        streams: each("streams", streams, stream)?,
    });
    Ok(expecting(*expected_generation, reserve))
}

/// A command under the condition that its context is at a generation; 0 is none.
pub(super) fn expecting(generation: u64, command: Command) -> Command {
    match generation {
        0 => command,
        generation => Command::Expecting(Box::new(Expecting { generation, command })),
    }
}

pub(crate) fn configure(command: &pb::Configure) -> Result<Command, InvalidRequest> {
    let pb::Configure {
        context_id: context,
        termination_id: termination,
        streams,
        priority: precedence,
        add_streams,
        remove_stream_ids,
        expected_generation,
    } = command;
    let context = context_id(*context)?;
    let termination = termination_id("termination_id", *termination)?;
    let priority = priority(*precedence)?;
    let names_none = add_streams.is_empty() && remove_stream_ids.is_empty();
    if !streams.is_empty() || (priority.is_none() && names_none) {
        check_streams("streams", streams.iter().map(|stream| stream.stream_id))?;
    }
    if !add_streams.is_empty() {
        check_streams("add_streams", add_streams.iter().map(|stream| stream.stream_id))?;
    }
    if remove_stream_ids.len() > MAX_STREAMS {
        return Err(InvalidRequest::value("remove_stream_ids", "are up to 64"));
    }
    let streams = each("streams", streams, stream_change)?;
    let added = each("add_streams", add_streams, stream)?;
    let removed = removed_streams(remove_stream_ids)?;
    let configure = Configure { context, termination, streams, priority, added, removed };
    Ok(expecting(*expected_generation, Command::Configure(configure)))
}

fn removed_streams(ids: &[u32]) -> Result<Vec<StreamId>, InvalidRequest> {
    let read = |(position, &id): (usize, &u32)| match u16::try_from(id) {
        Ok(id) if id != 0 => Ok(StreamId(id)),
        Ok(_) | Err(_) => {
            let field = format!("remove_stream_ids[{position}]");
            Err(InvalidRequest::value(&field, "is 1 to 65535"))
        }
    };
    ids.iter().enumerate().map(read).collect()
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
fn check_streams(
    list: &str,
    ids: impl ExactSizeIterator<Item = u32>,
) -> Result<(), InvalidRequest> {
    if !(1..=MAX_STREAMS).contains(&ids.len()) {
        return Err(InvalidRequest::value(list, "are 1 to 64"));
    }
    let mut seen = BTreeSet::new();
    for (position, id) in ids.enumerate() {
        if !seen.insert(id) {
            let field = format!("{list}[{position}].stream_id");
            return Err(InvalidRequest::value(&field, "differs from the others"));
        }
    }
    Ok(())
}

pub(crate) fn change_through_connection(
    command: &pb::ChangeThroughConnection,
) -> Result<Command, InvalidRequest> {
    let pb::ChangeThroughConnection {
        context_id: context,
        termination_id,
        stream_id,
        mode,
        expected_generation,
    } = command;
    let change = Command::ChangeThroughConnection(ChangeThroughConnection {
        context: context_id(*context)?,
        termination: optional_termination(*termination_id),
        stream: optional_stream(*stream_id)?,
        mode: stream_mode(*mode)?.ok_or_else(|| InvalidRequest::missing("mode"))?,
    });
    Ok(expecting(*expected_generation, change))
}

pub(crate) fn set_topology(command: &pb::SetTopology) -> Result<Command, InvalidRequest> {
    let pb::SetTopology {
        context_id: context,
        from_termination_id,
        to_termination_id,
        associations,
        expected_generation,
    } = command;
    let context = context_id(*context)?;
    let set = |change| {
        expecting(*expected_generation, Command::SetTopology(SetTopology { context, change }))
    };
    if !associations.is_empty() {
        if (*from_termination_id, *to_termination_id) != (0, 0) {
            let rule = "does not go together with two terminations that hear each other";
            return Err(InvalidRequest::value("associations", rule));
        }
        let associations = each("associations", associations, association)?;
        return Ok(set(TopologyChange::Associate(associations)));
    }
    if from_termination_id == to_termination_id && *to_termination_id != 0 {
        let rule = "differs from from_termination_id";
        return Err(InvalidRequest::value("to_termination_id", rule));
    }
    let change = TopologyChange::Connect(
        termination_id("from_termination_id", *from_termination_id)?,
        termination_id("to_termination_id", *to_termination_id)?,
    );
    Ok(set(change))
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
    let pb::Release { context_id: context, termination_id, expected_generation } = command;
    let release = Command::Release(Release {
        context: context_id(*context)?,
        termination: optional_termination(*termination_id),
    });
    Ok(expecting(*expected_generation, release))
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
