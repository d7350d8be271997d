//! The bare forwarder as a target: what remains of a relay without its work.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::Mutex;

use super::launch::{Place, Running};
use super::{CallId, CallKeys, CallSpec, Control, Counters, Placed, Target, TargetError};
use crate::forward::{Answer, Request};
use crate::result::TargetInfo;

/// What this target is called.
const NAME: &str = "forwarder";

/// How to start the forwarder.
#[derive(Debug, Clone)]
pub(crate) struct ForwarderOptions {
    /// This program, of which it is a hidden part.
    pub(crate) program: PathBuf,
    /// Where it runs.
    pub(crate) place: Place,
    /// Its address on the access side.
    pub(crate) access: IpAddr,
    /// Its address on the core side.
    pub(crate) core: IpAddr,
    /// How long it gathers packets.
    pub(crate) coalesce: Duration,
}

/// The forwarder, started here.
#[derive(Debug)]
pub(crate) struct Forwarder {
    running: Running,
    control: ForwarderControl,
    options: ForwarderOptions,
}

impl Forwarder {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// [`TargetError::Start`] with the end of its log.
    pub(crate) async fn start(options: ForwarderOptions) -> Result<Self, TargetError> {
        let mut command = options.place.command(&options.program);
        let addresses = [options.access, options.core].map(|address| address.to_string());
        command.arg("forward").args(addresses);
        command.args(["--coalesce-us", &options.coalesce.as_micros().to_string()]);
        let (mut running, input, output) = Running::start_talking(NAME, command)?;
        let pipes = Pipes { input, output: BufReader::new(output).lines() };
        let control = ForwarderControl { pipes: Arc::new(Mutex::new(pipes)) };
        match control.ask(&Request::Count).await {
            Ok(_) => Ok(Self { running, control, options }),
            Err(error) => Err(running.failure(&error.to_string())),
        }
    }
}

impl Target for Forwarder {
    type Control = ForwarderControl;

    fn info(&self) -> TargetInfo {
        let core = self.options.place.core;
        let settings = [
            ("backend", "sockets".to_owned()),
            ("threads", "1".to_owned()),
            ("coalesce", format!("{} us", self.options.coalesce.as_micros())),
            ("core", core.map_or_else(|| "any".to_owned(), |core| core.to_string())),
        ];
        TargetInfo {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    fn pid(&self) -> u32 {
        self.running.pid()
    }

    fn control(&self) -> ForwarderControl {
        self.control.clone()
    }

    async fn counters(&mut self) -> Result<Counters, TargetError> {
        match self.control.ask(&Request::Count).await? {
            Answer::Counted(counted) => Ok(Counters {
                received: counted.received,
                forwarded: counted.received - counted.truncated,
                dropped: [("truncated".to_owned(), counted.truncated)].into(),
                kernel_drops: counted.kernel_drops,
                send_errors: counted.send_errors,
            }),
            other @ (Answer::Placed { .. } | Answer::Released | Answer::Refused { .. }) => {
                Err(unexpected(other))
            }
        }
    }

    async fn stop(self) -> Result<(), TargetError> {
        self.running.stop().await
    }
}

/// A handle for calls.
#[derive(Debug, Clone)]
pub(crate) struct ForwarderControl {
    pipes: Arc<Mutex<Pipes>>,
}

#[derive(Debug)]
struct Pipes {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl ForwarderControl {
    /// Asks and waits; one at a time.
    async fn ask(&self, request: &Request) -> Result<Answer, TargetError> {
        let broken = |error: &dyn std::fmt::Display| TargetError::Connection {
            reason: format!("the forwarder's pipe: {error}"),
        };
        let mut line = serde_json::to_vec(request).map_err(|error| broken(&error))?;
        line.push(b'\n');
        let mut pipes = self.pipes.lock().await;
        pipes.input.write_all(&line).await.map_err(|error| broken(&error))?;
        let answer = pipes.output.next_line().await.map_err(|error| broken(&error))?;
        let answer = answer.ok_or_else(|| broken(&"it ended"))?;
        serde_json::from_str(&answer).map_err(|error| broken(&error))
    }
}

impl Control for ForwarderControl {
    async fn set_up(&self, call: Arc<CallSpec>) -> Result<Placed, TargetError> {
        let CallSpec { access_peer, core_peer, .. } = *call;
        match self.ask(&Request::SetUp { access_peer, core_peer }).await? {
            Answer::Placed { call, access, core } => {
                let id = CallId::Number(call.into());
                Ok(Placed { id, access, core, egress: None })
            }
            other @ (Answer::Released | Answer::Counted(_) | Answer::Refused { .. }) => {
                Err(unexpected(other))
            }
        }
    }

    async fn hold(&self, _call: &CallId, _held: bool) -> Result<(), TargetError> {
        Err(TargetError::Unsupported { name: NAME, what: "hold calls" })
    }

    async fn rekey(&self, _call: &CallId, _keys: Arc<CallKeys>) -> Result<(), TargetError> {
        Err(TargetError::Unsupported { name: NAME, what: "use keys" })
    }

    async fn release(&self, call: &CallId) -> Result<(), TargetError> {
        let call = match call {
            CallId::Number(call) => u32::try_from(*call).ok(),
            CallId::Text(_) => None,
        };
        let call =
            call.ok_or_else(|| TargetError::Refused { reason: "no such call".to_owned() })?;
        match self.ask(&Request::Release { call }).await? {
            Answer::Released => Ok(()),
            other @ (Answer::Placed { .. } | Answer::Counted(_) | Answer::Refused { .. }) => {
                Err(unexpected(other))
            }
        }
    }
}

fn unexpected(answer: Answer) -> TargetError {
    match answer {
        Answer::Refused { reason } => TargetError::Refused { reason },
        Answer::Placed { .. } | Answer::Released | Answer::Counted(_) => {
            TargetError::Connection { reason: format!("not asked for: {answer:?}") }
        }
    }
}
