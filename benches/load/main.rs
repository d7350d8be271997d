//! `agw-load`: drives a real media gateway with calls and tells what became of every packet.
//!
//! It knows RTP, keys and how a controller asks for calls; it sees the gateway from outside only.
//! [`target::Target`] is what is measured, [`window`] how, [`result::RunResult`] what is told:
//!
//! ```text
//! cli ─▶ plan ─▶ calls ─▶ prepare (sealed before the window)
//!                  │          │
//!        control ◀─┘          ▼
//!        (set up,        generator ◀─▶ wire ◀─▶ gateway       meanwhile (holds, re-keys, ...)
//!         release)            │
//!                             ▼
//!                 sink ─▶ verify ─▶ account ─▶ result ─▶ report
//! ```
#![forbid(unsafe_code)]

mod account;
mod calls;
mod cli;
mod clock;
mod control;
mod direct;
mod forward;
mod generator;
mod latency;
mod meanwhile;
mod netns;
mod ng;
mod packet;
mod peer;
mod plan;
mod prepare;
mod process;
mod report;
mod result;
mod run;
mod schedule;
mod screen;
mod search;
mod sink;
mod site;
mod target;
#[cfg(test)]
mod tests;
mod under_way;
mod verify;
mod window;
mod wire;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use cli::{Cli, Command, OutputArgs, PeerArgs};
use netns::Namespaces;
use run::Job;
use screen::Screen;

/// Something is unaccounted for or altered.
const OFF: u8 = 1;
/// Nothing could be measured.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Compare(args) => report::compare::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Forward(args) => forward::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Peer(args) => on_runtime(async move { compare_peers(&args).await }),
        Command::Run(args) => measure(Job::Run(args.clone()), args.output),
        Command::FindMax(args) => measure(Job::FindMax(args.clone()), args.output),
        Command::Churn(args) => measure(Job::Churn(args.clone()), args.output),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("agw-load: {error:#}");
        ExitCode::from(FAILED)
    })
}

/// Measures and tells; the exit code says whether everything is as it should be.
fn measure(job: Job, output: OutputArgs) -> anyhow::Result<ExitCode> {
    on_runtime(carry_out(job, output))
}

fn on_runtime(
    work: impl Future<Output = anyhow::Result<ExitCode>> + Send + 'static,
) -> anyhow::Result<ExitCode> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // On a thread of the runtime, not beside it: one thread less to wake for each answer.
    runtime.block_on(async { tokio::spawn(work).await? })
}

async fn carry_out(job: Job, output: OutputArgs) -> anyhow::Result<ExitCode> {
    run::check(&job)?;
    let traffic = job.traffic();
    if traffic.netns && Namespaces::around().is_none() {
        return netns::run_inside(!traffic.no_threaded_napi).await.map(ExitCode::from);
    }
    let screen = Screen::new();
    let result = run::carry_out(&job, &screen).await;
    screen.done();
    let result = result?;
    report::tell(&result, &output)?;
    let troubles = result.troubles();
    for trouble in &troubles {
        eprintln!("agw-load: {trouble}");
    }
    Ok(exit_code(troubles.is_empty()))
}

async fn compare_peers(args: &PeerArgs) -> anyhow::Result<ExitCode> {
    if args.netns && Namespaces::around().is_none() {
        return netns::run_inside(true).await.map(ExitCode::from);
    }
    peer::run(args).await.map(exit_code)
}

fn exit_code(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::from(OFF) }
}
