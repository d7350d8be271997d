//! Sealing and opening voice packets, 10,000 contexts in turn, so that keys come from memory as
//! they do in a gateway; batches of 64, as in a busy one.
//!
//! Every engine of this processor in one run: all take turns, a few passes over the contexts each,
//! and medians over the batches of all passes are printed, so that what else the machine does falls
//! out.
//! Read the ratios at the end, not the nanoseconds. The baseline is `webrtc-srtp`, the crate people
//! would take otherwise.
//!
//! Words on the command line choose suites: those whose names contain one of them.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use agw_bench::{SLOT, VOICE, key, voice};
use agw_simd::{AnyEngine, AnyKeys, Choice};
use agw_srtp::{
    EgressKey, Engine, IngressKey, Job, OpenTicket, Protector, SealTicket, SessionParameters,
    SpareRooms, Suite, Unprotector,
};
use arrayvec::ArrayVec;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

/// Ten thousand, in whole batches.
const CONTEXTS: usize = 157 * BATCH;
const BATCH: usize = 64;
/// How far ahead a relay asks for sessions.
const AHEAD: usize = 12;
/// How often every engine has its turn, and how many passes a turn has.
const TURNS: u16 = 11;
const PASSES: u16 = 3;

/// What is measured, in the order of the table.
const COLUMNS: [&str; 5] = ["protect", "engine", "unprotect", "engine", "replay"];
const PROTECT: usize = 0;
const PROTECT_ENGINE: usize = 1;
const UNPROTECT: usize = 2;
const UNPROTECT_ENGINE: usize = 3;
const REPLAY: usize = 4;

fn main() {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |suite: &Suite| {
        words.is_empty() || words.iter().any(|word| suite.name().contains(word.as_str()))
    };
    println!("nanoseconds per packet of 160 octets of payload; medians, batch by batch");
    println!(
        "{:24} {:12} {}",
        "suite",
        "engine",
        COLUMNS.map(|name| format!("{name:>9}")).join(" ")
    );
    let mut ratios = Vec::new();
    for suite in Suite::ALL.into_iter().filter(chosen) {
        let rows = measure(suite);
        for row in &rows {
            row.print(suite);
        }
        ratios.extend(compare(suite, &rows));
    }
    println!("\ntimes as fast as portable; the last column is what a replay costs of an accept");
    for ratio in ratios {
        println!("{ratio}");
    }
}

/// Medians of one engine, in nanoseconds per packet; zero is nothing measured.
struct Row {
    engine: &'static str,
    medians: [f64; COLUMNS.len()],
}

impl Row {
    fn print(&self, suite: Suite) {
        let figures = self.medians.map(|figure| match figure {
            0.0 => format!("{:>9}", "-"),
            figure => format!("{figure:9.1}"),
        });
        println!("{:24} {:12} {}", suite.name(), self.engine, figures.join(" "));
    }
}

fn measure(suite: Suite) -> Vec<Row> {
    let engines = [Choice::Portable, Choice::ShaNi, Choice::Avx512];
    let mut rigs: Vec<Rig> = engines
        .into_iter()
        .filter_map(|choice| AnyEngine::new(choice).ok())
        .map(|engine| Rig::new(engine, suite))
        .collect();
    let mut foreign = Foreign::new(suite);
    for turn in 0..TURNS {
        for rig in &mut rigs {
            rig.turn(turn);
        }
        if let Some(foreign) = &mut foreign {
            foreign.turn(turn);
        }
    }
    let ours = rigs.iter().map(|rig| (rig.engine.name(), &rig.spent));
    let theirs = foreign.iter().map(|foreign| ("webrtc-srtp", &foreign.spent));
    ours.chain(theirs).map(|(engine, spent)| Row { engine, medians: spent.medians() }).collect()
}

/// How long each batch took, column by column.
#[derive(Default)]
struct Spent {
    columns: [Vec<Duration>; COLUMNS.len()],
    counts: bool,
}

impl Spent {
    fn add(&mut self, column: usize, duration: Duration) {
        if self.counts {
            self.columns[column].push(duration);
        }
    }

    fn medians(&self) -> [f64; COLUMNS.len()] {
        self.columns.each_ref().map(|column| {
            let mut batches = column.clone();
            batches.sort_unstable();
            let median = batches.get(batches.len() / 2).map_or(0, Duration::as_nanos);
            median as f64 / BATCH as f64
        })
    }
}

fn compare(suite: Suite, rows: &[Row]) -> Vec<String> {
    let portable = &rows[0];
    let ratio = |row: &Row, column: usize| portable.medians[column] / row.medians[column];
    rows.iter()
        .filter(|row| row.medians[REPLAY] > 0.0)
        .map(|row| {
            let columns = [PROTECT, PROTECT_ENGINE, UNPROTECT, UNPROTECT_ENGINE];
            let ratios = columns.map(|column| format!("{:9.2}", ratio(row, column))).join(" ");
            let replay = row.medians[REPLAY] / row.medians[UNPROTECT];
            format!("{:24} {:12} {ratios} {replay:9.2}", suite.name(), row.engine)
        })
        .collect()
}

/// One engine with its sessions.
struct Rig {
    engine: AnyEngine,
    egress: Vec<Protector<AnyKeys>>,
    ingress: Vec<Unprotector<AnyKeys>>,
    /// The packets of a pass, sealed.
    sealed: Vec<[u8; SLOT]>,
    sealed_octets: usize,
    spent: Spent,
    now: Instant,
}

impl Rig {
    fn new(engine: AnyEngine, suite: Suite) -> Self {
        let parameters = SessionParameters::default();
        let contexts = 0..CONTEXTS as u32;
        let seals = |context| {
            let key = EgressKey::new(key(suite, context).unwrap());
            Protector::new(&engine, vec![key], parameters, 0).unwrap()
        };
        let opens = |context| {
            let key = IngressKey::new(key(suite, context).unwrap());
            Unprotector::new(&engine, vec![key], parameters, 0).unwrap()
        };
        Self {
            engine,
            egress: contexts.clone().map(seals).collect(),
            ingress: contexts.map(opens).collect(),
            sealed: vec![[0; SLOT]; CONTEXTS],
            sealed_octets: 0,
            spent: Spent::default(),
            now: Instant::now(),
        }
    }

    /// Every context seals a packet; then every context opens one; then every context refuses it;
    /// and again. The first pass of a turn does not count: it finds in the caches what another
    /// engine left there, as no gateway does.
    fn turn(&mut self, turn: u16) {
        for pass in 0..PASSES {
            self.spent.counts = pass > 0;
            self.seal_all(turn * PASSES + pass);
            self.open_all();
            self.refuse_all();
        }
    }

    fn seal_all(&mut self, sequence: u16) {
        let packet = voice(7, sequence);
        // The same slots again and again, as in a ring.
        let mut slots = [packet; BATCH];
        for (contexts, sealed) in self.egress.chunks_mut(BATCH).zip(self.sealed.chunks_mut(BATCH)) {
            slots.fill(packet);
            let start = Instant::now();
            let mut tickets = ArrayVec::<SealTicket, BATCH>::new();
            for place in 0..contexts.len() {
                contexts.get(place + AHEAD).into_iter().for_each(|one| one.prefetch(&self.engine));
                tickets.push(
                    contexts[place]
                        .begin_srtp(&slots[place][..VOICE], &mut SpareRooms::new())
                        .unwrap(),
                );
            }
            let mut jobs: ArrayVec<Job<'_, AnyKeys>, BATCH> = contexts
                .iter()
                .zip(&tickets)
                .zip(&mut slots)
                .map(|((context, ticket), slot)| context.job(ticket, slot, VOICE))
                .collect();
            let ready = Instant::now();
            self.engine.run(&mut jobs);
            self.spent.add(PROTECT_ENGINE, ready.elapsed());
            for job in &jobs {
                self.sealed_octets = job.outcome().unwrap();
            }
            self.spent.add(PROTECT, start.elapsed());
            drop(jobs);
            sealed.copy_from_slice(&slots);
        }
    }

    fn open_all(&mut self) {
        let (octets, now) = (self.sealed_octets, self.now);
        let mut slots = [[0; SLOT]; BATCH];
        for (contexts, sealed) in self.ingress.chunks_mut(BATCH).zip(self.sealed.chunks(BATCH)) {
            for (slot, sealed) in slots.iter_mut().zip(sealed) {
                *slot = *sealed;
            }
            let start = Instant::now();
            let mut tickets = ArrayVec::<OpenTicket, BATCH>::new();
            for (place, (context, slot)) in contexts.iter().zip(&slots).enumerate() {
                contexts.get(place + AHEAD).into_iter().for_each(|one| one.prefetch(&self.engine));
                tickets.push(context.check_srtp(&slot[..octets], now).unwrap());
            }
            let mut jobs: ArrayVec<Job<'_, AnyKeys>, BATCH> = contexts
                .iter()
                .zip(&tickets)
                .zip(&mut slots)
                .map(|((context, ticket), slot)| context.job(ticket, slot, octets))
                .collect();
            let ready = Instant::now();
            self.engine.run(&mut jobs);
            self.spent.add(UNPROTECT_ENGINE, ready.elapsed());
            let opened: ArrayVec<bool, BATCH> =
                jobs.iter().map(|job| job.outcome() == Ok(VOICE)).collect();
            drop(jobs);
            for ((context, ticket), opened) in contexts.iter_mut().zip(tickets).zip(opened) {
                assert!(opened);
                black_box(context.commit(ticket, now, &mut SpareRooms::new()).unwrap());
            }
            self.spent.add(UNPROTECT, start.elapsed());
        }
    }

    fn refuse_all(&mut self) {
        let mut slots = [[0; SLOT]; BATCH];
        for (contexts, sealed) in self.ingress.chunks(BATCH).zip(self.sealed.chunks(BATCH)) {
            for (slot, sealed) in slots.iter_mut().zip(sealed) {
                *slot = *sealed;
            }
            let start = Instant::now();
            for (context, slot) in contexts.iter().zip(&slots) {
                let refused = context.check_srtp(&slot[..self.sealed_octets], self.now);
                black_box(refused.unwrap_err());
            }
            self.spent.add(REPLAY, start.elapsed());
        }
    }
}

/// The baseline: one packet at a time, into a buffer of its own.
struct Foreign {
    contexts: Vec<Context>,
    spent: Spent,
}

impl Foreign {
    fn new(suite: Suite) -> Option<Self> {
        let profile = match suite {
            Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Suite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
            Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
            Suite::AesCm192HmacSha1_80
            | Suite::AesCm192HmacSha1_32
            | Suite::AesCm256HmacSha1_80
            | Suite::AesCm256HmacSha1_32
            | Suite::AesF8128HmacSha1_80
            | Suite::NullHmacSha1_80
            | Suite::NullHmacSha1_32 => return None,
        };
        let one = |context| {
            key(suite, context).unwrap().expose(|octets| {
                let (key, salt) = octets.split_at(suite.key_len());
                Context::new(key, salt, profile, None, None).unwrap()
            })
        };
        Some(Self { contexts: (0..CONTEXTS as u32).map(one).collect(), spent: Spent::default() })
    }

    fn turn(&mut self, turn: u16) {
        for pass in 0..PASSES {
            self.spent.counts = pass > 0;
            let packet = voice(7, turn * PASSES + pass);
            for contexts in self.contexts.chunks_mut(BATCH) {
                let start = Instant::now();
                for context in contexts {
                    black_box(context.encrypt_rtp(&packet[..VOICE]).unwrap());
                }
                self.spent.add(PROTECT, start.elapsed());
            }
        }
    }
}
