//! Streams that a termination is given and that are taken from it (H.248.1 §7.2.2, RFC 3264 §8).
//!
//! What is not named stays as it is: ports, keys, latches, counters of all other streams. Steps for
//! the packet path follow from the difference, as with every other change.

use crate::checks::invalid;
use crate::command::StreamSpec;
use crate::error::{CommandError, Reason};
use crate::id::{ContextId, StreamId, TerminationId};
use crate::leg::Place;
use crate::reply::ReleasedStream;
use crate::transaction::Transaction;

impl Transaction<'_, '_> {
    //= tests/spec/iq.md#streams
    //# Streams that are added to a termination or taken from it MUST leave its other streams as they
    //# are.
    /// Takes streams from a termination and gives it others; tells those that are gone.
    pub(crate) fn change_streams(
        &mut self,
        (context, termination): (ContextId, TerminationId),
        added: Vec<StreamSpec>,
        removed: &[StreamId],
    ) -> Result<Vec<ReleasedStream>, CommandError> {
        if added.is_empty() && removed.is_empty() {
            return Ok(Vec::new());
        }
        self.check_numbers((context, termination), &added, removed)?;
        let released = removed.iter().enumerate().map(|(position, &stream)| {
            let field = format!("remove_stream_ids[{position}]");
            self.remove_stream((context, termination), stream, field)
        });
        let released = released.collect::<Result<Vec<_>, _>>()?;
        let at = self.termination(context, termination)?;
        let place = Place {
            context,
            termination,
            realm: at.realm(),
            address: at.address(),
            family: at.family,
        };
        for (position, spec) in added.into_iter().enumerate() {
            let id = spec.id;
            let stream = self.add_stream(&place, spec, &format!("add_streams[{position}]"))?;
            self.termination(context, termination)?.streams.insert(id, stream);
        }
        self.context(context)?.check_streams("add_streams")?;
        Ok(released)
    }

    /// Refuses numbers that cannot be, and too many or too few streams.
    fn check_numbers(
        &mut self,
        (context, termination): (ContextId, TerminationId),
        added: &[StreamSpec],
        removed: &[StreamId],
    ) -> Result<(), CommandError> {
        let most = self.gateway.policy.max_streams;
        let streams = &self.termination(context, termination)?.streams;
        for (position, spec) in added.iter().enumerate() {
            let field = || format!("add_streams[{position}].stream_id");
            if spec.id.0 == 0 {
                return Err(invalid(field(), "must be 1 to 65535", Reason::FieldValue));
            }
            let others = added.get(..position).unwrap_or_default();
            let is_there = streams.contains_key(spec.id);
            //= tests/spec/iq.md#streams
            //# A stream that the termination has already MUST be refused.
            if is_there || others.iter().any(|other| other.id == spec.id) {
                let rule = "must differ from those that the termination has";
                return Err(invalid(field(), rule, Reason::StreamExists));
            }
        }
        for (position, stream) in removed.iter().enumerate() {
            if removed.iter().take(position).any(|other| other == stream) {
                let field = format!("remove_stream_ids[{position}]");
                return Err(invalid(field, "must differ from the others", Reason::FieldValue));
            }
        }
        let stay = streams.len().saturating_sub(removed.len()) + added.len();
        if stay > most {
            let rule = "must leave no more streams than a termination may have";
            return Err(invalid("add_streams", rule, Reason::FieldValue));
        }
        //= tests/spec/iq.md#streams
        //# The last stream of a termination MUST NOT be taken from it.
        if stay == 0 {
            let rule = "must leave one stream; Release ends a termination";
            return Err(invalid("remove_stream_ids", rule, Reason::FieldValue));
        }
        Ok(())
    }

    fn remove_stream(
        &mut self,
        (context, termination): (ContextId, TerminationId),
        stream: StreamId,
        field: String,
    ) -> Result<ReleasedStream, CommandError> {
        let call = self.context(context)?;
        let is_focus =
            call.groups().any(|(_, group)| (group.focus, group.stream) == (termination, stream));
        if is_focus {
            let rule = "is a focus: its group must be removed first";
            return Err(invalid(field, rule, Reason::GroupNotEmpty));
        }
        call.topology.forget_stream(termination, stream);
        let gone = self.termination(context, termination)?.streams.remove(stream);
        // What does not exist yet cannot be removed: its ports were opened a moment ago.
        let gone = gone.filter(|gone| self.is_committed_stream(context, termination, gone));
        let unknown = || CommandError::UnknownStream { field, termination, stream };
        let gone = gone.ok_or_else(unknown)?;
        self.remove_keys_of(&gone, context);
        let (ingress, egress) = (gone.ingress_id(), gone.egress_id());
        //= tests/spec/iq.md#streams
        //# A stream that is taken from a termination MUST return its final statistics.
        Ok(ReleasedStream { termination, stream, ingress, egress })
    }
}
