//! Kamailio with its rtpengine module as the SIP proxy: it finds the gateway by a ping, has it
//! protect a call, and ends it.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Instant;

use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::{Gateway, PATIENCE, Program, Side};

use crate::party::{Party, lines, talk};

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
        rtpengine_answer("RTP/SAVP replace-origin replace-session-connection ICE=remove direction=core direction=access");
    }
}
"#;

/// A SIP user agent that knows just enough.
struct Agent {
    socket: UdpSocket,
    proxy: SocketAddr,
}

impl Agent {
    fn new(proxy: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, proxy }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    fn request(&self, method: &str, to: SocketAddr, (number, tag): (u32, &str), sdp: &[u8]) {
        let own = self.address();
        let sdp = std::str::from_utf8(sdp).expect("text");
        let text = format!(
            "{method} sip:core@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:phone@{own}>;tag=phone\r\nTo: <sip:core@{to}>{tag}\r\n\
             Call-ID: kamailio@ue.example\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:phone@{own}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len(),
        );
        self.socket.send_to(text.as_bytes(), self.proxy).expect("a request sent");
    }

    /// The next message whose first line has this word.
    fn hears(&self, word: &str) -> (String, SocketAddr) {
        loop {
            let mut octets = vec![0; 65_535];
            let (len, from) = self.socket.recv_from(&mut octets).expect("a message");
            octets.truncate(len);
            let text = String::from_utf8(octets).expect("text");
            if text.lines().next().is_some_and(|line| line.contains(word)) {
                return (text, from);
            }
            println!("{text}");
        }
    }

    fn accepts(&self, (request, from): &(String, SocketAddr), sdp: &[u8]) {
        let kept = ["Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"];
        let mut text = "SIP/2.0 200 OK\r\n".to_owned();
        for line in request.lines().take_while(|line| !line.is_empty()) {
            if kept.iter().any(|name| line.starts_with(name)) {
                text += &format!("{line}\r\n");
            } else if line.starts_with("To:") {
                let tag = if line.contains("tag=") { "" } else { ";tag=core" };
                text += &format!("{line}{tag}\r\n");
            }
        }
        let sdp = std::str::from_utf8(sdp).expect("text");
        text += &format!(
            "Contact: <sip:core@{}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            self.address(),
            sdp.len(),
        );
        self.socket.send_to(text.as_bytes(), from).expect("a response sent");
    }
}

fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").expect("a body").1
}

fn start_proxy(gateway: &Gateway, port: u16) -> Program {
    let directory = gateway.daemon.directory.path();
    let (script, run) = (directory.join("kamailio.cfg"), directory.join("kamailio"));
    fs::create_dir(&run).expect("a directory");
    let text = SCRIPT
        .replace("SIP_PORT", &port.to_string())
        .replace("NG_ADDRESS", &gateway.daemon.ng_udp[0].to_string());
    fs::write(&script, text).expect("the script");
    let mut command = Command::new("kamailio");
    command.args(["-DD", "-E", "-m", "64", "-M", "8", "-f"]).arg(&script);
    command.arg("-Y").arg(&run).arg("-P").arg(run.join("pid"));
    Program::start(&mut command, directory)
}

#[test]
fn kamailio_finds_the_gateway_and_has_it_protect_a_call() {
    if peer::program("kamailio").is_none() {
        return;
    }
    let Ok(library) = Libsrtp::load() else { return peer::skip(libsrtp::PEER) };
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
    let (caller, callee) = (Agent::new(proxy_at), Agent::new(proxy_at));
    let mut phone = Party::phone(Side::Access.peer(), 0xAAAA_0001, library);
    let mut core = Party::core(Side::Core.peer(), 0xCCCC_0001);

    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
    caller.request("INVITE", callee.address(), (1, ""), &offer);
    let invite = callee.hears("INVITE");
    let offered = body(&invite.0);
    assert!(offered.contains(" RTP/AVP 8\r\n") && !offered.contains("crypto"), "{offered}");
    core.reads(offered, None);
    callee.accepts(&invite, &core.describe("RTP/AVP", &[]));
    let (accepted, _) = caller.hears("200");
    let answered = body(&accepted);
    assert!(answered.contains(" RTP/SAVP 8\r\n"), "{answered}");
    assert_eq!(lines(answered).len(), 1, "{answered}");
    phone.reads(answered, None);
    talk(&mut phone, &mut core);
    gateway.ledger().await_line("agw_contexts 1");

    caller.request("BYE", callee.address(), (2, ";tag=core"), b"");
    let bye = callee.hears("BYE");
    callee.accepts(&bye, b"");
    caller.hears("200");
    gateway.ledger().await_line("agw_contexts 0");
    gateway.ledger().await_line("agw_ng_unknown_flags_total 0");
    proxy.signal("TERM");
    let _ = proxy.finish();
}
