//! The packet path without sockets: what a batch costs by its depth, and what refusals cost.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use agw_bench::{SLOT, VOICE, key, voice};
use agw_relay::{
    Command, Datagram, DropReason, EgressCrypto, EgressId, EgressSpec, Gate, IngressCrypto,
    IngressId, IngressSpec, PortId, Relay, RtcpEgress, RtcpIngress, SourceRule, Transport, Verdict,
};
use agw_srtp::{EgressKey, IngressKey, Portable, RocOnRekey, SessionParameters, Suite};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const CALLS: u32 = 10_000;

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

/// Calls whose core leg is plain and whose access leg is secured; leg `2n` is access, `2n + 1` core.
fn relay(suite: Suite, now: Instant) -> Relay<Portable> {
    let mut relay = Relay::new(Portable);
    for call in 0..CALLS {
        for (leg, other) in [(call * 2, call * 2 + 1), (call * 2 + 1, call * 2)] {
            for command in leg_commands(leg, other) {
                relay.handle_command(command, now).unwrap();
            }
        }
        let ingress = IngressCrypto::Install {
            keys: vec![IngressKey::new(key(suite, call * 2).unwrap())],
            parameters: SessionParameters::default(),
            roc: RocOnRekey::Keep,
            overlap: Duration::ZERO,
        };
        let egress = EgressCrypto::Install {
            keys: vec![EgressKey::new(key(suite, call * 2 + 1).unwrap())],
            parameters: SessionParameters::default(),
            roc: RocOnRekey::Keep,
        };
        relay.handle_command(Command::IngressCrypto(IngressId(call * 2), ingress), now).unwrap();
        relay.handle_command(Command::EgressCrypto(EgressId(call * 2), egress), now).unwrap();
    }
    relay
}

fn leg_commands(leg: u32, other: u32) -> [Command; 2] {
    let is_access = leg.is_multiple_of(2);
    let transport = if is_access { Transport::Secured } else { Transport::Plain };
    let egress = EgressSpec {
        transport,
        gate: Gate::OPEN,
        via: PortId(leg),
        to: Some(peer()),
        rtcp: RtcpEgress::Mux,
        extras: None,
    };
    let ingress = IngressSpec {
        transport,
        gate: Gate::OPEN,
        source: if is_access { SourceRule::Authenticated } else { SourceRule::Signalled },
        signalled_rtp: Some(peer()),
        signalled_rtcp: Some(peer()),
        rtp: PortId(leg),
        rtcp: RtcpIngress::Mux,
        output: Some(EgressId(other)),
        reverse: EgressId(leg),
        extras: None,
    };
    [Command::SetEgress(EgressId(leg), egress), Command::SetIngress(IngressId(leg), ingress)]
}

/// Core to access: RTP in, SRTP out, the calls in turn.
fn seal_by_depth(criterion: &mut Criterion) {
    let now = Instant::now();
    let mut group = criterion.benchmark_group("relay");
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let mut relay = relay(suite, now);
        for depth in [1usize, 16, 64] {
            group.throughput(Throughput::Elements(depth as u64));
            let (mut call, mut sequence) = (0, depth as u16 * 1_000);
            let id = BenchmarkId::new(suite.name(), format!("batch of {depth}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let mut slots = vec![voice(7, sequence); depth];
                    let mut batch: Vec<_> = slots
                        .iter_mut()
                        .zip(0u32..)
                        .map(|(slot, n)| datagram(slot, ((call + n) % CALLS) * 2 + 1))
                        .collect();
                    relay.handle_batch(&mut batch, now);
                    assert!(matches!(batch[0].verdict, Verdict::Forward { .. }));
                    call += depth as u32;
                    if call >= CALLS {
                        (call, sequence) = (0, sequence.wrapping_add(1));
                    }
                });
            });
        }
    }
    group.finish();
}

fn datagram(slot: &mut [u8; SLOT], port: u32) -> Datagram<'_> {
    Datagram {
        port: PortId(port),
        source: peer(),
        slot,
        len: VOICE,
        traffic_class: 0,
        truncated: false,
        verdict: Verdict::Drop(DropReason::NoFlow),
    }
}

criterion_group!(benches, seal_by_depth);
criterion_main!(benches);
