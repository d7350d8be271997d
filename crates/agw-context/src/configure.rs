//! Configure, change through-connection, release (TS 23.334 §8.4 to §8.6).

use agw_relay::Transport;

use crate::checks::{self, invalid};
use crate::command::{
    ChangeThroughConnection, Configure, CryptoChange, Family, Release, Remote, SourcePolicy,
    StreamChange,
};
use crate::error::{CommandError, Reason};
use crate::extras::StreamExtrasChange;
use crate::id::{ContextId, TerminationId};
use crate::keys::refuse_old_keys;
use crate::model::{Stream, Termination};
use crate::reply::{ReleaseReply, ReleasedStream, Reply, TerminationReply};
use crate::rewrite::Rewritten;
use crate::transaction::Transaction;

impl Transaction<'_, '_> {
    pub(crate) fn configure(&mut self, configure: Configure) -> Result<Reply, CommandError> {
        let Configure { context, termination, streams, priority, added, removed } = configure;
        if streams.is_empty() && priority.is_none() && added.is_empty() && removed.is_empty() {
            let rule = "must name at least one stream";
            return Err(invalid("streams", rule, Reason::FieldMissing));
        }
        let mut changed = self.termination(context, termination)?.clone();
        for (position, change) in streams.into_iter().enumerate() {
            let (realm, family) = (changed.realm(), changed.family);
            let field = format!("streams[{position}]");
            let (stream, unknown) = (change.id, format!("{field}.stream_id"));
            let unknown = || CommandError::UnknownStream { field: unknown, termination, stream };
            let stream = changed.streams.get_mut(change.id).ok_or_else(unknown)?;
            if let Some(remote) = &change.remote {
                let field = format!("{field}.remote");
                self.check_remote((context, termination), remote, &field, (realm, family))?;
            }
            self.choose_late((realm, family), stream, change.late, &field)?;
            self.change_stream((context, family), stream, change, &field)?;
        }
        *self.termination(context, termination)? = changed;
        let call = self.context(context)?;
        call.priority = priority.unwrap_or(call.priority);
        let released = self.change_streams((context, termination), added, &removed)?;
        let streams = self.termination(context, termination)?.locals();
        Ok(Reply::Termination(TerminationReply { context, termination, streams, released }))
    }

    fn change_stream(
        &mut self,
        (context, family): (ContextId, Family),
        stream: &mut Stream,
        change: StreamChange,
        field: &str,
    ) -> Result<(), CommandError> {
        let StreamChange { id: _, remote, late: _, mode, source, relatch, extras, ingress, egress } =
            change;
        if stream.transport != Transport::Secured {
            let given = [
                (matches!(ingress, CryptoChange::Install(_)), "ingress_crypto"),
                (matches!(egress, CryptoChange::Install(_)), "egress_crypto"),
                (matches!(ingress, CryptoChange::Remove), "remove_ingress_crypto"),
                (matches!(egress, CryptoChange::Remove), "remove_egress_crypto"),
            ];
            if let Some((_, name)) = given.into_iter().find(|(given, _)| *given) {
                let rule = "keys are for secured streams only";
                let field = format!("{field}.{name}");
                return Err(invalid(field, rule, Reason::CryptoOnPlainTransport));
            }
        }
        self.check_members_keys(context, stream, &ingress, &egress, field)?;
        let moved = moves(stream.remote, remote);
        // Keys that rest seal nothing for the new address.
        if moved && stream.transport == Transport::Secured {
            refuse_old_keys(stream, &ingress, &egress, field)?;
        }
        self.change_ingress(context, stream, ingress, moved, field)?;
        self.change_egress(context, stream, egress, moved, field)?;
        if extras != StreamExtrasChange::default() {
            self.change_extras((context, family), stream, extras, field)?;
        }
        stream.remote = remote.or(stream.remote);
        stream.mode = mode.unwrap_or(stream.mode);
        if let Some(source) = source {
            checks::source(source, &format!("{field}.source"), stream.transport)?;
            stream.source = source;
        }
        let latches_once = stream.extras.as_ref().is_some_and(|extras| extras.latch_once);
        checks::latch_once(latches_once, stream.source, field)?;
        if relatch && stream.source == SourcePolicy::Signalled {
            let rule = "is for streams that latch";
            return Err(invalid(format!("{field}.relatch"), rule, Reason::FieldValue));
        }
        if source.is_some() || moved || relatch {
            stream.latching = self.latching(stream.source);
        }
        Ok(())
    }

    fn change_extras(
        &mut self,
        (context, family): (ContextId, Family),
        stream: &mut Stream,
        change: StreamExtrasChange,
        field: &str,
    ) -> Result<(), CommandError> {
        let before = stream.extras.as_deref().cloned().unwrap_or_default();
        let ssrc = before.rewrite_sources.and_then(|rewrite| rewrite.ssrc);
        let mut after = before.changed(change);
        after.check(field, family, stream.transport, &self.gateway.policy)?;
        let Stream { leg, transport, .. } = *stream;
        self.settle_rewriting(Rewritten { context, leg, transport, ssrc }, &mut after, field)?;
        stream.extras = after.kept(&self.gateway.policy);
        Ok(())
    }

    pub(crate) fn change_through_connection(
        &mut self,
        change: ChangeThroughConnection,
    ) -> Result<Reply, CommandError> {
        let ChangeThroughConnection { context, termination, stream, mode } = change;
        if let Some(termination) = termination {
            let streams = &self.termination(context, termination)?.streams;
            if let Some(stream) = stream.filter(|stream| !streams.contains_key(*stream)) {
                return Err(CommandError::unknown_stream(termination, stream));
            }
        }
        let terminations = &mut self.context(context)?.terminations;
        let mut found = false;
        for (id, at) in terminations.iter_mut() {
            let of_termination = termination.is_none_or(|termination| termination == id);
            for (id, at) in at.streams.iter_mut() {
                if of_termination && stream.is_none_or(|stream| stream == id) {
                    at.mode = mode;
                    found = true;
                }
            }
        }
        match (found, stream, terminations.keys().next()) {
            (false, Some(stream), Some(first)) => {
                Err(CommandError::unknown_stream(termination.unwrap_or(first), stream))
            }
            _ => Ok(Reply::Done { context }),
        }
    }

    pub(crate) fn release(&mut self, release: Release) -> Result<Reply, CommandError> {
        let Release { context, termination } = release;
        let ids: Vec<TerminationId> = match termination {
            Some(termination) => {
                self.termination(context, termination)?;
                vec![termination]
            }
            None => self.context(context)?.terminations.keys().collect(),
        };
        if let Some(&new) = ids.iter().find(|&&id| !self.is_committed(context, id)) {
            // What does not exist yet cannot be released: its ports were opened a moment ago.
            return Err(CommandError::UnknownTermination(context, new));
        }
        let mut streams = Vec::new();
        for termination in ids {
            let changed = self.context(context)?;
            changed.topology.forget(termination);
            let Some(gone) = changed.terminations.remove(termination) else {
                continue;
            };
            for (stream, leg) in gone.streams.iter() {
                self.remove_keys_of(leg, context);
                let (ingress, egress) = (leg.ingress_id(), leg.egress_id());
                //= tests/spec/iq.md#release
                //# A release MUST return the final statistics of its streams.
                streams.push(ReleasedStream { termination, stream, ingress, egress });
            }
        }
        let context_ended = self.context(context)?.terminations.is_empty();
        let mut groups = Vec::new();
        if context_ended {
            groups = self.remove_groups(context)?;
            //= tests/spec/iq.md#release
            //# A released context MUST be unknown afterwards.
            self.end_context(context);
        } else {
            self.reconnect(context)?;
        }
        Ok(Reply::Released(ReleaseReply { context, context_ended, streams, groups }))
    }

    pub(crate) fn termination(
        &mut self,
        context: ContextId,
        termination: TerminationId,
    ) -> Result<&mut Termination, CommandError> {
        let unknown = CommandError::UnknownTermination(context, termination);
        self.context(context)?.terminations.get_mut(termination).ok_or(unknown)
    }
}

/// Whether a signalled peer address takes the place of another one.
fn moves(before: Option<Remote>, after: Option<Remote>) -> bool {
    matches!((before, after), (Some(before), Some(after)) if before.rtp != after.rtp)
}
