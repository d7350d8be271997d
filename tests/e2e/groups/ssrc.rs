//! Members who use one SSRC, told apart for the focus, who listens with libsrtp.

use std::collections::BTreeMap;

use super::*;

const SHARED: u32 = 0x5A5A_0001;

/// A conference whose focus is secured, and what it hears with.
struct Rig {
    conference: Conference,
    key: Key,
    sessions: BTreeMap<u32, libsrtp::Session>,
}

impl Rig {
    /// Two members and a rule that tells senders with one SSRC apart.
    fn new() -> Self {
        let [sends, key] = [Key::random(SUITE), Key::random(SUITE)];
        let mut focus = Endpoint::secured(Side::Core.peer(), &sends, &key);
        focus.restart(&sends, &key, ROC);
        let stream = api::secured(1, &focus, &sends.crypto_at(ROC), &key.crypto_at(ROC));
        let keys = [Key::random(SUITE), Key::random(SUITE)];
        let mut conference = Conference::around(focus, stream, keys, &[]);
        let rule = pb::SsrcRule::Rewrite.into();
        conference.set(pb::SetGroup { ssrc_rule: rule, ..conference.change() }).expect("a rule");
        [PLACES[0], PLACES[1]].into_iter().for_each(|place| conference.join(place));
        Self { conference, key, sessions: BTreeMap::new() }
    }

    /// Sends a packet of a member under the SSRC of both; returns that under which the focus hears
    /// it.
    fn speaks(&mut self, position: usize, index: u64) -> u32 {
        let packet = rtp_at(SHARED, index);
        self.conference.members[position].endpoint.send(&packet);
        let sealed = self.conference.focus.receive_octets();
        let ssrc = ssrc_at(&sealed, 8);
        let heard = self.session(ssrc).unprotect(&sealed).expect("an authentic packet");
        assert_eq!((&heard[..8], &heard[12..]), (&packet[..8], &packet[12..]));
        assert_eq!(ssrc_at(&heard, 8), ssrc);
        ssrc
    }

    /// What the focus hears of a member's RTCP.
    fn reports(&mut self, position: usize, packet: &[u8]) -> Vec<u8> {
        self.conference.members[position].endpoint.send_control(packet);
        let sealed = self.conference.focus.receive_control_octets();
        let session = self.session(ssrc_at(&sealed, 4));
        session.unprotect_rtcp(&sealed).expect("an authentic report")
    }

    fn session(&mut self, ssrc: u32) -> &mut libsrtp::Session {
        // The first source starts where the focus stands, a further one at 0.
        let roc = if self.sessions.is_empty() { ROC } else { 0 };
        let key = &self.key;
        self.sessions.entry(ssrc).or_insert_with(|| {
            let spec = SessionSpec {
                suite: key.suite,
                keys: vec![OracleKey { octets: key.octets.clone(), mki: key.mki.clone() }],
                sources: Sources::These(vec![Ssrc(ssrc)]),
                window: 128,
                allow_repeat_tx: false,
                unencrypted_srtp: false,
                unencrypted_srtcp: false,
            };
            let library = Libsrtp::load().expect("it was loaded before");
            let mut session = library.session(&spec).expect("a session");
            session.set_roc(Ssrc(ssrc), roc).expect("a rollover counter");
            session
        })
    }
}

fn ssrc_at(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(packet[at..at + 4].try_into().expect("four octets"))
}

/// An RTCP packet of these words after its header.
fn words(count: u8, packet_type: u8, words: &[u32]) -> Vec<u8> {
    let length = u16::try_from(words.len()).expect("short").to_be_bytes();
    let head = [0x80 | count, packet_type, length[0], length[1]];
    head.into_iter().chain(words.iter().flat_map(|word| word.to_be_bytes())).collect()
}

fn has_libsrtp() -> bool {
    let has = Libsrtp::load().is_ok();
    if !has {
        peer::skip(libsrtp::PEER);
    }
    has
}

//= tests/spec/group.md#ssrc
//= type=test
//# A second sender with an SSRC MUST leave under a fresh one, random and nobody else's, where the
//# controller has asked for that.
#[test]
fn the_focus_hears_two_members_with_one_ssrc_as_two_sources() {
    if !has_libsrtp() {
        return;
    }
    let mut rig = Rig::new();
    let mut events = Listener::from_the_start(&rig.conference.gateway);
    assert_eq!(rig.speaks(0, 65_500), SHARED);
    let fresh = rig.speaks(1, 40);
    assert_ne!(fresh, SHARED);
    // The first one's rollover counter goes on meanwhile, the second one's does not.
    for step in 1..80 {
        assert_eq!(rig.speaks(0, 65_500 + step), SHARED);
        assert_eq!(rig.speaks(1, 40 + step), fresh);
    }
    let collided = |kind: &Kind| matches!(kind, Kind::SsrcCollision(_));
    let event = events.await_kind(&rig.conference.gateway, collided);
    let terminations = [0, 1].map(|position| rig.conference.members[position].termination);
    let expected = pb::SsrcCollision {
        ssrc: SHARED,
        other_termination_id: terminations[0],
        dropped: false,
        rewritten_ssrc: fresh,
    };
    assert_eq!(event.kind, Some(Kind::SsrcCollision(expected)));
    let group = rig.conference.audit().groups.pop().expect("a group");
    assert_eq!(group.ssrc_rule(), pb::SsrcRule::Rewrite);
    let statistics = group.statistics.expect("counters");
    let source = pb::RewrittenSource {
        termination_id: terminations[1],
        ssrc: SHARED,
        rewritten_ssrc: fresh,
    };
    assert_eq!((statistics.rewritten_sources, statistics.ssrc_collisions), (vec![source], 1));
    let entry = rig.conference.gateway.ledger().after(160);
    assert_eq!(entry.dropped.values().sum::<u64>(), 0, "{entry:?}");
}

//= tests/spec/group.md#ssrc
//= type=test
//# RTCP MUST name a second sender by its fresh SSRC, and reach it with its own.
#[test]
fn reports_of_and_about_a_second_sender_name_it_as_each_side_knows_it() {
    if !has_libsrtp() {
        return;
    }
    let mut rig = Rig::new();
    assert_eq!(rig.speaks(0, 10), SHARED);
    let fresh = rig.speaks(1, 20);
    let of = |ssrc| {
        let report = words(1, 200, &[ssrc, 1, 2, 3, 4, 5, FOCUS, 6, 7, 8, 9, 10]);
        [report, words(1, 202, &[ssrc, 0x0102_6162, 0]), words(1, 203, &[ssrc])].concat()
    };
    assert_eq!(rig.reports(1, &of(SHARED)), of(fresh));
    assert_eq!(rig.reports(0, &of(SHARED)), of(SHARED));

    let about = |ssrc| {
        let blocks = [FOCUS, SHARED, 1, 2, 3, 4, 5, ssrc, 6, 7, 8, 9, 10];
        [words(2, 201, &blocks), words(1, 206, &[FOCUS, ssrc])].concat()
    };
    rig.conference.focus.send_control(&about(fresh));
    for member in &mut rig.conference.members {
        assert_eq!(member.endpoint.receive_control(), about(SHARED));
    }
    assert!(rig.conference.is_silent());
}

//= tests/spec/group.md#ssrc
//= type=test
//# A copy of what one member sent MUST NOT be taken for a second sender, and a second sender MUST
//# NOT move a member's address.
#[test]
fn what_one_member_sent_is_not_heard_again_by_another_ones_port() {
    if !has_libsrtp() {
        return;
    }
    let mut rig = Rig::new();
    let [first, second] = &mut *rig.conference.members else { panic!("two members") };
    second.endpoint.send(&rtp(second.ssrc, 1, 1));
    let _ = rig.conference.focus.receive_octets();
    let copied = first.endpoint.seal(&rtp_at(SHARED, 10));
    first.endpoint.send_octets(&copied);
    let _ = rig.conference.focus.receive_octets();
    let mut thief = Endpoint::plain(Side::Access.peer());
    thief.attach(&second.endpoint.local());
    thief.send_octets(&copied);
    let later = first.endpoint.seal(&rtp_at(SHARED, 11));
    thief.send_octets(&later);
    let _ = rig.conference.gateway.ledger().after_drops("ssrc_collision", 2);
    rig.conference.next = 100;
    rig.conference.focus.send(&rtp(FOCUS, 1, 1));
    for member in &mut rig.conference.members {
        let _ = member.endpoint.receive();
    }
    assert!(thief.is_silent() && rig.conference.is_silent());
}

//= tests/spec/group.md#ssrc
//= type=test
//# Where the gateway sends under the members' key, its own SSRCs MUST be guarded as theirs are.
#[test]
fn under_one_key_for_all_the_focus_cannot_use_a_members_ssrc_nor_a_member_that_of_the_focus() {
    let key = Key::random(SUITE);
    let mut conference = Conference::empty([key.clone(), key], &[]);
    PLACES.into_iter().for_each(|place| conference.join(place));
    conference.announce();
    conference.answer();
    let ssrc = conference.members[0].ssrc;
    conference.focus.send(&rtp(ssrc, 500, 500));
    let _ = conference.gateway.ledger().after_drops("ssrc_collision", 1);
    conference.members[0].endpoint.send(&rtp(FOCUS, 500, 500));
    let _ = conference.gateway.ledger().after_drops("ssrc_collision", 2);
    conference.announce();
    conference.answer();
    assert!(conference.is_silent());
}
