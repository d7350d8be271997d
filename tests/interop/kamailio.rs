//! Kamailio with its rtpengine module as the SIP proxy: it finds the gateway by a ping, has it
//! protect a call, and ends it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::{Gateway, PATIENCE, Program, Side};

use crate::party::{Party, lines, talk};
use crate::sip::{Agent, Dialog, Message};

/// How the proxy treats a call of a phone: SRTP towards it, RTP towards the core.
const SCRIPT: &str = r#"
debug=2
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
listen=udp:127.0.0.1:SIP_PORT
loadmodule "pv.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "udp:NG_ADDRESS")
request_route {
    if (is_method("INVITE")) {
        if (!rtpengine_offer("RTP/AVP replace-origin replace-session-connection ICE=remove rtcp-mux-demux direction=access direction=core")) {
            sl_send_reply("503", "No media relay");
            exit;
        }
        t_on_reply("ANSWERED");
    }
    if (is_method("BYE")) {
        rtpengine_delete();
    }
    t_relay();
}
onreply_route[ANSWERED] {
    if (has_body("application/sdp")) {
        rtpengine_answer("RTP/SAVP replace-origin replace-session-connection ICE=remove direction=core direction=access sip-code=$rs");
    }
}
"#;

/// Kamailio, a family of processes.
pub(crate) struct Kamailio {
    parent: Program,
    /// Where its control socket is.
    run: PathBuf,
}

impl Kamailio {
    /// What it has written.
    pub(crate) fn output(&self) -> String {
        self.parent.output()
    }

    /// What it tells when it is asked by its control socket.
    pub(crate) fn asked(&self, command: &[&str]) -> String {
        let mut kamcmd = Command::new("kamcmd");
        kamcmd.arg("-s").arg(format!("unix:{}/kamailio_ctl", self.run.display())).args(command);
        let output = kamcmd.stdin(Stdio::null()).output().expect("kamcmd");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // The parent alone would leave its children behind.
        let group = format!("-{}", self.parent.id());
        let kill =
            Command::new("kill").args(["-s", "KILL", "--", &group]).stdin(Stdio::null()).status();
        assert!(kill.is_ok(), "Kamailio's processes stay");
    }
}

/// Starts Kamailio with a script, beside which it has its files.
pub(crate) fn start(directory: &Path, script: &Path) -> Kamailio {
    let run = script.with_extension("run");
    fs::create_dir_all(&run).expect("a directory");
    let mut command = Command::new("kamailio");
    command.args(["-DD", "-E", "-m", "64", "-M", "8", "-f"]).arg(script);
    command.arg("-Y").arg(&run).arg("-P").arg(run.join("pid")).process_group(0);
    Kamailio { parent: Program::start(&mut command, directory), run }
}

fn start_proxy(gateway: &Gateway, port: u16) -> Kamailio {
    let directory = gateway.daemon.directory.path();
    let script = directory.join("kamailio.cfg");
    let text = SCRIPT
        .replace("SIP_PORT", &port.to_string())
        .replace("NG_ADDRESS", &gateway.daemon.ng_udp[0].to_string());
    fs::write(&script, text).expect("the script");
    start(directory, &script)
}

/// A call that is on its way to the callee.
struct Ringing {
    gateway: Gateway,
    _proxy: Kamailio,
    caller: Agent,
    callee: Agent,
    phone: Party,
    core: Party,
    invite: Message,
}

impl Ringing {
    fn start() -> Option<Self> {
        peer::program("kamailio")?;
        let Ok(library) = Libsrtp::load() else {
            peer::skip(libsrtp::PEER);
            return None;
        };
        let gateway = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]"]);
        let port = gateway.daemon.ports.peer(4);
        let proxy = start_proxy(&gateway, port);
        // Each of its processes asks before it takes calls.
        let ledger = gateway.ledger();
        let pinged = "agw_ng_requests_total{command=\"ping\",result=\"ok\"} ";
        let is_pinged = |page: &str| {
            page.lines().any(|line| line.strip_prefix(pinged).is_some_and(|count| count != "0"))
        };
        let deadline = Instant::now() + PATIENCE;
        while !is_pinged(&ledger.page("/metrics")) {
            assert!(Instant::now() < deadline, "Kamailio does not ask: {}", proxy.output());
        }
        let proxy_at = SocketAddr::from(([127, 0, 0, 1], port));
        let (caller, callee) = (Agent::new("phone", proxy_at), Agent::new("core", proxy_at));
        let phone = Party::phone(Side::Access.peer(), 0xAAAA_0001, library);
        let mut core = Party::core(Side::Core.peer(), 0xCCCC_0001);
        let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
        let to = format!("sip:core@{}", callee.address());
        caller.offers("INVITE", &to, &[], ("kamailio@ue.example", 1), &offer);
        let invite = callee.hears("INVITE");
        core.reads(invite.body(), None);
        Some(Self { gateway, _proxy: proxy, caller, callee, phone, core, invite })
    }

    /// The callee accepts, and is heard; yields the dialogue.
    fn accepted(&mut self) -> Dialog {
        let Self { caller, callee, phone, core, invite, .. } = self;
        callee.answers(invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
        let accepted = caller.hears("200");
        let answered = accepted.body();
        assert!(answered.contains(" RTP/SAVP 8\r\n"), "{answered}");
        assert_eq!(lines(answered).len(), 1, "{answered}");
        phone.reads(answered, None);
        talk(phone, core);
        accepted.dialog()
    }

    /// The caller hangs up, and nothing of the call is left.
    fn ends(self, mut dialog: Dialog) {
        let Self { gateway, _proxy, caller, callee, .. } = self;
        gateway.ledger().await_line("agw_contexts 1");
        caller.hangs_up(&mut dialog, &callee);
        gateway.ledger().await_line("agw_contexts 0");
        gateway.ledger().await_line("agw_ng_unknown_flags_total 0");
    }
}

#[test]
fn kamailio_finds_the_gateway_and_has_it_protect_a_call() {
    let Some(mut call) = Ringing::start() else { return };
    let offered = call.invite.body();
    assert!(offered.contains(" RTP/AVP 8\r\n") && !offered.contains("crypto"), "{offered}");
    let dialog = call.accepted();
    call.ends(dialog);
}

//= tests/spec/sdp.md#forking
//= type=test
//# Once a dialogue was confirmed a provisional response of another one MUST NOT take its media.
#[test]
fn kamailio_tells_who_accepts_and_what_another_one_has_said_early_comes_too_late() {
    let Some(mut call) = Ringing::start() else { return };
    let dialog = call.accepted();
    let other = Agent::new("other", call.callee.address());
    let more = Party::core(Side::Core.peer(), 0xCCCC_0002);
    let early = more.describe("RTP/AVP", &[]);
    other.answers(&call.invite, "183 Session Progress", &[], &early);
    let ledger = call.gateway.ledger();
    ledger.await_line("agw_ng_requests_total{command=\"answer\",result=\"ok\"} 2");
    talk(&mut call.phone, &mut call.core);
    call.ends(dialog);
}
