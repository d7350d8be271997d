//! `agwd demo`: the daemon with one secured call through it, and whether everything came out right.
//!
//! The demo knows the gateway from outside only: it asks for the call over gRPC as a controller
//! does, and its two sides exchange datagrams with the media ports as phones do. [`script`] is
//! what they say, [`endpoint`] how, [`play`] when, [`heard`] what came of it, [`report`] whether
//! that is right.

mod alaw;
mod call;
mod endpoint;
mod heard;
mod hearing;
mod play;
mod report;
mod screen;
mod script;
mod speech;
mod wav;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use rand::RngExt;
use thiserror::Error;

use agw_iq::client::{CallError, ConnectError, IqClient};
use agw_srtp::{KeyError, Suite};

use crate::config::Config;
use crate::daemon::{Daemon, Running, StartError};
use crate::exit::Exit;
use call::Call;
use play::PathHeard;
use report::Report;
use screen::Screen;
use script::{Identity, Script};
use speech::{RATE_HZ, Voice};

const HELP: &str = "\
What it does: starts the gateway, reserves one originating e2ae call over its own gRPC API with
fresh keys (K11 opens what comes from the access side, K12 seals what goes there), plays a voice in
each direction, SRTP and SRTCP on the access side, RTP and RTCP on the core side, and compares all
that arrives with what was sent, octet by octet and sample by sample.

Exit codes: those of agwd, and
  1   something is off: a packet lost or altered, a counter that should be 0";

/// What to do if another daemon runs already.
const IN_USE: &str = "\
Is another agwd running? Stop it, or let this one choose its ports:
  agwd --set iq.listen=127.0.0.1:0 --set admin.listen=127.0.0.1:0 demo";

/// Enough for whoever tries the gateway with `--keep`, and within any descriptor limit.
const CONTEXTS: usize = 100;

/// Something in the call is off.
const OFF: u8 = 1;

/// What the demo is asked for.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// How long the call lasts, in seconds.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The suite of the access side, by its name in SDP.
    #[arg(long, value_name = "SUITE", default_value = Suite::AesCm128HmacSha1_80.name(), value_parser = suites())]
    suite: Suite,
    /// Where the recordings of both sides go, as WAV files.
    #[arg(long, value_name = "DIR", default_value = ".")]
    output_dir: PathBuf,
    /// Keeps the gateway and the call going until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// Why there is nothing to report.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// The gateway did not start.
    #[error("{0}")]
    Start(#[from] StartError),
    /// The configuration asks for certificates that the demo does not have.
    #[error("the gateway is configured for TLS: the demo has no controller's certificate")]
    Tls,
    /// The API does not answer.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// The API refused something.
    #[error("{0}")]
    Call(Box<CallError>),
    /// The API answered something else than what was asked.
    #[error("the gateway answered {0}")]
    Answer(&'static str),
    /// A crypto line cannot be made.
    #[error("{0}")]
    Line(#[from] agw_sdes::SdesError),
    /// A crypto line cannot be used.
    #[error("{0}")]
    Refusal(#[from] agw_sdes::Refusal),
    /// A key cannot be used.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// A socket of one of the sides failed.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// A recording cannot be written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
}

impl From<CallError> for DemoError {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl DemoError {
    fn exit(&self) -> Exit {
        match self {
            Self::Start(error) => error.exit(),
            Self::Tls => Exit::Usage,
            Self::Socket(source) | Self::File { source, .. } => Exit::of(source),
            Self::Connect(_)
            | Self::Call(_)
            | Self::Answer(_)
            | Self::Line(_)
            | Self::Refusal(_)
            | Self::Key(_) => Exit::Software,
        }
    }
}

/// Shows the gateway at work.
pub(crate) async fn run(args: Args, config: Config) -> ExitCode {
    match demonstrate(&args, config).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(OFF),
        Err(error) => {
            eprintln!("agwd demo: {error}");
            if error.exit() == Exit::Unavailable {
                eprintln!("{IN_USE}");
            }
            error.exit().into()
        }
    }
}

async fn demonstrate(args: &Args, mut config: Config) -> Result<bool, DemoError> {
    if config.iq.tls.is_some() {
        return Err(DemoError::Tls);
    }
    let names: Vec<String> = config.realm.iter().map(|realm| realm.name.clone()).collect();
    let access_realm = names.first().cloned().unwrap_or_default();
    let core_realm = names.get(1).unwrap_or(&access_realm);

    fs::create_dir_all(&args.output_dir)
        .map_err(|source| DemoError::File { path: args.output_dir.clone(), source })?;
    config.limits.contexts = config.limits.contexts.min(CONTEXTS);
    let running = Daemon::start(config).await?;
    let client = IqClient::connect(&endpoint(&running), None).await?;
    let call = call::set_up(&client, args.suite, [&access_realm, core_realm]).await?;
    let all_right = play_and_tell(args, &running, &client, &call).await;
    call.release(&client).await?;
    running.shutdown().await;
    all_right
}

async fn play_and_tell(
    args: &Args,
    running: &Running,
    client: &IqClient,
    call: &Call,
) -> Result<bool, DemoError> {
    let screen = Screen::new(args.seconds);
    screen.heading(running, call, args.suite);
    let scripts = [script(Voice::ACCESS, args.seconds), script(Voice::CORE, args.seconds)];
    let [there, back] = &scripts;
    let (access, core) = (&call.access.endpoint, &call.core.endpoint);
    let paths = [play::Path::new(there, access, core), play::Path::new(back, core, access)];

    let heard = tokio::task::block_in_place(|| play::play(&paths, || screen.progress(&paths)))?;
    screen.done();
    let sent = scripts.iter().map(|script| script.packets() + script.reports()).sum();
    let counters = call.counters(client, sent).await?;
    let report = Report::new(&scripts, &heard, &counters);
    let files = write_recordings(&args.output_dir, &report)?;
    screen.report(&report, &files);
    if args.keep {
        screen.farewell(running, call);
        keep_going(&paths).await?;
    }
    Ok(report.troubles().is_empty())
}

/// The call goes on until Ctrl-C; nobody compares any more.
async fn keep_going(paths: &[play::Path<'_>; 2]) -> Result<(), DemoError> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let speaker = scope.spawn(|| play::go_on(paths, &stop));
        let asked = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(tokio::signal::ctrl_c())
        });
        stop.store(true, Ordering::Relaxed);
        let spoken = speaker.join().unwrap_or_else(|_| Err(io::Error::other("the demo panicked")));
        Ok(asked.and(spoken)?)
    })
}

/// What each side heard goes to a file of its own.
fn write_recordings(directory: &Path, report: &Report<'_>) -> Result<[PathBuf; 2], DemoError> {
    let [at_core, at_access] = report.recordings();
    let files = ["agw-demo-core.wav", "agw-demo-access.wav"].map(|name| directory.join(name));
    for (path, samples) in files.iter().zip([at_core, at_access]) {
        wav::write_file(path, samples, RATE_HZ)
            .map_err(|source| DemoError::File { path: path.clone(), source })?;
    }
    Ok(files)
}

fn script(voice: Voice, seconds: u64) -> Script {
    let mut random = rand::rng();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let identity = Identity {
        ssrc: random.random(),
        first_timestamp: random.random(),
        wall_clock: now.as_secs(),
    };
    Script::new(voice, seconds, identity)
}

/// Where the gateway's API is reached.
fn endpoint(running: &Running) -> String {
    match (running.iq_address(), running.unix_socket()) {
        (Some(address), _) => format!("http://{address}"),
        (None, Some(socket)) => format!("unix:{}", socket.display()),
        (None, None) => String::new(),
    }
}

/// The suites that the default policy allows.
fn suites() -> impl TypedValueParser<Value = Suite> {
    let offered = || Suite::ALL.into_iter().filter(|suite| !suite.is_null() && !suite.is_f8());
    PossibleValuesParser::new(offered().map(Suite::name)).try_map(move |name| {
        offered().find(|suite| suite.name() == name).ok_or("not a suite of this gateway")
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn config() -> Config {
        let mut config = Config::default();
        config.iq.listen = crate::Listen("127.0.0.1:0".parse().ok());
        config.admin.listen = "127.0.0.1:0".parse().expect("an address");
        config
    }

    fn args(output_dir: &Path) -> Args {
        let suite = Suite::AeadAes128Gcm;
        Args { seconds: 1, suite, output_dir: output_dir.to_owned(), keep: false }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_through_the_gateway_is_right_and_leaves_two_recordings() {
        let directory = tempfile::tempdir().unwrap();
        assert!(demonstrate(&args(directory.path()), config()).await.unwrap());
        for name in ["agw-demo-core.wav", "agw-demo-access.wav"] {
            let file = std::fs::metadata(directory.path().join(name)).unwrap();
            assert_eq!(file.len(), 44 + 2 * 8_000, "{name}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_port_that_is_in_use_is_told_by_its_key_and_exit_code() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = config();
        config.admin.listen = taken.local_addr().unwrap();
        let error = demonstrate(&args(Path::new(".")), config).await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unavailable);
        assert!(error.to_string().starts_with("admin.listen: 127.0.0.1:"), "{error}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_directory_that_cannot_be_made_is_told_before_anything_is_played() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let error = demonstrate(&args(&file.join("below")), config()).await.unwrap_err();
        let told = format!("{}: ", file.join("below").display());
        assert!(error.to_string().starts_with(&told), "{error}");
    }
}
