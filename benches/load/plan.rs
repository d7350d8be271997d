//! What a run does, computed from the command line.

use std::collections::BTreeMap;
use std::time::Duration;

use agw_srtp::Suite;
use anyhow::bail;
use clap::ValueEnum;

use crate::cli::{Media, Rate, SuiteShare, TrafficArgs};
use crate::packet::{Form, RTCP};
use crate::result::{ChurnRates, Plan};

/// Packets a second in one direction that are prepared for `--rate max`.
const PREPARED_PER_SECOND: f64 = 400_000.0;
/// Calls that come and go have the suites of so many in turn.
const MIX: usize = 60;
/// Octets that an RTP packet can grow by.
pub(crate) const TRAILER: usize = 16;
/// What is kept of a packet beside its octets: when it was sent, whether it arrived, twice.
const BOOKS: usize = 24;
/// How long before the middle of its second a re-key is asked for; keys overlap for 2 s.
pub(crate) const REKEY_LEAD: Duration = Duration::from_millis(500);

/// The traffic of one measured window.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    /// Calls.
    pub(crate) calls: u32,
    /// The suite of each call; `None` for plain RTP on both sides.
    pub(crate) suites: Vec<Option<Suite>>,
    /// Suites for calls that come and go besides, in turn.
    pub(crate) mix: Vec<Option<Suite>>,
    /// The form of the packets.
    pub(crate) form: Form,
    /// Packets of each call in each direction.
    pub(crate) packets: u32,
    /// RTCP packets of each call in each direction.
    pub(crate) rtcp_packets: u32,
    /// How fast they go.
    pub(crate) pace: Pace,
    /// The time between two RTCP packets of a call in one direction.
    pub(crate) rtcp_interval: Option<Duration>,
    /// How long packets are sent at most.
    pub(crate) duration: Duration,
    /// One of so many packets is compared; 0 for none.
    pub(crate) verify_one_in: u32,
    /// What changes meanwhile.
    pub(crate) churn: ChurnRates,
}

/// How fast RTP packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The time between two packets of a call in one direction.
    Every(Duration),
    /// As fast as possible with so many under way.
    Window(usize),
}

impl Traffic {
    /// The traffic that was asked for, with `calls` calls.
    ///
    /// # Errors
    /// Options that exclude each other, by their names.
    pub(crate) fn new(args: &TrafficArgs, calls: usize) -> anyhow::Result<Self> {
        let rate = packets_per_second(args);
        let form = match args.media {
            Media::Voice => Form { payload: 160, payload_type: 8, timestamp_step: 160 },
            Media::Video => {
                let timestamp_step = (90_000.0 / rate) as u32;
                Form { payload: 1_200, payload_type: 96, timestamp_step }
            }
        };
        let seconds = args.duration().as_secs_f64();
        let is_max = args.rate == Rate::Max;
        if is_max && args.churn_rekeys > 0.0 {
            bail!("--churn-rekeys needs --rate paced: keys change at times of the schedule");
        }
        let wanted =
            if is_max { PREPARED_PER_SECOND / calls.max(1) as f64 } else { rate } * seconds;
        let room = (args.memory << 20) / Self::octets_of(form, args.verify_one_in);
        let most = room / calls.max(1);
        if !is_max && wanted > most as f64 {
            let needed = wanted * calls as f64 / room as f64 * args.memory as f64;
            bail!("--memory {}: these packets take about {needed:.0} MiB", args.memory);
        }
        let rtcp_interval = (args.rtcp > 0.0).then(|| Duration::from_secs_f64(args.rtcp));
        let rtcp_packets = rtcp_interval.map_or(0.0, |every| seconds / every.as_secs_f64());
        Ok(Self {
            calls: u32::try_from(calls)?,
            suites: shares(&args.suite, calls),
            mix: shares(&args.suite, MIX),
            form,
            packets: (wanted as u32).clamp(1, u32::try_from(most.max(1))?),
            rtcp_packets: rtcp_packets.ceil() as u32,
            pace: if is_max {
                Pace::Window(args.window)
            } else {
                Pace::Every(Duration::from_secs_f64(1.0 / rate))
            },
            rtcp_interval,
            duration: args.duration(),
            verify_one_in: args.verify_one_in,
            churn: ChurnRates {
                set_ups: args.churn_set_ups,
                holds: args.churn_holds,
                rekeys: args.churn_rekeys,
            },
        })
    }

    /// The time between two packets of a call in one direction; zero at full speed.
    pub(crate) const fn pace_interval(&self) -> Duration {
        match self.pace {
            Pace::Every(time) => time,
            Pace::Window(_) => Duration::ZERO,
        }
    }

    /// Octets of memory for a packet in both directions.
    fn octets_of(form: Form, verify_one_in: u32) -> usize {
        let stored = if verify_one_in == 0 { 0 } else { 2 / verify_one_in as usize + 1 };
        (form.octets() + TRAILER) * (1 + stored) + 2 * BOOKS
    }

    /// RTP packets in one direction.
    pub(crate) const fn packets_each_way(&self) -> usize {
        self.calls as usize * self.packets as usize
    }

    /// RTCP packets in one direction.
    pub(crate) const fn rtcp_each_way(&self) -> usize {
        self.calls as usize * self.rtcp_packets as usize
    }

    /// RTP packets a second offered in both directions; `None` for as fast as possible.
    pub(crate) fn offered_per_second(&self) -> Option<f64> {
        match self.pace {
            Pace::Every(time) => Some(2.0 * f64::from(self.calls) / time.as_secs_f64()),
            Pace::Window(_) => None,
        }
    }

    /// The longest packet of the run, sealed.
    pub(crate) fn longest(&self) -> usize {
        (self.form.octets() + TRAILER).max(RTCP + TRAILER + 4)
    }

    /// What goes into the result.
    pub(crate) fn plan(&self, args: &TrafficArgs) -> Plan {
        let mut suites = BTreeMap::new();
        for suite in &self.suites {
            *suites.entry(suite.map_or("none", Suite::name).to_owned()).or_insert(0) += 1;
        }
        let word = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        Plan {
            calls: self.calls as usize,
            media: word(args.media.to_possible_value()),
            payload_octets: self.form.payload,
            packets_per_second: (args.rate == Rate::Paced).then(|| packets_per_second(args)),
            seconds: self.duration.as_secs_f64(),
            suites,
            family: word(args.family.to_possible_value()),
            network: if args.netns { "netns" } else { "loopback" }.to_owned(),
            generator: word(args.generator.to_possible_value()),
            rtcp_seconds: self.rtcp_interval.map(|every| every.as_secs_f64()),
            verify_one_in: self.verify_one_in,
            churn_per_second: self.churn,
            slo: args.slo(),
        }
    }
}

fn packets_per_second(args: &TrafficArgs) -> f64 {
    match args.media {
        Media::Voice => 50.0,
        Media::Video => f64::from(args.video_kbit_s) * 1_000.0 / (1_200.0 * 8.0),
    }
}

/// Gives each call a suite, so that any run of calls has nearly the shares that were asked for.
fn shares(shares: &[SuiteShare], calls: usize) -> Vec<Option<Suite>> {
    let total: u32 = shares.iter().map(|share| share.weight).sum();
    let mut credits = vec![0i64; shares.len()];
    let next = |_| {
        for (credit, share) in credits.iter_mut().zip(shares) {
            *credit += i64::from(share.weight);
        }
        let richest = credits.iter().enumerate().max_by_key(|(_, credit)| **credit)?.0;
        *credits.get_mut(richest)? -= i64::from(total);
        shares.get(richest)?.suite
    };
    (0..calls).map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_dealt_by_their_weights_in_every_stretch() {
        let gcm = SuiteShare { suite: Some(Suite::AeadAes128Gcm), weight: 1 };
        let none = SuiteShare { suite: None, weight: 3 };
        let dealt = shares(&[gcm, none], 40);
        for stretch in dealt.chunks(4) {
            assert_eq!(stretch.iter().filter(|suite| suite.is_some()).count(), 1);
        }
    }
}
