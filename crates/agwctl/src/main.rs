//! `agwctl`, the operator's tool: what a gateway does, told and changed over its gRPC API.
//!
//! This crate knows the command line, tables, JSON and exit codes. It does not know the inside of
//! the gateway: all it asks goes through [`agw_iq::client`]. Start at [`cli`] for what can be
//! asked, at [`commands`] for what each command does, at [`view`] for what is shown.
#![forbid(unsafe_code)]

mod call_file;
mod cli;
mod commands;
mod connection;
mod diagnosis;
mod failure;
mod output;
mod spec;
mod view;

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;
use zeroizing_alloc::ZeroAlloc;

use cli::Cli;
use failure::Failure;

/// Memory is wiped when it is freed: keys pass through buffers of HTTP/2 and protobuf.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::local("starting", &error)),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    eprintln!("agwctl: {failure}");
    failure.exit().into()
}
