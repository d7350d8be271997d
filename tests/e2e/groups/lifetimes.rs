//! A key that a conference shares wears out once, whoever uses it.

use super::*;

const LIFETIME: u64 = 60;

impl Conference {
    /// What is left of a member's keys, as it is told for one of them: SRTP packets so far, and until
    /// the key stops.
    fn left(&self, member: u32) -> Vec<[u64; 2]> {
        let audited = self.audit();
        let mut all = audited.terminations.iter();
        let termination = all.find(|one| one.termination_id == member).expect("a member");
        let statistics = termination.streams[0].statistics.as_ref();
        let ingress = statistics.and_then(|both| both.ingress.as_ref());
        let crypto = ingress.and_then(|ingress| ingress.crypto.as_ref()).expect("key state");
        let of = |key: &pb::KeyUse| key.srtp.map(|srtp| [srtp.packets, srtp.until_stop]);
        crypto.keys.iter().filter_map(of).collect()
    }

    /// What was told of lifetimes until now: of which termination, what, direction, group.
    fn told(&self, events: &mut Listener) -> Vec<(u32, &'static str, pb::Direction, u32)> {
        // Reports come with an audit at the latest, and the end of a context behind them.
        let _ = self.audit();
        let other = api::reserve("core", vec![api::plain(1, &self.focus)]);
        let iq = &self.gateway.iq;
        let other = self.gateway.wait(iq.reserve_and_configure(other)).expect("a context");
        let release = api::release(other.context_id);
        self.gateway.wait(iq.release(release)).expect("a release");
        let mut told = Vec::new();
        loop {
            let event = events.next(&self.gateway);
            let subject = event.subject.unwrap_or_default();
            let of = subject.termination_id;
            match event.kind {
                Some(Kind::KeyLifetimeWarning(key)) => {
                    told.push((of, "warning", key.direction(), key.group_id));
                }
                Some(Kind::KeyLifetimeExpired(key)) => {
                    told.push((of, "expired", key.direction(), key.group_id));
                }
                Some(Kind::ContextReleased(_)) if subject.context_id == other.context_id => {
                    return told;
                }
                _ => {}
            }
        }
    }
}

//= tests/spec/group.md#key-lifetime
//= type=test
//# A key that several sessions share MUST have one lifetime over all that is protected under it, in
//# both directions.
//= tests/spec/group.md#key-lifetime
//= type=test
//# The warning and the end of a key that several sessions share MUST be told once, as the group's.
#[test]
fn six_members_have_one_lifetime_between_them_and_hear_of_its_end_once() {
    let theirs = Key::random(SUITE).with_mki(&[1]).with_lifetime(LIFETIME);
    let mut conference = Conference::empty([Key::random(SUITE), theirs], &[]);
    PLACES.into_iter().for_each(|place| conference.join(place));
    let mut events = Listener::from_the_start(&conference.gateway);
    let focus = 1;
    for _ in 0..8 {
        conference.answer();
    }
    assert_eq!(conference.told(&mut events), []);
    conference.answer();
    let warning = (focus, "warning", pb::Direction::Ingress, GROUP);
    assert_eq!(conference.told(&mut events), [warning]);
    let first = conference.members[0].termination;
    assert_eq!(conference.left(first), [[54, 5]]);

    // The last five, of the sixth nothing.
    conference.next += 1;
    for (position, member) in (0u64..).zip(&mut conference.members) {
        let packet = rtp(member.ssrc, conference.next, conference.next.into());
        member.endpoint.send(&packet);
        if position < 5 {
            assert_eq!(conference.focus.receive(), packet, "member {position}");
        }
    }
    let _ = conference.gateway.ledger().after_drops("ingress_key_expired", 1);
    let expired = (focus, "expired", pb::Direction::Ingress, GROUP);
    assert_eq!(conference.told(&mut events), [expired]);
    conference.announce();
    assert!(conference.is_silent());

    // Told again with a longer lifetime it is as used up; with another one all go on.
    let longer = conference.theirs.clone().with_lifetime(10 * LIFETIME);
    let again = pb::SetGroup { ingress_crypto: Some(longer.crypto()), ..conference.change() };
    conference.set(again).expect("the same key");
    conference.join(PLACES[0]);
    conference.next += 1;
    let member = conference.members.last_mut().expect("the seventh");
    member.endpoint.send(&rtp(member.ssrc, conference.next, 0));
    let _ = conference.gateway.ledger().after_drops("ingress_key_expired", 2);
    let new = Key::random(SUITE).with_mki(&[2]).with_lifetime(LIFETIME);
    let rekey = pb::SetGroup { ingress_crypto: Some(new.crypto()), ..conference.change() };
    conference.set(rekey).expect("a re-key");
    for member in &mut conference.members {
        member.endpoint.sends_with(&new, RocOnRekey::Keep);
    }
    conference.answer();
    conference.announce();
    assert_eq!(conference.left(first), [[7, 52], [59, 0]]);
    assert_eq!(conference.told(&mut events), []);
}

//= tests/spec/group.md#key-lifetime
//= type=test
//# A key that several sessions share MUST have one lifetime over all that is protected under it, in
//# both directions.
#[test]
fn a_key_of_the_whole_conference_counts_what_its_focus_says_as_well() {
    let key = Key::random(SUITE).with_lifetime(LIFETIME);
    let mut conference = Conference::empty([key.clone(), key], &[]);
    PLACES.into_iter().take(3).for_each(|place| conference.join(place));
    let mut events = Listener::from_the_start(&conference.gateway);
    for _ in 0..14 {
        conference.announce();
        conference.answer();
    }
    let told = conference.told(&mut events);
    assert_eq!(told.iter().map(|told| told.1).collect::<Vec<_>>(), ["warning"], "{told:?}");
    conference.answer();
    conference.next += 1;
    let packet = rtp(FOCUS, conference.next, 0);
    conference.focus.send(&packet);
    let _ = conference.gateway.ledger().after_drops("egress_key_expired", 1);
    let member = &mut conference.members[2];
    member.endpoint.send(&rtp(member.ssrc, conference.next, 0));
    let _ = conference.gateway.ledger().after_drops("ingress_key_expired", 1);
    assert_eq!(conference.told(&mut events), [(1, "expired", pb::Direction::Ingress, GROUP)]);
    assert!(conference.is_silent());
    let group = conference.audit().groups.pop().expect("a group");
    let crypto = group.statistics.and_then(|all| all.crypto).expect("key state");
    assert_eq!(crypto.keys[0].srtp.map(|srtp| [srtp.packets, srtp.until_stop]), Some([59, 0]));
}
