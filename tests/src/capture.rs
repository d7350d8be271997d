//! What the gateway sent to the peers of this thread's tests, and whether it used a key stream
//! twice.
//!
//! Endpoints tell what they receive. On a stage, raw sockets among the peers see everything that
//! arrives there besides, other software's share and what no test reads. When a [`Gateway`] is
//! dropped, no two different packets may have left under one key with the same SSRC and index
//! (RFC 3711 §9.1). Under which key a packet left is tried out; where the peers' keys are unknown,
//! a port stands for its key, and the ROC is estimated.
//!
//! [`Gateway`]: crate::Gateway

mod datagram;
mod identity;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read as _;
use std::{mem, thread};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{Key, Stage};
use datagram::{Kind, Sealed};
use identity::Identity;

/// For what arrives between two looks.
const BUFFER_OCTETS: usize = 64 << 20;

thread_local! {
    static CAPTURE: RefCell<Capture> = RefCell::default();
}

/// Everything that arrived at peers, each datagram once.
#[derive(Default)]
struct Capture {
    /// Each with the octets of the IP header that it gives.
    sniffers: Vec<(Socket, usize)>,
    /// What is known of a peer's port.
    ports: HashMap<u16, Expected>,
    /// Where the SRTP of a port and SSRC stands.
    highest: HashMap<(u16, u32), u64>,
    srtp: HashMap<(u32, u16), Vec<Sealed>>,
    srtcp: HashMap<u32, Vec<Sealed>>,
}

/// Under which keys an endpoint receives; none where it receives in the clear.
#[derive(Default)]
struct Expected {
    keys: Vec<Key>,
    rocs: BTreeSet<u32>,
}

/// Two different packets under one key, with one SSRC and one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reuse {
    /// The SSRC.
    pub ssrc: u32,
    /// The packet index, or the SRTCP index.
    pub index: u64,
    /// Whether it is SRTCP.
    pub is_srtcp: bool,
}

/// Looks at the end of a test whether a key stream was used twice.
#[derive(Debug, Default)]
pub(crate) struct Watch;

impl Drop for Watch {
    fn drop(&mut self) {
        // A test that has failed already has said why.
        if !thread::panicking() {
            let found = reuse();
            assert!(found.is_empty(), "a key stream was used twice: {found:?}");
        }
    }
}

/// The key streams that the gateways of this thread's tests have used twice so far.
#[must_use]
pub fn reuse() -> Vec<Reuse> {
    CAPTURE.with_borrow_mut(|capture| {
        capture.sniff();
        capture.reuse()
    })
}

/// Takes note of a datagram that arrived at a port of a peer.
pub fn note(port: u16, octets: &[u8]) {
    CAPTURE.with_borrow_mut(|capture| {
        capture.sniff();
        capture.note(port, octets);
    });
}

/// Takes note of the keys, first used at this ROC, with which a port of a peer receives.
pub(crate) fn expect(port: u16, keys: &[Key], roc: u32) {
    CAPTURE.with_borrow_mut(|capture| {
        let expected = capture.ports.entry(port).or_default();
        for key in keys.iter().filter(|key| !expected.keys.contains(key)).collect::<Vec<_>>() {
            expected.keys.push(key.clone());
        }
        expected.rocs.insert(roc);
    });
}

/// Sees from now on what arrives among the peers of a stage.
///
/// # Panics
///
/// When there is no raw socket.
pub(crate) fn follow(stage: &Stage) {
    let sniffers = [(Domain::IPV4, 20), (Domain::IPV6, 0)].map(|(domain, header)| {
        let socket = stage.among_peers(|| Socket::new(domain, Type::RAW, Some(Protocol::UDP)));
        let socket = socket.expect("a raw socket, which takes root");
        socket.set_nonblocking(true).expect("a socket that does not block");
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER_OCTETS).expect("a large buffer");
        (socket, header)
    });
    CAPTURE.with_borrow_mut(|capture| capture.sniffers.extend(sniffers));
}

impl Capture {
    /// Takes what the raw sockets have.
    fn sniff(&mut self) {
        let mut buffer = [0; 1 << 16];
        let mut sniffers = mem::take(&mut self.sniffers);
        for (socket, header) in &mut sniffers {
            while let Ok(octets) = socket.read(&mut buffer) {
                let datagram = buffer.get(*header..octets).and_then(datagram::taken_apart);
                if let Some((port, payload)) = datagram {
                    self.note(port, payload);
                }
            }
        }
        self.sniffers = sniffers;
    }

    fn note(&mut self, port: u16, octets: &[u8]) {
        let group = match datagram::kind(octets) {
            Some(Kind::Srtp { ssrc, sequence }) => {
                let highest = self.highest.entry((port, ssrc)).or_insert_with(|| sequence.into());
                let index = datagram::estimate(*highest, sequence);
                *highest = index.max(*highest);
                let group = self.srtp.entry((ssrc, sequence)).or_default();
                (group, index)
            }
            Some(Kind::Srtcp { ssrc }) => (self.srtcp.entry(ssrc).or_default(), 0),
            None => return,
        };
        let (group, index) = group;
        // Once through the socket, once through the raw one; or to several members of a group.
        if group.iter().all(|sealed| sealed.port != port || sealed.octets != octets) {
            group.push(Sealed { port, index, octets: octets.to_vec() });
        }
    }

    fn reuse(&self) -> Vec<Reuse> {
        let mut found = Vec::new();
        let is_srtcp = false;
        for ((ssrc, _), group) in self.srtp.iter().filter(|(_, group)| is_suspect(group)) {
            let told = |(_, index): (Identity, u64)| Reuse { ssrc: *ssrc, index, is_srtcp };
            found.extend(twice(group, |one| self.of_srtp(one)).into_iter().map(told));
        }
        let is_srtcp = true;
        for (ssrc, group) in self.srtcp.iter().filter(|(_, group)| is_suspect(group)) {
            let told = |(_, index): (Identity, u64)| Reuse { ssrc: *ssrc, index, is_srtcp };
            found.extend(twice(group, |one| self.of_srtcp(one)).into_iter().map(told));
        }
        found
    }

    fn of_srtp(&self, sealed: &Sealed) -> Vec<(Identity, u64)> {
        match self.ports.get(&sealed.port) {
            Some(expected) => identity::of_srtp(&expected.keys, &expected.rocs, sealed),
            None => vec![(Identity::Port(sealed.port), sealed.index)],
        }
    }

    fn of_srtcp(&self, sealed: &Sealed) -> Vec<(Identity, u64)> {
        match self.ports.get(&sealed.port) {
            Some(expected) => identity::of_srtcp(&expected.keys, sealed),
            None => identity::guesses(sealed),
        }
    }
}

/// Whether a group has different packets at all.
fn is_suspect(group: &[Sealed]) -> bool {
    group.iter().skip(1).any(|one| group.first().is_some_and(|first| first.octets != one.octets))
}

/// What different packets of a group have in common.
fn twice(
    group: &[Sealed],
    identities: impl Fn(&Sealed) -> Vec<(Identity, u64)>,
) -> BTreeSet<(Identity, u64)> {
    let mut seen: BTreeMap<(Identity, u64), &[u8]> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for sealed in group {
        for identity in identities(sealed) {
            let first = seen.entry(identity.clone()).or_insert(&sealed.octets);
            if **first != *sealed.octets {
                found.insert(identity);
            }
        }
    }
    found
}
