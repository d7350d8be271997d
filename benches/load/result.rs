//! What a run measures, as it is written to the JSON file: the contract between the one that
//! measures, the report and the comparison.
//!
//! Units are in the names: `_us` microseconds, `_ms` milliseconds, `_octets`. Counts are datagrams.

mod usage;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use usage::{CoreUse, Footprint, ProcessUse, ThreadUse};

/// The version of the format; a reader refuses another one.
pub(crate) const FORMAT: u32 = 1;

/// One run against one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunResult {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// When it began, seconds since 1970.
    pub(crate) started_unix_s: u64,
    /// The command line, as typed.
    pub(crate) command: Vec<String>,
    /// Where it ran.
    pub(crate) machine: Machine,
    /// What was measured.
    pub(crate) target: TargetInfo,
    /// What was asked for.
    pub(crate) plan: Plan,
    /// The measured windows, in their order; one of them for `run`.
    pub(crate) phases: Vec<Phase>,
    /// The loads that `find-max` tried, in their order.
    pub(crate) series: Vec<LoadPoint>,
    /// The highest load that kept to the objective, for `find-max`.
    pub(crate) highest: Option<LoadPoint>,
    /// Call set-up and release: before and after the media, or the whole of `churn`.
    pub(crate) control: Option<ControlFigures>,
}

impl RunResult {
    /// Whether anything is unaccounted for, altered, or the run says nothing about the target.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.phases.iter().flat_map(Phase::troubles).collect()
    }
}

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Its name.
    pub(crate) host: String,
    /// The processor, in the kernel's words.
    pub(crate) cpu: String,
    /// Cores that the harness may use.
    pub(crate) cores: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// Memory in octets.
    pub(crate) memory_octets: u64,
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetInfo {
    /// Its kind: `agw`, `rtpengine`, `forwarder`.
    pub(crate) name: String,
    /// Its version, in its own words.
    pub(crate) version: String,
    /// Packet backend, engine and other settings that matter, by name.
    pub(crate) settings: BTreeMap<String, String>,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Calls.
    pub(crate) calls: usize,
    /// `voice` or `video`.
    pub(crate) media: String,
    /// Octets of RTP payload.
    pub(crate) payload_octets: usize,
    /// Packets a second of one call in one direction; `None` for as fast as possible.
    pub(crate) packets_per_second: Option<f64>,
    /// The length of the measured window asked for, in seconds.
    pub(crate) seconds: f64,
    /// Calls by suite, in its registered name; `none` for plain on both sides.
    pub(crate) suites: BTreeMap<String, usize>,
    /// Address families: `v4`, `v6` or `mixed` (access IPv6, core IPv4).
    pub(crate) family: String,
    /// `loopback` or `netns`.
    pub(crate) network: String,
    /// How the generator sends and receives: `sockets` or `xdp`.
    pub(crate) generator: String,
    /// Seconds between two RTCP packets of a call in one direction; `None` without RTCP.
    pub(crate) rtcp_seconds: Option<f64>,
    /// One of so many packets is decrypted and compared; 0 for none, 1 for all.
    pub(crate) verify_one_in: u32,
    /// Set-ups with release, holds and re-keys a second while media runs.
    pub(crate) churn_per_second: ChurnRates,
    /// The objective.
    pub(crate) slo: Slo,
}

/// What changes while media runs, in events a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChurnRates {
    /// Calls set up and released again.
    pub(crate) set_ups: f64,
    /// Calls put on hold and resumed.
    pub(crate) holds: f64,
    /// Calls that get new keys.
    pub(crate) rekeys: f64,
}

/// A service level objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slo {
    /// The most packets lost, in percent of those sent.
    pub(crate) max_loss_percent: f64,
    /// The most added latency at p99, in milliseconds.
    pub(crate) max_added_p99_ms: f64,
}

impl Default for Slo {
    fn default() -> Self {
        Self { max_loss_percent: 0.01, max_added_p99_ms: 5.0 }
    }
}

/// One measured window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phase {
    /// What it is: `media`, or the load for `find-max`.
    pub(crate) name: String,
    /// How long packets were sent, in seconds.
    pub(crate) seconds: f64,
    /// Access to core: SRTP in, RTP out.
    pub(crate) up: PathFigures,
    /// Core to access: RTP in, SRTP out.
    pub(crate) down: PathFigures,
    /// From the generator's send to the arrival at its sink, both directions.
    pub(crate) latency: Distribution,
    /// The same without a gateway between.
    pub(crate) direct: Option<Distribution>,
    /// p99 of `latency` less the median of `direct`, in microseconds.
    pub(crate) added_p99_us: f64,
    /// p99.9 of `latency` less the median of `direct`, in microseconds.
    pub(crate) added_p999_us: f64,
    /// The gateway's processor time and memory.
    pub(crate) gateway: ProcessUse,
    /// The gateway's processor seconds for a million packets received by it.
    pub(crate) cpu_seconds_per_million: f64,
    /// The same with the time added that the kernel worked on packets for the gateway, beside its
    /// process.
    pub(crate) cpu_with_softirq_per_million: f64,
    /// The same with what the kernel worked for the generator's sinks added as well.
    pub(crate) cpu_gross_per_million: f64,
    /// How that time was told: by threads of the kernel of each interface, or by the soft-interrupt
    /// time of all cores, which cannot be told apart and may be part of processes' time already.
    pub(crate) softirq_source: String,
    /// The generator's processor time and memory.
    pub(crate) generator: ProcessUse,
    /// How well the generator kept to its schedule.
    pub(crate) schedule: Schedule,
    /// Every core of the machine.
    pub(crate) cores: Vec<CoreUse>,
    /// Where every packet went.
    pub(crate) ledger: Ledger,
    /// Whether the objective was kept.
    pub(crate) slo_kept: bool,
    /// Why the generator, not the target, was the limit; empty if it was not.
    pub(crate) limited_by_generator: Vec<String>,
}

impl Phase {
    /// Packets a second that reached their sinks, both directions, RTCP left out.
    pub(crate) fn delivered_per_second(&self) -> f64 {
        per(self.up.delivered + self.down.delivered, self.seconds)
    }

    /// Packets lost in percent of those sent, both directions; those of calls on hold left out.
    pub(crate) fn loss_percent(&self) -> f64 {
        let sent = self.up.sent + self.down.sent;
        100.0 * per(self.up.lost + self.down.lost, sent as f64)
    }

    /// Anything that must not be.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        if self.ledger.gap != 0 {
            troubles.push(format!("{}: {} packets unaccounted for", self.name, self.ledger.gap));
        }
        for (direction, path) in [("access to core", &self.up), ("core to access", &self.down)] {
            let kinds = [
                (path.corrupted, "altered on the way"),
                (path.duplicated, "that came twice"),
                (path.strangers, "that nobody sent"),
            ];
            for (count, what) in kinds.into_iter().filter(|(count, _)| *count > 0) {
                troubles.push(format!("{}: {count} packets {direction} {what}", self.name));
            }
        }
        troubles
    }
}

/// One direction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PathFigures {
    /// RTP packets that the kernel took from the generator.
    pub(crate) sent: u64,
    /// RTP packets that arrived, each counted once.
    pub(crate) delivered: u64,
    /// RTP packets that did not arrive, those on purpose left out.
    pub(crate) lost: u64,
    /// RTP packets that did not arrive because their call was on hold.
    pub(crate) held: u64,
    /// RTP packets that arrived after one with a higher sequence number of the same call.
    pub(crate) reordered: u64,
    /// Packets that arrived once more.
    pub(crate) duplicated: u64,
    /// Packets whose octets are not those that were sent, or that do not authenticate.
    pub(crate) corrupted: u64,
    /// Packets from an unknown address, or that belong to no call or another call.
    pub(crate) strangers: u64,
    /// Packets decrypted (where secured) and compared octet by octet.
    pub(crate) verified: u64,
    /// RTCP packets sent.
    pub(crate) rtcp_sent: u64,
    /// RTCP packets that arrived.
    pub(crate) rtcp_delivered: u64,
}

/// A distribution of times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Distribution {
    /// Values in it.
    pub(crate) count: u64,
    /// The least, in microseconds.
    pub(crate) min_us: f64,
    /// The mean, in microseconds.
    pub(crate) mean_us: f64,
    /// The median, in microseconds.
    pub(crate) p50_us: f64,
    /// 90 of 100 are not above, in microseconds.
    pub(crate) p90_us: f64,
    /// 99 of 100 are not above, in microseconds.
    pub(crate) p99_us: f64,
    /// 999 of 1,000 are not above, in microseconds.
    pub(crate) p999_us: f64,
    /// The most, in microseconds.
    pub(crate) max_us: f64,
    /// For a plot, by rising time; buckets without values are left out.
    pub(crate) buckets: Vec<Bucket>,
}

/// One bucket of a distribution; buckets grow with the logarithm of the time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// The highest time in it, in microseconds.
    pub(crate) to_us: f64,
    /// Values in it.
    pub(crate) count: u64,
}

/// How well the generator kept to its schedule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    /// How late packets were sent, by their times in the schedule; empty at full speed.
    pub(crate) lateness: Distribution,
    /// The share of the window in which the generator was busy, 0 to 1.
    pub(crate) busy_share: f64,
    /// Packets that the kernel did not take at the first try.
    pub(crate) send_retries: u64,
}

/// Where every packet went, RTCP included, both directions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Sent by the generator.
    pub(crate) sent: u64,
    /// Arrived at the generator's sinks, copies left out.
    pub(crate) delivered: u64,
    /// Read by the gateway: tells on which side of it a gap is.
    #[serde(default)]
    pub(crate) gateway_received: u64,
    /// Sent on by the gateway, or tried to.
    #[serde(default)]
    pub(crate) gateway_forwarded: u64,
    /// Dropped by the gateway, by its own reasons.
    pub(crate) gateway_drops: BTreeMap<String, u64>,
    /// Dropped by the kernel before the gateway read them.
    pub(crate) gateway_kernel_drops: u64,
    /// What the gateway could not send, by class.
    pub(crate) gateway_send_errors: BTreeMap<String, u64>,
    /// Dropped by the kernel before the sink read them.
    pub(crate) sink_kernel_drops: u64,
    /// Dropped between, by place: receive rings, backlog queues of the kernel.
    pub(crate) network_drops: BTreeMap<String, u64>,
    /// Sent and not found anywhere; negative for packets counted twice. Must be 0.
    pub(crate) gap: i64,
}

impl Ledger {
    /// Computes the gap from all else.
    pub(crate) fn close(&mut self) {
        let dropped: u64 = self.gateway_drops.values().sum::<u64>()
            + self.gateway_kernel_drops
            + self.gateway_send_errors.values().sum::<u64>()
            + self.sink_kernel_drops
            + self.network_drops.values().sum::<u64>();
        self.gap = (self.sent as i64) - (self.delivered as i64) - (dropped as i64);
    }
}

/// One load that was tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoadPoint {
    /// Calls.
    pub(crate) calls: usize,
    /// Packets a second offered to the gateway, both directions.
    pub(crate) packets_per_second: f64,
    /// Packets lost in percent.
    pub(crate) loss_percent: f64,
    /// Added latency at p99, in microseconds.
    pub(crate) added_p99_us: f64,
    /// The gateway's processor seconds for each second.
    pub(crate) gateway_cores: f64,
    /// The gateway's processor seconds for a million packets.
    pub(crate) cpu_seconds_per_million: f64,
    /// Whether the objective was kept.
    pub(crate) slo_kept: bool,
    /// Whether the generator was the limit.
    pub(crate) limited_by_generator: bool,
}

/// Speed of the control plane.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ControlFigures {
    /// Requests outstanding at a time.
    pub(crate) outstanding: usize,
    /// Calls set up.
    pub(crate) set_up: u64,
    /// Calls released.
    pub(crate) released: u64,
    /// Calls set up a second.
    pub(crate) set_up_per_second: f64,
    /// Calls set up and released again a second, for `churn`.
    pub(crate) cycles_per_second: Option<f64>,
    /// From request to answer of a set-up.
    pub(crate) set_up_latency: Distribution,
    /// From request to answer of a release.
    pub(crate) release_latency: Distribution,
    /// Refused or failed, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// The gateway's processor seconds meanwhile.
    pub(crate) gateway_cpu_seconds: f64,
}

fn per(count: u64, of: f64) -> f64 {
    if of > 0.0 { count as f64 / of } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_closes_only_if_every_packet_is_somewhere() {
        let mut ledger = Ledger {
            sent: 100,
            delivered: 90,
            gateway_received: 0,
            gateway_forwarded: 0,
            gateway_drops: [("replay".to_owned(), 4)].into(),
            gateway_kernel_drops: 3,
            gateway_send_errors: [("ENOBUFS".to_owned(), 1)].into(),
            sink_kernel_drops: 1,
            network_drops: [("backlog".to_owned(), 1)].into(),
            gap: 7,
        };
        ledger.close();
        assert_eq!(ledger.gap, 0);
        ledger.delivered += 1;
        ledger.close();
        assert_eq!(ledger.gap, -1);
        let phase = Phase { name: "media".to_owned(), ledger, ..Phase::default() };
        assert_eq!(phase.troubles(), ["media: -1 packets unaccounted for"]);
    }

    #[test]
    fn loss_is_a_share_of_what_was_sent_in_both_directions() {
        let up = PathFigures { sent: 1_000, lost: 3, ..PathFigures::default() };
        let down = PathFigures { sent: 3_000, lost: 1, held: 50, ..PathFigures::default() };
        let phase = Phase { up, down, ..Phase::default() };
        assert!((phase.loss_percent() - 0.1).abs() < 1e-9);
        assert!(Phase::default().loss_percent().abs() < 1e-9);
    }
}
