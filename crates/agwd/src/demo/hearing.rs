//! What a listener makes of audio: its pitch and its level.

use super::speech::RATE_HZ;

/// Samples that are looked at together: 40 ms.
const FRAME: usize = 320;
/// Voices are between these, in Hz.
const LOWEST_HZ: u32 = 70;
const HIGHEST_HZ: u32 = 350;
/// Frames below this part of the loudest one are not voiced.
const QUIET: f64 = 0.1;

/// The pitch of the voice in Hz: the median over voiced frames; [`None`] if there are none.
pub(super) fn pitch_hz(samples: &[i16]) -> Option<f64> {
    let frames: Vec<&[i16]> = samples.windows(FRAME * 2).step_by(FRAME).collect();
    let loudest = frames.iter().copied().map(power).fold(0.0, f64::max);
    let mut pitches: Vec<f64> = frames
        .into_iter()
        .filter(|frame| loudest > 0.0 && power(frame) > loudest * QUIET)
        .filter_map(frame_pitch)
        .collect();
    pitches.sort_by(f64::total_cmp);
    pitches.get(pitches.len() / 2).copied()
}

/// The level in dB relative to a full-scale square wave; silence is -120.
pub(super) fn level_dbfs(samples: &[i16]) -> f64 {
    let full = f64::from(i16::MAX) * f64::from(i16::MAX);
    10.0 * (power(samples) / full).max(1e-12).log10()
}

fn power(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    sum / samples.len().max(1) as f64
}

/// The lag at which the first half of a frame is most like what follows it.
fn frame_pitch(frame: &[i16]) -> Option<f64> {
    let lags = (RATE_HZ / HIGHEST_HZ) as usize..=(RATE_HZ / LOWEST_HZ) as usize;
    let likeness: Vec<(usize, f64)> = lags
        .filter_map(|lag| Some((lag, alike(frame.get(..FRAME)?, frame.get(lag..lag + FRAME)?))))
        .collect();
    let best = likeness.iter().map(|&(_, alike)| alike).fold(0.0, f64::max);
    // Two periods are as alike as one: the shortest lag that comes close wins.
    likeness
        .iter()
        .zip(likeness.iter().skip(1))
        .find(|((_, here), (_, next))| *here > best * 0.9 && here >= next)
        .map(|((lag, _), _)| f64::from(RATE_HZ) / *lag as f64)
}

fn alike(a: &[i16], b: &[i16]) -> f64 {
    let product: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    product / (power(a) * power(b)).sqrt().max(1.0) / a.len() as f64
}

#[cfg(test)]
mod tests {
    use super::super::speech::Voice;
    use super::*;

    #[test]
    fn each_voice_is_heard_at_its_pitch() {
        for voice in [Voice::ACCESS, Voice::CORE] {
            let heard = pitch_hz(&voice.speak(24_000)).unwrap();
            assert!((heard / voice.pitch_hz - 1.0).abs() < 0.05, "{voice:?}: {heard}");
        }
    }

    #[test]
    fn a_voice_is_as_loud_as_people_on_the_telephone() {
        for voice in [Voice::ACCESS, Voice::CORE] {
            let level = level_dbfs(&voice.speak(24_000));
            assert!((-26.0..-14.0).contains(&level), "{voice:?}: {level}");
        }
    }

    #[test]
    fn silence_has_no_pitch_and_the_lowest_level() {
        assert_eq!(pitch_hz(&[0; 8_000]), None);
        assert_eq!(level_dbfs(&[0; 8_000]), -120.0);
    }

    #[test]
    fn a_square_wave_of_full_scale_has_0_db() {
        let square: Vec<i16> =
            (0..8_000).map(|n| if n % 80 < 40 { i16::MAX } else { -i16::MAX }).collect();
        assert!(level_dbfs(&square).abs() < 1e-9);
        assert_eq!(pitch_hz(&square), Some(100.0));
    }
}
