//! Second senders with one SSRC, which leave under another one.

use agw_relay::RenamedSource;

use super::*;

const SHARED: u32 = 77;

/// Two members at ROC 3 who both use one SSRC.
fn conference() -> (Conference, [Protector<Keys>; 2]) {
    let conference = Conference::new(2, 3, CollisionRule::Rewrite);
    (conference, [sender(MEMBERS_SEED, 3), sender(MEMBERS_SEED, 3)])
}

impl Conference {
    /// What the focus hears of what a member sends.
    fn hears(&mut self, member: u32, sealed: &[u8]) -> Result<Vec<u8>, DropReason> {
        let sent = self.pass(member, sealed)?;
        let [(.., octets)] = <[_; 1]>::try_from(sent).unwrap();
        Ok(octets)
    }

    fn speaks(&mut self, member: u32, phone: &mut Protector<Keys>, sequence: u16) -> Ssrc {
        let plain = rtp(SHARED, sequence, b"spoken");
        let heard = self.hears(member, &seal(phone, &plain)).unwrap();
        assert_eq!((&heard[..8], &heard[12..]), (&plain[..8], &plain[12..]));
        ssrc_of(&heard)
    }

    fn renamed(&self) -> Vec<RenamedSource> {
        self.relay.egress(GROUP).unwrap().group.unwrap().renamed
    }

    fn told(&mut self) -> Vec<(IngressId, Option<IngressId>, bool, Option<Ssrc>)> {
        let mut told = Vec::new();
        while let Some(report) = self.relay.poll_report() {
            if let Report::SsrcCollision { ingress, with, dropped, fresh, .. } = report {
                told.push((ingress, with, dropped, fresh));
            }
        }
        told
    }
}

fn ssrc_of(packet: &[u8]) -> Ssrc {
    Ssrc(u32::from_be_bytes(packet[8..12].try_into().unwrap()))
}

/// An RTCP packet of these words after its header.
fn rtcp(count: u8, packet_type: u8, words: &[u32]) -> Vec<u8> {
    let length = u16::try_from(words.len()).unwrap().to_be_bytes();
    let head = [0x80 | count, packet_type, length[0], length[1]];
    head.into_iter().chain(words.iter().flat_map(|word| word.to_be_bytes())).collect()
}

fn seal_control(with: &mut Protector<Keys>, plain: &[u8]) -> Vec<u8> {
    let mut slot = plain.to_vec();
    slot.resize(plain.len() + agw_srtp::MAX_TRAILER, 0);
    let len = with.protect_srtcp(&Portable, &mut slot, plain.len()).unwrap();
    slot[..len].to_vec()
}

fn open_control(with: &mut Unprotector<Keys>, sealed: &[u8], now: Instant) -> Vec<u8> {
    let mut slot = sealed.to_vec();
    let len = with.unprotect_srtcp(&Portable, &mut slot, sealed.len(), now).unwrap();
    slot[..len].to_vec()
}

//= tests/spec/group.md#ssrc
//= type=test
//# A second sender with an SSRC MUST leave under a fresh one, random and nobody else's, where the
//# controller has asked for that.
#[test]
fn a_second_sender_leaves_under_a_fresh_ssrc_and_the_first_one_under_its_own() {
    let (mut conference, [mut one, mut two]) = conference();
    for sequence in [65_530, 65_535, 3] {
        assert_eq!(conference.speaks(1, &mut one, sequence), Ssrc(SHARED));
    }
    let fresh = conference.speaks(2, &mut two, 10);
    assert_ne!(fresh, Ssrc(SHARED));
    for sequence in 11..20 {
        assert_eq!(conference.speaks(2, &mut two, sequence), fresh);
        assert_eq!(conference.speaks(1, &mut one, sequence), Ssrc(SHARED));
    }
    // It is told once, and counted once.
    let (with, fresh_told) = (Some(IngressId(1)), Some(fresh));
    assert_eq!(conference.told(), [(IngressId(2), with, false, fresh_told)]);
    let renamed = RenamedSource { member: Some(IngressId(2)), ssrc: Ssrc(SHARED), fresh };
    let group = conference.relay.egress(GROUP).unwrap().group.unwrap();
    assert_eq!((group.collisions, group.renamed), (1, vec![renamed]));

    // Who comes with the fresh one is a second sender under that.
    conference.join(3);
    let plain = rtp(fresh.0, 1, b"spoken");
    let heard = conference.hears(3, &seal(&mut sender(MEMBERS_SEED, 3), &plain)).unwrap();
    assert!(![fresh, Ssrc(SHARED)].contains(&ssrc_of(&heard)));
    // The first one may leave; the second one stays who it is.
    conference.leave(1);
    assert_eq!(conference.speaks(2, &mut two, 30), fresh);
    conference.leave(2);
    assert_eq!(conference.renamed().len(), 1);
}

#[test]
fn each_of_many_second_senders_has_an_ssrc_of_its_own() {
    let mut conference = Conference::new(40, 3, CollisionRule::Rewrite);
    let mut seen = std::collections::BTreeSet::new();
    for member in 1..=40 {
        let mut phone = sender(MEMBERS_SEED, 3);
        let sequence = u16::try_from(member).unwrap();
        assert!(seen.insert(conference.speaks(member, &mut phone, sequence).0));
    }
    assert_eq!(conference.renamed().len(), 39);
}

//= tests/spec/group.md#ssrc
//= type=test
//# RTCP MUST name a second sender by its fresh SSRC, and reach it with its own.
#[test]
fn rtcp_of_and_about_a_second_sender_fits_both_ways() {
    let (mut conference, [mut one, mut two]) = conference();
    conference.speaks(1, &mut one, 10);
    let Ssrc(fresh) = conference.speaks(2, &mut two, 20);
    let of = |ssrc| {
        let report = rtcp(1, 200, &[ssrc, 1, 2, 3, 4, 5, FOCUS_SSRC, 6, 7, 8, 9, 10]);
        let description = rtcp(1, 202, &[ssrc, 0x0102_6162, 0]);
        [report, description, rtcp(1, 203, &[ssrc]), rtcp(1, 206, &[ssrc, FOCUS_SSRC])].concat()
    };
    let sealed = seal_control(&mut two, &of(SHARED));
    assert_eq!(conference.hears(2, &sealed), Ok(of(fresh)));
    let sealed = seal_control(&mut one, &of(SHARED));
    assert_eq!(conference.hears(1, &sealed), Ok(of(SHARED)));

    let about = |ssrc| {
        let blocks = [FOCUS_SSRC, SHARED, 1, 2, 3, 4, 5, ssrc, 6, 7, 8, 9, 10];
        let nack = rtcp(1, 205, &[FOCUS_SSRC, ssrc, 20 << 16]);
        [rtcp(2, 201, &blocks), rtcp(1, 206, &[FOCUS_SSRC, ssrc]), nack].concat()
    };
    let sent = conference.pass(FOCUS_LEG, &about(fresh)).unwrap();
    let heard = open_control(&mut receiver(GATEWAYS_SEED, 3), &sent[1].2, conference.now);
    assert_eq!(heard, about(SHARED));
}

//= tests/spec/group.md#ssrc
//= type=test
//# A copy of what one member sent MUST NOT be taken for a second sender, and a second sender MUST
//# NOT move a member's address.
#[test]
fn what_another_member_sent_is_no_second_sender_and_moves_nobody() {
    let (mut conference, [mut one, mut two]) = conference();
    let genuine = seal(&mut one, &rtp(SHARED, 10, b"one"));
    conference.pass(1, &genuine).unwrap();
    assert_eq!(conference.pass(2, &genuine), Err(DropReason::SsrcCollision));
    let report = seal_control(&mut one, &receiver_report(SHARED));
    conference.pass(1, &report).unwrap();
    assert_eq!(conference.pass(2, &report), Err(DropReason::SsrcCollision));
    assert_eq!(conference.renamed(), []);

    let fresh = conference.speaks(2, &mut two, 10);
    let learnt = conference.relay.ingress(IngressId(2)).unwrap().learnt_rtp;
    assert_eq!(learnt, Some(at(&address(2))));
    // Something new of the first one's, from elsewhere to the second one's port.
    let stolen = seal(&mut one, &rtp(SHARED, 900, b"one"));
    let mut slot = stolen.clone();
    slot.resize(stolen.len() + agw_srtp::MAX_TRAILER, 0);
    let mut batch = [Datagram {
        port: PortId(2),
        source: at("192.0.2.66:6666"),
        slot: &mut slot,
        len: stolen.len(),
        traffic_class: 0,
        truncated: false,
        verdict: Verdict::Drop(DropReason::NoFlow),
    }];
    conference.relay.handle_batch(&mut batch, conference.now);
    assert!(matches!(batch[0].verdict, Verdict::Drop(DropReason::SsrcCollision)));
    assert_eq!(conference.relay.ingress(IngressId(2)).unwrap().learnt_rtp, learnt);
    assert_eq!(conference.speaks(2, &mut two, 11), fresh);
}

#[test]
fn members_with_keys_of_their_own_are_told_apart_as_well() {
    let mut conference = Conference::new(0, 3, CollisionRule::Rewrite);
    conference.command(Command::GroupIngressCrypto(GROUP, IngressCrypto::Remove));
    let mut phones = [31, 32].map(|seed| sender(seed, 3));
    for (member, seed) in [(1, 31), (2, 32)] {
        conference.join(member);
        let keys = install_for_members(seed, RocOnRekey::Set(3), Duration::ZERO);
        conference.command(Command::IngressCrypto(IngressId(member), keys));
    }
    let [one, two] = &mut phones;
    assert_eq!(conference.speaks(1, one, 5), Ssrc(SHARED));
    let fresh = conference.speaks(2, two, 5);
    assert_ne!(fresh, Ssrc(SHARED));
    assert_eq!(conference.speaks(2, two, 6), fresh);
}

//= tests/spec/group.md#ssrc
//= type=test
//# Where the gateway sends under the members' key, its own SSRCs MUST be guarded as theirs are.
#[test]
fn under_the_members_key_the_focus_is_a_second_sender_as_any() {
    let mut conference = Conference::new(1, 3, CollisionRule::Rewrite);
    conference.spec.seals_in_domain = true;
    conference.set_group();
    let keys = install_for_gateway(MEMBERS_SEED, RocOnRekey::Set(3));
    conference.command(Command::EgressCrypto(GROUP, keys));
    let mut phone = sender(MEMBERS_SEED, 3);
    conference.speaks(1, &mut phone, 1);
    let mut listener = receiver(MEMBERS_SEED, 3);
    let mut heard = |conference: &mut Conference, sequence| {
        let sent = conference.pass(FOCUS_LEG, &rtp(SHARED, sequence, b"mixed")).unwrap();
        ssrc_of(&open(&mut listener, &sent[0].2, conference.now))
    };
    let fresh = heard(&mut conference, 1);
    assert_ne!(fresh, Ssrc(SHARED));
    assert_eq!(heard(&mut conference, 2), fresh);
    // What members say of it reaches the focus with its own.
    let about = |ssrc| rtcp(1, 206, &[SHARED, ssrc]);
    let sealed = seal_control(&mut phone, &about(fresh.0));
    assert_eq!(conference.hears(1, &sealed), Ok(about(SHARED)));
    // Another member joins; the focus stays who it is.
    conference.join(2);
    assert_eq!(heard(&mut conference, 3), fresh);
}

#[test]
fn another_rule_takes_the_fresh_ssrcs_back() {
    let (mut conference, [mut one, mut two]) = conference();
    conference.speaks(1, &mut one, 1);
    conference.speaks(2, &mut two, 2);
    conference.spec.collisions = CollisionRule::Drop;
    conference.set_group();
    let sealed = seal(&mut two, &rtp(SHARED, 3, b"spoken"));
    assert_eq!(conference.pass(2, &sealed), Err(DropReason::SsrcCollision));
    assert_eq!(conference.renamed(), []);
    conference.spec.collisions = CollisionRule::Rewrite;
    conference.set_group();
    assert_ne!(conference.speaks(2, &mut two, 4), Ssrc(SHARED));
}
