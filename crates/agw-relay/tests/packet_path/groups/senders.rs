//! Senders whose SSRCs a group remembers.

use super::*;

/// SSRCs of each member: as many as a session takes.
const EACH: u32 = 8;

#[test]
fn no_sender_that_a_group_remembers_costs_an_allocation() {
    // From the middle outwards, so that they do not come in their order.
    let all_different = |source: u32, member: u32| (source * 100 + member) ^ 0x5555;
    let conference = speak(CollisionRule::Drop, &all_different);
    let group = conference.relay.egress(GROUP).unwrap().group.unwrap();
    assert_eq!(group.ssrcs, 24 * EACH as usize);
}

#[test]
fn no_second_sender_that_is_given_an_ssrc_costs_an_allocation() {
    let all_the_same = |source: u32, _: u32| source ^ 0x5555;
    let conference = speak(CollisionRule::Rewrite, &all_the_same);
    let group = conference.relay.egress(GROUP).unwrap().group.unwrap();
    assert_eq!(group.renamed.len(), 23 * EACH as usize);
}

/// 24 members, eight of them in a batch, begin with their SSRCs.
fn speak(rule: CollisionRule, ssrc: &dyn Fn(u32, u32) -> u32) -> Conference {
    let mut conference = Conference::new(24, 3, rule);
    for batch in 0..3 {
        let mut slots: Vec<(u32, Vec<u8>)> = Vec::new();
        for member in batch * EACH + 1..=(batch + 1) * EACH {
            let mut phone = sender(MEMBERS_SEED, 3);
            for source in 0..EACH {
                let (payload, ssrc) = (member.to_be_bytes(), ssrc(source, member));
                slots.push((member, seal(&mut phone, &rtp(ssrc, 1, &payload))));
            }
        }
        let mut datagrams: Vec<Datagram<'_>> = slots
            .iter_mut()
            .map(|(member, slot)| Datagram {
                port: PortId(*member),
                source: at(&address(*member)),
                len: slot.len(),
                slot,
                traffic_class: 0,
                truncated: false,
                verdict: Verdict::Drop(DropReason::NoFlow),
            })
            .collect();
        let (relay, now) = (&mut conference.relay, conference.now);
        let allocations = allocation_counter::measure(|| relay.handle_batch(&mut datagrams, now));
        assert_eq!(allocations.count_total, 0, "{batch}");
        let passed = |one: &Datagram<'_>| matches!(one.verdict, Verdict::Forward { .. });
        assert!(datagrams.iter().all(passed), "{batch}");
        relay.make_room();
    }
    conference
}

/// A member's phone with as many sources as there may be.
fn talkative() -> Protector<Keys> {
    let keys = vec![EgressKey::new(master(SUITE, MEMBERS_SEED))];
    Protector::new(&Portable, keys, many_sources(), 3).unwrap()
}

fn many_sources() -> SessionParameters {
    SessionParameters { max_sources: SessionParameters::MAX_SOURCES, ..parameters() }
}

//= tests/spec/group.md#ssrc
//= type=test
//# A sender whose SSRC a group has no room to remember MUST be refused.
#[test]
fn a_sender_whose_ssrc_a_group_has_no_room_for_is_refused_and_told() {
    let mut conference = Conference::new(1, 3, CollisionRule::Drop);
    let keys = vec![IngressKey::new(master(SUITE, MEMBERS_SEED))];
    let (roc, overlap) = (RocOnRekey::Set(3), Duration::ZERO);
    let change = IngressCrypto::Install { keys, parameters: many_sources(), roc, overlap };
    conference.command(Command::GroupIngressCrypto(GROUP, change));
    let all = 65_536;
    let (mut leg, mut phone) = (1, talkative());
    for ssrc in 1..=all {
        // New sources are tried at a limited rate.
        conference.now += Duration::from_millis(50);
        conference.pass(leg, &seal(&mut phone, &rtp(ssrc, 1, b"new"))).unwrap();
        while conference.relay.poll_report().is_some() {}
        if ssrc % u32::from(SessionParameters::MAX_SOURCES) == 0 && ssrc < all {
            conference.leave(leg);
            // The group's own number is no leg's.
            leg += if leg + 1 == GROUP.0 { 2 } else { 1 };
            conference.join(leg);
            phone = talkative();
        }
    }
    let last = leg + 1;
    conference.join(last);
    let tries = |conference: &mut Conference, ssrc| {
        conference.pass(last, &seal(&mut talkative(), &rtp(ssrc, 1, b"new")))
    };
    assert_eq!(tries(&mut conference, all + 1), Err(DropReason::SourceLimit));
    let half = Half::Ingress(IngressId(GROUP.0));
    let told = Report::SourceLimit { half, ssrc: Ssrc(all + 1), sources: all as usize };
    assert_eq!(conference.relay.poll_report(), Some(told));
    assert_eq!(tries(&mut conference, all), Err(DropReason::SsrcCollision));
    conference.pass(leg, &seal(&mut phone, &rtp(all, 2_000, b"known"))).unwrap();
}

#[test]
fn however_many_members_have_come_and_gone_under_a_key_the_next_one_is_heard() {
    for removes_keys in [false, true] {
        let mut conference = Conference::new(1, 3, CollisionRule::Drop);
        for member in 2..=u32::from(SessionParameters::MAX_SOURCES) + 10 {
            // Each begins lower than all before it.
            let sequence = u16::try_from(60_000 - 500 * member).unwrap();
            let sealed = seal(&mut sender(MEMBERS_SEED, 3), &rtp(member, sequence, b"here"));
            conference.join(member);
            conference.pass(member, &sealed).unwrap();
            if removes_keys {
                let remove = IngressCrypto::Remove;
                conference.command(Command::IngressCrypto(IngressId(member), remove));
            }
            conference.leave(member);
        }
    }
}
