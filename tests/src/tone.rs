//! Tones in decoded audio: which, how loud, how pure.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

/// A tone to be found.
#[derive(Debug, Clone, Copy)]
pub struct Tone {
    /// Its frequency in Hz.
    pub hertz: f64,
    /// Its peak amplitude; 1 is full scale.
    pub amplitude: f64,
}

/// Reads audio as bare 16-bit samples in little-endian order.
///
/// # Panics
///
/// When the file cannot be read.
#[must_use]
pub fn samples(file: &Path) -> Vec<f64> {
    let octets = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    octets
        .chunks_exact(2)
        .filter_map(|pair| pair.try_into().ok())
        .map(|pair| f64::from(i16::from_le_bytes(pair)) / 32_768.0)
        .collect()
}

/// Asserts that audio of 8,000 samples a second is one tone and nothing else: amplitude within
/// 5 %, and less than 1 % of its power beside it.
///
/// # Panics
///
/// When it is not.
pub fn assert_tone(samples: &[f64], tone: Tone) {
    // What is started and ended abruptly is not judged; whole periods of every even frequency are.
    let start = samples.len().saturating_sub(8_000) / 2;
    let judged = samples.get(start..start + 8_000).unwrap_or_default();
    assert_eq!(judged.len(), 8_000, "{} samples are less than a second", samples.len());
    let amplitude = goertzel(judged, tone.hertz);
    let power = judged.iter().map(|sample| sample * sample).sum::<f64>() / 8_000.0;
    let of_tone = amplitude * amplitude / 2.0;
    assert!(
        (amplitude / tone.amplitude - 1.0).abs() < 0.05,
        "{tone:?} has amplitude {amplitude:.4}, the whole power is {power:.6}"
    );
    assert!(of_tone > 0.99 * power, "{tone:?} has {of_tone:.6} of a power of {power:.6}");
}

/// The peak amplitude of one frequency (Goertzel 1958) at 8,000 samples a second.
fn goertzel(samples: &[f64], hertz: f64) -> f64 {
    let step = TAU * hertz / 8_000.0;
    let (mut before, mut last) = (0.0, 0.0);
    for sample in samples {
        (before, last) = (last, sample + 2.0 * step.cos() * last - before);
    }
    let power = last * last + before * before - 2.0 * step.cos() * last * before;
    2.0 * power.sqrt() / 8_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f64, amplitude: f64) -> impl Iterator<Item = f64> {
        (0..12_000).map(move |n| amplitude * (TAU * hertz * f64::from(n) / 8_000.0).sin())
    }

    #[test]
    fn a_tone_is_found_at_its_frequency_and_level() {
        let samples: Vec<f64> = sine(440.0, 0.25).collect();
        assert_tone(&samples, Tone { hertz: 440.0, amplitude: 0.25 });
    }

    #[test]
    #[should_panic(expected = "has amplitude")]
    fn another_tone_is_told_apart() {
        let samples: Vec<f64> = sine(450.0, 0.25).collect();
        assert_tone(&samples, Tone { hertz: 440.0, amplitude: 0.25 });
    }

    #[test]
    #[should_panic(expected = "of a power of")]
    fn noise_beside_the_tone_is_found() {
        let samples: Vec<f64> =
            sine(440.0, 0.25).zip(sine(1_000.0, 0.05)).map(|(tone, noise)| tone + noise).collect();
        assert_tone(&samples, Tone { hertz: 440.0, amplitude: 0.25 });
    }
}
