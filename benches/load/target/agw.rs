//! agwd as a target, through its Iq API.

mod configuration;
mod pipeline;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use agw_iq::client::{CallError, IqClient};
use agw_iq::pb;
use agw_srtp::Suite;
use tempfile::TempDir;

use super::launch::{Place, Running};
use super::{CallId, CallKeys, CallSpec, Control, Counters, Placed, Target, TargetError};
use crate::result::TargetInfo;
pub(crate) use configuration::AgwOptions;
use pipeline::Pipeline;

/// What this target is called.
const NAME: &str = "agw";
/// How long it may take to start.
const START: Duration = Duration::from_secs(20);
/// How often its counters are asked for until they stand still.
const SETTLE: Duration = Duration::from_millis(60);
/// The termination of the access side: it is reserved first.
const ACCESS: u32 = 1;
const STREAM: u32 = 1;

/// agwd, started here or found running.
#[derive(Debug)]
pub(crate) struct Agw {
    running: Option<(Running, TempDir)>,
    pid: u32,
    client: IqClientBox,
    pipeline: Pipeline,
    realms: Arc<[String; 2]>,
    info: TargetInfo,
}

/// A client, which cannot be printed.
struct IqClientBox(IqClient);

impl std::fmt::Debug for IqClientBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IqClient")
    }
}

impl Agw {
    /// Starts agwd with a configuration of its own and waits until it is ready.
    ///
    /// # Errors
    /// [`TargetError::Start`] with the end of its log.
    pub(crate) async fn start(options: &AgwOptions) -> Result<Self, TargetError> {
        let start = |error: io::Error| TargetError::Start { name: NAME, reason: error.to_string() };
        let program = options.program.clone().map_or_else(beside_us, Ok).map_err(start)?;
        let directory = tempfile::Builder::new().prefix("agw-load-").tempdir().map_err(start)?;
        let configuration = directory.path().join("agwd.toml");
        let ready_file = directory.path().join("ready.json");
        fs::write(&configuration, options.toml(directory.path())).map_err(start)?;
        let place = Place { namespace: options.site.namespace.clone(), core: options.core };
        let mut command = place.command(&program);
        command.arg("--config").arg(&configuration).arg("--ready-file").arg(&ready_file);
        for setting in &options.settings {
            command.args(["--set", setting]);
        }
        let mut running = Running::start(NAME, command)?;
        let deadline = Instant::now() + START;
        let ready = loop {
            match fs::read(&ready_file) {
                Ok(ready) => break ready,
                Err(_) if running.is_alive() && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(_) => return Err(running.failure("it does not get ready")),
            }
        };
        let address = address(&ready).ok_or_else(|| running.failure("its ready file is odd"))?;
        let pid = running.pid();
        let realms = ["access", "core"].map(ToOwned::to_owned);
        let mut agw = Self::attach(&address, pid, realms).await?;
        agw.info.settings = options.told();
        agw.running = Some((running, directory));
        Ok(agw)
    }

    /// Connects to an agwd that runs already.
    ///
    /// # Errors
    /// [`TargetError::Connection`] if it does not answer.
    pub(crate) async fn attach(
        address: &str,
        pid: u32,
        realms: [String; 2],
    ) -> Result<Self, TargetError> {
        let connected = IqClient::connect(address, None).await;
        let client = connected.map_err(|error| no_answer(error.to_string()))?;
        let status = client.status().await.map_err(call_error)?;
        let pipeline = Pipeline::open(&client).await?;
        let info = TargetInfo {
            name: NAME.to_owned(),
            version: status.version,
            settings: [("attached".to_owned(), address.to_owned())].into(),
        };
        let realms = Arc::new(realms);
        Ok(Self { running: None, pid, client: IqClientBox(client), pipeline, realms, info })
    }

    async fn totals(&self) -> Result<pb::Totals, TargetError> {
        let status = self.client.0.status().await.map_err(call_error)?;
        Ok(status.totals.unwrap_or_default())
    }
}

impl Target for Agw {
    type Control = AgwControl;

    fn info(&self) -> TargetInfo {
        self.info.clone()
    }

    fn pid(&self) -> u32 {
        self.pid
    }

    fn control(&self) -> AgwControl {
        AgwControl { pipeline: self.pipeline.clone(), realms: Arc::clone(&self.realms) }
    }

    /// Workers tell their counters now and then: asked for until they stand still.
    async fn counters(&mut self) -> Result<Counters, TargetError> {
        let mut before = self.totals().await?;
        loop {
            for _ in 0..4 {
                tokio::time::sleep(SETTLE).await;
            }
            let now = self.totals().await?;
            if now == before {
                return Ok(counters(&now));
            }
            before = now;
        }
    }

    async fn stop(self) -> Result<(), TargetError> {
        match self.running {
            Some((running, _directory)) => running.stop().await,
            None => Ok(()),
        }
    }
}

/// A handle for calls of agwd.
#[derive(Debug, Clone)]
pub(crate) struct AgwControl {
    pipeline: Pipeline,
    realms: Arc<[String; 2]>,
}

impl Control for AgwControl {
    async fn set_up(&self, call: Arc<CallSpec>) -> Result<Placed, TargetError> {
        use pb::command::Command;
        let [access_realm, core_realm] = self.realms.as_ref();
        let secured = call.keys.as_ref();
        let transport = secured.map_or(pb::Transport::Plain, |_| pb::Transport::Secured);
        let access = pb::Stream {
            transport: transport.into(),
            ingress_crypto: secured.map(|keys| crypto(keys.suite, &keys.ingress)),
            egress_crypto: secured.map(|keys| crypto(keys.suite, &keys.egress)),
            ..stream(call.access_peer)
        };
        let core = pb::Stream { transport: pb::Transport::Plain.into(), ..stream(call.core_peer) };
        let reserve = |realm: &str, stream, latest_context| {
            Command::Reserve(pb::Reserve {
                realm: realm.to_owned(),
                latest_context,
                streams: vec![stream],
                ..pb::Reserve::default()
            })
        };
        let commands = vec![reserve(access_realm, access, false), reserve(core_realm, core, true)];
        let replies = self.pipeline.transact(commands).await?;
        let [access, core] = &replies[..] else {
            return Err(no_answer("two commands, but not two replies".to_owned()));
        };
        let (context, access) = local(access)?;
        let (_, core) = local(core)?;
        Ok(Placed { id: CallId::Number(context.into()), access, core, egress: None })
    }

    async fn hold(&self, call: &CallId, held: bool) -> Result<(), TargetError> {
        let mode = if held { pb::StreamMode::Inactive } else { pb::StreamMode::SendReceive };
        let change = pb::ChangeThroughConnection {
            context_id: context(call)?,
            mode: mode.into(),
            ..pb::ChangeThroughConnection::default()
        };
        let command = pb::command::Command::ChangeThroughConnection(change);
        self.pipeline.transact(vec![command]).await.map(drop)
    }

    async fn rekey(&self, call: &CallId, keys: Arc<CallKeys>) -> Result<(), TargetError> {
        let keep = |octets| pb::CryptoContext {
            roc_on_rekey: pb::RocOnRekey::Keep.into(),
            ..crypto(keys.suite, octets)
        };
        let change = pb::StreamChange {
            stream_id: STREAM,
            ingress_crypto: Some(keep(&keys.ingress)),
            egress_crypto: Some(keep(&keys.egress)),
            ..pb::StreamChange::default()
        };
        let configure = pb::Configure {
            context_id: context(call)?,
            termination_id: ACCESS,
            streams: vec![change],
            ..pb::Configure::default()
        };
        self.pipeline.transact(vec![pb::command::Command::Configure(configure)]).await.map(drop)
    }

    async fn release(&self, call: &CallId) -> Result<(), TargetError> {
        let release =
            pb::Release { context_id: context(call)?, termination_id: 0, ..Default::default() };
        self.pipeline.transact(vec![pb::command::Command::Release(release)]).await.map(drop)
    }
}

/// The agwd that was built together with this program.
fn beside_us() -> io::Result<PathBuf> {
    let us = env::current_exe()?;
    // Tests are one folder deeper.
    let folders = us.ancestors().skip(1).take(2);
    let mut programs = folders.map(|folder| folder.join("agwd"));
    programs.find(|program| program.is_file()).ok_or_else(|| {
        io::Error::other("there is no agwd beside agw-load: build it, or name it by --program")
    })
}

fn address(ready: &[u8]) -> Option<String> {
    let ready: serde_json::Value = serde_json::from_slice(ready).ok()?;
    let text = |key: &str| ready.get(key)?.as_str().map(ToOwned::to_owned);
    let unix = text("unix_socket").map(|path| format!("unix:{path}"));
    text("iq").map(|address| format!("http://{address}")).or(unix)
}

fn stream(peer: SocketAddr) -> pb::Stream {
    let rtp = pb::SocketAddress { ip: peer.ip().to_string(), port: peer.port().into() };
    pb::Stream {
        stream_id: STREAM,
        media: pb::Media::Audio.into(),
        remote: Some(pb::RemoteAddress { rtp: Some(rtp), rtcp: None }),
        rtcp: pb::RtcpMode::Mux.into(),
        mode: pb::StreamMode::SendReceive.into(),
        ..pb::Stream::default()
    }
}

fn crypto(suite: Suite, key_and_salt: &[u8]) -> pb::CryptoContext {
    let (key, salt) = key_and_salt.split_at_checked(suite.key_len()).unwrap_or_default();
    let key = pb::MasterKey { key: key.to_vec(), salt: salt.to_vec(), ..pb::MasterKey::default() };
    pb::CryptoContext {
        suite: suite_number(suite).into(),
        keys: vec![key],
        ..pb::CryptoContext::default()
    }
}

const fn suite_number(suite: Suite) -> pb::Suite {
    match suite {
        Suite::AesCm128HmacSha1_80 => pb::Suite::AesCm128HmacSha180,
        Suite::AesCm128HmacSha1_32 => pb::Suite::AesCm128HmacSha132,
        Suite::AesCm192HmacSha1_80 => pb::Suite::Aes192CmHmacSha180,
        Suite::AesCm192HmacSha1_32 => pb::Suite::Aes192CmHmacSha132,
        Suite::AesCm256HmacSha1_80 => pb::Suite::Aes256CmHmacSha180,
        Suite::AesCm256HmacSha1_32 => pb::Suite::Aes256CmHmacSha132,
        Suite::AeadAes128Gcm => pb::Suite::AeadAes128Gcm,
        Suite::AeadAes256Gcm => pb::Suite::AeadAes256Gcm,
        Suite::NullHmacSha1_80 => pb::Suite::NullHmacSha180,
        Suite::NullHmacSha1_32 => pb::Suite::NullHmacSha132,
        Suite::AesF8128HmacSha1_80 => pb::Suite::F8128HmacSha180,
    }
}

/// Context and local RTP address of a termination.
fn local(reply: &pb::CommandReply) -> Result<(u32, SocketAddr), TargetError> {
    let Some(pb::command_reply::Reply::Termination(termination)) = &reply.reply else {
        return Err(no_answer("a reservation without a termination".to_owned()));
    };
    let address = || {
        let rtp = termination.streams.first()?.rtp.as_ref()?;
        let ip: IpAddr = rtp.ip.parse().ok()?;
        Some(SocketAddr::new(ip, u16::try_from(rtp.port).ok()?))
    };
    let unreadable = || no_answer("a termination without its local address".to_owned());
    Ok((termination.context_id, address().ok_or_else(unreadable)?))
}

fn context(call: &CallId) -> Result<u32, TargetError> {
    match call {
        CallId::Number(number) => {
            u32::try_from(*number).map_err(|_| no_answer(format!("context {number}")))
        }
        CallId::Text(text) => Err(no_answer(format!("{text:?} is no context"))),
    }
}

fn counters(totals: &pb::Totals) -> Counters {
    let packets = |traffic: &Option<pb::Traffic>| traffic.as_ref().map_or(0, |all| all.packets);
    let dropped = totals.dropped.iter().map(|drop| {
        let name = drop.reason().as_str_name().to_ascii_lowercase();
        let name = name.trim_start_matches("drop_reason_").to_owned();
        (name, drop.packets)
    });
    let errors = totals.send_errors.iter().map(|one| (one.error_class.clone(), one.packets));
    Counters {
        received: packets(&totals.received),
        forwarded: packets(&totals.forwarded),
        dropped: dropped.collect::<BTreeMap<_, _>>(),
        kernel_drops: totals.kernel_drops,
        send_errors: errors.collect(),
    }
}

fn call_error(error: CallError) -> TargetError {
    match error.reason {
        Some(reason) => TargetError::Refused { reason },
        None => no_answer(error.message),
    }
}

fn no_answer(reason: String) -> TargetError {
    TargetError::Connection { reason }
}
