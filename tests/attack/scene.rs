//! A call between namespaces, attackers in a third one, and the ledger that must close.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::thread;

use agw_iq::pb;
use agw_srtp::Suite;
use agw_testkit::peer;
use agw_tests::stage::{self, Backend};
use agw_tests::{
    Attackers, Call, Daemon, Endpoint, Entry, Finished, Gateway, Key, Leg, PortBlock, Program,
    Side, Stage, directory, packet,
};

use crate::row::Row;

/// The suite where it makes no difference.
pub(crate) const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// Where media stands when it is attacked.
pub(crate) const ROC: u32 = 3;
/// Packets of attackers between two genuine ones: no queue of the way overflows.
const BURST: u64 = 64;

/// Packets of attackers that fit the ring of a queue with what a call sends meanwhile.
const RING: u64 = 3 * BURST;

/// Who attacks whom.
pub(crate) struct Scene {
    pub(crate) row: Row,
    pub(crate) call: Call,
    pub(crate) ingress: Key,
    pub(crate) egress: Key,
    pub(crate) attackers: Rc<Attackers>,
    pub(crate) gateway: Gateway,
}

thread_local! {
    static ATTACKERS: OnceCell<Rc<Attackers>> = const { OnceCell::new() };
}

/// A stage with attackers; `None` was told as a skip.
pub(crate) fn stage() -> Option<(Rc<Stage>, Rc<Attackers>)> {
    let by_xdp: &[Side] = match stage::backend() {
        Backend::Sockets => &[],
        Backend::Xdp => &Side::ALL,
    };
    let Some(stage) = stage::cast(by_xdp) else {
        peer::skip("root");
        return None;
    };
    let enter = || Rc::new(Attackers::enter(&stage));
    let attackers = ATTACKERS.with(|attackers| Rc::clone(attackers.get_or_init(enter)));
    Some((stage, attackers))
}

impl Scene {
    /// Has the phone forget what it sent and begin anew at a rollover counter, under its keys.
    pub(crate) fn restart_phone(&mut self, roc: u32) {
        self.call.access.restart(&self.ingress, &self.egress, roc);
    }

    /// SRTP in the access realm at ROC 3, RTP in the core realm; `None` was told as a skip.
    pub(crate) fn new(id: &'static str, threat: &'static str) -> Option<Self> {
        Self::with(id, threat, &[], |gateway| Call::e2ae_at(gateway, SUITE, ROC))
    }

    /// Another call, at a gateway with other settings.
    pub(crate) fn with(
        id: &'static str,
        threat: &'static str,
        settings: &[&str],
        call: impl FnOnce(&Gateway) -> (Call, Key, Key),
    ) -> Option<Self> {
        let (_, attackers) = stage()?;
        let row = Row::new(id, threat);
        let gateway = Gateway::with(settings);
        let (call, ingress, egress) = call(&gateway);
        Some(Self { row, call, ingress, egress, attackers, gateway })
    }

    /// The gateway's ports of the call: RTP and RTCP of the access leg, then of the core leg.
    pub(crate) fn ports(&self) -> [SocketAddr; 4] {
        let [access, core] = [&self.call.access, &self.call.core].map(Endpoint::local);
        [access.rtp, access.rtcp, core.rtp, core.rtcp].map(|address| {
            let address = address.expect("a port");
            let ip = address.ip.parse().expect("an address");
            SocketAddr::new(ip, u16::try_from(address.port).expect("a port"))
        })
    }

    /// Packets between those of a call that stands, all of which must arrive. Every packet must be
    /// dropped, for one of the reasons.
    pub(crate) fn attack(
        &mut self,
        packets: impl IntoIterator<Item = Vec<u8>>,
        mut send: impl FnMut(&[u8]),
        reasons: &[&str],
    ) -> BTreeMap<String, u64> {
        // Strangers may use up the attempts of a source that has not been heard yet.
        self.call.talk();
        let (mut sent, mut genuine) = (0u64, 0);
        let before = self.settled();
        for packet in packets {
            send(&packet);
            sent += 1;
            if sent.is_multiple_of(BURST) {
                self.call.talk();
                genuine += 2;
            }
            // By another queue than the call's they may wait longer than the call does.
            if stage::backend() == Backend::Xdp && sent.is_multiple_of(RING) {
                let _ = self.gateway.ledger().after(before.received + sent + genuine);
            }
        }
        self.call.talk();
        genuine += 2;
        let after = self.gateway.ledger().after(before.received + sent + genuine);
        let dropped = since(&before, &after);
        let unexpected = dropped.keys().find(|reason| !reasons.contains(&reason.as_str()));
        assert_eq!(unexpected, None, "{dropped:?}");
        assert_eq!(dropped.values().sum::<u64>(), sent, "{dropped:?}");
        assert_eq!(after.forwarded, before.forwarded + genuine, "{dropped:?}");
        assert!(self.call.is_silent(), "more arrived than was sent");
        self.row.tried(sent);
        dropped
    }

    /// The ledger once everything that was sent is counted.
    pub(crate) fn settled(&self) -> Entry {
        let mut last = self.gateway.ledger().until(Entry::closes);
        loop {
            let entry = self.gateway.ledger().until(Entry::closes);
            if entry == last {
                return entry;
            }
            last = entry;
        }
    }

    /// Genuine packets, both ways, every one of which must arrive.
    pub(crate) fn goes_on(&mut self) {
        for _ in 0..50 {
            self.call.talk();
        }
        self.call.report();
        assert!(self.call.is_silent());
    }

    /// What looks like a packet of the phone at a sequence number, under no key.
    pub(crate) fn forged(&self, sequence: u16) -> Vec<u8> {
        let mut packet = packet::rtp(Call::ACCESS, sequence, rand::random());
        packet.extend(rand::random::<[u8; 16]>());
        packet
    }

    /// The daemon's memory, in octets.
    pub(crate) fn resident(&self) -> u64 {
        resident(&self.gateway)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("what the gateway has counted: {:?}", self.gateway.ledger().read());
        }
    }
}

/// Drops by reason between two moments.
pub(crate) fn since(before: &Entry, after: &Entry) -> BTreeMap<String, u64> {
    let more = after.dropped.iter().map(|(reason, n)| (reason.clone(), n - before.drops(reason)));
    more.filter(|(_, count)| *count > 0).collect()
}

/// The memory that the daemon of a gateway occupies, in octets.
pub(crate) fn resident(gateway: &Gateway) -> u64 {
    let status = format!("/proc/{}/status", gateway.daemon.program.id());
    let status = fs::read_to_string(status).expect("the daemon's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilo = line.split_whitespace().next().and_then(|kilo| kilo.parse::<u64>().ok());
    kilo.expect("a number") << 10
}

/// A call whose legs multiplex RTP and RTCP, at ROC 3.
pub(crate) fn multiplexing(gateway: &Gateway) -> (Call, Key, Key) {
    let (ingress, egress) = (Key::random(SUITE), Key::random(SUITE));
    let mut access = Leg::secured(Side::Access.peer(), &ingress, &egress).multiplexing();
    access.stream.ingress_crypto = Some(ingress.crypto_at(ROC));
    access.stream.egress_crypto = Some(egress.crypto_at(ROC));
    access.endpoint.restart(&ingress, &egress, ROC);
    let core = Leg::plain(Side::Core.peer()).multiplexing();
    (Call::between(gateway, access, core), ingress, egress)
}

/// A change of the access leg's keys.
pub(crate) fn with_keys(ingress: &Key, egress: &Key) -> pb::StreamChange {
    pb::StreamChange {
        ingress_crypto: Some(ingress.crypto()),
        egress_crypto: Some(egress.crypto()),
        ..pb::StreamChange::default()
    }
}

/// Starts a daemon with settings with which it must not start.
pub(crate) fn refused_to_start(settings: &[&str]) -> Finished {
    let (directory, ports) = (directory(), PortBlock::take());
    let mut command = Command::new(Daemon::executable());
    Daemon::configure(&mut command, &directory, &ports, settings);
    Program::start(&mut command, directory.path()).finish()
}
