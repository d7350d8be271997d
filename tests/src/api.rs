//! What a controller asks, in few words.

use agw_iq::pb;
use agw_iq::pb::command::Command;

use crate::{Endpoint, Key};

/// A secured stream that is open both ways.
#[must_use]
pub fn secured(
    stream_id: u32,
    endpoint: &Endpoint,
    ingress: &pb::CryptoContext,
    egress: &pb::CryptoContext,
) -> pb::Stream {
    pb::Stream {
        transport: pb::Transport::Secured.into(),
        ingress_crypto: Some(ingress.clone()),
        egress_crypto: Some(egress.clone()),
        ..plain(stream_id, endpoint)
    }
}

/// A plain stream that is open both ways.
#[must_use]
pub fn plain(stream_id: u32, endpoint: &Endpoint) -> pb::Stream {
    pb::Stream {
        stream_id,
        transport: pb::Transport::Plain.into(),
        remote: Some(endpoint.remote()),
        mode: pb::StreamMode::SendReceive.into(),
        ..pb::Stream::default()
    }
}

/// A stream that goes through untouched, open both ways.
#[must_use]
pub fn transparent(stream_id: u32, endpoint: &Endpoint) -> pb::Stream {
    pb::Stream { transport: pb::Transport::Transparent.into(), ..plain(stream_id, endpoint) }
}

/// Reserves a termination of a new context.
#[must_use]
pub fn reserve(realm: &str, streams: Vec<pb::Stream>) -> pb::Reserve {
    pb::Reserve { realm: realm.to_owned(), streams, ..pb::Reserve::default() }
}

/// Reserves a termination of the context that the transaction has made before.
#[must_use]
pub fn join(realm: &str, streams: Vec<pb::Stream>) -> pb::Reserve {
    pb::Reserve { latest_context: true, ..reserve(realm, streams) }
}

/// Reserves both terminations of a call.
#[must_use]
pub fn call(access: Vec<pb::Stream>, core: Vec<pb::Stream>) -> Vec<Command> {
    vec![Command::Reserve(reserve("access", access)), Command::Reserve(join("core", core))]
}

/// Changes one stream of a termination.
#[must_use]
pub fn configure(context_id: u32, termination_id: u32, change: pb::StreamChange) -> pb::Configure {
    let stream_id = if change.stream_id == 0 { 1 } else { change.stream_id };
    let streams = vec![pb::StreamChange { stream_id, ..change }];
    pb::Configure { context_id, termination_id, streams, ..pb::Configure::default() }
}

/// Opens or closes the gates of a termination.
#[must_use]
pub fn gates(
    context_id: u32,
    termination_id: u32,
    mode: pb::StreamMode,
) -> pb::ChangeThroughConnection {
    pb::ChangeThroughConnection {
        context_id,
        termination_id,
        stream_id: 0,
        mode: mode.into(),
        ..Default::default()
    }
}

/// Releases a context.
#[must_use]
pub fn release(context_id: u32) -> pb::Release {
    pb::Release { context_id, termination_id: 0, ..Default::default() }
}

/// Stages a key for what arrives at termination 1, stream 1.
#[must_use]
pub fn stage_ingress(context_id: u32, key: &Key) -> pb::StageKey {
    pb::StageKey {
        expected_generation: 0,
        context_id,
        termination_id: 1,
        stream_id: 1,
        key: Some(pb::stage_key::Key::IngressCrypto(key.staged())),
        group_id: 0,
    }
}

/// Stages a key for what leaves termination 1, stream 1.
#[must_use]
pub fn stage_egress(context_id: u32, key: &Key) -> pb::StageKey {
    pb::StageKey {
        key: Some(pb::stage_key::Key::EgressCrypto(key.staged())),
        ..stage_ingress(context_id, key)
    }
}

/// Activates the staged key of termination 1, stream 1.
#[must_use]
pub fn activate(context_id: u32, direction: pb::Direction) -> pb::ActivateKey {
    pb::ActivateKey {
        context_id,
        termination_id: 1,
        stream_id: 1,
        direction: direction.into(),
        ..pb::ActivateKey::default()
    }
}

/// Discards the staged key of termination 1, stream 1.
#[must_use]
pub fn cancel(context_id: u32, direction: pb::Direction) -> pb::CancelKey {
    pb::CancelKey {
        expected_generation: 0,
        context_id,
        termination_id: 1,
        stream_id: 1,
        direction: direction.into(),
        group_id: 0,
    }
}

/// How two terminations hear each other, on every stream.
#[must_use]
pub fn associated(from: u32, to: u32, relation: pb::Relation) -> pb::Association {
    pb::Association {
        from_termination_id: from,
        to_termination_id: to,
        relation: relation.into(),
        stream_id: 0,
    }
}

/// Changes of a context's topology.
#[must_use]
pub fn topology(context_id: u32, associations: Vec<pb::Association>) -> pb::SetTopology {
    pb::SetTopology { context_id, associations, ..pb::SetTopology::default() }
}
