//! rtpengine of Sipwise, in user space, as a target.
//!
//! It gets what spares it work and is told to do nothing beyond what agw does: no learning of
//! addresses, no ICE, no DTLS, RTCP multiplexed on both sides, logs of warnings alone, as many
//! threads as agw has workers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agw_sdes::{CryptoAttribute, CryptoTag, InlineKey};
use agw_srtp::MasterKey;
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::launch::{Place, Running};
use super::udp_table;
use super::{
    CallId, CallKeys, CallSpec, ChosenKey, Control, Counters, Placed, Target, TargetError,
};
use crate::ng::{Client, Deletion, NgError, Request, Retry, Signal, sdp};
use crate::result::TargetInfo;

/// What this target is called.
const NAME: &str = "rtpengine";
/// How long it may take to start.
const START: Duration = Duration::from_secs(10);

/// How to start rtpengine.
#[derive(Debug, Clone)]
pub(crate) struct RtpengineOptions {
    /// The program; `rtpengine`, found by PATH, if not given.
    pub(crate) program: Option<PathBuf>,
    /// Where it runs.
    pub(crate) place: Place,
    /// Worker threads.
    pub(crate) threads: usize,
    /// Its address on the access side.
    pub(crate) access: IpAddr,
    /// Its address on the core side.
    pub(crate) core: IpAddr,
    /// Where it listens for requests.
    pub(crate) control: SocketAddr,
    /// Ports for media, of each side.
    pub(crate) ports: RangeInclusive<u16>,
}

/// rtpengine, started here.
#[derive(Debug)]
pub(crate) struct Rtpengine {
    running: Running,
    client: Client,
    options: RtpengineOptions,
    version: String,
}

impl Rtpengine {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// [`TargetError::Start`] with the end of its log.
    pub(crate) async fn start(options: RtpengineOptions) -> Result<Self, TargetError> {
        let program = options.program.clone().unwrap_or_else(|| PathBuf::from(NAME));
        let version = version(&program).await?;
        let mut command = options.place.command(&program);
        command.args(arguments(&options));
        let mut running = Running::start(NAME, command)?;
        let cookie = format!("agw{}", running.pid());
        let client = match Client::connect(options.control, &cookie, Retry::default()).await {
            Ok(client) => client,
            Err(error) => return Err(running.failure(&error.to_string())),
        };
        // The kernel answers for a port that nobody has opened yet, and the client tries again.
        let pinged = timeout(START, client.ask(&Request::Ping)).await;
        match pinged {
            Ok(Ok(_)) if running.is_alive() => Ok(Self { running, client, options, version }),
            Ok(Ok(_)) => Err(running.failure("another rtpengine answers in its place")),
            Ok(Err(error)) => Err(running.failure(&error.to_string())),
            Err(_) => Err(running.failure("it does not answer")),
        }
    }
}

impl Target for Rtpengine {
    type Control = RtpengineControl;

    fn info(&self) -> TargetInfo {
        let RtpengineOptions { place, threads, .. } = &self.options;
        let core = place.core.map_or_else(|| "any".to_owned(), |core| core.to_string());
        let settings = [
            ("forwarding", "user space".to_owned()),
            ("threads", threads.to_string()),
            ("core", core),
            ("endpoint-learning", "off".to_owned()),
        ];
        TargetInfo {
            name: NAME.to_owned(),
            version: self.version.clone(),
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    fn pid(&self) -> u32 {
        self.running.pid()
    }

    fn control(&self) -> RtpengineControl {
        RtpengineControl { client: self.client.clone() }
    }

    async fn counters(&mut self) -> Result<Counters, TargetError> {
        let reply = self.client.ask(&Request::Statistics).await?;
        let Some(statistics) = reply.statistics else {
            return Err(no_usable("statistics without counters"));
        };
        let RtpengineOptions { access, core, ports, .. } = &self.options;
        let kernel_drops = udp_table::drops(self.running.pid(), &[*access, *core], ports)
            .map_err(|error| no_usable(&error.to_string()))?;
        let total = statistics.total;
        Ok(Counters {
            received: total.relayed + total.errors,
            forwarded: total.relayed,
            dropped: BTreeMap::from([("error".to_owned(), total.errors)]),
            kernel_drops,
            send_errors: BTreeMap::new(),
        })
    }

    async fn stop(self) -> Result<(), TargetError> {
        self.running.stop().await
    }
}

/// A handle for calls.
#[derive(Debug, Clone)]
pub(crate) struct RtpengineControl {
    client: Client,
}

impl Control for RtpengineControl {
    async fn set_up(&self, call: Arc<CallSpec>) -> Result<Placed, TargetError> {
        let id: Arc<str> = format!("agw-load-{}", call.number).into();
        let phone = call.keys.as_ref().map(phone_line).transpose()?;
        let offer = sdp::describe(call.access_peer, true, phone.as_ref());
        let offer = Signal { sdp: &offer, ..signal(&id, ["access", "core"], "RTP/AVP") };
        let core = self.described(&Request::Offer(offer)).await?;
        let answer = sdp::describe(call.core_peer, true, None);
        let back = if phone.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
        let answer =
            Signal { sdp: &answer, to_tag: Some("core"), ..signal(&id, ["core", "access"], back) };
        let access = self.described(&Request::Answer(answer)).await?;
        let egress = match (&call.keys, access.crypto) {
            (None, None) => None,
            (Some(keys), Some(line)) => Some(Arc::new(chosen(keys, &line)?)),
            (None, Some(_)) | (Some(_), None) => return Err(no_usable("the answer's profile")),
        };
        Ok(Placed { id: CallId::Text(id), access: access.rtp, core: core.rtp, egress })
    }

    async fn hold(&self, _call: &CallId, _held: bool) -> Result<(), TargetError> {
        Err(TargetError::Unsupported { name: NAME, what: "hold calls in this harness" })
    }

    async fn rekey(&self, _call: &CallId, _keys: Arc<CallKeys>) -> Result<(), TargetError> {
        Err(TargetError::Unsupported { name: NAME, what: "take the keys of another" })
    }

    async fn release(&self, call: &CallId) -> Result<(), TargetError> {
        let CallId::Text(call_id) = call else {
            return Err(TargetError::Refused { reason: "no call of rtpengine".to_owned() });
        };
        let reply = self.client.ask(&Request::Delete(Deletion { call_id, delay_s: 0 })).await?;
        match reply.warning {
            Some(reason) => Err(TargetError::Refused { reason }),
            None => Ok(()),
        }
    }
}

impl RtpengineControl {
    async fn described(&self, request: &Request<'_>) -> Result<sdp::Media, TargetError> {
        let reply = self.client.ask(request).await?;
        let sdp = reply.sdp.ok_or_else(|| no_usable("no description"))?;
        let media = sdp::read(&sdp).map_err(|error| no_usable(&error.to_string()))?;
        if media.rtcp != media.rtp {
            return Err(no_usable("RTCP has a port of its own"));
        }
        Ok(media)
    }
}

impl From<NgError> for TargetError {
    fn from(error: NgError) -> Self {
        match error {
            NgError::Refused(reason) => Self::Refused { reason },
            NgError::Socket(_) | NgError::Form(..) | NgError::Silence => {
                Self::Connection { reason: error.to_string() }
            }
        }
    }
}

/// What every offer and answer says.
fn signal<'a>(call_id: &'a str, direction: [&'a str; 2], profile: &'a str) -> Signal<'a> {
    Signal {
        call_id,
        from_tag: "access",
        to_tag: None,
        sdp: "",
        transport_protocol: profile,
        direction,
        replace: &["origin", "session-connection"],
        ice: "remove",
        dtls: "off",
        rtcp_mux: &["accept"],
        flags: &["trust-address", "no-rtcp-attribute"],
    }
}

/// The phone's line: it seals with what the gateway opens.
fn phone_line(keys: &CallKeys) -> Result<CryptoAttribute, TargetError> {
    let refused = |error: &dyn std::fmt::Display| no_usable(&error.to_string());
    let master = MasterKey::from_concatenated(keys.suite, &keys.ingress);
    let key = InlineKey::new(master.map_err(|error| refused(&error))?);
    let tag = CryptoTag::new(1).map_err(|error| refused(&error))?;
    CryptoAttribute::new(tag, keys.suite, vec![key], Vec::new()).map_err(|error| refused(&error))
}

/// The key that rtpengine chose for what it seals.
fn chosen(keys: &CallKeys, line: &CryptoAttribute) -> Result<ChosenKey, TargetError> {
    match line.keys() {
        [key] if line.known_suite() == Some(keys.suite) => {
            let octets = key.master().expose(|octets| Zeroizing::new(octets.to_vec()));
            Ok(ChosenKey(octets))
        }
        _ => Err(no_usable("another suite or not one key in the answer")),
    }
}

fn arguments(options: &RtpengineOptions) -> Vec<String> {
    let RtpengineOptions { threads, access, core, control, ports, .. } = options;
    let mut arguments: Vec<String> = [
        "--foreground",
        "--log-stderr",
        "--config-file=none",
        "--table=-1",
        "--endpoint-learning=off",
        "--log-level=4",
        "--delete-delay=0",
        "--timeout=86400",
        "--silent-timeout=86400",
    ]
    .map(str::to_owned)
    .into();
    arguments.extend([
        format!("--num-threads={threads}"),
        format!("--interface=access/{access}"),
        format!("--interface=core/{core}"),
        format!("--listen-ng={control}"),
        format!("--port-min={}", ports.start()),
        format!("--port-max={}", ports.end()),
    ]);
    arguments
}

async fn version(program: &PathBuf) -> Result<String, TargetError> {
    let output = Command::new(program).arg("--version").output().await.map_err(|error| {
        TargetError::Start { name: NAME, reason: format!("{}: {error}", program.display()) }
    })?;
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    let version = told.lines().find_map(|line| line.strip_prefix("Version: "));
    Ok(version.unwrap_or("unknown").trim().to_owned())
}

fn no_usable(reason: &str) -> TargetError {
    TargetError::Connection { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
