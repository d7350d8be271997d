//! What a sender does and what the network makes of it.

use agw_rtp::Ssrc;
use agw_srtp::{SessionParameters, Suite};

use crate::draw::Draw;
use crate::packet::Shape;

/// The sources that scenarios send from.
pub(super) const SOURCES: [Ssrc; 4] =
    [Ssrc(0x0a00_0001), Ssrc(0x0a00_0002), Ssrc(0xffff_ffff), Ssrc(0)];

/// Keys of a session with identifiers.
pub(super) const IDENTIFIED_KEYS: usize = 3;

/// Where sources start. Attacks and losses mean nothing at 0, where a wrong guess of 0 happens to
/// be right; the last counters of all have a test of their own.
const ROLLOVER_COUNTERS: [u32; 6] = [0, 0, 5, 3, 0x7fff_ffff, 0xffff_0000];

/// A session and what happens in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The suite.
    pub suite: Suite,
    /// Octets of the key identifiers; 0 is a session with one key and without identifiers.
    pub mki_octets: u8,
    /// The receiver's replay window, in packets.
    pub window: u16,
    /// The rollover counter with which the first source starts.
    pub initial_roc: u32,
    /// SRTP is authenticated and not encrypted.
    pub unencrypted_srtp: bool,
    /// SRTCP is authenticated and not encrypted.
    pub unencrypted_srtcp: bool,
    /// What happens, in order.
    pub operations: Vec<Operation>,
}

/// One thing that happens. `source` is taken modulo the sources there are, `back` modulo the
/// packets sent, `bit` modulo the bits of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// RTP is sent, `step` after the source's sequence number before: 0 repeats it, more than
    /// 32,767 goes back.
    Send {
        /// Which source.
        source: u8,
        /// By how much the sequence number moves.
        step: u16,
        /// The packet.
        shape: Shape,
        /// Whether it arrives at once; otherwise it is lost or late.
        arrives: bool,
    },
    /// RTCP is sent.
    SendRtcp {
        /// Which source.
        source: u8,
        /// The packet type: 201, or another for a reduced-size packet.
        packet_type: u8,
        /// Words after the sender.
        words: u8,
        /// Whether it arrives at once.
        arrives: bool,
    },
    /// The packet sent `back` packets ago arrives: late, or once more.
    Arrive {
        /// How long ago it was sent.
        back: u8,
    },
    /// The packet sent `back` packets ago arrives with one bit flipped.
    Forge {
        /// How long ago it was sent.
        back: u8,
        /// Which bit.
        bit: u16,
    },
    /// Octets arrive that nobody sealed.
    Noise {
        /// The octets.
        octets: Vec<u8>,
        /// Whether they have a header with that source.
        source: Option<u8>,
        /// Whether they arrive as RTCP.
        rtcp: bool,
    },
    /// Both ends take new keys; rollover counters go on.
    Rekey,
    /// The sender seals with another of its keys.
    SelectKey {
        /// Which one.
        key: u8,
    },
}

impl Scenario {
    /// Reads a scenario from choices.
    #[must_use]
    pub fn draw(suite: Suite, draw: &mut Draw<'_>) -> Self {
        let mut scenario = Self {
            suite,
            mki_octets: draw.one_of(&[0, 0, 1, 4, 128]),
            window: draw.one_of(&[128, 128, 64, 256, 1024]),
            initial_roc: draw.one_of(&ROLLOVER_COUNTERS),
            // libsrtp has no GCM that authenticates RTP only: it encrypts all the same.
            unencrypted_srtp: draw.below(8) == 1 && !suite.is_aead(),
            unencrypted_srtcp: draw.below(8) == 1,
            operations: Vec::new(),
        };
        while !draw.is_empty() {
            let operation = Operation::draw(draw);
            scenario.operations.push(operation);
        }
        scenario
    }

    /// The source that is the first to send RTP.
    pub(super) fn first_source(&self) -> Option<Ssrc> {
        self.operations.iter().find_map(|operation| match operation {
            Operation::Send { source, .. } => {
                SOURCES.get(usize::from(*source) % SOURCES.len()).copied()
            }
            Operation::SendRtcp { .. }
            | Operation::Arrive { .. }
            | Operation::Forge { .. }
            | Operation::Noise { .. }
            | Operation::Rekey
            | Operation::SelectKey { .. } => None,
        })
    }

    /// The session parameters of ours.
    pub(super) fn parameters(&self) -> SessionParameters {
        SessionParameters {
            unencrypted_srtp: self.unencrypted_srtp,
            unencrypted_srtcp: self.unencrypted_srtcp,
            window: self.window,
            ..SessionParameters::default()
        }
    }

    /// How many keys are in force together.
    pub(super) fn key_count(&self) -> usize {
        if self.mki_octets == 0 { 1 } else { IDENTIFIED_KEYS }
    }

    /// Key with salt, and identifier, of a generation of keys.
    pub(super) fn key(&self, generation: u8, key: usize) -> (Vec<u8>, Vec<u8>) {
        let octets = self.suite.key_len() + self.suite.salt_len();
        let number = generation.wrapping_mul(IDENTIFIED_KEYS as u8).wrapping_add(key as u8);
        let material =
            (0..octets as u8).map(|n| n ^ number.wrapping_mul(0x1d).wrapping_add(0x5a)).collect();
        let mut mki = vec![0; usize::from(self.mki_octets)];
        if let Some(last) = mki.last_mut() {
            *last = number.wrapping_add(1);
        }
        (material, mki)
    }
}

impl Operation {
    fn draw(draw: &mut Draw<'_>) -> Self {
        match draw.below(32) {
            0..=15 => Self::Send {
                source: source(draw),
                step: step(draw),
                shape: shape(draw),
                arrives: draw.below(4) != 1,
            },
            // A second source that sends RTCP makes the indices of the two differ from then on.
            16..=19 => Self::SendRtcp {
                source: if draw.below(64) == 1 { source(draw) } else { 0 },
                packet_type: draw.one_of(&[201, 200, 206, 203]),
                words: draw.octet() % 24,
                arrives: draw.below(4) != 1,
            },
            20..=24 => Self::Arrive { back: back(draw) },
            25..=28 => Self::Forge { back: back(draw), bit: draw.word() },
            29 => {
                let octets = draw.below(80);
                Self::Noise {
                    octets: draw.octets(octets).to_vec(),
                    source: draw.flag().then(|| draw.octet()),
                    rtcp: draw.flag(),
                }
            }
            30 => Self::Rekey,
            _ => Self::SelectKey { key: draw.octet() },
        }
    }
}

fn source(draw: &mut Draw<'_>) -> u8 {
    draw.one_of(&[0, 0, 0, 0, 0, 0, 1, 2, 3])
}

/// Mostly the last few packets, sometimes any.
fn back(draw: &mut Draw<'_>) -> u8 {
    if draw.flag() { draw.octet() % 8 } else { draw.octet() }
}

fn step(draw: &mut Draw<'_>) -> u16 {
    match draw.below(16) {
        0..=8 => 1,
        9 => u16::from(draw.octet()),
        10 => u16::from(draw.octet()).wrapping_neg(),
        11 => 0x7000,
        12 => draw.word() % 0x8000,
        13 => draw.word(),
        14 => draw.one_of(&[0, 2, 63, 64, 65, 127, 128, 129, 0x7fff, 0x8000, 0x8001, 0xffff]),
        _ => 0u16.wrapping_sub(u16::from(draw.octet()) % 4),
    }
}

fn shape(draw: &mut Draw<'_>) -> Shape {
    let odd = draw.octet();
    Shape {
        csrcs: if odd & 3 == 1 { draw.octet() & 0xf } else { 0 },
        extension_words: (odd & 12 == 4).then(|| draw.octet() % 16),
        payload: if odd & 0x70 == 0x10 { draw.octet() } else { odd >> 3 },
        padding: if odd & 0x80 != 0 { 1 + draw.octet() % 8 } else { 0 },
    }
}
