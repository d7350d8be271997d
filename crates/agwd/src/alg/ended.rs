//! Calls whose contexts have ended otherwise: by a lock, the operator, or the gateway itself.

use std::collections::BTreeSet;

use agw_context::{ContextId, Controller, Event, EventKind};

use super::SignalledCalls;
use super::request::forget;
use crate::control::{ControlClient, EventPage, Stopped};
use agw_sdp::{Call, Dialogue};

/// Events that are read together.
const CHUNK: usize = 256;
/// Contexts whose names are read together.
const NAMES: usize = 1_000;

/// Forgets calls as their contexts end, until control does.
pub(crate) async fn forget_ended(calls: SignalledCalls, control: ControlClient) {
    // Control that is gone ends the process.
    let _ = follow(&calls, &control).await;
}

async fn follow(calls: &SignalledCalls, control: &ControlClient) -> Result<(), Stopped> {
    let mut overview = control.watch();
    let mut next = overview.borrow().newest_event;
    loop {
        overview.wait_for(|seen| seen.newest_event > next).await.map_err(|_closed| Stopped)?;
        match control.events(Controller::local(), Some(next), CHUNK).await? {
            Ok(EventPage { events, next: newest, more: _ }) => {
                for context in events.iter().filter_map(released) {
                    calls.forget_context(context).await;
                }
                next = newest;
            }
            Err(_gone) => {
                next = overview.borrow_and_update().newest_event;
                sweep(calls, control).await?;
            }
        }
    }
}

fn released(event: &Event) -> Option<ContextId> {
    let context = event.subject.as_ref()?.context;
    (event.kind == EventKind::ContextReleased).then_some(context)
}

/// Events were lost: looks which contexts are left.
async fn sweep(calls: &SignalledCalls, control: &ControlClient) -> Result<(), Stopped> {
    let mut gone: BTreeSet<ContextId> = calls.table.contexts().into_iter().collect();
    let mut after = None;
    loop {
        let names = control.names(Controller::local(), after, NAMES).await?;
        for name in &names {
            gone.remove(&name.id);
        }
        after = names.last().map(|name| name.id);
        if names.len() < NAMES {
            break;
        }
    }
    for context in gone {
        calls.forget_context(context).await;
    }
    Ok(())
}

impl SignalledCalls {
    /// Forgets the call of a context that has ended.
    async fn forget_context(&self, context: ContextId) {
        let Some(key) = self.table.ended(context) else { return };
        // No such call any more: a request was faster.
        let Some(mut held) = self.table.hold_to_forget(key).await else { return };
        let id = held.key().1.clone();
        let caller = held.with_id(&id).find(|call| call.context() == Some(context));
        let caller = caller.and_then(|call: &Call| call.tags().next());
        let Some(tag) = caller.map(|(tag, _)| tag.to_owned()) else {
            // A request was faster, and left to us what it could not tidy while we waited for it.
            drop(held);
            return self.metrics.alg().calls(self.count());
        };
        let dialogue = Dialogue { from_tag: &tag, to_tag: None, via_branch: None };
        forget(&mut held, &id, &dialogue);
        drop(held);
        self.metrics.alg().calls(self.count());
    }
}
