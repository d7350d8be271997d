//! The sample of a P-CSCF in `deploy/kamailio`, started as it stands, with this test's addresses.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::{Gateway, PATIENCE, Side};

use crate::kamailio::{self, Kamailio};
use crate::party::Party;
use crate::sip::{Agent, Dialog, Message};

/// What the sample tells UEs of its media security.
pub(super) const MEDIASEC: &str = "sdes-srtp;mediasec";
/// What a UE that asks for media security says when it registers.
pub(super) const ASKING: [&str; 3] =
    ["Security-Client: sdes-srtp;mediasec", "Require: mediasec", "Proxy-Require: mediasec"];
/// The same once it was told.
pub(super) const VERIFYING: [&str; 4] =
    [ASKING[0], ASKING[1], ASKING[2], "Security-Verify: sdes-srtp;mediasec"];

/// The edge between UEs and a core that the test plays.
pub(super) struct Edge {
    pub(super) proxy: Kamailio,
    /// Where UEs find it.
    pub(super) access: SocketAddr,
    /// Where UEs find it by TLS, if it has a certificate.
    pub(super) tls: SocketAddr,
    /// Where the core finds it.
    pub(super) inside: SocketAddr,
    /// The core.
    pub(super) core: Agent,
    pub(super) gateway: Gateway,
    /// What is local of its script.
    local: String,
}

impl Edge {
    /// The core takes a call of a UE.
    pub(super) fn takes(
        &self,
        invite: &Message,
        ue: &Agent,
        (phone, core): (&mut Party, &mut Party),
    ) -> Dialog {
        core.reads(invite.body(), None);
        self.core.answers(invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
        let accepted = ue.hears("200");
        phone.reads(accepted.body(), None);
        let mut dialog = accepted.dialog();
        ue.requests(&mut dialog, "ACK", &[], b"");
        self.core.hears("ACK");
        dialog
    }

    /// Starts it with further lines in `pcscf-local.cfg`; nothing where Kamailio is missing.
    pub(super) fn start(site: &str) -> Option<Self> {
        let gateway = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]"]);
        let ng = gateway.daemon.ng_udp[0];
        let edge = Self::before(gateway, &format!("#!define AGW \"udp:{ng}\"\n{site}"))?;
        edge.await_ping();
        Some(edge)
    }

    /// The same before gateways that `site` names.
    pub(super) fn before(gateway: Gateway, site: &str) -> Option<Self> {
        Self::beside(Ipv4Addr::LOCALHOST.into(), gateway, site)
    }

    /// The same with a core that speaks SIP at this address of the loopback.
    pub(super) fn beside(core: IpAddr, gateway: Gateway, site: &str) -> Option<Self> {
        peer::program("kamailio")?;
        let at = |ip, number| SocketAddr::new(ip, gateway.daemon.ports.peer(number));
        let [access, tls] = [4, 5].map(|number| at(Ipv4Addr::LOCALHOST.into(), number));
        let [inside, core] = [6, 7].map(|number| at(core, number));
        let [access6, tls6] = [access, tls].map(over_ipv6);
        let text = format!(
            "#!define ACCESS_UDP udp:{access}\n#!define ACCESS_TCP tcp:{access}\n\
             #!define ACCESS_TLS tls:{tls}\n#!define CORE_UDP udp:{inside}\n\
             #!define ACCESS_UDP6 udp:{access6}\n#!define ACCESS_TCP6 tcp:{access6}\n\
             #!define ACCESS_TLS6 tls:{tls6}\n\
             #!define CORE_NEXT_HOP \"sip:{core}\"\n#!define CHILDREN 2\n\
             #!define SECRET \"known to the test alone\"\n{site}\n",
        );
        let proxy = start(gateway.daemon.directory.path(), "pcscf", &text);
        let core = Agent::at(core.port(), "core", inside);
        Some(Self { proxy, access, tls, inside, core, gateway, local: text })
    }

    /// Kamailio dies, and another one takes its place.
    pub(super) fn restarts(self) -> Self {
        let Self { proxy, access, tls, inside, core, gateway, local } = self;
        drop(proxy);
        let proxy = start(gateway.daemon.directory.path(), "pcscf", &local);
        agw_tests::await_listener(access.port());
        Self { proxy, access, tls, inside, core, gateway, local }
    }

    /// Waits until each of its processes has found the gateway.
    pub(super) fn await_ping(&self) {
        let pinged = "agw_ng_requests_total{command=\"ping\",result=\"ok\"} ";
        let is_pinged = |page: &str| {
            page.lines().any(|line| line.strip_prefix(pinged).is_some_and(|count| count != "0"))
        };
        let deadline = Instant::now() + PATIENCE;
        while !is_pinged(&self.gateway.ledger().page("/metrics")) {
            assert!(Instant::now() < deadline, "Kamailio does not ask: {}", self.proxy.output());
        }
    }

    /// A UE that speaks UDP.
    pub(super) fn ue(&self, name: &str) -> Agent {
        Agent::new(name, self.access)
    }

    /// A phone with its media, and the core's; nothing where libsrtp is missing.
    pub(super) fn parties() -> Option<(Party, Party)> {
        match Libsrtp::load() {
            Ok(library) => Some((
                Party::phone(Side::Access.peer(), 0xAAAA_0001, library),
                Party::core(Side::Core.peer(), 0xCCCC_0001),
            )),
            Err(_) => {
                peer::skip(libsrtp::PEER);
                None
            }
        }
    }

    /// Registers a UE in two steps, as one that asks for media security or not; tells the `Path`
    /// that leads to it.
    pub(super) fn registers(&self, ue: &Agent, name: &str, headers: &[&str]) -> String {
        ue.begins("REGISTER", name, &asking(headers), (name, 1));
        let register = self.core.hears("REGISTER");
        let challenge = ["WWW-Authenticate: Digest realm=\"ims.example\", nonce=\"1\""];
        self.core.answers(&register, "401 Unauthorized", &challenge, b"");
        ue.hears("401");
        ue.begins("REGISTER", name, headers, (name, 2));
        let register = self.core.hears("REGISTER");
        self.accepts(&register, 600);
        ue.hears("200");
        register.header("Path").to_owned()
    }

    /// The core registers the contact of a request.
    pub(super) fn accepts(&self, register: &Message, seconds: u32) {
        let contact = format!("Contact: {};expires={seconds}", register.header("Contact"));
        self.core.answers(register, "200 OK", &[&contact], b"");
    }

    /// Asserts that nothing is left of any call.
    pub(super) fn ends(self) {
        self.gateway.ledger().await_line("agw_contexts 0");
        self.gateway.ledger().await_line("agw_alg_calls 0");
        self.gateway.ledger().await_line("agw_ng_unknown_flags_total 0");
        // What is wrong with the script itself.
        let output = self.proxy.output();
        let wrong = ["CRITICAL", "BUG", "rval_"].iter().any(|word| output.contains(word));
        assert!(!wrong, "{output}");
    }
}

/// Registers a UE at the core of the sample by its password, with media security or without.
pub(super) fn registers_with_password(ue: &Agent, name: &str, headers: &[&str]) {
    let asking = asking(headers);
    ue.begins("REGISTER", name, &asking, (name, 1));
    let challenge = ue.hears("401");
    let told = challenge.headers("Security-Server");
    assert_eq!(told.contains(&MEDIASEC.to_owned()), !asking.is_empty());
    let nonce = challenge.header("WWW-Authenticate").split('"').nth(3).expect("a nonce").to_owned();
    // RFC 2617 §3.2.2, without qop.
    let secret = md5(&format!("{name}:ims.example:secret"));
    let response = md5(&format!("{secret}:{nonce}:{}", md5("REGISTER:sip:ims.example")));
    let authorization = format!(
        "Authorization: Digest username=\"{name}\", realm=\"ims.example\", nonce=\"{nonce}\", \
         uri=\"sip:ims.example\", response=\"{response}\""
    );
    ue.begins("REGISTER", name, &[headers, &[&authorization]].concat(), (name, 2));
    ue.hears("200");
}

/// Where an edge with WITH_IPV6 is found that is found there.
pub(super) fn over_ipv6(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port())
}

/// What a UE says before it was told anything.
fn asking<'a>(headers: &[&'a str]) -> Vec<&'a str> {
    headers.iter().copied().filter(|one| !one.starts_with("Security-Verify")).collect()
}

/// By coreutils: nothing here needs it otherwise.
fn md5(text: &str) -> String {
    let mut command = Command::new("md5sum");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("md5sum");
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("a text");
    let output = child.wait_with_output().expect("a sum").stdout;
    String::from_utf8_lossy(&output).chars().take(32).collect()
}

/// The directory of the sample.
pub(super) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kamailio")
}

/// Starts Kamailio with a script of the sample as it stands, and what is local of it.
pub(super) fn start(directory: &Path, script: &str, local: &str) -> Kamailio {
    kamailio::start(directory, &copied(directory, script, local))
}

/// Copies a script of the sample as it stands, beside what is local of it.
pub(super) fn copied(directory: &Path, script: &str, local: &str) -> PathBuf {
    let own = directory.join(script);
    fs::create_dir_all(&own).expect("a directory");
    let file = own.join(format!("{script}.cfg"));
    fs::copy(sample().join(format!("{script}.cfg")), &file).expect("the script");
    fs::write(own.join(format!("{script}-local.cfg")), local).expect("what is local");
    file
}
