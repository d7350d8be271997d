//! One lifetime for a key that a group's members share: over all of them, and over the gateway.

use agw_srtp::{KeyEvent, KeyUse, Lifetime};

use super::*;

const ROC: u32 = 3;
const OVERLAP: Duration = Duration::from_secs(2);

fn lifetime(srtp: u64) -> Lifetime {
    Lifetime { srtp, srtcp: 4 }
}

fn members_key(seed: u8, srtp: u64) -> IngressKey {
    let mki = Mki::new(&[seed]).ok();
    IngressKey { mki, lifetime: lifetime(srtp), ..IngressKey::new(master(SUITE, seed)) }
}

fn for_members(seed: u8, srtp: u64) -> Command {
    let change = IngressCrypto::Install {
        keys: vec![members_key(seed, srtp)],
        parameters: parameters(),
        roc: RocOnRekey::Keep,
        overlap: OVERLAP,
    };
    Command::GroupIngressCrypto(GROUP, change)
}

fn for_gateway(seed: u8, srtp: u64) -> Command {
    let mki = Mki::new(&[seed]).ok();
    let key = EgressKey { mki, lifetime: lifetime(srtp), ..EgressKey::new(master(SUITE, seed)) };
    let (parameters, roc) = (parameters(), RocOnRekey::Keep);
    Command::EgressCrypto(GROUP, EgressCrypto::Install { keys: vec![key], parameters, roc })
}

/// Three members under key 21, of which so many packets may come less one.
struct Talk {
    conference: Conference,
    phones: Vec<Protector<Keys>>,
    ssrcs: [u32; 3],
    next: u16,
}

impl Talk {
    fn new(srtp: u64) -> Self {
        let mut conference = Conference::new(0, ROC, CollisionRule::Drop);
        let IngressKey { mki, .. } = members_key(21, srtp);
        let install = IngressCrypto::Install {
            keys: vec![members_key(21, srtp)],
            parameters: parameters(),
            roc: RocOnRekey::Set(ROC),
            overlap: OVERLAP,
        };
        conference.command(Command::GroupIngressCrypto(GROUP, install));
        (1..=3).for_each(|number| conference.join(number));
        let key = || EgressKey { mki, ..EgressKey::new(master(SUITE, 21)) };
        let phone = || Protector::new(&Portable, vec![key()], parameters(), ROC).unwrap();
        Self { conference, phones: (0..3).map(|_| phone()).collect(), ssrcs: [1, 2, 3], next: 0 }
    }

    /// A member says something.
    fn says(&mut self, member: u32) -> Result<(), DropReason> {
        self.next += 1;
        let place = member as usize - 1;
        let plain = rtp(self.ssrcs[place], self.next, b"spoken");
        let sealed = seal(&mut self.phones[place], &plain);
        self.conference.pass(member, &sealed).map(drop)
    }

    /// The focus says something.
    fn announces(&mut self) -> Result<(), DropReason> {
        self.next += 1;
        let plain = rtp(FOCUS_SSRC, self.next, b"mixed");
        self.conference.pass(FOCUS_LEG, &plain).map(drop)
    }

    fn reports(&mut self, member: u32) -> Result<(), DropReason> {
        let plain = receiver_report(member);
        let mut slot = plain.clone();
        slot.resize(plain.len() + agw_srtp::MAX_TRAILER, 0);
        let phone = &mut self.phones[member as usize - 1];
        let len = phone.protect_srtcp(&Portable, &mut slot, plain.len()).unwrap();
        self.conference.pass(member, &slot[..len]).map(drop)
    }

    fn follows(&mut self, member: u32, seed: u8) {
        let mki = Mki::new(&[seed]).ok();
        let keys = vec![EgressKey { mki, ..EgressKey::new(master(SUITE, seed)) }];
        let phone = &mut self.phones[member as usize - 1];
        phone.rekey(&Portable, keys, parameters(), RocOnRekey::Keep).unwrap();
    }

    /// What was told of keys: whether of the group, and in which direction.
    fn told(&mut self) -> Vec<(char, bool, KeyEvent)> {
        let mut told = Vec::new();
        while let Some(report) = self.conference.relay.poll_report() {
            if let Report::IngressKey(id, event) = report {
                told.push(('i', id.0 == GROUP.0, event));
            } else if let Report::EgressKey(id, event) = report {
                told.push(('e', id.0 == GROUP.0, event));
            }
        }
        told
    }

    /// SRTP packets of a member's keys so far and to come, by their identifiers.
    fn uses(&self, member: u32) -> Vec<(u8, u64, u64)> {
        let snapshot = self.conference.relay.ingress(IngressId(member)).unwrap();
        let of =
            |key: &KeyUse| (key.mki.unwrap().as_slice()[0], key.srtp.packets, key.srtp.until_stop);
        snapshot.crypto.unwrap().keys.iter().map(of).collect()
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
fn members_use_up_a_lifetime_together_and_that_is_told_once() {
    let mut talk = Talk::new(20);
    for round in 1..=19 {
        talk.says(1 + round % 3).unwrap();
        let expected = match round {
            18 => vec![('i', true, KeyEvent::LifetimeWarning)],
            19 => vec![('i', true, KeyEvent::LifetimeExpired)],
            _ => Vec::new(),
        };
        assert_eq!(talk.told(), expected, "{round}");
    }
    for member in 1..=3 {
        assert_eq!(talk.uses(member), [(21, 19, 0)]);
        assert_eq!(talk.says(member), Err(DropReason::IngressKeyExpired));
    }
    // SRTCP counts by itself.
    talk.reports(1).unwrap();
    talk.reports(2).unwrap();
    assert_eq!(talk.told(), []);
    talk.reports(3).unwrap();
    assert_eq!(talk.reports(2), Err(DropReason::IngressKeyExpired));
    assert_eq!(talk.told(), [], "the key's end was told already");
}

#[test]
fn a_batch_of_all_members_stops_at_the_limit_and_allocates_nothing() {
    let mut talk = Talk::new(20);
    let mut slots: Vec<(u32, Vec<u8>, usize)> = Vec::new();
    for place in 0..60 {
        let member = 1 + place % 3;
        let sequence = u16::try_from(place).unwrap();
        let mut slot = seal(&mut talk.phones[member as usize - 1], &rtp(member, sequence, b"x"));
        let len = slot.len();
        slot.resize(len + agw_srtp::MAX_TRAILER, 0);
        slots.push((member, slot, len));
    }
    let mut batch: Vec<Datagram<'_>> = slots
        .iter_mut()
        .map(|(member, slot, len)| Datagram {
            port: PortId(*member),
            source: at(&address(*member)),
            slot,
            len: *len,
            traffic_class: 0,
            truncated: false,
            verdict: Verdict::Drop(DropReason::NoFlow),
        })
        .collect();
    let (relay, now) = (&mut talk.conference.relay, talk.conference.now);
    let allocations = allocation_counter::measure(|| relay.handle_batch(&mut batch, now));
    assert_eq!(allocations.count_total, 0);
    let has_passed = |datagram: &Datagram<'_>| matches!(datagram.verdict, Verdict::Forward { .. });
    let passed: Vec<bool> = batch.iter().map(has_passed).collect();
    assert_eq!(passed, (0..60).map(|place| place < 19).collect::<Vec<_>>());
}

#[test]
fn a_key_of_both_directions_has_the_shorter_lifetime_over_both() {
    for (of_members, own) in [(20, 30), (30, 20)] {
        let mut talk = Talk::new(of_members);
        talk.conference.command(for_gateway(21, own));
        talk.conference.spec.seals_in_domain = true;
        talk.conference.set_group();
        for round in 1..=9 {
            talk.says(1 + round % 3).unwrap();
            talk.announces().unwrap();
        }
        assert_eq!(talk.told(), [('e', true, KeyEvent::LifetimeWarning)]);
        talk.says(1).unwrap();
        assert_eq!(talk.told(), [('i', true, KeyEvent::LifetimeExpired)]);
        assert_eq!(talk.says(2), Err(DropReason::IngressKeyExpired));
        assert_eq!(talk.announces(), Err(DropReason::EgressKeyExpired));
        assert_eq!(talk.told(), []);
        let group = talk.conference.relay.egress(GROUP).unwrap().crypto.unwrap();
        assert_eq!((group.keys[0].srtp.packets, group.keys[0].srtp.until_stop), (19, 0));
        // Another key of the gateway's own is nobody else's.
        talk.conference.command(for_gateway(33, 20));
        (0..19).for_each(|_| talk.announces().unwrap());
        assert_eq!(talk.announces(), Err(DropReason::EgressKeyExpired));
    }
}

#[test]
fn what_the_gateway_has_sealed_counts_when_the_members_get_its_key() {
    let mut talk = Talk::new(100);
    talk.conference.command(for_gateway(22, 20));
    (0..10).for_each(|_| talk.announces().unwrap());
    // Replaced as the gateway's key, then given to the members.
    talk.conference.command(for_gateway(23, 100));
    talk.conference.command(for_members(22, 20));
    talk.follows(1, 22);
    (0..9).for_each(|_| talk.says(1).unwrap());
    assert_eq!(talk.says(1), Err(DropReason::IngressKeyExpired));
    // As a second time for the gateway.
    talk.conference.command(for_gateway(22, 20));
    assert_eq!(talk.announces(), Err(DropReason::EgressKeyExpired));
}

//= tests/spec/group.md#key-lifetime
//= type=test
//# A key that comes back, or that a member brings along who comes back, MUST go on counting where it
//# was.
#[test]
fn neither_a_re_key_nor_a_member_that_comes_back_gives_a_key_new_life() {
    let mut talk = Talk::new(20);
    (0..15).for_each(|_| talk.says(1).unwrap());
    talk.conference.leave(1);
    talk.conference.join(1);
    // With another SSRC, as its own is still taken: a source of its own, at ROC 0.
    talk.ssrcs[0] = 11;
    (0..2).for_each(|_| talk.says(1).unwrap());

    // In its overlap it counts for itself, beside the new one.
    talk.conference.command(for_members(22, 20));
    talk.follows(2, 22);
    (0..2).for_each(|_| talk.says(1).unwrap());
    (0..10).for_each(|_| talk.says(2).unwrap());
    assert_eq!(talk.uses(3), [(22, 10, 9), (21, 19, 0)]);
    assert_eq!(talk.says(1), Err(DropReason::IngressKeyExpired));
    assert_eq!(talk.told(), [], "a key that was replaced is told of no more");

    // Back again, also with a longer lifetime.
    talk.conference.command(for_members(21, 1_000));
    talk.follows(3, 21);
    assert_eq!(talk.says(3), Err(DropReason::IngressKeyExpired));
    assert_eq!(talk.uses(3)[0], (21, 19, 0));
    (0..9).for_each(|_| talk.says(2).unwrap());
    assert_eq!(talk.says(2), Err(DropReason::IngressKeyExpired));
}

#[test]
fn a_key_that_a_member_begins_with_early_counts_from_then_on() {
    let mut talk = Talk::new(20);
    let stage = IngressCrypto::Stage(members_key(22, 20), 7);
    talk.conference.command(Command::GroupIngressCrypto(GROUP, stage));
    talk.follows(2, 22);
    (0..18).for_each(|_| talk.says(2).unwrap());
    let told = talk.told();
    let warned = ('i', true, KeyEvent::LifetimeWarning);
    assert_eq!(told, [('i', false, KeyEvent::Activated { number: 7 }), warned]);
    // Staged once more under another number: the same key.
    let stage = IngressCrypto::Stage(members_key(22, 20), 8);
    talk.conference.command(Command::GroupIngressCrypto(GROUP, stage));
    assert_eq!(talk.uses(1), [(21, 0, 19), (22, 18, 1)]);
    let (roc, overlap) = (RocOnRekey::Keep, OVERLAP);
    let activate = IngressCrypto::Activate { roc, overlap };
    talk.conference.command(Command::GroupIngressCrypto(GROUP, activate));
    talk.follows(3, 22);
    talk.says(3).unwrap();
    assert_eq!(talk.says(3), Err(DropReason::IngressKeyExpired));
    // The old one, which none but the overlap has any more.
    talk.says(1).unwrap();
    assert_eq!(talk.uses(1), [(22, 19, 0), (21, 1, 18)]);
}
