//! The bare forwarder: `agw-load forward`, a process of its own so that it is measured like any
//! gateway. It passes every datagram of a call's one port on from the other, as it is.
//!
//! It knows ports and peers; it has no keys, no checks and no RTP. With agw-net's sockets below,
//! it is the floor of what a relay on this machine can cost. It is asked by lines of JSON on its
//! standard input, and ends with it.

mod protocol;
mod worker;

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::time::Duration;

use agw_net::{PortOptions, UdpPort};
use anyhow::Context;

pub(crate) use protocol::{Answer, Request};

use crate::cli::ForwardArgs;
use worker::{Order, Worker};

/// `agw-load forward`: answers requests on the standard input until it ends.
///
/// # Errors
/// The worker does not start or is gone, or the pipes break.
pub(crate) fn run(arguments: &ForwardArgs) -> anyhow::Result<()> {
    let ForwardArgs { access, core, coalesce_us } = arguments;
    let addresses = [access, core].map(|address| SocketAddr::new(*address, 0));
    agw_net::raise_descriptor_limit(u64::from(u16::MAX) * 2).context("descriptors")?;
    let coalesce = Duration::from_micros(*coalesce_us);
    serve(coalesce, addresses, io::stdin().lock(), io::stdout().lock())
}

fn serve(
    coalesce: Duration,
    addresses: [SocketAddr; 2],
    requests: impl BufRead,
    mut answers: impl Write,
) -> anyhow::Result<()> {
    let worker = Worker::start(coalesce)?;
    for line in requests.lines() {
        let request = serde_json::from_str(&line?).context("a request")?;
        let answer = answer(&worker, addresses, request)?;
        serde_json::to_writer(&mut answers, &answer)?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
    worker.stop()
}

fn answer(
    worker: &Worker,
    [access, core]: [SocketAddr; 2],
    request: Request,
) -> anyhow::Result<Answer> {
    match request {
        Request::SetUp { access_peer, core_peer } => {
            let ports = match bind([access, core]) {
                Ok(ports) => ports,
                Err(error) => return Ok(Answer::Refused { reason: error.to_string() }),
            };
            let [access, core] = ports.each_ref().map(UdpPort::local_address);
            let peers = [access_peer, core_peer];
            let call = worker.ask(|done| Order::Add { ports, peers, done })?;
            Ok(match call {
                Ok(call) => Answer::Placed { call, access, core },
                Err(error) => Answer::Refused { reason: error.to_string() },
            })
        }
        Request::Release { call } => {
            let released = worker.ask(|done| Order::Remove { call, done })?;
            Ok(match released {
                Ok(()) => Answer::Released,
                Err(error) => Answer::Refused { reason: error.to_string() },
            })
        }
        Request::Count => Ok(Answer::Counted(worker.ask(|done| Order::Count { done })?)),
    }
}

fn bind(addresses: [SocketAddr; 2]) -> io::Result<[UdpPort; 2]> {
    let options = PortOptions::default();
    let [access, core] = addresses;
    Ok([UdpPort::bind(access, &options)?, UdpPort::bind(core, &options)?])
}

#[cfg(test)]
mod tests;
