//! When keys, and what waits for them, are to be looked at.

use agw_srtp::Engine;

use crate::ingress::Ingress;
use crate::relay::Relay;
use crate::spec::IngressId;

impl<E: Engine> Relay<E> {
    /// Has the deadline of an ingress watched once the batch is over, if its packet has moved it.
    pub(crate) fn note_deadline(&mut self, id: IngressId) {
        let is_moved = |ingress: &Ingress<E::Keys>| ingress.watched != ingress.due();
        if self.ingresses.at(id.0).is_some_and(|ingress| is_moved(ingress))
            && self.moved_deadlines.try_push(id).is_err()
        {
            self.watch_deadline(id);
        }
    }

    /// Keeps the ordered set of deadlines true for one ingress.
    pub(crate) fn watch_deadline(&mut self, id: IngressId) {
        let Some(ingress) = self.ingresses.at_mut(id.0) else {
            return;
        };
        let due = ingress.due();
        if ingress.watched == due {
            return;
        }
        let before = std::mem::replace(&mut ingress.watched, due);
        if let Some(deadline) = before {
            self.deadlines.remove(&(deadline, id));
        }
        self.deadlines.extend(due.map(|deadline| (deadline, id)));
    }
}
