//! How many subscriptions to events each controller has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agw_context::Controller;

/// Subscriptions by controller; clones count in the same place.
#[derive(Debug, Clone)]
pub(crate) struct Subscriptions {
    most: usize,
    open: Arc<Mutex<BTreeMap<Controller, usize>>>,
}

/// A subscription; dropping it makes room for another one.
#[derive(Debug)]
pub(crate) struct Subscription {
    of: Subscriptions,
    controller: Controller,
}

impl Subscriptions {
    /// At most so many for each controller.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// One more for a controller, unless it has as many as it may have.
    pub(crate) fn open(&self, controller: &Controller) -> Option<Subscription> {
        let mut open = self.lock();
        let count = open.entry(controller.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Subscription { of: self.clone(), controller: controller.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Controller, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut open = self.of.lock();
        if let Some(count) = open.get_mut(&self.controller) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.controller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_controller_has_so_many_and_room_again_when_one_ends() {
        let subscriptions = Subscriptions::new(2);
        let (one, other) = (Controller("a".to_owned()), Controller("b".to_owned()));
        let first = subscriptions.open(&one).expect("room");
        let _second = subscriptions.open(&one).expect("room");
        assert!(subscriptions.open(&one).is_none());
        assert!(subscriptions.open(&other).is_some());
        drop(first);
        let _third = subscriptions.open(&one).expect("room");
        assert!(subscriptions.open(&one).is_none());
        assert_eq!(subscriptions.lock().len(), 1);
    }
}
