//! A call that forks, among UEs that do as the RFCs say.

use std::collections::BTreeSet;

use agw_context::Family;
use agw_sdp::{AnswerRequest, Dialogue, OfferRequest, SideOptions};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use crate::event::{Changes, Event, Who};
use crate::party::{End, Wire};
use crate::story::options;
use crate::world::World;

pub(crate) const TAGS: [&str; 3] = ["t1", "t2", "t3"];

/// The session of a dialogue.
struct Session {
    caller: End,
    callee: End,
    /// The callee's first answer.
    first: String,
    waiting: Option<Waiting>,
    /// Whose offer was rejected without a word to the gateway since the last answer.
    ghost: Option<Who>,
}

/// An offer that waits.
struct Waiting {
    who: Who,
    offerer: End,
    offered: String,
}

/// A call.
pub(crate) struct Fork {
    world: World,
    wire: Wire,
    near: SideOptions,
    far: SideOptions,
    /// The caller as it made its first offer, and what that became.
    caller: End,
    /// What the callees were offered, by the ways that it took.
    offered: Vec<String>,
    sessions: [Option<Session>; 3],
    is_over: [bool; 3],
    heard: Option<usize>,
    keys: u8,
    ports: u16,
    callees: Callees,
    /// Whether answers tell the status of their response, and who has sent a 2xx then.
    tells_status: bool,
    confirmed: BTreeSet<usize>,
    /// The one dialogue that is left: parties that have several stay in their family.
    left: Option<usize>,
}

/// Which keys callees have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callees {
    Plain,
    Protected,
    /// Every second one takes keys.
    Opportunistic,
}

fn text(sdp: &[u8]) -> String {
    String::from_utf8(sdp.to_vec()).unwrap()
}

impl Fork {
    pub(crate) fn new(near: &str, callees: Callees, (ways, tells_status): (usize, bool)) -> Self {
        let key = near.starts_with("access").then_some(1);
        let far = match callees {
            Callees::Plain => "core",
            Callees::Protected => "access,terminate",
            Callees::Opportunistic => "access,terminate,osrtp,unindicated",
        };
        let mut caller = End::new("192.0.2.10:49170", 1, key);
        let offer = caller.offer(false);
        let (near, far) = (options(near), options(far));
        let mut world = World::new();
        let mut offered = |way: usize| {
            let via_branch = (ways > 1).then_some(TAGS[way]);
            let dialogue = Dialogue { from_tag: "a", to_tag: None, via_branch };
            let (sdp, near, far) = (offer.as_bytes(), &near, &far);
            let (rekey, supersedes, drops) = (false, true, None);
            let request = OfferRequest { dialogue, sdp, near, far, rekey, supersedes, drops };
            text(&world.offer("call", &request).unwrap().sdp)
        };
        let offered = (0..ways).map(&mut offered).collect();
        let (sessions, is_over, heard) = ([None, None, None], [false; 3], None);
        let (wire, confirmed) = (Wire::default(), BTreeSet::new());
        let (keys, ports) = (1, 30_000);
        Self {
            world,
            wire,
            near,
            far,
            caller,
            offered,
            sessions,
            is_over,
            heard,
            keys,
            ports,
            callees,
            tells_status,
            confirmed,
            left: None,
        }
    }

    fn changed(&mut self, end: &End, changes: Changes) -> End {
        let mut end = end.clone();
        end.version += 1;
        // A protected caller is at one address in all dialogues: where it moves it is told a fresh
        // key (RFC 4568 §7.1.4), which the other ones do not know.
        if changes.moves && !(end.ssrc == self.caller.ssrc && end.key.is_some()) {
            self.ports += 2;
            let (ip, _) = end.address.rsplit_once(':').unwrap();
            end.address = format!("{ip}:{}", self.ports);
        }
        if changes.rekeys && end.key.is_some() {
            self.keys += 1;
            end.key = Some(self.keys);
        }
        end
    }

    /// Lets an end go to the other address family, with a new key if it has one.
    fn goes_over(&mut self, end: &mut End) {
        (self.ports, self.keys) = (self.ports + 2, self.keys + 1);
        end.changes_family(self.ports);
        end.key = end.key.map(|_| self.keys);
    }

    /// Lets something happen, if it can, and notes who is heard since.
    pub(crate) fn happens(&mut self, at: usize, event: Event) -> Result<(), TestCaseError> {
        if self.left.is_some_and(|left| left != at) {
            return Ok(());
        }
        if self.carries_out(at, event)? {
            self.heard = Some(at);
        }
        Ok(())
    }

    fn carries_out(&mut self, at: usize, event: Event) -> Result<bool, TestCaseError> {
        match (event, &self.sessions[at]) {
            (Event::Answer, None) if self.is_over[at] => self.answers_late(at).map(|()| false),
            (Event::Answer, None) => self.answers_first(at),
            (Event::Answer, Some(session)) => {
                // Nothing tells a repetition from the answer to an offer that was rejected.
                let waiting = session.waiting.as_ref().map(|waiting| waiting.who);
                let is_open = [waiting, session.ghost].contains(&Some(Who::Caller));
                if is_open { Ok(false) } else { self.repeats(at) }
            }
            (Event::Offer(who, changes), Some(session)) if session.waiting.is_none() => {
                let others = self.sessions.iter().flatten();
                let waits = others.filter(|one| one.waiting.is_some() || one.ghost.is_some());
                if self.callees != Callees::Plain && waits.count() > 0 && session.ghost.is_none() {
                    return Ok(false);
                }
                self.offers(at, who, changes).map(|()| false)
            }
            (Event::Accept(changes), Some(Session { waiting: Some(_), .. })) => {
                self.accepts(at, changes)
            }
            (Event::Reject { told }, Some(Session { waiting: Some(_), .. })) => {
                self.rejects(at, told)
            }
            (Event::End(who), Some(_)) => self.ends(at, who).map(|()| false),
            (Event::Offer(..) | Event::Accept(_) | Event::Reject { .. } | Event::End(_), _) => {
                Ok(false)
            }
        }
    }

    /// The way to a callee by the branch of its requests, if there are several.
    fn way(&self, at: usize) -> Option<&'static str> {
        (self.offered.len() > 1).then(|| TAGS[at % self.offered.len()])
    }

    fn answer(
        &mut self,
        from: &str,
        to: &str,
        (via_branch, status): (Option<&str>, u16),
        sdp: &str,
    ) -> Result<String, TestCaseError> {
        let dialogue = Dialogue { from_tag: from, to_tag: Some(to), via_branch };
        let status = self.tells_status.then_some(status);
        let request = AnswerRequest { dialogue, sdp: sdp.as_bytes(), status, drops: None };
        match self.world.answer("call", &request) {
            Ok(done) => Ok(text(&done.sdp)),
            Err(failure) => Err(TestCaseError::fail(format!("answer {from} {to}: {failure:?}"))),
        }
    }

    fn answers_first(&mut self, at: usize) -> Result<bool, TestCaseError> {
        self.keys += 1;
        self.ports += 2;
        let is_keyed = match self.callees {
            Callees::Plain => false,
            Callees::Protected => true,
            Callees::Opportunistic => at.is_multiple_of(2),
        };
        let key = is_keyed.then_some(self.keys);
        let address = format!("192.0.2.{}:{}", 201 + at, self.ports);
        let mut callee = End::new(&address, 2 + u8::try_from(at).unwrap(), key);
        callee.is_opportunistic = self.callees == Callees::Opportunistic;
        callee.told = self.offered[at % self.offered.len()].clone();
        let first = callee.answer(&callee.told.clone());
        let mut caller = self.caller.clone();
        caller.told = self.answer("a", TAGS[at], (self.way(at), 183), &first)?;
        if !self.confirmed.is_empty() {
            // Whoever rings after another one has taken the call is not heard.
            return Ok(false);
        }
        let (waiting, ghost) = (None, None);
        self.sessions[at] = Some(Session { caller, callee, first, waiting, ghost });
        Ok(true)
    }

    /// Whose dialogue or way is over is not heard any more.
    fn answers_late(&mut self, at: usize) -> Result<(), TestCaseError> {
        if let Some(way) = self.way(at)
            && (0..TAGS.len()).all(|other| self.way(other) != Some(way) || self.is_over[other])
        {
            let mut callee = End::new("192.0.2.250:30000", 9, None);
            let (from_tag, sdp) = ("a", callee.offer(false));
            let dialogue = Dialogue { from_tag, to_tag: Some(TAGS[at]), via_branch: Some(way) };
            let request =
                AnswerRequest { dialogue, sdp: sdp.as_bytes(), status: None, drops: None };
            prop_assert!(self.world.answer("call", &request).is_err());
        }
        Ok(())
    }

    fn repeats(&mut self, at: usize) -> Result<bool, TestCaseError> {
        let first = self.sessions[at].as_ref().unwrap().first.clone();
        // The caller has its answer already: it leaves this one aside.
        self.answer("a", TAGS[at], (self.way(at), 200), &first)?;
        if self.tells_status {
            self.confirmed.insert(at);
        }
        Ok(true)
    }

    fn offers(&mut self, at: usize, who: Who, changes: Changes) -> Result<(), TestCaseError> {
        let session = self.sessions[at].as_ref().unwrap();
        let end = if who == Who::Caller { &session.caller } else { &session.callee };
        let end = end.clone();
        // So it is with a protected callee that offers.
        let moves = changes.moves && end.key.is_none();
        let mut offerer = self.changed(&end, Changes { moves, ..changes });
        let is_alone = self.sessions.iter().flatten().count() == 1 && self.heard == Some(at);
        let family = changes.family.filter(|_| is_alone || self.left.is_some());
        if family.is_some() {
            self.left = Some(at);
        }
        if family == Some(who) {
            self.goes_over(&mut offerer);
        }
        let offer = offerer.offer(changes.holds);
        let (from_tag, to, near, far) = match who {
            Who::Caller => ("a", TAGS[at], &self.near, &self.far),
            Who::Callee => (TAGS[at], "a", &self.far, &self.near),
        };
        let session = self.sessions[at].as_ref().unwrap();
        let answerer = if who == Who::Caller { &session.callee } else { &session.caller };
        let is_asked = family.is_some_and(|one| one != who);
        let other = if answerer.is_on_v6() { Family::V4 } else { Family::V6 };
        let far = &SideOptions { family: is_asked.then_some(other), ..far.clone() };
        let dialogue = Dialogue { from_tag, to_tag: Some(to), via_branch: None };
        let (sdp, rekey, supersedes, drops) = (offer.as_bytes(), false, true, None);
        let request = OfferRequest { dialogue, sdp, near, far, rekey, supersedes, drops };
        let done = self.world.offer("call", &request);
        let done = done.map_err(|why| TestCaseError::fail(format!("offer {from_tag}: {why:?}")))?;
        let offered = text(&done.sdp);
        let session = self.sessions[at].as_mut().unwrap();
        session.waiting = Some(Waiting { who, offerer, offered });
        session.ghost = None;
        Ok(())
    }

    fn accepts(&mut self, at: usize, changes: Changes) -> Result<bool, TestCaseError> {
        let session = self.sessions[at].as_mut().unwrap();
        let Waiting { who, mut offerer, offered } = session.waiting.take().unwrap();
        let end = if who == Who::Caller { &session.callee } else { &session.caller };
        let end = end.clone();
        let mut answerer = self.changed(&end, changes);
        if offered.contains("c=IN IP6") != answerer.is_on_v6() {
            self.goes_over(&mut answerer);
        }
        let answer = answerer.answer(&offered);
        let (from, to) = match who {
            Who::Caller => ("a", TAGS[at]),
            Who::Callee => (TAGS[at], "a"),
        };
        offerer.told = self.answer(from, to, (None, 200), &answer)?;
        offerer.sends = true;
        answerer.told = offered;
        let session = self.sessions[at].as_mut().unwrap();
        session.ghost = None;
        match who {
            Who::Caller => (session.caller, session.callee) = (offerer, answerer),
            Who::Callee => (session.caller, session.callee) = (answerer, offerer),
        }
        Ok(true)
    }

    fn rejects(&mut self, at: usize, told: bool) -> Result<bool, TestCaseError> {
        let session = self.sessions[at].as_mut().unwrap();
        let who = session.waiting.take().unwrap().who;
        if !told {
            session.ghost = Some(who);
            return Ok(false);
        }
        let (from_tag, to) = match who {
            Who::Caller => ("a", TAGS[at]),
            Who::Callee => (TAGS[at], "a"),
        };
        let dialogue = Dialogue { from_tag, to_tag: Some(to), via_branch: None };
        let done = self.world.reject("call", &dialogue);
        done.map_err(|why| TestCaseError::fail(format!("reject {from_tag}: {why:?}")))?;
        Ok(false)
    }

    fn ends(&mut self, at: usize, who: Who) -> Result<(), TestCaseError> {
        let (from_tag, to) = match who {
            Who::Caller => ("a", TAGS[at]),
            Who::Callee => (TAGS[at], "a"),
        };
        let dialogue = Dialogue { from_tag, to_tag: Some(to), via_branch: None };
        let done = self.world.delete("call", &dialogue);
        done.map_err(|why| TestCaseError::fail(format!("end {from_tag}: {why:?}")))?;
        self.sessions[at] = None;
        self.is_over[at] = true;
        self.confirmed.remove(&at);
        let is_beside = |other: &usize| self.way(*other) == self.way(at);
        // A way ends with its last dialogue.
        if !(0..TAGS.len()).filter(is_beside).any(|other| self.sessions[other].is_some()) {
            let over: Vec<usize> = (0..TAGS.len()).filter(is_beside).collect();
            over.into_iter().for_each(|other| self.is_over[other] = true);
        }
        // Whoever is left is heard when it answers again.
        self.heard = self.heard.filter(|heard| *heard != at);
        Ok(())
    }

    /// Media passes in the dialogue that is heard as it was agreed on.
    pub(crate) fn check(&mut self) -> Result<(), TestCaseError> {
        let Self { world, wire, sessions, heard, .. } = self;
        let Some(session) = heard.and_then(|at| sessions[at].as_ref()) else { return Ok(()) };
        let Session { caller, callee, .. } = session;
        for (from, to) in [(caller, callee), (callee, caller)] {
            let sent = wire.send(world, from, to);
            prop_assert_eq!(sent.is_ok(), from.sends, "{} to {}: {:?}", from.ssrc, to.ssrc, sent);
        }
        Ok(())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.world.calls.is_empty()
    }

    /// The call ends, and leaves nothing.
    pub(crate) fn ends_all(mut self) -> Result<(), TestCaseError> {
        let caller = Dialogue { from_tag: "a", to_tag: None, via_branch: None };
        let is_over = self.world.calls.is_empty();
        prop_assert_eq!(self.world.delete("call", &caller).is_err(), is_over);
        prop_assert!(self.world.ports.open.is_empty());
        Ok(())
    }
}
