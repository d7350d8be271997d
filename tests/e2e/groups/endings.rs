//! The last word of a group, however it ends.

use super::*;

impl Conference {
    /// Three members, of whom two use one SSRC; seven packets and two reports to all, so that
    /// statistics have something to tell.
    fn spoken() -> Self {
        let mut conference = Self::empty([Key::random(SUITE), Key::random(SUITE)], &[]);
        PLACES.into_iter().take(3).for_each(|place| conference.join(place));
        (0..7).for_each(|_| conference.announce());
        for index in 1..=2 {
            conference.focus.send_control(&rtcp(FOCUS, index));
            for member in &conference.members {
                let _ = member.endpoint.receive_control_octets();
            }
        }
        conference.answer();
        let ssrc = conference.members[0].ssrc;
        conference.members[1].endpoint.send(&rtp(ssrc, 90, 90));
        let _ = conference.gateway.ledger().after_drops("ssrc_collision", 1);
        conference
    }
}

/// Sent, of these RTCP, the rollover counter of the focus, SSRCs and collisions.
fn told(group: &pb::ReleasedGroup) -> (u64, u64, u32, u64, u64) {
    assert_eq!((group.group_id, group.stream_id, group.focus_termination_id), (GROUP, 1, 1));
    let all = group.statistics.as_ref().expect("statistics");
    let packets = |traffic: Option<pb::Traffic>| traffic.map_or(0, |traffic| traffic.packets);
    let roc = all.crypto.as_ref().expect("key state").sources[0].roc;
    (packets(all.sent), packets(all.sent_rtcp), roc, all.ssrcs, all.ssrc_collisions)
}

const LAST: (u64, u64, u32, u64, u64) = (9, 2, ROC, 3, 1);

//= tests/spec/iq.md#release
//= type=test
//# The end of a group MUST return its final statistics.
#[test]
fn the_removal_of_a_group_answers_with_its_last_statistics() {
    for in_transaction in [false, true] {
        let mut conference = Conference::spoken();
        let context_id = conference.context;
        while let Some(member) = conference.members.pop() {
            let termination_id = member.termination;
            let release = pb::Release { context_id, termination_id, ..Default::default() };
            let released = conference.gateway.wait(conference.gateway.iq.release(release));
            assert_eq!(released.expect("a release").groups, []);
        }
        let iq = &conference.gateway.iq;
        let remove = pb::RemoveGroup { context_id, group_id: GROUP, ..Default::default() };
        let group = if in_transaction {
            let commands = vec![pb::command::Command::RemoveGroup(remove)];
            let replies = conference.gateway.wait(iq.transact(commands)).expect("no group");
            let Some(pb::command_reply::Reply::Released(released)) = &replies[0].reply else {
                panic!("{replies:?}")
            };
            assert!(!released.context_ended && released.streams.is_empty());
            released.groups[0].clone()
        } else {
            conference.gateway.wait(iq.remove_group(remove)).expect("no group")
        };
        assert_eq!(told(&group), LAST);
        assert_eq!(conference.audit().groups, []);
    }
}

//= tests/spec/iq.md#release
//= type=test
//# The end of a group MUST return its final statistics.
#[test]
fn the_end_of_a_context_answers_with_the_last_statistics_of_its_group() {
    let conference = Conference::spoken();
    let release = api::release(conference.context);
    let released = conference.gateway.wait(conference.gateway.iq.release(release));
    let released = released.expect("a release");
    assert!(released.context_ended && released.streams.len() == 4);
    let [group] = &*released.groups else { panic!("{released:?}") };
    assert_eq!(told(group), LAST);
}

//= tests/spec/iq.md#release
//= type=test
//# What the gateway itself releases MUST be told with its final statistics.
#[test]
fn a_group_that_the_gateway_itself_ends_is_told_with_its_last_statistics() {
    let conference = Conference::spoken();
    let gateway = &conference.gateway;
    let mut events = Listener::from_the_start(gateway);
    let forced = pb::ServiceChangeMethod::Forced;
    gateway.wait(gateway.iq.service_change(forced, "over")).expect("a lock");
    let event = events.await_kind(gateway, |kind| matches!(kind, Kind::ContextEnded(_)));
    let Some(Kind::ContextEnded(ended)) = event.kind else { panic!("{event:?}") };
    assert_eq!(ended.streams.len(), 4);
    let [group] = &*ended.groups else { panic!("{ended:?}") };
    assert_eq!(told(group), LAST);
}
