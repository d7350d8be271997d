//! What each controller holds, so that one cannot take all.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::Controller;
use crate::model::Context;

/// Contexts and port pairs by controller; who holds nothing is not in it.
#[derive(Debug, Default)]
pub(crate) struct Usage(BTreeMap<Arc<Controller>, Held>);

#[derive(Debug, Default)]
struct Held {
    contexts: usize,
    /// By realm.
    pairs: Vec<usize>,
}

impl Usage {
    /// A context changes, begins or ends.
    pub(crate) fn change(&mut self, before: Option<&Context>, after: Option<&Context>) {
        if let Some(after) = after {
            let held = self.0.entry(Arc::clone(&after.controller)).or_default();
            held.contexts += 1;
            for (realm, pairs) in pairs(after) {
                if held.pairs.len() <= realm {
                    held.pairs.resize(realm + 1, 0);
                }
                if let Some(held) = held.pairs.get_mut(realm) {
                    *held += pairs;
                }
            }
        }
        let Some(before) = before else {
            return;
        };
        let Some(held) = self.0.get_mut(&before.controller) else {
            return;
        };
        held.contexts = held.contexts.saturating_sub(1);
        for (realm, pairs) in pairs(before) {
            if let Some(held) = held.pairs.get_mut(realm) {
                *held = held.saturating_sub(pairs);
            }
        }
        if held.contexts == 0 {
            self.0.remove(&before.controller);
        }
    }

    /// The contexts of a controller.
    pub(crate) fn contexts(&self, controller: &Controller) -> usize {
        self.0.get(controller).map_or(0, |held| held.contexts)
    }

    /// The port pairs of a controller in a realm.
    pub(crate) fn pairs(&self, controller: &Controller, realm: usize) -> usize {
        self.0.get(controller).and_then(|held| held.pairs.get(realm)).copied().unwrap_or_default()
    }
}

/// Realms and the pairs that a termination has in them.
fn pairs(context: &Context) -> impl Iterator<Item = (usize, usize)> {
    context
        .terminations
        .values()
        .map(|termination| (termination.realm(), termination.streams.len()))
}
