//! What arrived over one flow, compared with what was sent.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::alaw;
use super::endpoint::{Component, Strange};
use super::script::{FRAME, Script};

/// The longest delay that is told apart from longer ones, in nanoseconds: 10 s.
const LONGEST_NS: u64 = 10_000_000_000;

/// What arrived over one flow.
pub(super) struct Heard {
    component: Component,
    seen: Vec<bool>,
    octets: Vec<u8>,
    /// Packets that are octet by octet what was sent.
    pub(super) identical: u64,
    /// Packets of the script with other octets than those sent.
    pub(super) altered: u64,
    /// Packets that came more than once.
    pub(super) repeated: u64,
    /// Datagrams that are no part of the call.
    pub(super) strange: Vec<String>,
    /// Delays in nanoseconds.
    pub(super) delays: Option<Histogram<u64>>,
}

/// The audio that arrived.
pub(super) struct Audio {
    /// The samples, silence where packets are missing.
    pub(super) samples: Vec<i16>,
    /// Samples of packets that arrived.
    pub(super) arrived: usize,
    /// Samples that are what was sent.
    pub(super) identical: usize,
}

impl Heard {
    /// Nothing yet.
    pub(super) fn new(component: Component, script: &Script) -> Self {
        let packets = match component {
            Component::Rtp => script.packets(),
            Component::Rtcp => script.reports(),
        };
        let silence = alaw::encode(0);
        Self {
            component,
            seen: vec![false; usize::try_from(packets).unwrap_or_default()],
            octets: vec![silence; script.octets().len()],
            identical: 0,
            altered: 0,
            repeated: 0,
            strange: Vec::new(),
            delays: Histogram::new_with_bounds(1, LONGEST_NS, 3).ok(),
        }
    }

    /// Packets of the script that arrived.
    pub(super) const fn arrived(&self) -> u64 {
        self.identical + self.altered
    }

    /// Packets of the script that did not arrive.
    pub(super) const fn lost(&self) -> u64 {
        self.seen.len() as u64 - self.arrived()
    }

    /// What the whole script sounds like, decoded.
    pub(super) fn all(script: &Script) -> Vec<i16> {
        script.octets().iter().copied().map(alaw::decode).collect()
    }

    /// Takes what arrived; tells its number if it is of the script and new.
    pub(super) fn take(
        &mut self,
        packet: Result<Vec<u8>, Strange>,
        script: &Script,
    ) -> Option<u64> {
        let packet = match packet {
            Ok(packet) => packet,
            Err(strange) => {
                self.strange.push(describe(strange));
                return None;
            }
        };
        let (number, expected) = match self.component {
            Component::Rtp => {
                let number = script.number(&packet);
                (number, number.map(|number| script.packet(number)))
            }
            Component::Rtcp => {
                let number = script.report_number(&packet);
                (number, number.map(|number| script.report(number)))
            }
        };
        let (Some(number), Some(expected)) = (number, expected) else {
            self.strange.push("not of this call".to_owned());
            return None;
        };
        let place = usize::try_from(number).ok()?;
        if std::mem::replace(self.seen.get_mut(place)?, true) {
            self.repeated += 1;
            return None;
        }
        if packet == expected {
            self.identical += 1;
        } else {
            self.altered += 1;
        }
        self.keep_audio(place, &packet);
        Some(number)
    }

    /// Records how long a packet took.
    pub(super) fn took(&mut self, time: Option<Duration>) {
        if let (Some(delays), Some(time)) = (&mut self.delays, time) {
            delays.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Decodes what arrived and compares it sample by sample with what was encoded.
    pub(super) fn audio(&self, script: &Script) -> Audio {
        let samples: Vec<i16> = self.octets.iter().copied().map(alaw::decode).collect();
        let sent = Self::all(script);
        let frames = self.seen.iter().flat_map(|seen| [*seen; FRAME]);
        let compared: Vec<bool> = frames
            .zip(samples.iter().copied().zip(sent))
            .filter_map(|(seen, (heard, sent))| seen.then_some(heard == sent))
            .collect();
        Audio {
            arrived: compared.len(),
            identical: compared.iter().filter(|same| **same).count(),
            samples,
        }
    }

    fn keep_audio(&mut self, place: usize, packet: &[u8]) {
        if self.component == Component::Rtp
            && let Some(frame) = self.octets.chunks_mut(FRAME).nth(place)
            && let Some(payload) = packet.get(12..)
            && payload.len() == frame.len()
        {
            frame.copy_from_slice(payload);
        }
    }
}

fn describe(strange: Strange) -> String {
    match strange {
        Strange::Source => "not from the gateway's port".to_owned(),
        Strange::Closed(error) => format!("does not open: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::Identity;
    use super::super::speech::Voice;
    use super::*;

    fn script() -> Script {
        let identity = Identity { ssrc: 1, first_timestamp: 2, wall_clock: 3 };
        Script::new(Voice::CORE, 1, identity)
    }

    #[test]
    fn a_script_that_arrives_whole_is_identical_to_the_last_sample() {
        let script = script();
        let mut heard = Heard::new(Component::Rtp, &script);
        for number in 0..script.packets() {
            assert_eq!(heard.take(Ok(script.packet(number)), &script), Some(number));
        }
        let audio = heard.audio(&script);
        assert_eq!((heard.identical, heard.lost()), (50, 0));
        assert_eq!((audio.arrived, audio.identical), (8_000, 8_000));
    }

    #[test]
    fn an_altered_sample_is_seen_and_a_lost_packet_is_silence() {
        let script = script();
        let mut heard = Heard::new(Component::Rtp, &script);
        let mut packet = script.packet(9);
        packet[20] ^= 1;
        heard.take(Ok(packet), &script);

        let audio = heard.audio(&script);
        assert_eq!((heard.identical, heard.altered, heard.lost()), (0, 1, 49));
        assert_eq!((audio.arrived, audio.identical), (160, 159));
        assert!(audio.samples[..9 * FRAME].iter().all(|sample| sample.abs() <= 8));
    }

    #[test]
    fn a_changed_header_alters_a_packet_whose_audio_is_right() {
        let script = script();
        let mut heard = Heard::new(Component::Rtp, &script);
        let mut packet = script.packet(9);
        packet[1] ^= 0x80;
        heard.take(Ok(packet), &script);

        let audio = heard.audio(&script);
        assert_eq!((heard.identical, heard.altered), (0, 1));
        assert_eq!((audio.arrived, audio.identical), (160, 160));
    }

    #[test]
    fn a_report_is_taken_once_and_strangers_are_told() {
        let script = script();
        let mut heard = Heard::new(Component::Rtcp, &script);
        assert_eq!(heard.take(Ok(script.report(0)), &script), Some(0));
        assert_eq!(heard.take(Ok(script.report(0)), &script), None);
        assert_eq!(heard.take(Ok(vec![0; 48]), &script), None);
        assert_eq!(heard.take(Err(Strange::Source), &script), None);
        assert_eq!((heard.identical, heard.repeated, heard.strange.len()), (1, 1, 2));
    }
}
