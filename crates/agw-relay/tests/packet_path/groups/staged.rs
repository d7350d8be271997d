//! Keys that wait for all members, and members that begin with them early.

use super::*;

const OVERLAP: Duration = Duration::from_secs(2);

fn marked(seed: u8) -> IngressKey {
    IngressKey { mki: Mki::new(&[seed]).ok(), ..IngressKey::new(master(SUITE, seed)) }
}

/// What a member sends with under a key with an identifier.
fn phone(seed: u8) -> Protector<Keys> {
    let key = EgressKey { mki: Mki::new(&[seed]).ok(), ..EgressKey::new(master(SUITE, seed)) };
    Protector::new(&Portable, vec![key], parameters(), 3).unwrap()
}

/// Three members under key 21, at ROC 3, for whom key 22 waits as number 7.
fn conference() -> Conference {
    let mut conference = Conference::new(0, 3, CollisionRule::Drop);
    conference.members(install(21));
    (1..=3).for_each(|number| conference.join(number));
    conference.members(IngressCrypto::Stage(marked(22), 7));
    conference
}

fn install(seed: u8) -> IngressCrypto {
    let roc = RocOnRekey::Set(3);
    IngressCrypto::Install {
        keys: vec![marked(seed)],
        parameters: parameters(),
        roc,
        overlap: OVERLAP,
    }
}

const ACTIVATE: IngressCrypto = IngressCrypto::Activate { roc: RocOnRekey::Keep, overlap: OVERLAP };

impl Conference {
    fn members(&mut self, change: IngressCrypto) {
        self.command(Command::GroupIngressCrypto(GROUP, change));
    }

    fn says(
        &mut self,
        member: u32,
        phone: &mut Protector<Keys>,
        sequence: u16,
    ) -> Result<(), DropReason> {
        let plain = rtp(member, sequence, b"spoken");
        let sent = self.pass(member, &seal(phone, &plain))?;
        assert_eq!(sent, [(PortId(FOCUS_LEG), at(FOCUS), plain)]);
        Ok(())
    }

    fn discarded(&mut self) -> Vec<(IngressId, u32)> {
        let mut discarded = Vec::new();
        while let Some(report) = self.relay.poll_report() {
            if let Report::StagedKeyDiscarded(ingress, number) = report {
                discarded.push((ingress, number));
            }
        }
        discarded
    }
}

//= tests/spec/group.md#re-key
//= type=test
//# A key that is staged for a group MUST reach every member, those that join later included, and
//# MUST NOT seal before it is activated.
#[test]
fn members_begin_one_by_one_and_activation_takes_the_others_along() {
    let mut conference = conference();
    let (mut old, mut new) = ([21; 4].map(phone), [22; 4].map(phone));
    conference.join(4);
    for member in 1..=4 {
        conference.says(member, &mut old[member as usize - 1], 1).unwrap();
    }
    // The first member begins; what it sent before still opens, and the others go on.
    conference.says(1, &mut new[0], 2).unwrap();
    conference.says(1, &mut old[0], 3).unwrap();
    conference.says(2, &mut old[1], 2).unwrap();

    conference.members(ACTIVATE);
    for member in 1..=4 {
        let (old, new) = (&mut old[member as usize - 1], &mut new[member as usize - 1]);
        conference.says(member, old, 10).unwrap();
        conference.says(member, new, 11).unwrap();
    }
    conference.join(5);
    conference.says(5, &mut phone(22), 1).unwrap();
    conference.now += OVERLAP + Duration::from_secs(5);
    conference.relay.handle_timeout(conference.now);
    for member in 1..=4 {
        let refused = conference.says(member, &mut old[member as usize - 1], 12);
        assert_eq!(refused, Err(DropReason::UnknownMki));
    }
    assert_eq!(conference.discarded(), []);
}

//= tests/spec/group.md#re-key
//= type=test
//# A member that has begun with a staged key MUST be put back when it is withdrawn.
#[test]
fn a_member_that_has_begun_is_put_back_when_the_key_is_withdrawn() {
    for change in [IngressCrypto::Cancel, IngressCrypto::Stage(marked(23), 8)] {
        let mut conference = conference();
        let (mut old, mut new) = ([21; 3].map(phone), phone(22));
        conference.says(1, &mut old[0], 1).unwrap();
        conference.says(1, &mut new, 2).unwrap();
        conference.members(change);
        assert_eq!(conference.says(1, &mut new, 3), Err(DropReason::UnknownMki));
        conference.says(1, &mut old[0], 4).unwrap();
        conference.says(2, &mut old[1], 4).unwrap();
        // What went by under the withdrawn key does not come again under the old one.
        let replayed = seal(&mut phone(21), &rtp(1, 2, b"spoken"));
        assert_eq!(conference.pass(1, &replayed), Err(DropReason::Replay));
        // It was used, so that it is not free again.
        assert_eq!(conference.discarded(), []);
    }
}

#[test]
fn a_key_that_nobody_began_with_is_told_once_for_the_group_when_it_is_discarded() {
    let withdrawals: [fn() -> IngressCrypto; 3] =
        [|| IngressCrypto::Cancel, || IngressCrypto::Stage(marked(23), 8), || install(24)];
    for withdraw in withdrawals {
        let mut conference = conference();
        conference.says(1, &mut phone(21), 1).unwrap();
        conference.members(withdraw());
        assert_eq!(conference.discarded(), [(IngressId(GROUP.0), 7)]);

        // One that has left may have begun with it.
        let mut conference = self::conference();
        conference.says(1, &mut phone(22), 1).unwrap();
        conference.leave(1);
        conference.members(withdraw());
        assert_eq!(conference.discarded(), []);
    }
}

#[test]
fn keys_that_are_told_again_put_nobody_back_and_free_no_ssrc() {
    let mut conference = conference();
    let (mut old, mut new) = ([21; 3].map(phone), [22; 3].map(phone));
    conference.says(1, &mut new[0], 1).unwrap();
    conference.says(3, &mut old[2], 1).unwrap();
    conference.leave(3);
    for _ in 0..3 {
        conference.members(install(21));
    }
    conference.says(1, &mut new[0], 2).unwrap();
    conference.says(2, &mut old[1], 1).unwrap();
    conference.says(2, &mut new[1], 2).unwrap();
    // The SSRC of the one that left was sent under a key that still opens packets.
    let taken = seal(&mut new[1], &rtp(3, 9, b"spoken"));
    assert_eq!(conference.pass(2, &taken), Err(DropReason::SsrcCollision));
    conference.members(ACTIVATE);
    conference.says(1, &mut new[0], 3).unwrap();
}

#[test]
fn an_ssrc_sent_early_under_a_key_stays_taken_for_as_long_as_that_key_opens_packets() {
    let mut conference = conference();
    conference.says(3, &mut phone(22), 1).unwrap();
    conference.leave(3);
    conference.members(ACTIVATE);
    conference.members(install(24));
    // Key 22 is in its overlap.
    let taken = seal(&mut phone(22), &rtp(3, 9, b"spoken"));
    assert_eq!(conference.pass(2, &taken), Err(DropReason::SsrcCollision));
}
