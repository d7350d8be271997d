//! The control plane at full speed: calls set up and released through `TransactStream`.
//!
//! Starts the daemon as a process, keeps a number of transactions outstanding on one stream and
//! tells calls a second, latency and what a call costs the gateway, thread by thread. A call is two
//! transactions: one reserves and configures an access termination with SDES keys and a plain core
//! termination, the other releases both.
//!
//! `--refusals` compares what a call costs that is refused with one that is taken, and `--audit` times
//! the full audit beside media. `--ng` sets calls up over the ng protocol instead, by offer, answer and
//! delete, first alone and then beside media. `--hostile` measures what others lose by floods.
//!
//! `cargo bench -p agw-bench --bench control -- --help` tells the options. With `--core` the whole
//! gateway shares one core and the controller stays off it.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

mod audit;
mod gateway;
mod hostile;
mod ng;
mod refusal;
mod talk;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use hdrhistogram::Histogram;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use agw_iq::client::IqClient;
use agw_iq::pb;
use agw_iq::pb::command::Command as Kind;

use gateway::{Gateway, Thread, built_agwd};

/// Octets of an AES-128 key with its salt.
const KEY_AND_SALT: usize = 30;

/// What is measured.
#[derive(Debug, Parser)]
struct Options {
    /// Transactions that wait for their answers at a time; 64 unless given, and for refusals 256, as
    /// many as a stream takes: who overloads a gateway does not wait.
    #[arg(long)]
    outstanding: Option<usize>,
    /// How long to measure, in seconds; one more is for warming up.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// RTCP on a port of its own, so that a call has four ports rather than two.
    #[arg(long)]
    unmuxed: bool,
    /// The one core for every thread of the gateway.
    #[arg(long)]
    core: Option<usize>,
    /// Further settings of the gateway, `key=value`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The gateway to measure, in place of the one that is built now.
    #[arg(long, env = "AGW_AGWD")]
    agwd: Option<PathBuf>,
    /// Measure an audit of so many contexts in place of calls that come and go.
    #[arg(long, value_name = "CONTEXTS", default_value_t = 0, conflicts_with = "refusals")]
    audit: u64,
    /// Measure so many refusals, and what they cost of as many acceptances as fit, in place of calls
    /// that come and go.
    #[arg(long, value_name = "CALLS", default_value_t = 0)]
    refusals: u64,
    /// Measure calls over the ng protocol, in place of `TransactStream`.
    #[arg(long, conflicts_with_all = ["audit", "refusals"])]
    ng: bool,
    /// Measure what calls and a controller lose while others are hostile.
    #[arg(long, conflicts_with_all = ["audit", "refusals", "ng"])]
    hostile: bool,
    /// Forged packets a second at one call, for `--hostile`.
    #[arg(long, value_name = "PPS", default_value_t = 20_000)]
    flood: u32,
    /// The process id is told and the run begins after so many seconds, for a profiler.
    #[arg(long, default_value_t = 0)]
    wait: u64,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Transactions that wait for their answers at a time.
    fn outstanding(&self) -> usize {
        self.outstanding.unwrap_or(if self.refusals > 0 { 256 } else { 64 }).max(1)
    }

    /// Contexts that the gateway may have.
    const fn most_contexts(&self) -> u64 {
        if self.refusals > 0 { refusal::TAKEN } else { self.audit + 10_000 }
    }
}

fn main() {
    let options = Options::parse();
    let agwd = options.agwd.clone().unwrap_or_else(built_agwd);
    let gateway = Gateway::start(&agwd, &options);
    println!("agwd is process {}", gateway.process.id());
    thread::sleep(Duration::from_secs(options.wait));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    if options.ng {
        return runtime.block_on(ng::measure(&gateway, &options));
    }
    if options.hostile {
        return runtime.block_on(hostile::measure(&gateway, &options));
    }
    runtime.block_on(async {
        let mut controller = Controller::connect(&gateway, &options).await;
        if options.refusals > 0 {
            return refusal::measure(&gateway, &mut controller, &options).await;
        }
        if options.audit > 0 {
            return audit::measure(&gateway, &mut controller, options.audit).await;
        }
        controller.run(Duration::from_secs(1)).await;
        let before = gateway.threads();
        let measured = controller.run(Duration::from_secs(options.seconds)).await;
        report(&measured, &before, &gateway.threads(), &options);
    });
}

/// A transaction on its way.
struct Sent {
    at: Instant,
    sets_up: bool,
}

/// What came of a run.
struct Measured {
    /// Calls that were set up and released.
    calls: u64,
    took: Duration,
    set_up: Histogram<u64>,
    release: Histogram<u64>,
}

/// One stream of transactions.
struct Controller {
    requests: mpsc::Sender<pb::TransactStreamRequest>,
    answers: tonic::Streaming<pb::TransactStreamResponse>,
    rtcp: pb::RtcpMode,
    /// Terminations of a call that is set up: both, or the access side's alone.
    terminations: usize,
    outstanding: usize,
    next: u64,
}

impl Controller {
    async fn connect(gateway: &Gateway, options: &Options) -> Self {
        let client = IqClient::connect(&gateway.address, None).await.unwrap();
        let (requests, line) = mpsc::channel(options.outstanding());
        let answers = client.service().transact_stream(ReceiverStream::new(line)).await.unwrap();
        let rtcp = if options.unmuxed { pb::RtcpMode::Pair } else { pb::RtcpMode::Mux };
        let outstanding = options.outstanding();
        let answers = answers.into_inner();
        Self { requests, answers, rtcp, terminations: 2, outstanding, next: 0 }
    }

    /// Sets calls up and releases each at once, for so long; leaves no call.
    async fn run(&mut self, long: Duration) -> Measured {
        let histogram = || Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        let (mut set_up, mut release) = (histogram(), histogram());
        let (mut calls, mut under_way) = (0, VecDeque::new());
        let started = Instant::now();
        for _ in 0..self.outstanding {
            self.set_up(&mut under_way).await;
        }
        while let Some(Sent { at, sets_up }) = under_way.pop_front() {
            let answer = self.answers.next().await.unwrap().unwrap();
            let took = u64::try_from(at.elapsed().as_nanos()).unwrap();
            let context = context_of(&answer);
            if sets_up {
                set_up.record(took).unwrap();
                self.release(context, &mut under_way).await;
            } else {
                release.record(took).unwrap();
                calls += 1;
                if started.elapsed() < long {
                    self.set_up(&mut under_way).await;
                }
            }
        }
        Measured { calls, took: started.elapsed(), set_up, release }
    }

    /// Offers so many calls and releases none; hands every answer on.
    async fn offer(&mut self, calls: u64, mut heard: impl FnMut(&pb::TransactStreamResponse)) {
        let (mut offered, mut under_way) = (0, VecDeque::new());
        while offered < calls || !under_way.is_empty() {
            if offered < calls && under_way.len() < self.outstanding {
                self.set_up(&mut under_way).await;
                offered += 1;
                continue;
            }
            let answer = self.answers.next().await.unwrap().unwrap();
            let _ = under_way.pop_front();
            heard(&answer);
        }
    }

    async fn set_up(&mut self, under_way: &mut VecDeque<Sent>) {
        let mut commands = call(self.next, self.rtcp);
        commands.truncate(self.terminations);
        self.send(commands, true, under_way).await;
    }

    async fn release(&mut self, context_id: u32, under_way: &mut VecDeque<Sent>) {
        let release =
            Kind::Release(pb::Release { context_id, termination_id: 0, ..Default::default() });
        self.send(vec![release], false, under_way).await;
    }

    async fn send(&mut self, commands: Vec<Kind>, sets_up: bool, under_way: &mut VecDeque<Sent>) {
        self.next += 1;
        let commands = commands.into_iter().map(|kind| pb::Command { command: Some(kind) });
        let request = pb::TransactStreamRequest {
            transaction_id: format!("bench-{}", self.next),
            commands: commands.collect(),
        };
        under_way.push_back(Sent { at: Instant::now(), sets_up });
        self.requests.send(request).await.unwrap();
    }
}

/// A call: an access termination with SDES keys and a plain core termination.
fn call(number: u64, rtcp: pb::RtcpMode) -> Vec<Kind> {
    let plain = pb::Stream {
        stream_id: 1,
        transport: pb::Transport::Plain.into(),
        rtcp: rtcp.into(),
        remote: Some(remote(number)),
        mode: pb::StreamMode::SendReceive.into(),
        ..pb::Stream::default()
    };
    let secured = pb::Stream {
        transport: pb::Transport::Secured.into(),
        ingress_crypto: Some(fresh_key()),
        egress_crypto: Some(fresh_key()),
        ..plain.clone()
    };
    let reserve = |realm: &str, latest_context, stream| {
        let realm = realm.to_owned();
        let streams = vec![stream];
        Kind::Reserve(pb::Reserve { realm, latest_context, streams, ..Default::default() })
    };
    vec![reserve("access", false, secured), reserve("core", true, plain)]
}

/// A peer that is none of the gateway's own addresses.
fn remote(number: u64) -> pb::RemoteAddress {
    let port = 40_000 + u32::try_from(number % 10_000).unwrap() * 2;
    let rtp = pb::SocketAddress { ip: Ipv4Addr::new(127, 0, 0, 2).to_string(), port };
    pb::RemoteAddress { rtp: Some(rtp), rtcp: None }
}

/// A key that was never used.
fn fresh_key() -> pb::CryptoContext {
    let mut key = [0; KEY_AND_SALT];
    rand::fill(&mut key);
    let key = BASE64_STANDARD.encode(key);
    let sdes_line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}");
    pb::CryptoContext { sdes_line, ..Default::default() }
}

/// The context that an answer is about; a refusal ends the benchmark.
fn context_of(answer: &pb::TransactStreamResponse) -> u32 {
    use pb::command_reply::Reply;
    use pb::transact_stream_response::Outcome;
    let Some(Outcome::Done(done)) = &answer.outcome else {
        panic!("refused: {answer:?}");
    };
    match done.replies.first().and_then(|reply| reply.reply.as_ref()) {
        Some(Reply::Termination(reply)) => reply.context_id,
        Some(Reply::Released(reply)) => reply.context_id,
        Some(Reply::Done(_)) | None => panic!("not what was asked for: {answer:?}"),
    }
}

fn report(measured: &Measured, before: &[Thread], after: &[Thread], options: &Options) {
    let Measured { calls, took, set_up, release } = measured;
    let rate = *calls as f64 / took.as_secs_f64();
    let rtcp = if options.unmuxed { "un-muxed" } else { "muxed" };
    println!("{calls} calls ({rtcp}) in {took:.2?}: {rate:.0} calls/s");
    for (name, times) in [("set-up", set_up), ("release", release)] {
        let us = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(us);
        let max = times.max() as f64 / 1e3;
        println!("{name:8} p50 {p50:.0} us, p99 {p99:.0} us, p99.9 {p999:.0} us, max {max:.0} us");
    }
    let mut total = 0.0;
    for (thread, since) in after.iter().zip(before) {
        let cost = (thread.on_cpu - since.on_cpu) as f64 / 1e3 / *calls as f64;
        total += cost;
        if cost >= 0.05 {
            println!("{:16} {cost:.1} us a call", thread.name);
        }
    }
    println!("{:16} {total:.1} us a call: {:.0} calls/s on one core", "gateway", 1e6 / total);
}
