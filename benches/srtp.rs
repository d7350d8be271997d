//! Sealing and opening voice packets, 10,000 contexts in turn, so that keys come from memory as
//! they do in a gateway. The baseline is `webrtc-srtp`, the crate people would take otherwise.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::hint::black_box;
use std::time::Instant;

use agw_bench::{SLOT, VOICE, key, voice};
use agw_srtp::{
    EgressKey, Engine, IngressKey, Job, Portable, Protector, SessionParameters, Suite, Unprotector,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

const CONTEXTS: u32 = 10_000;
const BATCH: usize = 64;

fn protectors(suite: Suite) -> Vec<Protector<<Portable as Engine>::Keys>> {
    let parameters = SessionParameters::default();
    let one = |context| {
        let key = EgressKey::new(key(suite, context).unwrap());
        Protector::new(&Portable, vec![key], parameters, 0).unwrap()
    };
    (0..CONTEXTS).map(one).collect()
}

fn unprotectors(suite: Suite) -> Vec<Unprotector<<Portable as Engine>::Keys>> {
    let parameters = SessionParameters::default();
    let one = |context| {
        let key = IngressKey::new(key(suite, context).unwrap());
        Unprotector::new(&Portable, vec![key], parameters, 0).unwrap()
    };
    (0..CONTEXTS).map(one).collect()
}

/// Seals one packet of each of the next contexts, as a relay does with a batch.
fn seal_batch(
    contexts: &mut [Protector<<Portable as Engine>::Keys>],
    slots: &mut [[u8; SLOT]],
    sequence: u16,
) {
    for slot in slots.iter_mut() {
        *slot = voice(7, sequence);
    }
    let tickets: Vec<_> = contexts
        .iter_mut()
        .zip(slots.iter())
        .map(|(context, slot)| context.begin_srtp(slot.get(..VOICE).unwrap()).unwrap())
        .collect();
    let mut jobs: Vec<Job<'_, _>> = contexts
        .iter()
        .zip(&tickets)
        .zip(slots.iter_mut())
        .map(|((context, ticket), slot)| context.job(ticket, slot, VOICE))
        .collect();
    Portable.run(&mut jobs);
    black_box(jobs.last().unwrap().outcome().unwrap());
}

fn protect(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protect");
    group.throughput(Throughput::Elements(BATCH as u64));
    for suite in Suite::ALL {
        let mut contexts = protectors(suite);
        let mut slots = [[0; SLOT]; BATCH];
        let (mut at, mut sequence) = (0, 0u16);
        group.bench_function(BenchmarkId::new("agw", suite.name()), |bencher| {
            bencher.iter(|| {
                if at + BATCH > contexts.len() {
                    (at, sequence) = (0, sequence.wrapping_add(1));
                }
                seal_batch(&mut contexts[at..at + BATCH], &mut slots, sequence);
                at += BATCH;
            });
        });
    }
    for (suite, profile) in baseline() {
        let mut contexts: Vec<_> = (0..CONTEXTS).map(|n| foreign(suite, profile, n)).collect();
        let (mut at, mut sequence) = (0, 0u16);
        group.bench_function(BenchmarkId::new("webrtc-srtp", suite.name()), |bencher| {
            bencher.iter(|| {
                if at + BATCH > contexts.len() {
                    (at, sequence) = (0, sequence.wrapping_add(1));
                }
                let packet = voice(7, sequence);
                for context in &mut contexts[at..at + BATCH] {
                    black_box(context.encrypt_rtp(&packet[..VOICE]).unwrap());
                }
                at += BATCH;
            });
        });
    }
    group.finish();
}

fn unprotect(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unprotect");
    group.throughput(Throughput::Elements(1));
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let (mut sealers, mut openers) = (protectors(suite), unprotectors(suite));
        let now = Instant::now();
        let (mut at, mut sequence) = (0, 0u16);
        group.bench_function(BenchmarkId::new("seal-and-open", suite.name()), |bencher| {
            bencher.iter(|| {
                let mut slot = voice(7, sequence);
                let len = sealers[at].protect_srtp(&Portable, &mut slot, VOICE).unwrap();
                let opened = openers[at].unprotect_srtp(&Portable, &mut slot, len, now);
                black_box(opened.unwrap());
                at = (at + 1) % sealers.len();
                sequence = sequence.wrapping_add(u16::from(at == 0));
            });
        });
        let mut replay = voice(7, 1_000);
        let mut sealer = protectors(suite).swap_remove(0);
        let len = sealer.protect_srtp(&Portable, &mut replay, VOICE).unwrap();
        let mut opener = unprotectors(suite).swap_remove(0);
        opener.unprotect_srtp(&Portable, &mut replay.clone(), len, now).unwrap();
        group.bench_function(BenchmarkId::new("refuse-replay", suite.name()), |bencher| {
            bencher.iter(|| {
                black_box(opener.unprotect_srtp(&Portable, &mut replay, len, now).unwrap_err())
            });
        });
    }
    group.finish();
}

fn baseline() -> [(Suite, ProtectionProfile); 2] {
    [
        (Suite::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
        (Suite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    ]
}

fn foreign(suite: Suite, profile: ProtectionProfile, context: u32) -> Context {
    key(suite, context).unwrap().expose(|octets| {
        let (key, salt) = octets.split_at(suite.key_len());
        Context::new(key, salt, profile, None, None).unwrap()
    })
}

criterion_group!(benches, protect, unprotect);
criterion_main!(benches);
