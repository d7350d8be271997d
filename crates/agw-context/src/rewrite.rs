//! Legs whose sources leave as one stream: under which SSRC.

use agw_relay::Transport;

use crate::checks::invalid;
use crate::command::StreamSpec;
use crate::error::{CommandError, Reason};
use crate::extras::StreamExtras;
use crate::id::ContextId;
use crate::transaction::Transaction;

/// Asks that whatever leaves looks like one gapless stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RewriteSources {
    /// The SSRC of the stream; `None` lets the gateway choose one at random.
    pub ssrc: Option<u32>,
}

/// The leg that is to be rewritten.
#[derive(Clone, Copy)]
pub(crate) struct Rewritten {
    pub(crate) context: ContextId,
    pub(crate) leg: u32,
    pub(crate) transport: Transport,
    /// The SSRC that it has now.
    pub(crate) ssrc: Option<u32>,
}

/// Refuses streams of one reservation that ask for the same SSRC.
pub(crate) fn check_alike(streams: &[StreamSpec]) -> Result<(), CommandError> {
    let asked = |stream: &StreamSpec| stream.extras.rewrite_sources.and_then(|it| it.ssrc);
    for (position, stream) in streams.iter().enumerate() {
        let mut before = streams.iter().take(position).filter_map(asked);
        if asked(stream).is_some_and(|ssrc| before.any(|other| other == ssrc)) {
            return Err(in_use(&format!("streams[{position}]")));
        }
    }
    Ok(())
}

impl Transaction<'_, '_> {
    /// Chooses the SSRC if the controller has not, and refuses one that cannot be.
    pub(crate) fn settle_rewriting(
        &mut self,
        rewritten: Rewritten,
        extras: &mut StreamExtras,
        field: &str,
    ) -> Result<(), CommandError> {
        let Some(rewrite) = &mut extras.rewrite_sources else {
            return Ok(());
        };
        if rewritten.transport == Transport::Transparent {
            let rule = "a transparent stream cannot be rewritten";
            return Err(invalid(format!("{field}.rewrite_sources"), rule, Reason::FieldValue));
        }
        let others: Vec<u32> = self
            .context(rewritten.context)?
            .streams()
            .filter(|(.., stream)| stream.leg != rewritten.leg)
            .filter_map(|(.., stream)| stream.extras.as_ref()?.rewrite_sources?.ssrc)
            .collect();
        //= tests/spec/relay.md#rewriting
        //# The SSRC of a rewritten stream MUST differ from those of the other ones of a call.
        let ssrc = match rewrite.ssrc.or(rewritten.ssrc) {
            Some(ssrc) if ssrc == 0 || others.contains(&ssrc) => return Err(in_use(field)),
            Some(ssrc) => ssrc,
            None => loop {
                let drawn = (self.around.random)(u32::MAX).wrapping_add(1);
                if !others.contains(&drawn) {
                    break drawn;
                }
            },
        };
        rewrite.ssrc = Some(ssrc);
        Ok(())
    }
}

fn in_use(field: &str) -> CommandError {
    let rule = "must not be 0, and must differ from the other rewritten streams of the call";
    invalid(format!("{field}.rewrite_sources.ssrc"), rule, Reason::FieldValue)
}
