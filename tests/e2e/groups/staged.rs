//! New keys that wait for the whole conference: brought to all, then put in force by command or at
//! a time, or withdrawn.

use std::time::{Duration, SystemTime};

use super::*;

const OVERLAP_MS: u32 = 60_000;

impl Conference {
    fn stage(&self, key: pb::stage_key::Key) {
        let stage = pb::StageKey {
            context_id: self.context,
            key: Some(key),
            group_id: GROUP,
            ..pb::StageKey::default()
        };
        self.gateway.wait(self.gateway.iq.stage_key(stage)).expect("a staged key");
    }

    /// Brings new keys in both directions.
    fn stage_both(&self, own: &Key, theirs: &Key) {
        self.stage(pb::stage_key::Key::IngressCrypto(theirs.staged()));
        self.stage(pb::stage_key::Key::EgressCrypto(own.staged()));
    }

    fn activate(&self, direction: pb::Direction, at: Option<SystemTime>) {
        let is_ingress = direction == pb::Direction::Ingress;
        let activate = pb::ActivateKey {
            context_id: self.context,
            direction: direction.into(),
            overlap_ms: is_ingress.then_some(OVERLAP_MS),
            at: at.map(Into::into),
            group_id: GROUP,
            ..pb::ActivateKey::default()
        };
        self.gateway.wait(self.gateway.iq.activate_key(activate)).expect("the staged key");
    }

    fn everyone_listens_with(&mut self, own: &Key) {
        for member in &mut self.members {
            member.endpoint.receives_with(own, RocOnRekey::Keep);
        }
    }

    /// Members take the new key one after the other; nothing is lost meanwhile.
    fn everyone_follows(&mut self, theirs: &Key) {
        for position in 0..self.members.len() {
            self.announce();
            self.answer();
            self.members[position].endpoint.sends_with(theirs, RocOnRekey::Keep);
        }
        self.announce();
        self.answer();
    }

    fn lost_nothing(&self) {
        assert!(self.is_silent());
        let entry = self.gateway.ledger().after(1);
        assert_eq!(entry.dropped.values().sum::<u64>(), 0, "{entry:?}");
    }
}

/// The old and the new key of one direction, with identifiers or without.
fn pair(mki: bool) -> [Key; 2] {
    let key = |octet: u8| {
        let identifier: &[u8] = if mki { &[octet] } else { &[] };
        Key::random(SUITE).with_mki(identifier)
    };
    [key(1), key(2)]
}

//= tests/spec/group.md#re-key
//= type=test
//# A key that is staged for a group MUST reach every member, those that join later included, and
//# MUST NOT seal before it is activated.
#[test]
fn a_staged_re_key_comes_in_force_by_command_and_loses_nothing() {
    for with_mki in [false, true] {
        let ([own, new_own], [theirs, new_theirs]) = (pair(with_mki), pair(with_mki));
        let mut conference = Conference::empty([own, theirs], &[]);
        PLACES.into_iter().for_each(|place| conference.join(place));
        conference.stage_both(&new_own, &new_theirs);
        conference.announce();
        conference.answer();
        // One that comes meanwhile has the key that waits as well.
        conference.join(PLACES[1]);
        conference.announce();
        conference.answer();
        let audited = conference.audit().groups.pop().expect("a group");
        let staged = [&audited.ingress_key, &audited.egress_key];
        assert!(staged.into_iter().all(|key| key.as_ref().is_some_and(|key| key.staged.is_some())));

        conference.activate(pb::Direction::Ingress, None);
        conference.announce();
        conference.answer();
        conference.activate(pb::Direction::Egress, None);
        conference.everyone_listens_with(&new_own);
        conference.everyone_follows(&new_theirs);
        (conference.own, conference.theirs) = (new_own, new_theirs);
        conference.join(PLACES[0]);
        conference.announce();
        conference.answer();
        conference.lost_nothing();
    }
}

//= tests/spec/iq.md#keys
//= type=test
//# A staged key MUST come in force at the time that the controller has said and not before.
#[test]
fn a_staged_re_key_comes_in_force_at_its_time_for_everyone() {
    let ([own, new_own], [theirs, new_theirs]) = (pair(false), pair(false));
    let mut conference = Conference::empty([own, theirs], &[]);
    PLACES.into_iter().for_each(|place| conference.join(place));
    let mut events = Listener::from_the_start(&conference.gateway);
    conference.stage_both(&new_own, &new_theirs);
    let at = SystemTime::now() + Duration::from_millis(700);
    for direction in [pb::Direction::Ingress, pb::Direction::Egress] {
        conference.activate(direction, Some(at));
    }
    let audited = conference.audit().groups.pop().expect("a group");
    let told = audited.egress_key.and_then(|key| key.staged?.activates_at);
    assert!(told == Some(at.into()) || SystemTime::now() >= at, "{told:?}");
    for _ in 0..2 {
        let activated = |kind: &Kind| matches!(kind, Kind::KeyActivated(_));
        let event = events.await_kind(&conference.gateway, activated);
        let Some(Kind::KeyActivated(key)) = event.kind else { panic!("{event:?}") };
        assert_eq!(key.group_id, GROUP);
    }
    // The events come with the order to the packet path: what follows them by the API is behind it.
    let _ = conference.audit();
    conference.everyone_listens_with(&new_own);
    conference.everyone_follows(&new_theirs);
    conference.lost_nothing();
}

//= tests/spec/group.md#re-key
//= type=test
//# A member that has begun with a staged key MUST be put back when it is withdrawn.
#[test]
fn a_member_that_begins_early_is_told_and_put_back_when_the_key_is_withdrawn() {
    let ([own, _], [theirs, new]) = (pair(true), pair(true));
    let mut conference = Conference::empty([own, theirs.clone()], &[]);
    PLACES.into_iter().for_each(|place| conference.join(place));
    let mut events = Listener::from_the_start(&conference.gateway);
    conference.stage(pb::stage_key::Key::IngressCrypto(new.staged()));
    conference.members[2].endpoint.sends_with(&new, RocOnRekey::Keep);
    conference.answer();
    let activated = |kind: &Kind| matches!(kind, Kind::KeyActivated(_));
    let event = events.await_kind(&conference.gateway, activated);
    let subject = event.subject.expect("a subject");
    assert_eq!(subject.termination_id, conference.members[2].termination);

    let cancel = pb::CancelKey {
        context_id: conference.context,
        direction: pb::Direction::Ingress.into(),
        group_id: GROUP,
        ..pb::CancelKey::default()
    };
    conference.gateway.wait(conference.gateway.iq.cancel_key(cancel)).expect("no staged key");
    let member = &mut conference.members[2];
    member.endpoint.send(&rtp(member.ssrc, 90, 90));
    let _ = conference.gateway.ledger().after_drops("unknown_mki", 1);
    member.endpoint.sends_with(&theirs, RocOnRekey::Keep);
    conference.next = 100;
    conference.announce();
    conference.answer();
    assert!(conference.is_silent());
}
