//! Re-keys of a group, and what opens meanwhile.

use super::*;

//= tests/spec/group.md#re-key
//= type=test
//# A re-key of a group MUST reach the sending state and every member's receiving state at once, and
//# replaced member keys MUST open packets until the overlap ends.
#[test]
fn a_re_key_reaches_all_members_and_old_keys_open_until_the_overlap_ends() {
    let mut conference = Conference::new(3, 3, CollisionRule::Drop);
    let mut old: Vec<_> = (0..3).map(|_| sender(MEMBERS_SEED, 3)).collect();
    for (number, phone) in (1..).zip(&mut old) {
        conference.pass(number, &seal(phone, &rtp(number, 10, b"a"))).unwrap();
    }
    let overlap = Duration::from_secs(2);
    let keys = install_for_members(11, RocOnRekey::Keep, overlap);
    conference.command(Command::GroupIngressCrypto(GROUP, keys));
    let keys = install_for_gateway(12, RocOnRekey::Keep);
    conference.command(Command::EgressCrypto(GROUP, keys));
    conference.join(4);

    let mut new: Vec<_> = (0..4).map(|_| sender(11, 3)).collect();
    for ((number, phone), new) in (1..).zip(&mut old).zip(&mut new) {
        conference.pass(number, &seal(phone, &rtp(number, 11, b"b"))).unwrap();
        conference.pass(number, &seal(new, &rtp(number, 12, b"c"))).unwrap();
    }
    conference.pass(4, &seal(&mut new[3], &rtp(4, 12, b"c"))).unwrap();
    let sent = conference.pass(FOCUS_LEG, &rtp(FOCUS_SSRC, 1, b"mixed")).unwrap();
    assert_eq!(sent.len(), 4);
    open(&mut receiver(12, 3), &sent[3].2, conference.now);

    conference.now += overlap;
    conference.relay.handle_timeout(conference.now);
    let late = seal(&mut old[1], &rtp(2, 13, b"d"));
    assert_eq!(conference.pass(2, &late), Err(DropReason::Authentication));
}

#[test]
fn members_under_keys_of_earlier_re_keys_are_heard_until_their_own_overlaps_end() {
    let mut conference = Conference::new(3, 3, CollisionRule::Drop);
    let mut phones: Vec<_> =
        [MEMBERS_SEED, 11, 13].into_iter().map(|seed| sender(seed, 3)).collect();
    for seed in [11, 13] {
        let keys = install_for_members(seed, RocOnRekey::Keep, Duration::from_secs(5));
        conference.command(Command::GroupIngressCrypto(GROUP, keys));
        conference.now += Duration::from_secs(1);
    }
    for second in 2..8_u16 {
        for (phone, ends) in [(0, 5), (1, 6), (2, u16::MAX)] {
            let number = phone as u32 + 1;
            let sealed = seal(&mut phones[phone], &rtp(number, 10 + second, b"a"));
            let heard = conference.pass(number, &sealed);
            assert_eq!(heard.is_ok(), second < ends, "{phone} after {second} s: {heard:?}");
        }
        conference.now += Duration::from_secs(1);
        conference.relay.handle_timeout(conference.now);
    }
}
