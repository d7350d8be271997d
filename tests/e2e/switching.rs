//! An access leg is exchanged under a call: both legs feed the far end, then one transaction
//! switches and releases (TS 23.334 §4.1, TS 23.237, TR 33.829 solution 1).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_srtp::Suite;
use agw_tests::packet::{rtp, rtp_at};
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, Side, api, terminations};

use crate::far_end::{FAR, FarEnd};

/// The SSRC of the leg that takes over.
const NEW: u32 = 0xC0C0_0001;

/// 50 packets a second.
const TICK: Duration = Duration::from_millis(20);
const TICKS: u32 = 60;
const MAKE_AT: u32 = 15;
const BREAK_AT: u32 = 35;

/// What a switch goes from and to.
struct Case {
    old: (IpAddr, bool),
    new: (IpAddr, bool),
    far: IpAddr,
    suite: Suite,
}

/// A call at ROC 3 in both directions of the far end's leg, counted up packet by packet.
struct Rig {
    gateway: Gateway,
    context: u32,
    old: Endpoint,
    far: FarEnd,
}

impl Rig {
    fn new(case: &Case) -> Option<Self> {
        let gateway = Gateway::start();
        let [k1, k2] = [(); 2].map(|()| Key::random(case.suite));
        let (mut far, far_stream) = FarEnd::new(case.far, &k1, &k2)?;
        let Leg { endpoint: mut old, stream } = leg(case.old);
        let commands = api::call(vec![stream], vec![far_stream]);
        let replies = gateway.wait(gateway.iq.transact(commands)).expect("a call");
        let [first, second] = terminations(&replies).try_into().expect("two terminations");
        old.attach(&first.streams[0]);
        far.endpoint.attach(&second.streams[0]);
        let mut rig = Self { context: first.context_id, gateway, old, far };
        rig.count_up();
        Some(rig)
    }

    /// Lets both directions pass three wraps of the sequence number.
    fn count_up(&mut self) {
        for index in (0..=180_000).step_by(30_000).chain([LAST_OLD_INDEX]) {
            let packet = rtp_at(Call::ACCESS, index);
            self.old.send(&packet);
            assert_eq!(self.far.receive(), packet);
            let packet = self.far.send(if index == 0 { 1 } else { 30_000 });
            assert_eq!(self.old.receive(), packet);
        }
        assert_eq!(self.far.roc(Call::ACCESS), 3);
    }

    /// Adds the leg that is to take over, and lets it feed the far end.
    fn make(&self, new: (IpAddr, bool)) -> Endpoint {
        let Leg { mut endpoint, stream } = leg(new);
        let reserve =
            pb::Reserve { context_id: self.context, ..api::reserve("core", vec![stream]) };
        let feeds = vec![api::associated(3, 2, pb::Relation::OneWay)];
        let associate = api::topology(self.context, feeds);
        let commands = vec![Command::Reserve(reserve), Command::SetTopology(associate)];
        let replies = self.gateway.wait(self.gateway.iq.transact(commands)).expect("a third leg");
        endpoint.attach(&terminations(&replies)[0].streams[0]);
        endpoint
    }

    /// The rollover counters of both directions of the far end's leg.
    fn rocs_of_far_end(&self) -> [Vec<(u32, u32)>; 2] {
        let request = pb::AuditValueRequest {
            context_id: self.context,
            include_statistics: true,
            ..pb::AuditValueRequest::default()
        };
        let audit = self.gateway.wait(self.gateway.iq.audit(request)).expect("an audit");
        let stream = &audit.contexts[0].terminations[0].streams[0];
        let statistics = stream.statistics.as_ref().expect("statistics");
        let ingress = statistics.ingress.as_ref().and_then(|half| half.crypto.as_ref());
        let egress = statistics.egress.as_ref().and_then(|half| half.crypto.as_ref());
        [rocs(ingress), rocs(egress)]
    }

    /// Switches to it and releases the old one, in one transaction.
    fn switch(&self) {
        let isolated = api::associated(1, 2, pb::Relation::Isolate);
        let both_ways = api::associated(3, 2, pb::Relation::BothWay);
        let topology = api::topology(self.context, vec![isolated, both_ways]);
        let release =
            pb::Release { context_id: self.context, termination_id: 1, ..Default::default() };
        let commands = vec![Command::SetTopology(topology), Command::Release(release)];
        self.gateway.wait(self.gateway.iq.transact(commands)).expect("a switch");
    }
}

const LAST_OLD_INDEX: u64 = 3 * 65_536 + 100;

/// A leg of a kind; secured ones in the access realm as all others, since both have both families.
fn leg((ip, secured): (IpAddr, bool)) -> Leg {
    let suite = Suite::AeadAes128Gcm;
    match secured {
        true => Leg::secured(ip, &Key::random(suite), &Key::random(suite)),
        false => Leg::plain(ip),
    }
}

/// What was sent in each tick until the last one, and what came of it.
struct Heard {
    at_far_end: Vec<Vec<u8>>,
    at_old: Vec<Vec<u8>>,
    at_new: Vec<Vec<u8>>,
    sent_by_far_end: Vec<Vec<u8>>,
}

/// Media both ways at 50 packets a second while the leg is switched.
fn talk_through_a_switch(rig: &mut Rig, new: (IpAddr, bool)) -> Heard {
    let (sent_by_far_end, sealed): (Vec<_>, Vec<_>) = (0..TICKS).map(|_| rig.far.seal(1)).unzip();
    let tick = AtomicU32::new(0);
    let (give, take) = mpsc::channel::<Endpoint>();
    let until = |at: u32| {
        while tick.load(Ordering::Relaxed) < at {
            thread::sleep(TICK / 4);
        }
    };
    let socket = rig.far.endpoint.sender();
    let old = rig.old.sender();
    let old_packets: Vec<Vec<u8>> = (1..=TICKS)
        .map(|number| rig.old.seal(&rtp_at(Call::ACCESS, LAST_OLD_INDEX + u64::from(number))))
        .collect();
    let new = thread::scope(|scope| {
        let (tick, sealed) = (&tick, &sealed);
        let media = scope.spawn(move || {
            let mut new: Option<Endpoint> = None;
            for number in 0..TICKS {
                if new.is_none() {
                    new = take.try_recv().ok();
                }
                old.send(&old_packets[number as usize]);
                if let Some(new) = &mut new {
                    new.send(&rtp(NEW, number as u16, number.into()));
                }
                socket.send(&sealed[number as usize]);
                tick.store(number + 1, Ordering::Relaxed);
                thread::sleep(TICK);
            }
            new.expect("the third leg was there in time")
        });
        until(MAKE_AT);
        give.send(rig.make(new)).expect("somebody who sends");
        until(BREAK_AT);
        rig.switch();
        media.join().expect("media")
    });
    collect(rig, new, sent_by_far_end)
}

/// Everything that has arrived; the last packet of each direction is waited for.
fn collect(rig: &mut Rig, mut new: Endpoint, sent_by_far_end: Vec<Vec<u8>>) -> Heard {
    let mut at_far_end = Vec::new();
    let last = rtp(NEW, (TICKS - 1) as u16, (TICKS - 1).into());
    while at_far_end.last() != Some(&last) {
        at_far_end.push(rig.far.receive());
    }
    let mut at_new = Vec::new();
    while at_new.last() != sent_by_far_end.last() {
        at_new.push(new.receive());
    }
    let mut at_old = Vec::new();
    while let Some(packet) = rig.old.receive_waiting() {
        at_old.push(packet);
    }
    Heard { at_far_end, at_old, at_new, sent_by_far_end }
}

fn check(case: &Case) {
    let Some(mut rig) = Rig::new(case) else { return };
    let heard = talk_through_a_switch(&mut rig, case.new);

    // From the old leg or the new one, the far end has something of every tick.
    let number_of = |packet: &Vec<u8>| {
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
        match ssrc {
            Call::ACCESS => u32::from(sequence) - 101,
            NEW => sequence.into(),
            other => panic!("{other:#x} is nobody"),
        }
    };
    let ticks: BTreeSet<u32> = heard.at_far_end.iter().map(number_of).collect();
    assert!(ticks.len() + 1 >= TICKS as usize, "{ticks:?}");
    // What it says itself arrives once, at one of the two.
    let mut arrived: Vec<&Vec<u8>> = heard.at_old.iter().chain(&heard.at_new).collect();
    let outwards = arrived.len();
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), outwards, "something arrived twice");
    assert!(outwards + 1 >= heard.sent_by_far_end.len(), "{outwards}");
    assert!(!heard.at_old.is_empty() && !heard.at_new.is_empty());

    // Nothing of the far end's crypto state has started again.
    assert_eq!((rig.far.roc(Call::ACCESS), rig.far.roc(NEW)), (3, 0));
    assert_eq!(rig.rocs_of_far_end(), [vec![(FAR, 3)], vec![(Call::ACCESS, 3), (NEW, 0)]]);
    assert!(rig.far.endpoint.is_silent());
}

/// Sources with their rollover counters.
fn rocs(crypto: Option<&pb::CryptoState>) -> Vec<(u32, u32)> {
    let sources = &crypto.expect("keys").sources;
    sources.iter().map(|source| (source.ssrc, source.roc)).collect()
}

//= tests/spec/iq.md#topology
//= type=test
//# A leg MUST be exchanged under a call without harm to the crypto state of the other one.
#[test]
fn an_srtp_leg_becomes_a_plain_one_while_the_far_end_talks_on() {
    check(&Case {
        old: (Side::Access.peer(), true),
        new: (Side::Core.peer(), false),
        far: Side::Core.peer(),
        suite: Suite::AesCm128HmacSha1_80,
    });
}

#[test]
fn a_plain_leg_over_ipv6_becomes_an_srtp_leg_over_ipv4() {
    check(&Case {
        old: (Side::Access.peer_v6(), false),
        new: (Side::Core.peer(), true),
        far: Side::Core.peer(),
        suite: Suite::AeadAes256Gcm,
    });
}

#[test]
fn a_plain_leg_over_ipv4_becomes_one_over_ipv6_before_a_far_end_over_ipv6() {
    check(&Case {
        old: (Side::Access.peer(), false),
        new: (Side::Core.peer_v6(), false),
        far: Side::Core.peer_v6(),
        suite: Suite::AesCm256HmacSha1_80,
    });
}

//= tests/spec/srtp.md#transmit-guard
//= type=test
//# A packet behind the transmit window MUST NOT be protected.
#[test]
fn a_leg_that_takes_over_with_the_same_source_cannot_repeat_its_numbers() {
    let case = Case {
        old: (Side::Access.peer(), false),
        new: (Side::Core.peer(), false),
        far: Side::Core.peer(),
        suite: Suite::AesCm128HmacSha1_80,
    };
    let Some(mut rig) = Rig::new(&case) else { return };
    let mut new = rig.make(case.new);
    rig.switch();

    // One number that was sealed a moment ago, and one from long before it.
    new.send(&rtp_at(Call::ACCESS, LAST_OLD_INDEX));
    new.send(&rtp_at(Call::ACCESS, LAST_OLD_INDEX - 1_000));
    let _ = rig.gateway.ledger().after_drops("index_reused", 1);
    let _ = rig.gateway.ledger().after_drops("egress_too_old", 1);

    let packet = rtp_at(Call::ACCESS, LAST_OLD_INDEX + 1);
    new.send(&packet);
    assert_eq!(rig.far.receive(), packet);
    assert!(rig.far.endpoint.is_silent());
}
