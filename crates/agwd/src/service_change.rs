//! Drain, lock and restore, as the operator orders them (H.248.1 §7.2.8, TS 23.334 §6.1).

use std::collections::BTreeMap;

use tracing::{info, warn};

use agw_context::{
    Command, ContextId, ContextView, Controller, Ended, EventKind, Release, ReleaseCause, Reply,
    ServiceState, Subject,
};
use agw_iq::backend::{
    Completed, ServiceChange, ServiceChangeError, ServiceChangeMethod, TransactError, Unavailable,
};

use crate::backend::complete;
use crate::control::{Change, ControlClient, Told, Which};

/// Contexts that a lock releases together, so that it does not hold up what goes on beside it.
const TOGETHER: usize = 32;

/// Changes the state of service; tells how many contexts that released.
pub(crate) async fn change(
    control: ControlClient,
    change: ServiceChange,
) -> Result<usize, ServiceChangeError> {
    let ServiceChange { method, reason } = change;
    let state = match method {
        ServiceChangeMethod::Graceful => ServiceState::Draining,
        ServiceChangeMethod::Forced => ServiceState::Locked,
        ServiceChangeMethod::Restart => ServiceState::InService,
    };
    let changed = control.change_service(Change { state, reason, ending: false }).await;
    changed.map_err(Unavailable::from)?.map_err(|_| ServiceChangeError::Ending)?;
    match method {
        ServiceChangeMethod::Graceful | ServiceChangeMethod::Restart => Ok(0),
        ServiceChangeMethod::Forced => {
            // A task of its own: whoever asked may go, and the lock goes on.
            let released = tokio::spawn(release_all(control, ReleaseCause::Locked)).await;
            Ok(released.map_err(|_panicked| Unavailable)??)
        }
    }
}

//= tests/spec/iq.md#service-change
//# A lock MUST release every context and tell its final statistics.
/// Releases every context; there are no new ones meanwhile.
pub(crate) async fn release_all(
    control: ControlClient,
    cause: ReleaseCause,
) -> Result<usize, Unavailable> {
    let mut released = 0;
    loop {
        let which = Which::After(None, TOGETHER);
        let views = control.contexts(Controller::local(), which).await?;
        if views.is_empty() {
            info!(released, cause = cause.name(), "all contexts are released");
            return Ok(released);
        }
        released += release_some(&control, views, cause).await?;
    }
}

/// Releases some contexts; those that others released meanwhile are not counted.
async fn release_some(
    control: &ControlClient,
    views: Vec<ContextView>,
    cause: ReleaseCause,
) -> Result<usize, Unavailable> {
    let mut known: BTreeMap<ContextId, ContextView> =
        views.into_iter().map(|view| (view.id, view)).collect();
    let together = known.keys().copied().collect();
    let completed = match release(control, together).await? {
        Some(completed) => completed,
        // One of them is gone already, which refuses all: one by one, then.
        None => {
            let mut completed = Vec::new();
            for &id in known.keys() {
                completed.extend(release(control, vec![id]).await?.unwrap_or_default());
            }
            completed
        }
    };
    let mut released = 0;
    for Completed { reply, statistics } in completed {
        let Reply::Released(reply) = reply else {
            continue;
        };
        let Some(view) = known.remove(&reply.context) else {
            continue;
        };
        released += 1;
        let (context, correlation) = (view.id, view.correlation);
        let subject = Subject { context, correlation, termination: None, stream: None };
        let ended = Ended { cause, streams: statistics };
        let kind = EventKind::ContextEnded(Box::new(ended));
        control.tell(Told { about: Some((subject, view.controller)), kind }).await?;
    }
    Ok(released)
}

/// Releases contexts, all or none; `None` if one of them is not there.
async fn release(
    control: &ControlClient,
    contexts: Vec<ContextId>,
) -> Result<Option<Vec<Completed>>, Unavailable> {
    let release = |context| Command::Release(Release { context, termination: None });
    let commands = contexts.into_iter().map(release).collect();
    match control.transact(Controller::local(), commands).await? {
        Ok(underway) => match complete(underway, control).await {
            Ok(completed) => Ok(Some(completed)),
            Err(TransactError::Unavailable(unavailable)) => Err(unavailable),
            // What a worker could not do is released all the same; its statistics are lost.
            Err(error @ (TransactError::Failed { .. } | TransactError::Refused(_))) => {
                warn!(%error, "a lock lost the final statistics of some contexts");
                Ok(Some(Vec::new()))
            }
        },
        Err(refused) => {
            if !matches!(refused.error, agw_context::CommandError::UnknownContext(_)) {
                warn!(error = %refused, "a lock could not release a context");
                return Err(Unavailable);
            }
            Ok(None)
        }
    }
}
