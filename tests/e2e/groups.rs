//! Conferences with group keys: sealed once, heard by all, each member by itself.

mod endings;
mod lifetimes;
mod membership;
mod ssrc;
mod staged;

use agw_iq::client::CallError;
use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_rtp::Ssrc;
use agw_srtp::{RocOnRekey, Suite};
use agw_testkit::libsrtp::{self, Libsrtp, OracleKey, SessionSpec, Sources};
use agw_testkit::peer;
use agw_tests::packet::{rtcp, rtp, rtp_at};
use agw_tests::{Endpoint, Gateway, Key, Side, api};

use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const GROUP: u32 = 1;
const FOCUS: u32 = 0xF0C0_0001;
const ROC: u32 = 3;

/// A focus in the core realm and members on every kind of leg, all at ROC 3.
struct Conference {
    gateway: Gateway,
    context: u32,
    focus: Endpoint,
    members: Vec<Member>,
    /// The gateway's key.
    own: Key,
    /// The members' key.
    theirs: Key,
    next: u16,
}

struct Member {
    endpoint: Endpoint,
    termination: u32,
    ssrc: u32,
}

/// Where a member is and how its RTCP comes.
#[derive(Clone, Copy)]
struct Place {
    side: Side,
    v6: bool,
    multiplexes: bool,
}

const PLACES: [Place; 6] = [
    Place { side: Side::Access, v6: false, multiplexes: false },
    Place { side: Side::Access, v6: false, multiplexes: true },
    Place { side: Side::Access, v6: true, multiplexes: false },
    Place { side: Side::Access, v6: true, multiplexes: true },
    Place { side: Side::Core, v6: false, multiplexes: false },
    Place { side: Side::Core, v6: true, multiplexes: true },
];

impl Conference {
    /// With six members and a key for each direction.
    fn new() -> Self {
        let mut conference = Self::empty([Key::random(SUITE), Key::random(SUITE)], &[]);
        PLACES.into_iter().for_each(|place| conference.join(place));
        conference
    }

    fn empty(keys: [Key; 2], settings: &[&str]) -> Self {
        let focus = Endpoint::plain(Side::Core.peer());
        let stream = api::plain(1, &focus);
        Self::around(focus, stream, keys, settings)
    }

    /// With a focus of any kind.
    fn around(
        mut focus: Endpoint,
        stream: pb::Stream,
        [own, theirs]: [Key; 2],
        settings: &[&str],
    ) -> Self {
        let gateway = Gateway::with(settings);
        let reserve = api::reserve("core", vec![stream]);
        let reply = gateway.wait(gateway.iq.reserve_and_configure(reserve)).expect("a focus");
        focus.attach(&reply.streams[0]);
        let context = reply.context_id;
        let conference =
            Self { gateway, context, focus, members: Vec::new(), own, theirs, next: 0 };
        let group = pb::SetGroup {
            stream_id: 1,
            focus_termination_id: reply.termination_id,
            transport: pb::Transport::Secured.into(),
            egress_crypto: Some(conference.own.crypto_at(ROC)),
            ingress_crypto: Some(conference.theirs.crypto_at(ROC)),
            ..conference.change()
        };
        conference.set(group).expect("a group");
        conference
    }

    /// A change of the group that changes nothing yet.
    fn change(&self) -> pb::SetGroup {
        pb::SetGroup { context_id: self.context, group_id: GROUP, ..pb::SetGroup::default() }
    }

    fn set(&self, group: pb::SetGroup) -> Result<(), CallError> {
        self.gateway.wait(self.gateway.iq.set_group(group))
    }

    fn reserve(&self, place: Place, stream: pb::Stream) -> Result<pb::TerminationReply, CallError> {
        let reserve = pb::Reserve {
            context_id: self.context,
            ..api::reserve(place.side.name(), vec![stream])
        };
        self.gateway.wait(self.gateway.iq.reserve_and_configure(reserve))
    }

    fn join(&mut self, place: Place) {
        let Place { side, v6, multiplexes } = place;
        let ip = if v6 { side.peer_v6() } else { side.peer() };
        let mut endpoint = Endpoint::secured(ip, &self.theirs, &self.own);
        if multiplexes {
            endpoint = endpoint.multiplexing();
        }
        endpoint.restart(&self.theirs, &self.own, ROC);
        let reply = self.reserve(place, member_of(&endpoint, multiplexes)).expect("a member");
        endpoint.attach(&reply.streams[0]);
        let termination = reply.termination_id;
        self.members.push(Member { endpoint, termination, ssrc: 0xA000_0000 + termination });
    }

    fn leave(&mut self, position: usize) -> Member {
        let member = self.members.remove(position);
        let release = pb::Release {
            context_id: self.context,
            termination_id: member.termination,
            ..Default::default()
        };
        self.gateway.wait(self.gateway.iq.release(release)).expect("a release");
        member
    }

    /// Sends a packet of the focus; every member must open the same octets by itself.
    fn announce(&mut self) {
        self.next += 1;
        let packet = rtp(FOCUS, self.next, self.next.into());
        self.focus.send(&packet);
        for (position, member) in self.members.iter_mut().enumerate() {
            assert_eq!(member.endpoint.receive(), packet, "member {position}");
        }
    }

    /// Sends a packet of each member; the focus must hear it.
    fn answer(&mut self) {
        self.next += 1;
        for (position, member) in self.members.iter_mut().enumerate() {
            let packet = rtp(member.ssrc, self.next, self.next.into());
            member.endpoint.send(&packet);
            assert_eq!(self.focus.receive(), packet, "member {position}");
        }
    }

    fn is_silent(&self) -> bool {
        self.focus.is_silent() && self.members.iter().all(|member| member.endpoint.is_silent())
    }

    fn audit(&self) -> pb::ContextInfo {
        let mut contexts = self.gateway.wait(self.gateway.iq.contexts(true)).expect("an audit");
        contexts.pop().expect("a context")
    }
}

fn member_of(endpoint: &Endpoint, multiplexes: bool) -> pb::Stream {
    let rtcp = if multiplexes { pb::RtcpMode::Mux } else { pb::RtcpMode::Pair };
    pb::Stream {
        transport: pb::Transport::Secured.into(),
        group_id: GROUP,
        rtcp: rtcp.into(),
        ..api::plain(1, endpoint)
    }
}

/// The reference implementation, as a listener at ROC 3.
fn oracle(key: &Key) -> Option<libsrtp::Session> {
    let Ok(library) = Libsrtp::load() else {
        peer::skip(libsrtp::PEER);
        return None;
    };
    let spec = SessionSpec {
        suite: key.suite,
        keys: vec![OracleKey { octets: key.octets.clone(), mki: key.mki.clone() }],
        sources: Sources::These(vec![Ssrc(FOCUS)]),
        window: 128,
        allow_repeat_tx: false,
        unencrypted_srtp: false,
        unencrypted_srtcp: false,
    };
    let mut session = library.session(&spec).expect("a session");
    session.set_roc(Ssrc(FOCUS), ROC).expect("a rollover counter");
    Some(session)
}

//= tests/spec/group.md#fan-out
//= type=test
//# What the focus sends MUST leave to every member as the same octets.
#[test]
fn every_member_gets_the_same_octets_and_libsrtp_opens_them_for_each() {
    let mut conference = Conference::new();
    let own = conference.own.clone();
    let mut oracles: Vec<_> = PLACES.iter().filter_map(|_| oracle(&own)).collect();
    for index in 65_520..65_560 {
        let packet = rtp_at(FOCUS, index);
        conference.focus.send(&packet);
        let heard: Vec<_> =
            conference.members.iter().map(|member| member.endpoint.receive_octets()).collect();
        assert!(heard.iter().all(|octets| *octets == heard[0]), "{index}");
        for (oracle, octets) in oracles.iter_mut().zip(&heard) {
            assert_eq!(oracle.unprotect(octets).expect("an authentic packet"), packet);
        }
    }
    let audited = conference.audit();
    let [group] = &*audited.groups else { panic!("{audited:?}") };
    let statistics = group.statistics.as_ref().expect("counters");
    assert_eq!(statistics.sent.map(|sent| sent.packets), Some(40));
    assert_eq!(statistics.crypto.as_ref().map(|crypto| crypto.sources[0].roc), Some(ROC + 1));
    let members: Vec<_> = conference.members.iter().map(|member| member.termination).collect();
    assert_eq!(group.member_termination_ids, members);
    for termination in audited.terminations.iter().filter(|one| one.termination_id != 1) {
        let egress = termination.streams[0].statistics.as_ref().and_then(|all| all.egress.as_ref());
        assert_eq!(egress.and_then(|egress| egress.sent).map(|sent| sent.packets), Some(40));
        assert_eq!(termination.streams[0].group_id, GROUP);
    }
    let entry = conference.gateway.ledger().after(40);
    assert_eq!(entry.forwarded, 40);
}

//= tests/spec/group.md#fan-out
//= type=test
//# RTCP to the members MUST use one SRTCP index for all of them.
#[test]
fn rtcp_of_the_focus_reaches_all_under_one_index_and_theirs_reaches_it() {
    let mut conference = Conference::new();
    let own = conference.own.clone();
    let mut oracles: Vec<_> = PLACES.iter().filter_map(|_| oracle(&own)).collect();
    for index in 1..=20u32 {
        let report = rtcp(FOCUS, index);
        conference.focus.send_control(&report);
        for (position, member) in conference.members.iter().enumerate() {
            let octets = member.endpoint.receive_control_octets();
            let word = octets[octets.len() - 14..octets.len() - 10].try_into().expect("four");
            assert_eq!(u32::from_be_bytes(word), 0x8000_0000 | index);
            if let Some(oracle) = oracles.get_mut(position) {
                assert_eq!(oracle.unprotect_rtcp(&octets).expect("an authentic packet"), report);
            }
        }
        for member in &mut conference.members {
            let report = rtcp(member.ssrc, index);
            member.endpoint.send_control(&report);
            assert_eq!(conference.focus.receive_control(), report);
        }
    }
}

//= tests/spec/group.md#members
//= type=test
//# A member that has left MUST NOT be sent anything, and the others MUST go on undisturbed.
//= tests/spec/group.md#members
//= type=test
//# A member on hold MUST NOT be sent media.
//= tests/spec/group.md#fan-out
//= type=test
//# Every copy that does not leave MUST be counted at its member, for one named reason.
#[test]
fn members_come_leave_and_hold_between_two_packets() {
    let mut conference = Conference::new();
    conference.announce();
    conference.answer();
    let mut gone = conference.leave(2);
    conference.announce();
    conference.join(PLACES[3]);
    conference.announce();
    conference.answer();

    let (context, held) = (conference.context, conference.members.remove(0));
    let inactive = api::gates(context, held.termination, pb::StreamMode::Inactive);
    let iq = &conference.gateway.iq;
    conference.gateway.wait(iq.change_through_connection(inactive)).expect("a gate");
    conference.announce();
    conference.focus.send_control(&rtcp(FOCUS, 1));
    for member in &mut conference.members {
        let _ = member.endpoint.receive_control();
    }
    assert!(gone.endpoint.is_silent() && held.endpoint.is_silent());
    assert_eq!(conference.copies_dropped(held.termination), [(pb::DropReason::EgressGate, 2)]);
    conference.gateway.ledger().await_sum("agw_copies_dropped_total", 2);

    let open = api::gates(context, held.termination, pb::StreamMode::SendReceive);
    let iq = &conference.gateway.iq;
    conference.gateway.wait(iq.change_through_connection(open)).expect("a gate");
    conference.members.insert(0, held);
    conference.announce();
    conference.answer();
    gone.endpoint.send(&rtp(gone.ssrc, 99, 99));
    conference.announce();
    assert!(conference.is_silent() && gone.endpoint.is_silent());
}

//= tests/spec/group.md#re-key
//= type=test
//# A re-key of a group MUST reach the sending state and every member's receiving state at once, and
//# replaced member keys MUST open packets until the overlap ends.
#[test]
fn a_re_key_loses_nothing_while_members_follow_one_after_the_other() {
    let mkis: [&[u8]; 2] = [&[], &[7]];
    for mki in mkis {
        let key = |octet: u8| {
            let mki: Vec<u8> = mki.iter().map(|first| first + octet).collect();
            Key::random(SUITE).with_mki(&mki)
        };
        let mut conference = Conference::empty([key(0), key(0)], &[]);
        PLACES.into_iter().for_each(|place| conference.join(place));
        conference.announce();
        conference.answer();
        let (own, theirs) = (key(1), key(1));
        let overlap_ms = Some(60_000);
        let rekey = pb::SetGroup {
            egress_crypto: Some(own.crypto()),
            ingress_crypto: Some(pb::CryptoContext { overlap_ms, ..theirs.crypto() }),
            ..conference.change()
        };
        conference.set(rekey).expect("a re-key");
        for member in &mut conference.members {
            member.endpoint.receives_with(&own, RocOnRekey::Keep);
        }
        for position in 0..conference.members.len() {
            conference.announce();
            conference.answer();
            conference.members[position].endpoint.sends_with(&theirs, RocOnRekey::Keep);
        }
        (conference.own, conference.theirs) = (own, theirs);
        conference.join(PLACES[0]);
        for _ in 0..5 {
            conference.announce();
            conference.answer();
        }
        assert!(conference.is_silent());
        let entry = conference.gateway.ledger().after(1);
        assert_eq!(entry.dropped.values().sum::<u64>(), 0, "{entry:?}");
    }
}

//= tests/spec/group.md#ssrc
//= type=test
//# Two senders under one key MUST NOT use the same SSRC unless the controller has asked to be told
//# only.
#[test]
fn a_second_sender_with_an_ssrc_is_refused_and_moves_nobody() {
    let mut conference = Conference::new();
    let mut events = Listener::from_the_start(&conference.gateway);
    conference.answer();
    let [first, second, ..] = &mut *conference.members else { panic!("six members") };
    let packet = rtp(first.ssrc, 100, 100);
    let sealed = first.endpoint.seal(&packet);
    first.endpoint.send_octets(&sealed);
    assert_eq!(conference.focus.receive(), packet);

    // What the first one sent, brought to the second one's port by somebody else.
    let mut thief = Endpoint::plain(Side::Access.peer());
    thief.attach(&second.endpoint.local());
    thief.send_octets(&sealed);
    second.endpoint.send(&rtp(first.ssrc, 101, 101));
    let _ = conference.gateway.ledger().after_drops("ssrc_collision", 2);
    let (ssrc, other) = (first.ssrc, first.termination);
    let event =
        events.await_kind(&conference.gateway, |kind| matches!(kind, Kind::SsrcCollision(_)));
    let collision =
        pb::SsrcCollision { ssrc, other_termination_id: other, dropped: true, rewritten_ssrc: 0 };
    assert_eq!(event.kind, Some(Kind::SsrcCollision(collision)));
    let subject = event.subject.expect("a subject");
    assert_eq!(subject.termination_id, conference.members[1].termination);
    conference.announce();
    conference.answer();
    assert!(thief.is_silent() && conference.is_silent());

    let alarm = pb::SetGroup { ssrc_rule: pb::SsrcRule::Alarm.into(), ..conference.change() };
    conference.set(alarm).expect("a rule");
    let passes = rtp(ssrc, 200, 200);
    conference.members[1].endpoint.send(&passes);
    assert_eq!(conference.focus.receive(), passes);
    let audited = conference.audit();
    assert_eq!(audited.groups[0].statistics.as_ref().map(|all| all.ssrc_collisions), Some(3));
}
