//! Drain, lock and restore, as the operator orders them (H.248.1 §7.2.8, TS 23.334 §6.1).

use tracing::info;

use agw_context::{Controller, ReleaseCause, ServiceState};
use agw_iq::backend::{ServiceChange, ServiceChangeError, ServiceChangeMethod, Unavailable};

use crate::control::{Change, ControlClient};

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
        let names = control.names(Controller::local(), None, TOGETHER).await?;
        if names.is_empty() {
            info!(released, cause = cause.name(), "all contexts are released");
            return Ok(released);
        }
        let contexts = names.into_iter().map(|name| name.id).collect();
        released += control.release_unasked(contexts, cause).await?;
    }
}
