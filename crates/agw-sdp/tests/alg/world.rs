//! A gateway over ports that exist on paper, and an ALG in front of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use agw_context::{
    Association, Circumstances, Command, ContextId, Controller, CryptoChange, Gateway, LocalPort,
    Outcome, Policy, PortError, Ports, RealmAddress, RealmConfig, Refused, Remote, Reply,
    SetTopology, StreamChange, StreamSpec, TopologyChange,
};
use agw_relay::{CallId, PortId, Relay};
use agw_sdp::{AlgError, AlgPolicy, AnswerRequest, Calls, Dialogue, OfferRequest, Plan, Signalled};
use agw_srtp::Portable;

pub(crate) struct World {
    pub(crate) calls: Calls,
    pub(crate) policy: AlgPolicy,
    pub(crate) gateway: Gateway,
    pub(crate) relay: Relay<Portable>,
    /// What the last request asked of the gateway.
    pub(crate) commands: String,
    pub(crate) ports: PaperPorts,
    pub(crate) now: Instant,
    dice: u64,
    keys: u8,
}

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Alg(AlgError),
    Gateway(Refused),
}

impl From<AlgError> for Failure {
    fn from(error: AlgError) -> Self {
        Self::Alg(error)
    }
}

#[derive(Default)]
pub(crate) struct PaperPorts {
    pub(crate) open: BTreeMap<PortId, SocketAddr>,
    next: u32,
}

impl Ports for PaperPorts {
    fn open(&mut self, _: ContextId, port: LocalPort) -> Result<PortId, PortError> {
        self.next += 1;
        self.open.insert(PortId(self.next), port.address);
        Ok(PortId(self.next))
    }

    fn close(&mut self, port: PortId) {
        self.open.remove(&port).expect("only open ports are closed");
    }
}

fn realm(name: &str, addresses: [&str; 2], ports: std::ops::RangeInclusive<u16>) -> RealmConfig {
    let bind = |address: &str| RealmAddress { bind: address.parse().unwrap(), advertise: None };
    RealmConfig {
        name: name.to_owned(),
        addresses: addresses.map(bind).to_vec(),
        ports,
        dscp: None,
        max_streams: None,
        is_default: false,
        protection: Default::default(),
        hairpin: false,
    }
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
    pub(crate) fn new() -> Self {
        let realms = vec![
            realm("access", ["198.51.100.1", "2001:db8:a::1"], 40_000..=40_199),
            realm("core", ["203.0.113.1", "2001:db8:c::1"], 41_000..=41_199),
        ];
        // What a story allows is up to the ALG's policy.
        let policy = Policy { allow_f8: true, allow_unencrypted: true, ..Policy::default() };
        Self {
            calls: Calls::new(100),
            policy: AlgPolicy::default(),
            gateway: Gateway::new(policy, realms, [7; 64].into(), 1, 1).unwrap(),
            relay: Relay::new(Portable),
            commands: String::new(),
            ports: PaperPorts::default(),
            now: Instant::now(),
            dice: 1,
            keys: 0,
        }
    }

    pub(crate) fn offer(
        &mut self,
        id: &str,
        request: &OfferRequest<'_>,
    ) -> Result<Signalled, Failure> {
        let (policy, mut keys) = (self.policy.clone(), self.keys);
        let call = self.calls.for_offer(id, &request.dialogue)?;
        let plan = call.plan_offer(request, &policy, &mut |octets| fill(&mut keys, octets));
        self.keys = keys;
        let done = self.carry_out(id, &request.dialogue, plan);
        self.calls.tidy(id, &request.dialogue);
        done
    }

    pub(crate) fn answer(
        &mut self,
        id: &str,
        request: &AnswerRequest<'_>,
    ) -> Result<Signalled, Failure> {
        let (policy, mut keys) = (self.policy.clone(), self.keys);
        let call = self.calls.find(id, &request.dialogue).ok_or(AlgError::UnknownCall)?;
        let plan = call.plan_answer(request, &policy, &mut |octets| fill(&mut keys, octets));
        self.keys = keys;
        self.carry_out(id, &request.dialogue, plan)
    }

    pub(crate) fn reject(
        &mut self,
        id: &str,
        dialogue: &Dialogue<'_>,
    ) -> Result<Signalled, Failure> {
        let call = self.calls.find(id, dialogue).ok_or(AlgError::UnknownCall)?;
        let plan = call.plan_reject(dialogue);
        let done = self.carry_out(id, dialogue, plan);
        self.calls.tidy(id, dialogue);
        done
    }

    pub(crate) fn delete(
        &mut self,
        id: &str,
        dialogue: &Dialogue<'_>,
    ) -> Result<Signalled, Failure> {
        let call = self.calls.find(id, dialogue).ok_or(AlgError::UnknownCall)?;
        let plan = call.plan_delete(dialogue);
        let done = self.carry_out(id, dialogue, plan);
        self.calls.tidy(id, dialogue);
        done
    }

    pub(crate) fn end(&mut self, id: &str, dialogue: &Dialogue<'_>) -> Result<Signalled, Failure> {
        let call = self.calls.find(id, dialogue).ok_or(AlgError::UnknownCall)?;
        let plan = call.plan_end(dialogue);
        let done = self.carry_out(id, dialogue, plan);
        self.calls.tidy(id, dialogue);
        done
    }

    fn carry_out(
        &mut self,
        id: &str,
        dialogue: &Dialogue<'_>,
        plan: Result<Plan, AlgError>,
    ) -> Result<Signalled, Failure> {
        self.commands.clear();
        let (commands, pending) = plan?.into_parts();
        self.commands = commands.iter().map(|command| format!("{}\n", told(command))).collect();
        let replies = match commands.is_empty() {
            true => Vec::new(),
            false => self.transact(commands).map_err(Failure::Gateway)?,
        };
        let call = self.calls.find_mut(id, dialogue);
        let call = match call {
            Some(call) => call,
            None => self.calls.for_offer(id, dialogue)?,
        };
        Ok(call.conclude(pending, &replies)?)
    }

    /// Carries out a transaction down to the packet path, which must refuse nothing.
    fn transact(&mut self, commands: Vec<Command>) -> Result<Vec<Reply>, Refused> {
        let Self { gateway, ports, now, dice, .. } = self;
        let mut dice = |n: u32| {
            *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u32::try_from((*dice >> 33) % u64::from(n)).unwrap()
        };
        let controller = Controller("pcscf-1".to_owned());
        let (at, now) = (SystemTime::UNIX_EPOCH, *now);
        let mut around =
            Circumstances { controller: &controller, ports, random: &mut dice, now, at };
        let Outcome { replies, work, .. } = gateway.transact(commands, &mut around)?;
        for work in work {
            for step in work.steps {
                self.relay.handle_command_of(CallId(work.context.0), step, now).unwrap();
            }
            work.closed.into_iter().for_each(|port| self.ports.close(port));
        }
        Ok(replies)
    }
}

/// Octets that are different each time, and the same in each run.
fn fill(keys: &mut u8, octets: &mut [u8]) {
    *keys += 1;
    octets.iter_mut().zip(1_u8..).for_each(|(octet, n)| *octet = n.wrapping_mul(*keys) ^ *keys);
}

/// A command in few words, without its keys.
fn told(command: &Command) -> String {
    if let Command::Reserve(reserve) = command {
        let streams: Vec<String> = reserve.streams.iter().map(spec).collect();
        let realm = reserve.realm.as_deref().unwrap_or("default");
        return format!("reserve in {realm}, {:?}: {}", reserve.context, streams.join("; "));
    }
    if let Command::Configure(configure) = command {
        let streams: Vec<String> = configure.streams.iter().map(change).collect();
        return format!("configure T{}: {}", configure.termination, streams.join("; "));
    }
    if let Command::SetTopology(topology) = command {
        return topology_told(topology);
    }
    let Command::Release(release) = command else {
        panic!("not a command of the ALG: {command:?}");
    };
    release.termination.map_or("release the context".to_owned(), |one| format!("release T{one}"))
}

fn topology_told(topology: &SetTopology) -> String {
    let TopologyChange::Associate(associations) = &topology.change else {
        panic!("not a change of the ALG: {topology:?}");
    };
    let told = associations.iter().map(|one| {
        let Association { from, to, relation, stream } = one;
        let stream = stream.map(|stream| format!(" S{stream}")).unwrap_or_default();
        format!("{relation:?} T{from} T{to}{stream}")
    });
    format!("topology {}", told.collect::<Vec<_>>().join("; "))
}

fn spec(spec: &StreamSpec) -> String {
    let mut text = format!("S{} {:?} {:?}", spec.id, spec.media, spec.transport);
    write!(text, " rtcp={:?} {:?}{}", spec.rtcp, spec.mode, remote(spec.remote)).unwrap();
    text
}

fn change(change: &StreamChange) -> String {
    let mut text = format!("S{}", change.id);
    if let Some(mode) = change.mode {
        write!(text, " {mode:?}").unwrap();
    }
    text += &remote(change.remote);
    if let Some(transport) = change.late.transport {
        write!(text, " as {transport:?}").unwrap();
        text += if change.late.keys_rest { ", keys rest" } else { "" };
    }
    if let CryptoChange::Install(crypto) = &change.ingress {
        let overlap = crypto.overlap.map(|time| format!(" for {time:?}")).unwrap_or_default();
        let (keys, suite) = (crypto.keys.len(), crypto.keys[0].master.suite().name());
        let roc = crypto.roc.map(|roc| format!(" {roc:?}")).unwrap_or_default();
        write!(text, " in={keys}x{suite}{roc}").unwrap();
        text += &overlap.replace(" for 0ns", " at once");
    }
    if let CryptoChange::Install(crypto) = &change.egress {
        let roc = crypto.roc.map(|roc| format!(" {roc:?}")).unwrap_or_default();
        write!(text, " out={}{roc}", crypto.keys[0].master.suite().name()).unwrap();
    }
    for (name, bps) in [("media", change.extras.media_bps), ("rtcp", change.extras.rtcp_bps)] {
        if let Some(bps) = bps.filter(|bps| *bps != 0) {
            write!(text, " {name}={bps}bit/s").unwrap();
        }
    }
    text
}

fn remote(remote: Option<Remote>) -> String {
    let Some(remote) = remote else { return String::new() };
    let rtcp = remote.rtcp.map(|rtcp| format!("+{rtcp}")).unwrap_or_default();
    format!(" to {}{rtcp}", remote.rtp)
}
