//! A call between two pairs of programs: a sending and a receiving one on each leg.

use std::path::{Path, PathBuf};
use std::process::Command;

use agw_iq::pb;
use agw_testkit::peer;
use agw_tests::{
    Finished, Gateway, Hub, Key, PortBlock, Program, Side, Stage, api, stage, terminations, tone,
};

/// A gateway with a call whose endpoints are programs, behind one hub for each leg.
pub(crate) struct Rig {
    pub(crate) access: Hub,
    pub(crate) core: Hub,
    /// Dropped last: it holds the ports of the hubs.
    pub(crate) gateway: Gateway,
}

impl Rig {
    /// Port pairs of the block: programs on the access leg listen here.
    pub(crate) const ACCESS_LISTENS: u16 = 0;
    /// Programs on the core leg listen here.
    pub(crate) const CORE_LISTENS: u16 = 1;
    const ACCESS_INLET: u16 = 2;
    const CORE_INLET: u16 = 3;

    /// SRTP with these keys on the access leg, RTP on the core leg.
    pub(crate) fn new(ingress: &Key, egress: &Key) -> Self {
        let gateway = Gateway::start();
        let port = |number| gateway.daemon.ports.peer(number);
        let mut access =
            Hub::new(Side::Access, port(Self::ACCESS_INLET), port(Self::ACCESS_LISTENS));
        let mut core = Hub::new(Side::Core, port(Self::CORE_INLET), port(Self::CORE_LISTENS));
        let plain = pb::Stream {
            stream_id: 1,
            transport: pb::Transport::Plain.into(),
            remote: Some(core.remote()),
            mode: pb::StreamMode::SendReceive.into(),
            ..pb::Stream::default()
        };
        let secured = pb::Stream {
            transport: pb::Transport::Secured.into(),
            remote: Some(access.remote()),
            ingress_crypto: Some(ingress.crypto()),
            egress_crypto: Some(egress.crypto()),
            ..plain.clone()
        };
        let commands = api::call(vec![secured], vec![plain]);
        let replies = gateway.wait(gateway.iq.transact(commands)).expect("a call");
        for (hub, termination) in [&mut access, &mut core].into_iter().zip(terminations(&replies)) {
            hub.attach(&termination.streams[0]);
        }
        Self { access, core, gateway }
    }

    pub(crate) fn ports(&self) -> &PortBlock {
        &self.gateway.daemon.ports
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.gateway.daemon.directory.path().join(name)
    }

    pub(crate) fn run(&self, command: &mut Command) -> Program {
        Program::start(command, self.gateway.daemon.directory.path())
    }
}

/// Asserts that a file of samples is one tone.
pub(crate) fn assert_tone(file: &Path, hertz: f64, amplitude: f64) {
    tone::assert_tone(&tone::samples(file), tone::Tone { hertz, amplitude });
}

/// Whether a program has written no audio: no file, or an empty one.
pub(crate) fn is_mute(file: &Path) -> bool {
    file.metadata().map_or(true, |metadata| metadata.len() == 0)
}

/// Runs a Python rig of this directory against a gateway of its own; it must succeed.
pub(crate) fn python(script: &str, modules: &[&str], arguments: impl Fn(&Gateway) -> Vec<String>) {
    python_with(&[], script, modules, arguments);
}

/// The same against a gateway with other settings, each `key=value`.
pub(crate) fn python_with(
    settings: &[&str],
    script: &str,
    modules: &[&str],
    arguments: impl Fn(&Gateway) -> Vec<String>,
) {
    let Some(python) = peer::python(modules) else { return };
    let gateway = Gateway::with(settings);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(script);
    let mut command = Command::new(python);
    command.arg("-B").arg(path).args(arguments(&gateway));
    for (name, side) in [("AGW_TEST_ACCESS", Side::Access), ("AGW_TEST_CORE", Side::Core)] {
        command.env(name, side.peer().to_string());
    }
    if stage::is_set() {
        command.env("AGW_TEST_PEERS", Stage::enter().peers());
    }
    let program = Program::start(&mut command, gateway.daemon.directory.path());
    let Finished { status, output } = program.finish();
    println!("{output}");
    assert!(status.success(), "{script}: {status}");
}
