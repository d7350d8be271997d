//! Something that sounds like speech: harmonics of a gliding pitch, shaped by the resonances of
//! vowels, in syllables with a breath of noise before each.
//!
//! No recording is needed, and every run sounds the same.

use std::f64::consts::TAU;

/// Samples in a second.
pub(super) const RATE_HZ: u32 = 8_000;
/// Nothing above this survives a telephone.
const HIGHEST_HZ: f64 = 3_400.0;
const SYLLABLES_PER_SECOND: f64 = 3.8;
/// Syllables of a phrase, the last one silent.
const PHRASE: usize = 7;
/// Resonances of vowels, in Hz (Peterson and Barney 1952, men): a, i, u, e, o.
const VOWELS: [[f64; 3]; 5] = [
    [730.0, 1_090.0, 2_440.0],
    [270.0, 2_290.0, 3_010.0],
    [300.0, 870.0, 2_240.0],
    [530.0, 1_840.0, 2_480.0],
    [570.0, 840.0, 2_410.0],
];
/// How wide each resonance is, in Hz.
const WIDTHS: [f64; 3] = [90.0, 110.0, 170.0];
/// How loud each resonance is.
const WEIGHTS: [f64; 3] = [1.0, 0.6, 0.25];

/// Somebody who speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice {
    /// The middle of the pitch, in Hz.
    pub(super) pitch_hz: f64,
    /// How long the throat is against that of the vowel table: below 1 the resonances are higher.
    pub(super) throat: f64,
    /// With which vowel to begin.
    pub(super) first_vowel: usize,
}

impl Voice {
    /// The voice at the access side.
    pub(super) const ACCESS: Self = Self { pitch_hz: 118.0, throat: 1.0, first_vowel: 0 };
    /// The voice at the core side, higher.
    pub(super) const CORE: Self = Self { pitch_hz: 205.0, throat: 0.87, first_vowel: 3 };

    /// Speaks for so many samples.
    pub(super) fn speak(&self, samples: usize) -> Vec<i16> {
        let mut noise = Noise(0x9e37_79b9);
        let mut phase = 0.0;
        (0..samples)
            .map(|n| {
                let seconds = n as f64 / f64::from(RATE_HZ);
                let beat = seconds * SYLLABLES_PER_SECOND;
                let (syllable, within) = (beat as usize, beat.fract());
                let pitch = self.pitch_hz * glide(beat);
                phase = (phase + pitch / f64::from(RATE_HZ)).fract();
                let voiced = swell(syllable, within) * self.vowel(syllable, pitch, phase);
                let breath = breath(syllable, within) * noise.next();
                ((voiced + breath) * 9_000.0).clamp(-32_000.0, 32_000.0) as i16
            })
            .collect()
    }

    fn vowel(&self, syllable: usize, pitch: f64, phase: f64) -> f64 {
        let vowel = (self.first_vowel + syllable * 2 + syllable / PHRASE) % VOWELS.len();
        let [resonances] = VOWELS.get(vowel).map_or([[500.0, 1_500.0, 2_500.0]], |v| [*v]);
        let harmonics = (HIGHEST_HZ / pitch) as u32;
        (1..=harmonics)
            .map(|harmonic| {
                let frequency = f64::from(harmonic) * pitch;
                let loudness: f64 = resonances
                    .iter()
                    .zip(WIDTHS)
                    .zip(WEIGHTS)
                    .map(|((resonance, width), weight)| {
                        let off = (frequency - resonance / self.throat) / width;
                        weight / (1.0 + off * off)
                    })
                    .sum();
                // The vocal cords give the lower harmonics more.
                let source = 1.0 / f64::from(harmonic).sqrt();
                source * (loudness + 0.04) * (TAU * f64::from(harmonic) * phase).sin()
            })
            .sum()
    }
}

/// The pitch falls along a phrase and sways a little.
fn glide(beat: f64) -> f64 {
    let along = (beat / PHRASE as f64).fract();
    1.06 - 0.12 * along + 0.015 * (TAU * 1.3 * beat).sin()
}

/// The loudness of a syllable: a quick rise, a slow fall, silence between phrases.
fn swell(syllable: usize, within: f64) -> f64 {
    if syllable % PHRASE == PHRASE - 1 {
        return 0.0;
    }
    let rise = ((within - 0.12) / 0.15).clamp(0.0, 1.0);
    let fall = ((1.0 - within) / 0.30).clamp(0.0, 1.0);
    rise * fall
}

/// The noise before a vowel.
fn breath(syllable: usize, within: f64) -> f64 {
    let silent = syllable % PHRASE == PHRASE - 1 || syllable.is_multiple_of(2);
    if silent || within > 0.16 {
        return 0.0;
    }
    0.12 * (within / 0.16 * std::f64::consts::PI).sin()
}

/// Evenly spread numbers from -1 to 1 (xorshift, Marsaglia 2003).
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        f64::from(self.0) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}
