//! The gate before the line: whether a new call would have a chance, told without asking control.
//!
//! Control says how it stands after each batch of requests; whoever serves a request looks here
//! first, so that a call that would be refused costs neither conversion nor a place in the line.
//! Control decides for itself all the same.

use agw_context::{CommandError, Priority, RealmRoom, Resource};
use agw_iq::backend::NewContexts;

/// Requests in line from which on normal calls are refused: the rest of the line is for others.
const LINE_FOR_NORMAL: usize = 512;
/// The same for priority and emergency calls.
const LINE_FOR_PREFERRED: usize = 1_024;

/// Why no new call gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The gateway drains.
    Draining,
    /// The gateway is locked.
    Locked,
    /// Something has run out.
    Exhausted(Resource),
}

/// How control stands, for new calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gate {
    /// For normal calls.
    pub(crate) normal: Option<Closed>,
    /// For priority and emergency calls.
    pub(crate) preferred: Option<Closed>,
    /// By realm, in the order of configuration.
    pub(crate) rooms: Vec<RealmRoom>,
}

impl Gate {
    /// Refuses a new call that would have no chance, where so many requests wait.
    pub(crate) fn admit(
        &self,
        asked: &NewContexts<'_>,
        realms: &[String],
        waiting: usize,
    ) -> Result<(), CommandError> {
        let is_preferred = asked.priority.is_preferred();
        let (closed, line) = if is_preferred {
            (self.preferred, LINE_FOR_PREFERRED)
        } else {
            (self.normal, LINE_FOR_NORMAL)
        };
        if let Some(closed) = closed {
            return Err(closed.into());
        }
        if waiting >= line {
            return Err(CommandError::Exhausted { what: Resource::Requests, realm: None });
        }
        for &name in &asked.realms {
            // The default realm is the first one; what is not known is refused where it is read.
            let place = match name {
                "" => Some(0),
                name => realms.iter().position(|realm| realm == name),
            };
            let room = place.and_then(|place| self.rooms.get(place));
            if room.is_some_and(|room| !has_room(*room, asked.priority)) {
                let realm = place.and_then(|place| realms.get(place)).cloned();
                return Err(CommandError::Exhausted { what: Resource::Ports, realm });
            }
        }
        Ok(())
    }
}

const fn has_room(room: RealmRoom, priority: Priority) -> bool {
    if priority.is_preferred() { room.for_any } else { room.for_normal }
}

impl From<Closed> for CommandError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Draining => Self::Draining,
            Closed::Locked => Self::Locked,
            Closed::Exhausted(what) => Self::Exhausted { what, realm: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use agw_context::Controller;

    use super::*;

    fn refusal(gate: &Gate, priority: Priority, realms: &[&str], waiting: usize) -> String {
        let controller = Controller::local();
        let asked = NewContexts { controller: &controller, priority, realms: realms.to_vec() };
        let known = ["access".to_owned(), "core".to_owned()];
        gate.admit(&asked, &known, waiting).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_open_gate_lets_everybody_in_until_the_line_is_long() {
        let gate = Gate::default();
        let (normal, emergency) = (Priority::Normal, Priority::Emergency);
        assert_eq!(refusal(&gate, normal, &["access", "core"], LINE_FOR_NORMAL - 1), "");
        let full = "no room for requests left";
        assert_eq!(refusal(&gate, normal, &[], LINE_FOR_NORMAL), full);
        assert_eq!(refusal(&gate, emergency, &[], LINE_FOR_NORMAL), "");
        assert_eq!(refusal(&gate, emergency, &[], LINE_FOR_PREFERRED), full);
    }

    #[test]
    fn a_full_realm_concerns_only_those_who_ask_for_it() {
        let room = |for_normal, for_any| RealmRoom { for_normal, for_any };
        let gate = Gate { rooms: vec![room(true, true), room(false, true)], ..Gate::default() };
        let full = "no ports left in realm \"core\"";
        assert_eq!(refusal(&gate, Priority::Normal, &["access"], 0), "");
        assert_eq!(refusal(&gate, Priority::Normal, &[""], 0), "");
        assert_eq!(refusal(&gate, Priority::Normal, &["access", "core"], 0), full);
        assert_eq!(refusal(&gate, Priority::Emergency, &["access", "core"], 0), "");
        assert_eq!(refusal(&gate, Priority::Normal, &["mars"], 0), "");
    }
}
