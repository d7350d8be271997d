//! What the call came to, in figures, and everything in them that is not as it should be.

use agw_iq::pb;

use super::PathHeard;
use super::call::Counters;
use super::heard::{Audio, Heard};
use super::hearing::{level_dbfs, pitch_hz};
use super::script::Script;
use super::speech::Voice;

/// How far the pitch that is heard may be from the voice's, as a part of it: a phrase that is cut
/// short is higher.
const PITCH_TOLERANCE: f64 = 0.08;
/// How far the level that is heard may be from the one sent, in dB.
const LEVEL_TOLERANCE_DB: f64 = 0.1;
/// The sequence number wraps once in every script.
const EXPECTED_ROC: u32 = 1;

/// What the call came to.
pub(super) struct Report<'a> {
    /// Access to core, core to access.
    pub(super) directions: [Direction<'a>; 2],
    /// What the gateway counted.
    pub(super) counters: &'a Counters,
    /// What the gateway must have received.
    pub(super) sent: u64,
}

/// What one direction came to.
pub(super) struct Direction<'a> {
    /// Its name.
    pub(super) name: &'static str,
    /// Media and reports.
    pub(super) flows: [Flow<'a>; 2],
    /// What arrived, decoded.
    pub(super) audio: Audio,
    /// The pitch that was sent and the one that was heard, in Hz.
    pub(super) pitch_hz: (f64, Option<f64>),
    /// The level that was sent and the one that was heard, in dB relative to full scale.
    pub(super) level_dbfs: (f64, f64),
}

/// What one flow came to.
pub(super) struct Flow<'a> {
    /// Its form on both legs.
    pub(super) name: &'static str,
    /// Packets sent.
    pub(super) sent: u64,
    /// What arrived.
    pub(super) heard: &'a Heard,
}

impl<'a> Report<'a> {
    /// Puts together what was sent, what was heard and what the gateway says.
    pub(super) fn new(
        scripts: &'a [Script; 2],
        heard: &'a [PathHeard; 2],
        counters: &'a Counters,
    ) -> Self {
        let [there, back] = scripts;
        let [heard_at_core, heard_at_access] = heard;
        let directions = [
            Direction::new(
                "access → core",
                Voice::ACCESS,
                ["access SRTP → core RTP", "access SRTCP → core RTCP"],
                there,
                heard_at_core,
            ),
            Direction::new(
                "core → access",
                Voice::CORE,
                ["core RTP → access SRTP", "core RTCP → access SRTCP"],
                back,
                heard_at_access,
            ),
        ];
        let sent = directions.iter().flat_map(|direction| &direction.flows).map(|flow| flow.sent);
        Self { sent: sent.sum(), directions, counters }
    }

    /// What was heard at the core side and at the access side.
    pub(super) fn recordings(&self) -> [&[i16]; 2] {
        self.directions.each_ref().map(|direction| &direction.audio.samples[..])
    }

    /// Everything that is not as it should be.
    pub(super) fn troubles(&self) -> Vec<String> {
        let mut troubles: Vec<String> =
            self.directions.iter().flat_map(Direction::troubles).collect();
        let Counters { totals, access, core } = self.counters;
        for (leg, statistics) in [("access", access), ("core", core)] {
            troubles.extend(leg_troubles(leg, statistics));
        }
        troubles.extend(totals_troubles(totals, self.sent));
        for (half, crypto) in [
            ("opens", access.ingress.as_ref().and_then(|ingress| ingress.crypto.as_ref())),
            ("seals", access.egress.as_ref().and_then(|egress| egress.crypto.as_ref())),
        ] {
            if roc(crypto) != Some(EXPECTED_ROC) {
                troubles
                    .push(format!("the rollover counter that {half} is {:?}, not 1", roc(crypto)));
            }
        }
        troubles
    }
}

impl<'a> Direction<'a> {
    fn new(
        name: &'static str,
        voice: Voice,
        [rtp, rtcp]: [&'static str; 2],
        script: &'a Script,
        heard: &'a PathHeard,
    ) -> Self {
        let audio = heard.rtp.audio(script);
        let sent = Heard::all(script);
        Self {
            name,
            flows: [
                Flow { name: rtp, sent: script.packets(), heard: &heard.rtp },
                Flow { name: rtcp, sent: script.reports(), heard: &heard.rtcp },
            ],
            pitch_hz: (voice.pitch_hz, pitch_hz(&audio.samples)),
            level_dbfs: (level_dbfs(&sent), level_dbfs(&audio.samples)),
            audio,
        }
    }

    fn troubles(&self) -> Vec<String> {
        let mut troubles: Vec<String> = self.flows.iter().flat_map(Flow::troubles).collect();
        let Audio { arrived, identical, .. } = self.audio;
        if identical < arrived {
            troubles.push(format!("{}: {} samples differ", self.name, arrived - identical));
        }
        let (pitch, heard) = self.pitch_hz;
        if !heard.is_some_and(|heard| (heard / pitch - 1.0).abs() <= PITCH_TOLERANCE) {
            troubles.push(format!("{}: the pitch is {heard:?} Hz, not {pitch} Hz", self.name));
        }
        let (level, heard) = self.level_dbfs;
        if (level - heard).abs() > LEVEL_TOLERANCE_DB {
            troubles.push(format!("{}: the level is {heard:.1} dB, not {level:.1} dB", self.name));
        }
        troubles
    }
}

impl Flow<'_> {
    fn troubles(&self) -> Vec<String> {
        let Heard { altered, repeated, strange, .. } = self.heard;
        let counted = [(self.heard.lost(), "lost"), (*altered, "altered"), (*repeated, "repeated")];
        let counted = counted
            .into_iter()
            .filter(|(packets, _)| *packets > 0)
            .map(|(packets, what)| format!("{}: {packets} packets {what}", self.name));
        let strange = strange.first().map(|first| {
            format!("{}: {} strange datagrams, the first one {first}", self.name, strange.len())
        });
        counted.chain(strange).collect()
    }
}

/// The rollover counter, if there is exactly one source.
pub(super) fn roc(crypto: Option<&pb::CryptoState>) -> Option<u32> {
    match &crypto?.sources[..] {
        [source] => Some(source.roc),
        _ => None,
    }
}

/// All drops, whatever the reason.
pub(super) fn dropped(drops: &[pb::DropCount]) -> u64 {
    drops.iter().map(|drop| drop.packets).sum()
}

fn leg_troubles(leg: &str, statistics: &pb::StreamStatistics) -> Vec<String> {
    let drops = statistics.ingress.iter().flat_map(|ingress| &ingress.dropped);
    let refused = statistics.egress.as_ref().map_or(0, |egress| egress.refused);
    let refused = (refused > 0).then(|| format!("{leg} leg: the kernel refused {refused} packets"));
    drops
        .map(|drop| {
            format!("{leg} leg: {} packets dropped, {}", drop.packets, drop.reason().as_str_name())
        })
        .chain(refused)
        .collect()
}

fn totals_troubles(totals: &pb::Totals, sent: u64) -> Vec<String> {
    let refused = totals.send_errors.iter().map(|error| error.packets).sum();
    let received = totals.received.unwrap_or_default().packets;
    let forwarded = totals.forwarded.unwrap_or_default().packets;
    let wanted = [
        ("received", received, sent),
        ("forwarded", forwarded, sent),
        ("dropped", dropped(&totals.dropped), 0),
        ("refused by the kernel", refused, 0),
        ("dropped by the kernel", totals.kernel_drops, 0),
        ("opened", totals.unprotected, sent / 2),
        ("sealed", totals.protected, sent / 2),
    ];
    wanted
        .into_iter()
        .filter(|(_, counted, wanted)| counted != wanted)
        .map(|(what, counted, wanted)| format!("gateway: {counted} packets {what}, not {wanted}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::Component;
    use super::super::script::Identity;
    use super::*;

    fn perfect(script: &Script, component: Component) -> Heard {
        let mut heard = Heard::new(component, script);
        let packets: Vec<Vec<u8>> = match component {
            Component::Rtp => (0..script.packets()).map(|n| script.packet(n)).collect(),
            Component::Rtcp => (0..script.reports()).map(|n| script.report(n)).collect(),
        };
        for packet in packets {
            heard.take(Ok(packet), script);
        }
        heard
    }

    fn scripts() -> [Script; 2] {
        let identity = Identity { ssrc: 1, first_timestamp: 2, wall_clock: 3 };
        [Voice::ACCESS, Voice::CORE].map(|voice| Script::new(voice, 2, identity))
    }

    fn all_heard(scripts: &[Script; 2]) -> [PathHeard; 2] {
        scripts.each_ref().map(|script| PathHeard {
            rtp: perfect(script, Component::Rtp),
            rtcp: perfect(script, Component::Rtcp),
        })
    }

    fn counters(packets: u64) -> Counters {
        let traffic = Some(pb::Traffic { packets, octets: 0 });
        let source = pb::SourceState { ssrc: 1, roc: 1, ..Default::default() };
        let crypto = Some(pb::CryptoState { sources: vec![source], ..Default::default() });
        let access = pb::StreamStatistics {
            ingress: Some(pb::IngressStatistics { crypto: crypto.clone(), ..Default::default() }),
            egress: Some(pb::EgressStatistics { crypto, ..Default::default() }),
        };
        let totals = pb::Totals {
            received: traffic,
            forwarded: traffic,
            unprotected: packets / 2,
            protected: packets / 2,
            ..Default::default()
        };
        Counters { totals, access, core: pb::StreamStatistics::default() }
    }

    #[test]
    fn a_call_in_which_everything_arrives_has_no_troubles() {
        let scripts = scripts();
        let heard = all_heard(&scripts);
        let counters = counters(204);
        let report = Report::new(&scripts, &heard, &counters);
        assert_eq!(report.troubles(), Vec::<String>::new());
    }

    #[test]
    fn everything_that_is_off_is_told() {
        let scripts = scripts();
        let mut heard = all_heard(&scripts);
        heard[0].rtcp = Heard::new(Component::Rtcp, &scripts[0]);
        let mut counters = counters(204);
        counters.totals.kernel_drops = 2;
        let dropped = pb::DropCount { reason: pb::DropReason::Replay.into(), packets: 3 };
        counters.core.ingress =
            Some(pb::IngressStatistics { dropped: vec![dropped], ..Default::default() });
        assert_eq!(
            Report::new(&scripts, &heard, &counters).troubles(),
            [
                "access SRTCP → core RTCP: 2 packets lost",
                "core leg: 3 packets dropped, DROP_REASON_REPLAY",
                "gateway: 2 packets dropped by the kernel, not 0",
            ]
        );
    }

    #[test]
    fn audio_of_another_voice_is_not_taken_for_the_right_one() {
        let [there, back] = scripts();
        let scripts = [there, back];
        let mut heard = all_heard(&scripts);
        heard.swap(0, 1);
        let counters = counters(204);
        let troubles = Report::new(&scripts, &heard, &counters).troubles();
        assert!(troubles.iter().any(|trouble| trouble.contains("pitch")), "{troubles:?}");
        assert!(troubles.iter().any(|trouble| trouble.contains("samples differ")), "{troubles:?}");
    }
}
