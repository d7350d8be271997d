//! Which controllers have a connection, so that control knows who is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use agw_context::Controller;

/// The controllers that have a connection; clones are the same register.
#[derive(Debug, Clone, Default)]
pub(crate) struct Presence(Arc<Register>);

#[derive(Debug, Default)]
struct Register {
    connections: Mutex<BTreeMap<Controller, usize>>,
    changed: Notify,
}

/// One connection of a controller; it ends on drop.
#[derive(Debug)]
pub(crate) struct Present {
    presence: Presence,
    controller: Controller,
}

impl Presence {
    /// A controller has one connection more.
    pub(crate) fn enter(&self, controller: &Controller) -> Present {
        *self.connections().entry(controller.clone()).or_default() += 1;
        self.0.changed.notify_one();
        Present { presence: self.clone(), controller: controller.clone() }
    }

    /// Who has a connection now.
    pub(crate) fn connected(&self) -> BTreeSet<Controller> {
        self.connections().keys().cloned().collect()
    }

    /// Waits until that may have changed.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn connections(&self) -> MutexGuard<'_, BTreeMap<Controller, usize>> {
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut connections = self.presence.connections();
        if let Some(count) = connections.get_mut(&self.controller) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.controller);
            }
        }
        drop(connections);
        self.presence.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_controller_is_there_until_its_last_connection_ends() {
        let presence = Presence::default();
        let controller = Controller("alg-1".to_owned());
        let first = presence.enter(&controller);
        let second = presence.enter(&controller);
        presence.changed().await;
        drop(first);
        assert_eq!(presence.connected(), BTreeSet::from([controller]));
        drop(second);
        presence.changed().await;
        assert_eq!(presence.connected(), BTreeSet::new());
    }
}
