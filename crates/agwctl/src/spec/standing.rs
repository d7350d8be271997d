//! A stream for a call that stands.

use agw_iq::pb;
use agw_iq::pb::command::Command;

use super::CallSpec;

/// A call that stands, as it was when it was looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) context_id: u32,
    pub(crate) expected_generation: u64,
    /// Those of the access leg and of the core leg.
    pub(crate) terminations: [u32; 2],
}

impl CallSpec {
    /// What a stream of a call that stands cannot have of its own, if it is given.
    pub(crate) fn of_whole_call(&self) -> Option<&'static str> {
        let given = [
            (self.correlation.is_some(), "correlation"),
            (self.heartbeat_ms.is_some(), "heartbeat_ms"),
            (self.access.realm.is_some() || self.core.realm.is_some(), "realm"),
        ];
        given.into_iter().find_map(|(is_given, name)| is_given.then_some(name))
    }

    /// The commands that give its stream to both terminations of a call that stands, unless that
    /// has changed since.
    pub(crate) fn into_stream_of(self, call: Standing) -> Vec<Command> {
        let Standing { context_id, expected_generation, terminations } = call;
        let priority = self.priority.map(|priority| priority.to_wire().into()).unwrap_or_default();
        let configure = |((_, stream), termination_id)| {
            Command::Configure(pb::Configure {
                context_id,
                termination_id,
                priority,
                expected_generation,
                add_streams: vec![stream],
                ..pb::Configure::default()
            })
        };
        self.into_streams().into_iter().zip(terminations).map(configure).collect()
    }
}
