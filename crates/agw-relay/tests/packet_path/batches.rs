//! Packets that go through together fare as each would alone, whatever they do to each other:
//! replays, wraps, a first packet of a source, a key that comes in force or reaches its end.

use std::time::Duration;

use agw_relay::{Command, IngressCrypto, IngressId, Report, Transport};
use agw_srtp::{
    EgressKey, IngressKey, Lifetime, Mki, Portable, PortableKeys, Protector, RocOnRekey,
    SessionParameters, Suite,
};
use proptest::prelude::*;

use crate::support::{ACCESS, ACCESS_RTP, UE, install_egress, legs, master, pass_all, rtp};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const ELSEWHERE: &str = "203.0.113.9:7000";

/// What arrives next.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    source: u8,
    key: u8,
    /// Against the sequence number before it.
    step: i16,
    flipped: bool,
    moved: bool,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let step = prop_oneof![12 => 1..4i16, 2 => -70..0i16, 1 => Just(0i16), 1 => 4..2500i16];
    let key = prop_oneof![8 => Just(0u8), 4 => Just(1u8), 1 => Just(2u8)];
    (0..3u8, key, step, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
        |(source, key, step, flipped, moved)| Arrival { source, key, step, flipped, moved },
    )
}

/// Keys 0 and 1 share their suite and differ by identifier; 2 is nobody's.
fn key(number: u8) -> EgressKey {
    let mut key = EgressKey::new(master(SUITE, number + 10));
    key.mki = Some(Mki::new(&[number + 1]).unwrap());
    key
}

fn opening(number: u8, packets: u64) -> IngressKey {
    let EgressKey { master, mki, .. } = key(number);
    IngressKey { master, mki, lifetime: Lifetime { srtp: packets, srtcp: packets } }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn a_batch_is_its_packets_one_by_one(
        arrivals in prop::collection::vec(arrival(), 1..150),
        start in prop::sample::select(vec![0u16, 1, 100, 0x7ff0, 0x8010, 0xffc0]),
        packets in prop::sample::select(vec![10u64, 60, 1 << 20]),
        sizes in prop::collection::vec(1..64usize, 1..20),
    ) {
        let datagrams = sealed(&arrivals, start);
        let commands = || {
            let install = IngressCrypto::Install {
                keys: vec![opening(0, packets)],
                parameters: SessionParameters { max_sources: 2, ..SessionParameters::default() },
                roc: RocOnRekey::Set(3),
                overlap: Duration::ZERO,
            };
            let ingress = IngressId(ACCESS);
            [
                Command::IngressCrypto(ingress, install),
                Command::IngressCrypto(ingress, IngressCrypto::Stage(opening(1, packets), 1)),
                install_egress(crate::support::FAR, SUITE, 9),
            ]
        };
        let (mut alone, now) = legs(Transport::Secured, Transport::Secured);
        let (mut together, _) = legs(Transport::Secured, Transport::Secured);
        for relay in [&mut alone, &mut together] {
            for command in commands() {
                relay.handle_command(command, now).unwrap();
            }
        }
        let mut rest = datagrams.as_slice();
        let mut sizes = sizes.iter().cycle();
        while let (Some(&size), false) = (sizes.next(), rest.is_empty()) {
            let (batch, later) = rest.split_at(size.min(rest.len()));
            let one_by_one = batch.iter().map(std::slice::from_ref);
            let each = one_by_one.flat_map(|one| pass_all(&mut alone, now, one));
            // The reason why a packet goes no further may be another one: a forged packet of one
            // source too many is found out by its tag, not by the limit.
            let each: Vec<_> = each.map(Result::ok).collect();
            let all = pass_all(&mut together, now, batch).into_iter().map(Result::ok);
            prop_assert_eq!(all.collect::<Vec<_>>(), each);
            rest = later;
        }
        let reports = |relay: &mut agw_relay::Relay<Portable>| {
            // Alarms count by reason.
            let is_alarm = |report: &_| {
                matches!(
                    report,
                    Report::AuthenticationFailures { .. }
                        | Report::Replays { .. }
                        | Report::SourceLimit { .. }
                )
            };
            let all = std::iter::from_fn(|| relay.poll_report());
            all.filter(|report| !is_alarm(report)).collect::<Vec<_>>()
        };
        prop_assert_eq!(reports(&mut together), reports(&mut alone));
        let [a, b] = [&alone, &together].map(|relay| *relay.stats());
        prop_assert_eq!((a.forwarded, a.unprotected), (b.forwarded, b.unprotected));
    }
}

/// The packets as their senders seal them: each source by itself, from rollover counter 3.
fn sealed(arrivals: &[Arrival], start: u16) -> Vec<(agw_relay::PortId, &'static str, Vec<u8>)> {
    let mut next = [start; 3];
    let mut position = |at: Arrival| {
        let sequence = &mut next[usize::from(at.source)];
        *sequence = sequence.wrapping_add_signed(at.step);
        *sequence
    };
    let mut senders: Vec<Sender> = (0..3).map(|_| Sender::new(start)).collect();
    arrivals
        .iter()
        .map(|&at| {
            let sequence = position(at);
            let packet = rtp(u32::from(at.source), sequence, &[at.source; 20]);
            let mut octets = senders[usize::from(at.source)].seal(at.key, &packet);
            if at.flipped {
                octets[14] ^= 1;
            }
            (ACCESS_RTP, if at.moved { ELSEWHERE } else { UE }, octets)
        })
        .collect()
}

/// One source with every key. Each packet gets a fresh protector, so that a repetition is sealed
/// as it was; the rollover counter is that of the distance from the start.
struct Sender {
    index: i64,
    sequence: u16,
}

impl Sender {
    fn new(start: u16) -> Self {
        Self { index: 3 << 16 | i64::from(start), sequence: start }
    }

    fn seal(&mut self, number: u8, packet: &[u8]) -> Vec<u8> {
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        self.index += i64::from(sequence.wrapping_sub(self.sequence).cast_signed());
        self.sequence = sequence;
        let roc = u32::try_from(self.index >> 16).unwrap();
        let parameters = SessionParameters::default();
        let mut protector: Protector<PortableKeys> =
            Protector::new(&Portable, vec![key(number)], parameters, roc).unwrap();
        let mut slot = packet.to_vec();
        slot.resize(packet.len() + agw_srtp::MAX_TRAILER, 0);
        let len = protector.protect_srtp(&Portable, &mut slot, packet.len()).unwrap();
        slot.truncate(len);
        slot
    }
}
