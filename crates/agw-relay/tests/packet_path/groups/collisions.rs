//! Two senders with one SSRC under one key.

use super::*;

//= tests/spec/group.md#ssrc
//= type=test
//# Two senders under one key MUST NOT use the same SSRC unless the controller has asked to be told
//# only.
#[test]
fn a_second_member_with_an_ssrc_in_use_is_refused_and_moves_nothing() {
    let mut conference = Conference::new(2, 3, CollisionRule::Drop);
    let mut phones = [sender(MEMBERS_SEED, 3), sender(MEMBERS_SEED, 3)];
    let genuine = seal(&mut phones[0], &rtp(77, 10, b"one"));
    conference.pass(1, &genuine).unwrap();

    // What another member sent, brought to this one's port, is authentic and must not move it.
    let before = conference.relay.ingress(IngressId(2)).unwrap();
    assert_eq!(conference.pass(2, &genuine), Err(DropReason::SsrcCollision));
    let second = seal(&mut phones[1], &rtp(77, 11, b"two"));
    assert_eq!(conference.pass(2, &second), Err(DropReason::SsrcCollision));
    let after = conference.relay.ingress(IngressId(2)).unwrap();
    assert_eq!((after.learnt_rtp, after.crypto), (before.learnt_rtp, before.crypto));
    assert_eq!(after.stats.dropped.of(DropReason::SsrcCollision), 2);

    let told = (IngressId(2), Some(IngressId(1)), true);
    assert_eq!(conference.collisions_told(), [told, told]);
    conference.pass(2, &seal(&mut phones[1], &rtp(78, 1, b"own"))).unwrap();
    conference.pass(1, &seal(&mut phones[0], &rtp(77, 12, b"one"))).unwrap();
    assert_eq!(conference.relay.egress(GROUP).unwrap().group.unwrap().collisions, 2);
}

#[test]
fn an_ssrc_of_a_member_that_left_is_taken_until_its_key_cannot_overlap_any_more() {
    let mut conference = Conference::new(2, 3, CollisionRule::Drop);
    conference.pass(1, &seal(&mut sender(MEMBERS_SEED, 3), &rtp(77, 10, b"one"))).unwrap();
    conference.leave(1);
    let tried = |conference: &mut Conference, seed, sequence| {
        conference.pass(2, &seal(&mut sender(seed, 3), &rtp(77, sequence, b"two"))).map(drop)
    };
    assert_eq!(tried(&mut conference, MEMBERS_SEED, 1), Err(DropReason::SsrcCollision));
    for seed in 11..16 {
        let is_free = seed == 15;
        let expected = if is_free { Ok(()) } else { Err(DropReason::SsrcCollision) };
        let keys = install_for_members(seed, RocOnRekey::Keep, Duration::ZERO);
        conference.command(Command::GroupIngressCrypto(GROUP, keys));
        assert_eq!(tried(&mut conference, seed, 2), expected);
    }
}

#[test]
fn with_the_alarm_rule_both_senders_pass_and_control_is_told() {
    let mut conference = Conference::new(2, 0, CollisionRule::Alarm);
    for number in 1..=2 {
        let sealed = seal(&mut sender(MEMBERS_SEED, 0), &rtp(77, 1, b"x"));
        conference.pass(number, &sealed).unwrap();
    }
    let told = (IngressId(2), Some(IngressId(1)), false);
    assert_eq!(conference.collisions_told(), [told]);
}

#[test]
fn collisions_are_told_four_times_at_once_and_then_once_a_second() {
    let mut conference = Conference::new(2, 0, CollisionRule::Drop);
    let genuine = seal(&mut sender(MEMBERS_SEED, 0), &rtp(77, 1, b"x"));
    conference.pass(1, &genuine).unwrap();
    let burst = |conference: &mut Conference| {
        for _ in 0..20 {
            assert_eq!(conference.pass(2, &genuine), Err(DropReason::SsrcCollision));
        }
        conference.collisions_told().len()
    };
    assert_eq!(burst(&mut conference), 4);
    conference.now += Duration::from_secs(1);
    assert_eq!(burst(&mut conference), 1);
}

//= tests/spec/group.md#ssrc
//= type=test
//# Where the gateway sends under the members' key, its own SSRCs MUST be guarded as theirs are.
#[test]
fn the_gateway_does_not_seal_with_a_members_ssrc_under_the_members_key() {
    let mut conference = Conference::new(1, 3, CollisionRule::Drop);
    conference.spec.seals_in_domain = true;
    conference.set_group();
    let roc = RocOnRekey::Reset;
    conference.command(Command::EgressCrypto(GROUP, install_for_gateway(MEMBERS_SEED, roc)));
    let mut phone = sender(MEMBERS_SEED, 3);
    conference.pass(1, &seal(&mut phone, &rtp(77, 1, b"spoken"))).unwrap();
    let echoed = conference.pass(FOCUS_LEG, &rtp(77, 1, b"mixed!"));
    assert_eq!(echoed, Err(DropReason::SsrcCollision));
    assert_eq!(conference.collisions_told(), [(IngressId(0), Some(IngressId(1)), true)]);

    conference.pass(FOCUS_LEG, &rtp(FOCUS_SSRC, 1, b"mixed")).unwrap();
    let stolen = seal(&mut phone, &rtp(FOCUS_SSRC, 1, b"spoken"));
    assert_eq!(conference.pass(1, &stolen), Err(DropReason::SsrcCollision));
    assert_eq!(conference.relay.stats().protected, 1);
}

//= tests/spec/group.md#ssrc
//= type=test
//# Where the gateway sends under the members' key, its own SSRCs MUST be guarded as theirs are.
#[test]
fn what_the_gateway_has_sealed_before_members_were_given_its_key_stays_its_own() {
    let mut conference = Conference::new(1, 3, CollisionRule::Drop);
    conference.pass(FOCUS_LEG, &rtp(FOCUS_SSRC, 1, b"mixed")).unwrap();
    conference.spec.seals_in_domain = true;
    conference.set_group();
    let shared = install_for_members(GATEWAYS_SEED, RocOnRekey::Set(3), Duration::ZERO);
    conference.command(Command::GroupIngressCrypto(GROUP, shared));
    let mut phone = sender(GATEWAYS_SEED, 3);
    let stolen = seal(&mut phone, &rtp(FOCUS_SSRC, 1, b"spoken"));
    assert_eq!(conference.pass(1, &stolen), Err(DropReason::SsrcCollision));
    conference.pass(1, &seal(&mut phone, &rtp(77, 1, b"spoken"))).unwrap();
    conference.pass(FOCUS_LEG, &rtp(FOCUS_SSRC, 2, b"mixed")).unwrap();
}
