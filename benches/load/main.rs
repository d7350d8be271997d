//! `agw-load`: drives a real media gateway with calls and tells what became of every packet.
//!
//! It knows RTP, keys and how a controller asks for calls; it sees the gateway from outside only.
//! Start at [`target::Target`], what is measured, and [`result::RunResult`], what is told.
#![forbid(unsafe_code)]
#![expect(dead_code, reason = "the contract first, who uses it follows")]

mod cli;
mod forward;
mod ng;
mod report;
mod result;
mod target;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    match cli::Cli::parse().command {
        cli::Command::Compare(arguments) => report::compare::run(&arguments),
        cli::Command::Forward(arguments) => forward::run(&arguments),
        cli::Command::Run(_) | cli::Command::FindMax(_) | cli::Command::Churn(_) => {
            anyhow::bail!("not in this build")
        }
    }
}
