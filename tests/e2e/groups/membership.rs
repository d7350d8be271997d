//! Who is let in, who is told, and how many.

use super::*;

//= tests/spec/group.md#members
//= type=test
//# A plain member MUST be refused in a secured group.
//= tests/spec/group.md#members
//= type=test
//# A key of another suite than the group's MUST be refused.
//= tests/spec/group.md#members
//= type=test
//# A key that a group uses MUST be refused outside of it.
#[test]
fn who_does_not_fit_is_refused_with_the_rule_and_nobody_is_disturbed() {
    let mut conference = Conference::new();
    conference.announce();
    let endpoint = Endpoint::plain(Side::Access.peer());
    let stream = || member_of(&endpoint, false);
    let plain = pb::Stream { transport: pb::Transport::Plain.into(), ..stream() };
    let unknown = pb::Stream { group_id: 2, ..stream() };
    let own_egress = pb::Stream { egress_crypto: Some(Key::random(SUITE).crypto()), ..stream() };
    let secured =
        |key: &Key| api::secured(1, &endpoint, &key.crypto(), &Key::random(SUITE).crypto());
    let table = [
        (plain, "PLAIN_MEMBER", "transport"),
        (unknown, "UNKNOWN_GROUP", "group_id"),
        (own_egress, "FIELD_VALUE", "egress_crypto"),
        (secured(&conference.own), "KEY_REUSE", "ingress_crypto"),
        (secured(&conference.theirs), "KEY_REUSE", "ingress_crypto"),
    ];
    for (stream, reason, field) in table {
        let refused = conference.reserve(PLACES[0], stream).expect_err("a refusal");
        assert_eq!(refused.reason.as_deref(), Some(reason));
        assert!(refused.field.is_some_and(|path| path.contains(field)), "{reason}");
    }
    let other_suite = Key::random(Suite::AeadAes128Gcm).crypto();
    let rekey = pb::SetGroup { egress_crypto: Some(other_suite), ..conference.change() };
    let refused = conference.set(rekey).expect_err("a refusal");
    assert_eq!(refused.reason.as_deref(), Some("SUITE_REFUSED"));
    let remove =
        pb::RemoveGroup { context_id: conference.context, group_id: GROUP, ..Default::default() };
    let removed = conference.gateway.iq.remove_group(remove);
    let refused = conference.gateway.wait(removed).expect_err("a refusal");
    assert_eq!(refused.reason.as_deref(), Some("GROUP_NOT_EMPTY"));
    conference.announce();
    conference.answer();
}

//= tests/spec/group.md#re-key
//= type=test
//# Changes of membership within the interval MUST be told as one event, and not at all if the group
//# was re-keyed meanwhile.
#[test]
fn members_that_come_and_go_want_one_re_key() {
    let mut conference = Conference::empty([Key::random(SUITE), Key::random(SUITE)], &[]);
    let mut events = Listener::from_the_start(&conference.gateway);
    let soon = pb::SetGroup { rekey_interval_ms: Some(3_000), ..conference.change() };
    conference.set(soon).expect("an interval");
    for place in PLACES {
        conference.join(place);
    }
    let _ = conference.leave(0);
    let wanted = |kind: &Kind| matches!(kind, Kind::GroupRekeyWanted(_));
    let event = events.await_kind(&conference.gateway, wanted);
    let expected = pb::GroupRekeyWanted { group_id: GROUP, joined: 6, left: 1 };
    assert_eq!(event.kind, Some(Kind::GroupRekeyWanted(expected)));
    conference.announce();
}

#[test]
fn more_members_than_a_batch_has_slots_hear_every_packet_of_a_burst() {
    let settings = ["limits.group_members=90"];
    let mut conference = Conference::empty([Key::random(SUITE), Key::random(SUITE)], &settings);
    for position in 0..90 {
        conference.join(PLACES[position % PLACES.len()]);
        if position == PLACES.len() {
            // The ways to all peers are known from here on.
            conference.announce();
        }
    }
    let refused =
        conference.reserve(PLACES[0], member_of(&Endpoint::plain(Side::Access.peer()), false));
    assert_eq!(refused.expect_err("a refusal").reason.as_deref(), Some("EXHAUSTED"));
    conference.announce();
    let burst: Vec<_> = (10..30).map(|number| rtp(FOCUS, number, number.into())).collect();
    for packet in &burst {
        conference.focus.send(packet);
    }
    for member in &mut conference.members {
        for packet in &burst {
            assert_eq!(member.endpoint.receive(), *packet);
        }
    }
    conference.next = 40;
    conference.answer();
    assert!(conference.is_silent());
}

impl Conference {
    /// The copies that did not leave to a member.
    pub(super) fn copies_dropped(&self, termination: u32) -> Vec<(pb::DropReason, u64)> {
        let request = pb::AuditValueRequest {
            context_id: self.context,
            include_statistics: true,
            ..pb::AuditValueRequest::default()
        };
        let audit = self.gateway.wait(self.gateway.iq.audit(request)).expect("an audit");
        let mut terminations = audit.contexts[0].terminations.iter();
        let member = terminations.find(|one| one.termination_id == termination).expect("a member");
        let statistics = member.streams[0].statistics.as_ref().expect("statistics");
        let dropped = &statistics.egress.as_ref().expect("an egress").copies_dropped;
        dropped.iter().map(|count| (count.reason(), count.packets)).collect()
    }
}
