//! What each command does.

mod alg;
mod call;
mod contexts;
mod diff;
mod events;
mod generate;
mod service;
mod stats;
mod why;

use crate::cli::{Call, Cli, Command, Reach};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Output, print};
use crate::view::{CapabilitiesView, GatewayView, StatusView};

/// Every command's JSON.
pub(crate) const JSON: &str = include_str!("../../json.md");

/// Carries out what the command line says.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { reach, output, command } = cli;
    let output = Output::new(output);
    match command {
        Command::Status => status(&reach, output).await,
        Command::Contexts(contexts) => contexts::run(contexts, &reach, output).await,
        Command::Call(Call::Add(call)) => call::add(*call, &reach, output).await,
        Command::Alg(alg) => alg::run(alg, &reach, output).await,
        Command::Stats(stats) => stats::run(&stats, &reach, output).await,
        Command::Why { call } => why::run(&call, &reach, output).await,
        Command::Events(events) => events::run(&events, &reach, output).await,
        Command::Capabilities => capabilities(&reach, output).await,
        Command::Service(change) => service::run(change, &reach, output).await,
        Command::Drain => drain(&reach, output).await,
        Command::Json => print(JSON),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { directory } => generate::manual(directory.as_deref()),
    }
}

async fn status(reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let status = gateway.ask("status", |client| client.status()).await?;
    output.show(&StatusView::from(status), StatusView::tables)
}

async fn capabilities(reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let capabilities = gateway.ask("capabilities", |client| client.capabilities()).await?;
    output.show(&CapabilitiesView::from(capabilities), CapabilitiesView::tables)
}

async fn drain(reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let state = gateway.ask("drain", |client| client.drain()).await?;
    output.show(&GatewayView::from(state), GatewayView::condition)
}
