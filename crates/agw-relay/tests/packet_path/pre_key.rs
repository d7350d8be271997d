//! Media that arrives before its key: it waits in its order, within bounds, and proves itself.

use std::time::Duration;

use agw_relay::{
    Command, Component, Datagram, DropReason, Gate, IngressCrypto, IngressExtras, IngressId,
    IngressSpec, PreKeySpec, Removed, TrafficLimit, TrafficLimits, Transport, Verdict,
};
use agw_srtp::Suite;

use crate::support::{
    ACCESS, ACCESS_RTCP, ACCESS_RTP, CORE, Call, INGRESS_SEED, UE, UE_RTCP, at, ingress_spec,
    install_ingress, receiver_report, rtp,
};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const BUFFER: PreKeySpec = PreKeySpec { packets: 5, time: Duration::from_millis(2_000) };

fn spec(extras: IngressExtras) -> IngressSpec {
    IngressSpec { extras: Some(Box::new(extras)), ..ingress_spec(ACCESS, Transport::Secured) }
}

fn buffered(pre_key: PreKeySpec) -> Command {
    let extras = IngressExtras { pre_key: Some(pre_key), ..IngressExtras::default() };
    Command::SetIngress(IngressId(ACCESS), spec(extras))
}

/// A call whose access leg has a buffer, and no ingress key.
fn waiting(pre_key: PreKeySpec) -> Call {
    let mut call = Call::new(SUITE);
    call.command(Command::IngressCrypto(IngressId(ACCESS), IngressCrypto::Remove));
    call.command(buffered(pre_key));
    call
}

impl Call {
    fn voice(&mut self, sequence: u16) -> Vec<u8> {
        self.seal(&rtp(7, sequence, b"before its key"))
    }

    /// Whether the packet waits.
    fn waits(&mut self, octets: &[u8]) -> bool {
        let passed = self.pass(ACCESS_RTP, UE, octets);
        assert!(self.closes());
        passed == Ok((ACCESS_RTP, at(UE), Vec::new()))
    }

    fn closes(&self) -> bool {
        let (all, leg) = (self.relay.stats(), self.ingress().stats);
        let leg = leg.received.packets == leg.forwarded.packets + leg.dropped.total();
        all.received.packets == all.forwarded.packets + all.dropped.total() && leg
    }

    fn ingress(&self) -> agw_relay::IngressSnapshot {
        self.relay.ingress(IngressId(ACCESS)).unwrap()
    }

    /// The key comes, and what has waited goes through; what of it arrives at the core.
    fn key_comes(&mut self, seed: u8) -> Vec<Vec<u8>> {
        self.command(install_ingress(ACCESS, SUITE, seed));
        let mut arrived = Vec::new();
        while let Some(kept) = self.relay.poll_kept(self.now) {
            let (port, source, len) = (kept.port, kept.source, kept.octets.len());
            let traffic_class = kept.traffic_class;
            let mut slot = kept.octets.to_vec();
            slot.resize(len + 200, 0);
            let verdict = Verdict::Drop(DropReason::NoFlow);
            let truncated = false;
            let mut batch = [Datagram {
                port,
                source,
                slot: &mut slot,
                len,
                traffic_class,
                truncated,
                verdict,
            }];
            self.relay.handle_batch(&mut batch, self.now);
            if let Verdict::Forward { len, .. } = batch[0].verdict {
                arrived.push(slot[..len].to_vec());
            }
            assert!(self.closes());
        }
        arrived
    }
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# Kept packets MUST go through in the order of their arrival once the key is there, before
//# any that arrive later.
#[test]
fn what_came_before_its_key_goes_through_in_its_order_once_the_key_is_there() {
    let mut call = waiting(BUFFER);
    let sealed: Vec<_> = [3, 1, 2].map(|sequence| call.voice(sequence)).into();
    for packet in &sealed {
        assert!(call.waits(packet));
    }
    let report = call.seal_rtcp(&receiver_report(7));
    let kept = Ok((ACCESS_RTCP, at(UE_RTCP), Vec::new()));
    assert_eq!(call.pass(ACCESS_RTCP, UE_RTCP, &report), kept);
    assert_eq!(call.ingress().waiting, 4);

    let arrived = call.key_comes(INGRESS_SEED);

    let voice = [3, 1, 2].map(|sequence| rtp(7, sequence, b"before its key"));
    assert_eq!((&arrived[..3], arrived.len()), (&voice[..], 4));
    let ingress = call.ingress();
    assert_eq!((ingress.waiting, ingress.stats.received.packets), (0, 4));
    assert_eq!(ingress.stats.received_rtcp.packets, 1);
    assert!(call.relay.poll_kept(call.now).is_none());
    let next = call.voice(4);
    assert!(call.pass(ACCESS_RTP, UE, &next).unwrap().2.ends_with(b"before its key"));
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# Media that arrives before its key MUST wait for it where the controller asks, within bounds.
#[test]
fn a_full_buffer_drops_the_newest_and_without_one_everything_is_dropped() {
    let mut call = waiting(BUFFER);
    let sealed: Vec<_> = (1..=8).map(|sequence| call.voice(sequence)).collect();
    let kept: Vec<bool> = sealed.iter().map(|packet| call.waits(packet)).collect();
    assert_eq!(kept, [true, true, true, true, true, false, false, false]);
    assert_eq!(call.dropped(ACCESS, DropReason::NoIngressKey), 3);
    let arrived = call.key_comes(INGRESS_SEED);
    let voice: Vec<_> = (1..=5).map(|sequence| rtp(7, sequence, b"before its key")).collect();
    assert_eq!(arrived, voice);

    let mut without = Call::new(SUITE);
    without.command(Command::IngressCrypto(IngressId(ACCESS), IngressCrypto::Remove));
    assert!(!without.waits(&sealed[0]));
    assert!(without.key_comes(INGRESS_SEED).is_empty());

    let mut long = waiting(BUFFER);
    let packet = long.seal(&rtp(7, 1, &[0; 1_500]));
    assert_eq!(long.pass(ACCESS_RTP, UE, &packet), Err(DropReason::NoIngressKey));
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# A packet that has waited for longer than asked for MUST NOT be forwarded.
#[test]
fn what_waits_for_too_long_is_dropped_as_expired() {
    let mut call = waiting(BUFFER);
    let sealed: Vec<_> = (1..=3).map(|sequence| call.voice(sequence)).collect();
    assert!(call.waits(&sealed[0]));
    call.now += Duration::from_millis(1_500);
    assert!(call.waits(&sealed[1]));

    // By the clock alone, and no packet more than is due.
    call.now += Duration::from_millis(600);
    assert!(call.relay.poll_timeout().unwrap() <= call.now);
    call.relay.handle_timeout(call.now);
    assert_eq!((call.dropped(ACCESS, DropReason::PreKeyExpired), call.ingress().waiting), (1, 1));
    assert!(call.relay.poll_timeout().unwrap() > call.now && call.closes());

    // At the moment that the key comes.
    assert!(call.waits(&sealed[2]));
    call.now += Duration::from_millis(1_400);
    assert_eq!(call.key_comes(INGRESS_SEED), [rtp(7, 3, b"before its key")]);
    assert_eq!(call.dropped(ACCESS, DropReason::PreKeyExpired), 2);
    assert_eq!(call.relay.poll_timeout(), None);
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# A kept packet MUST NOT be forwarded unless its tag verifies.
#[test]
fn what_was_kept_moves_nothing_until_its_tag_verifies() {
    let mut call = waiting(BUFFER);
    let stranger = "203.0.113.9:7000";
    let sealed: Vec<_> = (1..=3).map(|sequence| call.voice(sequence)).collect();
    for packet in &sealed {
        call.pass(ACCESS_RTP, stranger, packet).unwrap();
    }
    assert_eq!((call.learnt(Component::Rtp), call.ingress().learnt_rtp), (Some(at(UE)), None));

    assert!(call.key_comes(INGRESS_SEED + 10).is_empty());

    assert_eq!(call.dropped(ACCESS, DropReason::Authentication), 3);
    let ingress = call.ingress();
    assert!(ingress.learnt_rtp.is_none() && ingress.last_accepted.is_none());
    assert!(ingress.crypto.unwrap().sources.is_empty());

    let mut call = waiting(BUFFER);
    let mut forged = sealed[1].clone();
    *forged.last_mut().unwrap() ^= 1;
    for packet in [&sealed[0], &forged, &sealed[2], &sealed[0]] {
        assert!(call.waits(packet));
    }
    assert_eq!(call.key_comes(INGRESS_SEED).len(), 2);
    assert_eq!(call.dropped(ACCESS, DropReason::Authentication), 1);
    assert_eq!(call.dropped(ACCESS, DropReason::Replay), 1);
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# What waits for a key MUST be dropped with its leg.
#[test]
fn what_waits_is_dropped_with_the_leg_with_its_keys_and_with_another_buffer() {
    let mut call = waiting(BUFFER);
    let packet = call.voice(1);
    assert!(call.waits(&packet));
    call.command(buffered(PreKeySpec { packets: 4, ..BUFFER }));
    assert_eq!((call.ingress().waiting, call.dropped(ACCESS, DropReason::NoIngressKey)), (0, 1));

    assert!(call.waits(&packet));
    call.command(install_ingress(ACCESS, SUITE, INGRESS_SEED));
    call.command(Command::IngressCrypto(IngressId(ACCESS), IngressCrypto::Remove));
    assert!(call.relay.poll_kept(call.now).is_none());
    assert_eq!(call.dropped(ACCESS, DropReason::NoIngressKey), 2);

    assert!(call.waits(&packet));
    let removed = call.relay.handle_command(Command::RemoveIngress(IngressId(ACCESS)), call.now);
    let Removed::Ingress(_, last) = removed.unwrap() else { panic!("an ingress") };
    assert_eq!((last.stats.received.packets, last.stats.dropped.total()), (3, 3));
    let all = call.relay.stats();
    assert_eq!(all.received.packets, all.forwarded.packets + all.dropped.total());
    assert!(call.relay.poll_kept(call.now).is_none() && call.relay.poll_timeout().is_none());
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# Buffers MUST NOT take more memory together than is configured.
#[test]
fn buffers_that_find_no_memory_are_counted_and_freed_memory_is_used_again() {
    let mut call = Call::new(SUITE);
    call.relay.set_pre_key_octets(5 * 1_500);
    let remove = || Command::IngressCrypto(IngressId(ACCESS), IngressCrypto::Remove);
    call.command(remove());
    call.command(buffered(PreKeySpec { packets: 6, ..BUFFER }));
    let packet = call.voice(1);
    assert!(!call.waits(&packet));
    assert_eq!(call.relay.stats().pre_key_refused, 1);

    for round in 2..10 {
        call.command(buffered(BUFFER));
        assert!(call.waits(&packet));
        let packet = call.voice(round);
        assert!(call.waits(&packet));
        let _ = call.key_comes(INGRESS_SEED);
        call.command(remove());
    }
    assert_eq!(call.relay.stats().pre_key_refused, 1);
}

#[test]
fn gates_sources_and_limits_hold_for_what_is_to_wait() {
    let limit = TrafficLimit {
        sustained_octets_per_s: 1,
        burst_octets: 150,
        peak_octets_per_s: 0,
        peak_tolerance: Duration::ZERO,
    };
    let limits = TrafficLimits { rtp: Some(limit), rtcp: None };
    let extras = || IngressExtras { pre_key: Some(BUFFER), limits, ..IngressExtras::default() };
    let mut call = waiting(BUFFER);
    call.command(Command::SetIngress(IngressId(ACCESS), spec(extras())));
    let [first, second, third] = [1, 2, 3].map(|sequence| call.voice(sequence));
    assert!(call.waits(&first) && call.waits(&second));
    assert_eq!(call.pass(ACCESS_RTP, UE, &third), Err(DropReason::Policed));
    assert_eq!(call.pass(ACCESS_RTP, UE, b"\0noise"), Err(DropReason::NotMedia));
    // What was charged as it was kept is not charged again.
    assert_eq!(call.key_comes(INGRESS_SEED).len(), 2);

    call.command(Command::IngressCrypto(IngressId(ACCESS), IngressCrypto::Remove));
    let closed = IngressSpec { gate: Gate::CLOSED, ..spec(extras()) };
    call.command(Command::SetIngress(IngressId(ACCESS), closed));
    assert_eq!(call.pass(ACCESS_RTP, CORE, &third), Err(DropReason::IngressGate));
}

//= tests/spec/relay.md#pre-key-buffer
//= type=test
//# A kept packet MUST NOT be counted before its fate is known.
#[test]
fn keeping_a_packet_neither_counts_it_nor_allocates_memory() {
    let mut call = waiting(BUFFER);
    let sealed: Vec<_> = (1..=5).map(|sequence| call.voice(sequence)).collect();
    let mut slots: Vec<Vec<u8>> = sealed.clone();
    for slot in &mut slots {
        let (len, verdict) = (slot.len(), Verdict::Drop(DropReason::NoFlow));
        let (port, source, traffic_class, truncated) = (ACCESS_RTP, at(UE), 0, false);
        let mut batch = [Datagram { port, source, slot, len, traffic_class, truncated, verdict }];
        let allocations =
            allocation_counter::measure(|| call.relay.handle_batch(&mut batch, call.now));
        assert_eq!((allocations.count_total, batch[0].verdict), (0, Verdict::Kept));
    }
    assert_eq!(call.relay.stats().received, agw_relay::Traffic::default());
    assert_eq!(call.ingress().stats.received, agw_relay::Traffic::default());
    assert_eq!(call.ingress().waiting, 5);
}
