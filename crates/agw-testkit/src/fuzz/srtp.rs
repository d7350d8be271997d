//! `srtp_unprotect`, `srtp_against_libsrtp`: no packet but a genuine one leaves a trace.

use std::time::Instant;

use agw_rtp::Ssrc;
use agw_srtp::{
    EgressKey, IngressKey, MAX_TRAILER, MasterKey, Mki, Portable, PortableKeys, Protector,
    SessionParameters, SourceState, Suite, UnprotectError, Unprotector,
};

use crate::differential::{self, Scenario};
use crate::draw::Draw;
use crate::engines::engines;
use crate::libsrtp::Libsrtp;
use crate::packet::{self, Shape};

const SOURCE: Ssrc = Ssrc(0x5050_0001);

/// Lets octets arrive at a session in which a packet has been accepted and another one is due:
/// octets as they are, or the due packet with changes.
///
/// # Panics
/// If anything but the due packet is accepted, if what is refused leaves a trace in the session
/// or in the packet, or if the due packet is not accepted afterwards, and then once.
pub fn srtp_unprotect(data: &[u8]) {
    let mut draw = Draw::new(data);
    let Some(mut session) = Session::draw(&mut draw) else { return };
    let (first, _) = session.seal(1);
    assert!(session.open(&first).is_ok());
    let (due, plain) = session.seal(2);
    let arriving = if draw.flag() { altered(&due, &mut draw) } else { draw.rest().to_vec() };

    if arriving != due {
        let before = session.sources();
        let (outcome, after) = session.open_in_place(&arriving);
        assert!(outcome.is_err(), "accepted a packet that nobody sealed");
        assert_eq!(after, arriving, "a refused packet was changed");
        assert_eq!(session.sources(), before, "a refused packet left a trace");
    }
    assert_eq!(session.open(&due), Ok(plain), "a refused packet kept out the genuine one");
    assert_eq!(session.open(&due), Err(UnprotectError::Replay));
}

/// Runs a scenario through agw-srtp, with every engine, and libsrtp side by side, where libsrtp is
/// installed.
///
/// # Panics
/// If the two see anything differently that has no name.
pub fn srtp_against_libsrtp(data: &[u8]) {
    let Ok(library) = Libsrtp::load() else { return };
    let mut draw = Draw::new(data);
    let suite = draw.one_of(&Suite::ALL);
    if !library.knows(suite) {
        return;
    }
    let scenario = Scenario::draw(suite, &mut draw);
    for engine in engines() {
        if let Err(mismatch) = differential::run(library, engine, &scenario) {
            panic!("{engine:?}: {mismatch}\n{scenario:#?}");
        }
    }
}

/// Flips bits, cuts off and puts on octets.
fn altered(packet: &[u8], draw: &mut Draw<'_>) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let cut = draw.below(40).min(packet.len());
    packet.truncate(packet.len() - cut);
    for _ in 0..draw.below(4) {
        let (at, with) = (usize::from(draw.word()), draw.octet());
        let len = packet.len().max(1);
        if let Some(octet) = packet.get_mut(at % len) {
            *octet ^= with;
        }
    }
    packet.extend(draw.rest());
    packet
}

/// A sender and a receiver with the same key, for SRTP or for SRTCP.
struct Session {
    rtcp: bool,
    shape: Shape,
    egress: Protector<PortableKeys>,
    ingress: Unprotector<PortableKeys>,
    now: Instant,
}

impl Session {
    fn draw(draw: &mut Draw<'_>) -> Option<Self> {
        let suite = draw.one_of(&Suite::ALL);
        let mki = Mki::new(&[0x4d; 128][..draw.one_of(&[0, 0, 1, 4, 128])]).ok();
        let flags = draw.octet();
        let parameters = SessionParameters {
            unencrypted_srtp: flags & 2 != 0,
            unencrypted_srtcp: flags & 4 != 0,
            ..SessionParameters::default()
        };
        let roc = draw.one_of(&[0, 3, u32::MAX]);
        let octets = vec![0x6b; suite.key_len() + suite.salt_len()];
        let master = || MasterKey::from_concatenated(suite, &octets).ok();
        let key = EgressKey { mki, ..EgressKey::new(master()?) };
        let egress = Protector::new(&Portable, vec![key], parameters, roc).ok()?;
        let key = IngressKey { mki, ..IngressKey::new(master()?) };
        let ingress = Unprotector::new(&Portable, vec![key], parameters, roc).ok()?;
        let shape = Shape {
            csrcs: (flags >> 3) & 3,
            extension_words: (flags & 0x20 != 0).then_some(1),
            payload: draw.octet() % 64,
            padding: flags >> 6,
        };
        Some(Self { rtcp: flags & 1 != 0, shape, egress, ingress, now: Instant::now() })
    }

    /// The `number`th packet of the source, sealed and plain.
    fn seal(&mut self, number: u16) -> (Vec<u8>, Vec<u8>) {
        let plain = if self.rtcp {
            packet::rtcp(SOURCE, 201, self.shape.payload)
        } else {
            packet::rtp(SOURCE, number, self.shape)
        };
        let mut buffer = with_room(&plain);
        let octets = if self.rtcp {
            self.egress.protect_srtcp(&Portable, &mut buffer, plain.len())
        } else {
            self.egress.protect_srtp(&Portable, &mut buffer, plain.len())
        };
        let Ok(octets) = octets else { panic!("a genuine packet was not sealed: {octets:?}") };
        buffer.truncate(octets);
        (buffer, plain)
    }

    fn open(&mut self, packet: &[u8]) -> Result<Vec<u8>, UnprotectError> {
        let (outcome, mut octets) = self.open_in_place(packet);
        octets.truncate(outcome?);
        Ok(octets)
    }

    /// Opens a packet; also tells what stands in the buffer afterwards, without the room behind it.
    fn open_in_place(&mut self, packet: &[u8]) -> (Result<usize, UnprotectError>, Vec<u8>) {
        let Self { ingress, now, .. } = self;
        let mut buffer = with_room(packet);
        let outcome = if self.rtcp {
            ingress.unprotect_srtcp(&Portable, &mut buffer, packet.len(), *now)
        } else {
            ingress.unprotect_srtp(&Portable, &mut buffer, packet.len(), *now)
        };
        buffer.truncate(packet.len());
        (outcome, buffer)
    }

    fn sources(&self) -> Vec<SourceState> {
        self.ingress.sources().collect()
    }
}

fn with_room(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_TRAILER, 0xee);
    buffer
}
