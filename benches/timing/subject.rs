//! What is timed: an engine that refuses packets whose tag is wrong.

use std::hint::black_box;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

use agw_bench::key;
use agw_simd::{AnyEngine, AnyKeys};
use agw_srtp::{
    EgressKey, Engine, IngressKey, Job, MAX_TRAILER, OpenTicket, Protector, SessionParameters,
    Suite, Unprotector,
};

/// Octets of a packet before it is sealed.
const PLAIN: usize = 60;
const SLOT: usize = PLAIN + MAX_TRAILER;
/// What is wrong with the first and the last octet of the tag, by class.
const WRONG: [[u8; 2]; 2] = [[0x55, 0], [0, 0x55]];

/// How tags are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// As the engine does.
    Engines,
    /// As it does, and once more up to the first difference.
    Planted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Srtp,
    Srtcp,
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Srtp => "SRTP",
            Self::Srtcp => "SRTCP",
        }
    }
}

/// An engine with a session, and packets that are wrong in two ways.
pub(crate) struct Subject {
    engine: AnyEngine,
    session: Unprotector<AnyKeys>,
    ticket: OpenTicket,
    /// What is right, and where its tag is.
    sealed: Vec<u8>,
    tag: std::ops::Range<usize>,
    /// Every packet goes through the same memory, whatever its class.
    slots: Vec<[u8; SLOT]>,
    /// So does the tag that is compared as one should not.
    shown: Vec<u8>,
}

impl Subject {
    pub(crate) fn new(engine: AnyEngine, suite: Suite, protocol: Protocol, depth: usize) -> Self {
        let parameters = SessionParameters::default();
        let keys = vec![EgressKey::new(key(suite, 1).unwrap())];
        let mut egress = Protector::new(&engine, keys, parameters, 3).unwrap();
        let keys = vec![IngressKey::new(key(suite, 1).unwrap())];
        let session = Unprotector::new(&engine, keys, parameters, 3).unwrap();
        let mut sealed = vec![0x5a; SLOT];
        let now = Instant::now();
        let (len, ticket, tag_len) = match protocol {
            Protocol::Srtp => {
                sealed[..12].copy_from_slice(&[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7]);
                let len = egress.protect_srtp(&engine, &mut sealed, PLAIN).unwrap();
                (len, session.check_srtp(&sealed[..len], now).unwrap(), suite.srtp_tag_len())
            }
            Protocol::Srtcp => {
                sealed[..8].copy_from_slice(&[0x80, 201, 0, 14, 0, 0, 0, 7]);
                let len = egress.protect_srtcp(&engine, &mut sealed, PLAIN).unwrap();
                (len, session.check_srtcp(&sealed[..len], now).unwrap(), suite.srtcp_tag_len())
            }
        };
        sealed.truncate(len);
        // The tag of AEAD stands before the SRTCP index, that of the other suites behind it.
        let index = if suite.is_aead() && protocol == Protocol::Srtcp { 4 } else { 0 };
        let tag = len - index - tag_len..len - index;
        let (slots, shown) = (vec![[0; SLOT]; depth], vec![0; tag_len]);
        Self { engine, session, ticket, sealed, tag, slots, shown }
    }

    pub(crate) fn depth(&self) -> usize {
        self.slots.len()
    }

    /// So many runs, each of one class by chance; nanoseconds of each, by class.
    pub(crate) fn measure(&mut self, comparison: Comparison, runs: usize) -> [Vec<u32>; 2] {
        let mut classes = [0; 2].map(|_: u8| Vec::with_capacity(runs));
        // The first ones warm up.
        for run in 0..runs + runs / 20 {
            let class = usize::from(rand::random::<bool>());
            let took = self.time(class, comparison);
            if run >= runs / 20 {
                classes[class].push(took);
            }
        }
        classes
    }

    /// Nanoseconds until all packets of a class are refused.
    fn time(&mut self, class: usize, comparison: Comparison) -> u32 {
        let Self { engine, session, ticket, sealed, tag, slots, shown } = self;
        let len = sealed.len();
        let wrong = black_box(WRONG[class]);
        for slot in slots.iter_mut() {
            slot[..len].copy_from_slice(sealed);
            spoil(&mut slot[tag.clone()], wrong);
        }
        shown.copy_from_slice(&sealed[tag.clone()]);
        spoil(shown, wrong);
        let mut jobs: Vec<Job<'_, AnyKeys>> =
            black_box(slots).iter_mut().map(|slot| session.job(ticket, slot, len)).collect();
        // Nothing of the above is still under way.
        fence(Ordering::SeqCst);
        let started = Instant::now();
        engine.run(black_box(&mut jobs));
        if comparison == Comparison::Planted {
            for _ in 0..jobs.len() {
                // What an engine does that compares as people do at first.
                black_box(is_same(shown, &sealed[tag.clone()]));
            }
        }
        let took = started.elapsed();
        assert!(jobs.iter().all(|job| job.outcome().is_err()), "a wrong tag passed");
        u32::try_from(took.as_nanos()).unwrap_or(u32::MAX)
    }
}

/// Makes a tag wrong: both classes read and write the same octets, only the values differ.
#[inline(never)]
fn spoil(tag: &mut [u8], [first, last]: [u8; 2]) {
    let end = tag.len() - 1;
    tag[0] ^= first;
    tag[end] ^= last;
}

/// Compares up to the first difference.
#[inline(never)]
fn is_same(tag: &[u8], expected: &[u8]) -> bool {
    for (octet, expected) in black_box(tag).iter().zip(black_box(expected)) {
        if black_box(octet) != expected {
            return false;
        }
    }
    true
}
