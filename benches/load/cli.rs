//! The command line.

mod values;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use agw_srtp::Suite;
use clap::{Args, Parser, Subcommand};

use crate::result::Slo;
pub(crate) use values::{Backend, FamilyChoice, Generator, Media, Rate, SuiteShare, TargetKind};
use values::{at_least_one, not_negative, positive, suite_name, suite_share};

/// Drives a media gateway with calls and measures what becomes of them.
#[derive(Debug, Parser)]
#[command(name = "agw-load", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sets calls up, plays media through them for a while, and tells what came of every packet.
    Run(RunArgs),
    /// Looks for the highest load that keeps to the objective.
    FindMax(FindMaxArgs),
    /// Sets calls up and releases them as fast as the control plane can.
    Churn(ChurnArgs),
    /// Puts runs that were written to files side by side.
    Compare(CompareArgs),
    /// Measures agw, rtpengine and a bare forwarder under the same loads, in turns.
    Peer(PeerArgs),
    /// Passes datagrams on as they are: the floor of the peer comparison, started by it.
    #[command(hide = true)]
    Forward(ForwardArgs),
}

/// `compare`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompareArgs {
    /// Files written with `--json`, each a column. Files with commas between are one column, which
    /// shows their medians. Ratios are to the first column.
    #[arg(value_name = "FILE[,FILE...]", required = true, num_args = 2..)]
    pub(crate) runs: Vec<String>,
    /// Writes the comparison with plots as one HTML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// `peer`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PeerArgs {
    /// How often everything is measured.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub(crate) rounds: usize,
    /// How long each load is measured, in seconds.
    #[arg(long, value_name = "S", default_value_t = 8.0, value_parser = positive)]
    pub(crate) seconds: f64,
    /// Two rounds of short measurements: to see that it works, not to quote.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Makes network namespaces with veth pairs, the gateways in one of them (needs root); without
    /// it there is no xdp.
    #[arg(long)]
    pub(crate) netns: bool,
    /// The suite of the access side.
    #[arg(long, value_name = "SUITE", default_value = Suite::AesCm128HmacSha1_80.name(), value_parser = suite_name)]
    pub(crate) suite: String,
    /// How long agw gathers packets where it does, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=500))]
    pub(crate) coalesce_us: u64,
    /// The core of the gateways.
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub(crate) gateway_core: usize,
    /// The core of the generator.
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub(crate) generator_core: usize,
    /// agwd's program; the one beside agw-load, or found by PATH, if not given.
    #[arg(long, value_name = "PATH")]
    pub(crate) agwd: Option<PathBuf>,
    /// rtpengine's program; found by PATH if not given.
    #[arg(long, value_name = "PATH")]
    pub(crate) rtpengine: Option<PathBuf>,
    /// Writes all measurements as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes the comparison with plots as one HTML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Writes the table in Markdown, with machine, date and command.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// `forward`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ForwardArgs {
    /// Address of the access side.
    pub(crate) access: IpAddr,
    /// Address of the core side.
    pub(crate) core: IpAddr,
    /// How long packets are gathered, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub(crate) coalesce_us: u64,
}

/// `run`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// What is measured.
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// What goes through it.
    #[command(flatten)]
    pub(crate) traffic: TrafficArgs,
    /// Where the figures go.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `find-max`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FindMaxArgs {
    /// What is measured.
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// What goes through it; `--calls` is where the search begins.
    #[command(flatten)]
    pub(crate) traffic: TrafficArgs,
    /// Where the figures go.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// The most calls to try.
    #[arg(long, value_name = "N", default_value_t = 16_000, value_parser = at_least_one)]
    pub(crate) most: usize,
    /// The search ends when it knows the highest load to within this share, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 3.0, value_parser = positive)]
    pub(crate) resolution: f64,
}

/// `churn`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChurnArgs {
    /// What is measured.
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// What goes through it meanwhile; `--calls 0` for no media.
    #[command(flatten)]
    pub(crate) traffic: TrafficArgs,
    /// Where the figures go.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Requests outstanding at a time.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub(crate) outstanding: usize,
}

/// What is measured.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Target")]
pub(crate) struct TargetArgs {
    /// The kind of gateway.
    #[arg(long, value_enum, default_value_t = TargetKind::Agw)]
    pub(crate) target: TargetKind,
    /// The gateway's program; the one beside agw-load, or found by PATH, if not given.
    #[arg(long, value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// An agw gateway that runs already: its Iq address, http://HOST:PORT or unix:PATH.
    #[arg(long, value_name = "ADDRESS", requires = "pid", conflicts_with = "program")]
    pub(crate) attach: Option<String>,
    /// The process of the gateway that runs already.
    #[arg(long, value_name = "PID", requires = "attach")]
    pub(crate) pid: Option<u32>,
    /// Names of the access and the core realm of a gateway that runs already.
    #[arg(long, value_name = "NAME,NAME", default_value = "access,core")]
    pub(crate) realms: String,
    /// How the gateway receives and sends.
    #[arg(long, value_enum, default_value_t = Backend::Sockets)]
    pub(crate) backend: Backend,
    /// Worker threads of the gateway.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) workers: usize,
    /// How long a worker of the gateway gathers packets, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=500))]
    pub(crate) coalesce_us: u64,
    /// The gateway's crypto engine; its own choice if not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) engine: Option<String>,
    /// Runs the whole gateway on this core alone.
    #[arg(long, value_name = "CORE", conflicts_with_all = ["attach", "pin_workers"])]
    pub(crate) gateway_core: Option<usize>,
    /// Pins the gateway's workers to cores.
    #[arg(long)]
    pub(crate) pin_workers: bool,
    /// Another setting of agwd, as its own `--set`; can be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
}

/// What goes through the gateway.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Traffic")]
pub(crate) struct TrafficArgs {
    /// Calls, each with media both ways.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) calls: usize,
    /// How long media is measured, in seconds.
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = positive)]
    pub(crate) seconds: f64,
    /// What a call carries: voice is G.711, 160 octets 50 times a second each way; video is 1,200
    /// octets at `--video-kbit-s`.
    #[arg(long, value_enum, default_value_t = Media::Voice)]
    pub(crate) media: Media,
    /// Payload of a video call in each direction, in kbit/s.
    #[arg(long, value_name = "KBIT", default_value_t = 1_200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub(crate) video_kbit_s: u32,
    /// How fast packets go: each call at its own pace, or all as fast as the gateway lets them.
    #[arg(long, value_enum, default_value_t = Rate::Paced)]
    pub(crate) rate: Rate,
    /// Packets under way at a time with `--rate max`.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub(crate) window: usize,
    /// Suites of the access side with their weights, as SUITE or SUITE=WEIGHT, with commas between;
    /// `none` for plain RTP on both sides.
    #[arg(long, value_name = "SUITES", value_delimiter = ',', default_value = Suite::AesCm128HmacSha1_80.name(), value_parser = suite_share)]
    pub(crate) suite: Vec<SuiteShare>,
    /// Address family; mixed is IPv6 on the access side and IPv4 on the core side.
    #[arg(long, value_enum, default_value_t = FamilyChoice::V4)]
    pub(crate) family: FamilyChoice,
    /// Seconds between two RTCP packets of a call in one direction; 0 for no RTCP.
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = not_negative)]
    pub(crate) rtcp: f64,
    /// Decrypts and compares one of so many packets; 0 for none, 1 for all.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(0..=16_384))]
    pub(crate) verify_one_in: u32,
    /// Calls set up and released again each second while media runs.
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = not_negative)]
    pub(crate) churn_set_ups: f64,
    /// Calls put on hold for a second each second while media runs.
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = not_negative)]
    pub(crate) churn_holds: f64,
    /// Calls that get new keys each second while media runs.
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = not_negative)]
    pub(crate) churn_rekeys: f64,
    /// Makes network namespaces with veth pairs, the gateway in one of them (needs root).
    #[arg(long)]
    pub(crate) netns: bool,
    /// Leaves the work on packets that arrive at a veth to the core of whoever sent them, instead of
    /// threads of the kernel whose time can be told.
    #[arg(long, requires = "netns")]
    pub(crate) no_threaded_napi: bool,
    /// How the generator sends and receives; xdp needs `--netns`.
    #[arg(long, value_enum, default_value_t = Generator::Sockets)]
    pub(crate) generator: Generator,
    /// Pins the generator to this core.
    #[arg(long, value_name = "CORE")]
    pub(crate) pin: Option<usize>,
    /// Memory for prepared packets, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 2_048, value_parser = at_least_one)]
    pub(crate) memory: usize,
    /// Objective: the most packets lost, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.01, value_parser = not_negative)]
    pub(crate) slo_loss: f64,
    /// Objective: the most added latency at p99, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5.0, value_parser = positive)]
    pub(crate) slo_p99_ms: f64,
}

impl TrafficArgs {
    /// The objective.
    pub(crate) const fn slo(&self) -> Slo {
        Slo { max_loss_percent: self.slo_loss, max_added_p99_ms: self.slo_p99_ms }
    }

    /// How long media is measured.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// Where the figures go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Writes the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes a report with plots as one HTML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}
