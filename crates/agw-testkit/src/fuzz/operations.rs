//! `srtp_operations`: a sender and a receiver against a model that remembers everything.

use std::time::{Duration, Instant};

use agw_rtp::Ssrc;
use agw_srtp::{
    EgressKey, IngressKey, MAX_RETIRED, MAX_TRAILER, MasterKey, Portable, PortableKeys, Protector,
    Rekey, RocOnRekey, SessionParameters, Suite, Unprotector,
};

use super::model::{Jumps, Sources};
use crate::draw::Draw;
use crate::packet::{self, Shape};

const SOURCES: [Ssrc; 4] = [Ssrc(1), Ssrc(2), Ssrc(0x8000_0000), Ssrc(u32::MAX)];
const SHAPE: Shape = Shape { csrcs: 0, extension_words: None, payload: 8, padding: 0 };
/// The guard looks back at least this far (RFC 3711 §9.1).
const MIN_GUARD: u16 = 128;
const MAX_OPERATIONS: usize = 400;

/// Carries out operations on a sender and a receiver, and asks a model what must come of each.
///
/// # Panics
/// If a packet is sealed or opened that must not be, or the other way round, or the sources that
/// the sessions tell are not those of the model.
pub fn srtp_operations(data: &[u8]) {
    let mut draw = Draw::new(data);
    let mut pair = Pair::draw(&mut draw);
    for _ in 0..MAX_OPERATIONS {
        if draw.is_empty() {
            return;
        }
        match draw.below(16) {
            0..=6 => {
                let (source, step) = (draw.below(4), step(&mut draw));
                pair.send(source, step);
            }
            7 | 8 => pair.send_rtcp(draw.below(4)),
            9..=11 => pair.arrive(draw.octet()),
            12 => pair.forge(draw.octet(), draw.word()),
            13 => pair.rekey(&mut draw),
            14 => pair.repeat_key(&mut draw),
            _ => pair.wait(draw.octet()),
        }
        pair.compare_sources();
    }
}

fn step(draw: &mut Draw<'_>) -> u16 {
    match draw.below(8) {
        0..=3 => 1,
        4 => 0x7000,
        5 => draw.one_of(&[0, 0xffff, 63, 64, 128, 0x7fff, 0x8000, 0x8001]),
        6 => u16::from(draw.octet()).wrapping_neg(),
        _ => draw.word(),
    }
}

/// A packet on its way, and what the model knows about it.
struct Sent {
    ssrc: Ssrc,
    rtcp: bool,
    /// `None` for RTCP, whose index the packet carries.
    sequence: Option<u16>,
    index: u64,
    generation: u16,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

/// Keys that were replaced and still open packets; `sources` unless they share those of the next
/// newer ones.
struct Retired {
    generation: u16,
    sources: Option<Sources>,
    until: Instant,
}

struct Pair {
    suite: Suite,
    parameters: SessionParameters,
    egress: Protector<PortableKeys>,
    ingress: Unprotector<PortableKeys>,
    now: Instant,
    generation: u16,
    sending: Sources,
    next_srtcp: u64,
    receiving: Sources,
    jumps: Jumps,
    /// The oldest first.
    retired: Vec<Retired>,
    sequences: [u16; SOURCES.len()],
    sent: Vec<Sent>,
}

impl Pair {
    fn draw(draw: &mut Draw<'_>) -> Self {
        let suite = draw.one_of(&Suite::ALL);
        let parameters = SessionParameters {
            window: draw.one_of(&[64, 128, 192]),
            max_sources: draw.one_of(&[1, 3, 4]),
            ..SessionParameters::default()
        };
        let roc = draw.one_of(&[0, 1, 3, 0x7fff_ffff, u32::MAX - 1, u32::MAX]);
        let sources = |window: u16| Sources::new(roc, window, parameters.max_sources);
        let sends = vec![EgressKey::new(key(suite, 0))];
        let receives = vec![IngressKey::new(key(suite, 0))];
        let egress = Protector::new(&Portable, sends, parameters, roc);
        let ingress = Unprotector::new(&Portable, receives, parameters, roc);
        let (Ok(egress), Ok(ingress)) = (egress, ingress) else {
            panic!("keys and parameters within their limits are refused");
        };
        Self {
            suite,
            parameters,
            egress,
            ingress,
            now: Instant::now(),
            generation: 0,
            sending: sources(parameters.window.max(MIN_GUARD)),
            next_srtcp: 1,
            receiving: sources(parameters.window),
            jumps: Jumps::default(),
            retired: Vec::new(),
            sequences: [1, 0xfff8, 0, 0x8000],
            sent: Vec::new(),
        }
    }

    fn send(&mut self, source: usize, step: u16) {
        let ssrc = SOURCES[source];
        let sequence = self.sequences[source].wrapping_add(step);
        self.sequences[source] = sequence;
        let plain = packet::rtp(ssrc, sequence, SHAPE);
        let mut buffer = with_room(&plain);
        self.sending.make_room_for(ssrc, self.generation);
        let index = self.sending.index(ssrc, sequence);
        let expected = self.sending.has_room_for(ssrc) && self.sending.is_fresh(ssrc, false, index);
        let outcome = self.egress.protect_srtp(&Portable, &mut buffer, plain.len());
        assert_eq!(outcome.is_ok(), expected, "sealing index {index:#x} of {ssrc}: {outcome:?}");
        if let Ok(octets) = outcome {
            buffer.truncate(octets);
            self.sending.remember(ssrc, false, index, self.generation);
            self.on_its_way(ssrc, Some(sequence), index, plain, buffer);
        }
    }

    fn send_rtcp(&mut self, source: usize) {
        let ssrc = SOURCES[source];
        let plain = packet::rtcp(ssrc, 201, 6);
        let mut buffer = with_room(&plain);
        let outcome = self.egress.protect_srtcp(&Portable, &mut buffer, plain.len());
        let Ok(octets) = outcome else { panic!("RTCP was not sealed: {outcome:?}") };
        buffer.truncate(octets);
        let index = self.next_srtcp;
        self.next_srtcp += 1;
        self.on_its_way(ssrc, None, index, plain, buffer);
    }

    fn on_its_way(
        &mut self,
        ssrc: Ssrc,
        sequence: Option<u16>,
        index: u64,
        plain: Vec<u8>,
        sealed: Vec<u8>,
    ) {
        let (generation, rtcp) = (self.generation, sequence.is_none());
        self.sent.push(Sent { ssrc, rtcp, sequence, index, generation, plain, sealed });
    }

    fn arrive(&mut self, back: u8) {
        let Some(place) = self.place(back) else { return };
        let Sent { ssrc, rtcp, index, generation, .. } = self.sent[place];
        let expected = self.may_open(place);
        let (sealed, plain) = (self.sent[place].sealed.clone(), self.sent[place].plain.clone());
        let opened = self.open(rtcp, &sealed);
        assert_eq!(opened, expected.then_some(plain), "opening index {index:#x} of {ssrc}");
        if expected && let Some(sources) = self.sources_of(generation) {
            sources.make_room_for(ssrc, sources.oldest);
            sources.remember(ssrc, rtcp, index, generation);
        }
    }

    /// Whether the model takes the packet: a live key, the right index, never before, and under a
    /// short tag not far ahead unless another one was.
    fn may_open(&mut self, place: usize) -> bool {
        let Sent { ssrc, rtcp, sequence, index, generation, .. } = self.sent[place];
        let Some(sources) = self.sources_of(generation) else { return false };
        let estimate = sequence.map_or(index, |sequence| sources.index(ssrc, sequence));
        let other = sequence.and_then(|sequence| sources.other_index(ssrc, sequence));
        let new =
            sources.can_have_room_for(ssrc, sources.oldest) && sources.is_fresh(ssrc, rtcp, index);
        if (estimate != index && other != Some(index)) || !new {
            return false;
        }
        let jumps = !rtcp && sources.is_ahead(ssrc, index, Jumps::FAR);
        !(jumps && self.suite.srtp_tag_len() == 4) || self.jumps.confirms(ssrc, index)
    }

    fn sources_of(&mut self, generation: u16) -> Option<&mut Sources> {
        if generation == self.generation {
            return Some(&mut self.receiving);
        }
        let now = self.now;
        let is_it = |old: &Retired| old.generation == generation && now < old.until;
        let place = self.retired.iter().position(is_it)?;
        let newer = self.retired.get_mut(place..)?;
        let own = newer.iter_mut().find_map(|old| old.sources.as_mut());
        Some(own.unwrap_or(&mut self.receiving))
    }

    /// Tells the receiver which keys go on with its sources, whether their time is over or not, as
    /// long as nobody has said so.
    fn hold_sources(&mut self) {
        let sharing = self.retired.iter().rev().take_while(|old| old.sources.is_none());
        self.receiving.oldest = sharing.last().map_or(self.generation, |old| old.generation);
    }

    /// Keys whose time is over go; what they shared stays with those before them.
    fn wipe(&mut self) {
        for place in (0..self.retired.len()).rev() {
            if self.retired[place].until <= self.now {
                let gone = self.retired.remove(place);
                if let (Some(before), Some(sources)) = (place.checked_sub(1), gone.sources) {
                    self.retired[before].sources.get_or_insert(sources);
                }
            }
        }
    }

    fn forge(&mut self, back: u8, bit: u16) {
        let Some(place) = self.place(back) else { return };
        let Sent { rtcp, ref sealed, .. } = self.sent[place];
        let mut forged = sealed.clone();
        let bit = usize::from(bit) % (forged.len() * 8);
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(self.open(rtcp, &forged), None, "a forged packet was accepted");
    }

    /// Both ends take a new key, at once or after it was staged.
    fn rekey(&mut self, draw: &mut Draw<'_>) {
        let roc = roc(draw);
        let overlap = Duration::from_millis(draw.one_of(&[0, 0, 50, 2_000]));
        let now = self.now;
        let generation = self.generation + 1;
        let sends = EgressKey::new(key(self.suite, generation));
        let receives = IngressKey::new(key(self.suite, generation));
        let (egress, ingress, parameters) = (&mut self.egress, &mut self.ingress, self.parameters);
        if draw.flag() {
            assert_eq!(egress.stage(&Portable, sends), Ok(()));
            assert_eq!(ingress.stage(&Portable, receives, u32::from(generation)), Ok(()));
            assert_eq!(egress.activate(roc), Ok(()));
            assert_eq!(ingress.activate(roc, overlap, now), Ok(()));
        } else {
            let done = egress.rekey(&Portable, vec![sends], parameters, roc);
            assert_eq!(done, Ok(Rekey::Installed));
            let receives = vec![receives];
            let done = ingress.rekey(&Portable, receives, parameters, roc, overlap, now);
            assert_eq!(done, Ok(Rekey::Installed));
        }
        let restart = match roc {
            RocOnRekey::Keep | RocOnRekey::Auto => None,
            RocOnRekey::Reset => Some(0),
            RocOnRekey::Set(roc) => Some(roc),
        };
        let mut old = None;
        if let Some(roc) = restart {
            self.sending = self.sending.started_anew(roc);
            self.next_srtcp = 1;
            let anew = self.receiving.started_anew(roc);
            old = Some(std::mem::replace(&mut self.receiving, anew));
        }
        self.wipe();
        let retired = Retired { generation: self.generation, sources: old, until: now + overlap };
        self.retired.push(retired);
        self.wipe();
        if self.retired.len() > MAX_RETIRED {
            self.retired.remove(0);
        }
        self.jumps = Jumps::default();
        self.generation = generation;
        self.hold_sources();
    }

    /// The key in force is declared once more: nothing may move, whatever is asked for.
    fn repeat_key(&mut self, draw: &mut Draw<'_>) {
        let (roc, now) = (roc(draw), self.now);
        let sends = vec![EgressKey::new(key(self.suite, self.generation))];
        let receives = vec![IngressKey::new(key(self.suite, self.generation))];
        let parameters = self.parameters;
        let done = self.egress.rekey(&Portable, sends, parameters, roc);
        assert_eq!(done, Ok(Rekey::Unchanged));
        let done = self.ingress.rekey(&Portable, receives, parameters, roc, Duration::ZERO, now);
        assert_eq!(done, Ok(Rekey::Unchanged));
    }

    fn wait(&mut self, tens_of_ms: u8) {
        self.now += Duration::from_millis(u64::from(tens_of_ms) * 10);
        if tens_of_ms.is_multiple_of(2) {
            self.ingress.handle_timeout(self.now);
            self.wipe();
            self.hold_sources();
        }
    }

    fn open(&mut self, rtcp: bool, packet: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = with_room(packet);
        let (octets, now) = (packet.len(), self.now);
        let outcome = if rtcp {
            self.ingress.unprotect_srtcp(&Portable, &mut buffer, octets, now)
        } else {
            self.ingress.unprotect_srtp(&Portable, &mut buffer, octets, now)
        };
        buffer.truncate(outcome.ok()?);
        Some(buffer)
    }

    fn place(&self, back: u8) -> Option<usize> {
        let newest = self.sent.len().checked_sub(1)?;
        Some(newest - usize::from(back) % self.sent.len())
    }

    /// What the sessions tell about sources is what the model knows.
    fn compare_sources(&self) {
        let both = [
            (self.egress.sources().collect::<Vec<_>>(), &self.sending),
            (self.ingress.sources().collect(), &self.receiving),
        ];
        for (told, model) in both {
            assert_eq!(told.len(), model.len());
            for source in told {
                let known = model.find(source.ssrc).expect("a source that the model knows");
                let highest = source
                    .highest_sequence
                    .map(|sequence| (u64::from(source.roc) << 16) | u64::from(sequence.0));
                assert_eq!(highest, known.srtp.highest(), "{}", source.ssrc);
                let srtcp = source.srtcp_index.map(|index| u64::from(index.get()));
                assert_eq!(srtcp, known.srtcp.highest(), "{}", source.ssrc);
            }
        }
    }
}

fn roc(draw: &mut Draw<'_>) -> RocOnRekey {
    draw.one_of(&[
        RocOnRekey::Keep,
        RocOnRekey::Keep,
        RocOnRekey::Reset,
        RocOnRekey::Set(3),
        RocOnRekey::Set(u32::MAX),
    ])
}

fn key(suite: Suite, generation: u16) -> MasterKey {
    let [high, low] = generation.to_be_bytes();
    let mut octets = vec![0x33; suite.key_len() + suite.salt_len()];
    (octets[0], octets[1]) = (high, low);
    let Ok(key) = MasterKey::from_concatenated(suite, &octets) else {
        panic!("a key of the right length is refused");
    };
    key
}

fn with_room(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_TRAILER, 0xee);
    buffer
}
