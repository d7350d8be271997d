//! A gateway over ports that exist on paper, and commands to write with few words.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use agw_context::{
    Circumstances, Command, ContextChoice, ContextId, Controller, CryptoContext, Gateway,
    KeySource, LocalPort, Media, Outcome, Policy, PortError, Ports, RealmAddress, RealmConfig,
    Refused, Remote, Reply, Reserve, RtcpMode, StreamExtras, StreamId, StreamMode, StreamSpec,
    TerminationReply, Work,
};
use agw_relay::{CallId, PortId, Relay, Transport};
use agw_srtp::{EgressKey, IngressKey, MasterKey, Portable, SessionParameters, Suite};

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) ports: PaperPorts,
    pub(crate) controller: Controller,
    pub(crate) now: Instant,
    random: u64,
}

#[derive(Default)]
pub(crate) struct PaperPorts {
    pub(crate) open: BTreeMap<PortId, SocketAddr>,
    pub(crate) refuse: Option<PortError>,
    next: u32,
}

impl Ports for PaperPorts {
    fn open(&mut self, _: ContextId, port: LocalPort) -> Result<PortId, PortError> {
        if let Some(error) = self.refuse.clone() {
            return Err(error);
        }
        if self.open.values().any(|&address| address == port.address) {
            return Err(PortError::InUse);
        }
        self.next += 1;
        self.open.insert(PortId(self.next), port.address);
        Ok(PortId(self.next))
    }

    fn close(&mut self, port: PortId) {
        self.open.remove(&port).expect("only open ports are closed");
    }
}

pub(crate) fn realm(name: &str, ports: std::ops::RangeInclusive<u16>) -> RealmConfig {
    let bind = |address: &str| RealmAddress { bind: address.parse().unwrap(), advertise: None };
    let addresses = vec![bind("127.0.0.1"), bind("::1")];
    RealmConfig {
        name: name.to_owned(),
        addresses,
        ports,
        dscp: None,
        max_streams: None,
        is_default: false,
        protection: Default::default(),
        hairpin: false,
    }
}

impl World {
    pub(crate) fn new(policy: Policy) -> Self {
        Self::of(policy, vec![realm("access", 40_000..=40_199), realm("core", 41_000..=41_199)])
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
    pub(crate) fn of(policy: Policy, realms: Vec<RealmConfig>) -> Self {
        Self {
            gateway: Gateway::new(policy, realms, [7; 64].into(), 1, 1).unwrap(),
            ports: PaperPorts::default(),
            controller: Controller("pcscf-1".to_owned()),
            now: Instant::now(),
            random: 1,
        }
    }

    /// Carries out a transaction, and closes what it closes as a worker would.
    pub(crate) fn transact(&mut self, commands: Vec<Command>) -> Result<Outcome, Refused> {
        let Self { gateway, ports, controller, now, random } = self;
        let mut dice = |n: u32| {
            *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u32::try_from((*random >> 33) % u64::from(n)).unwrap()
        };
        let outcome = gateway.transact(
            commands,
            &mut Circumstances {
                controller,
                ports,
                random: &mut dice,
                now: *now,
                at: SystemTime::UNIX_EPOCH,
            },
        )?;
        for port in outcome.work.iter().flat_map(|work| &work.closed) {
            ports.close(*port);
        }
        Ok(outcome)
    }

    pub(crate) fn reserve(&mut self, reserve: Reserve) -> TerminationReply {
        let outcome = self.transact(vec![Command::Reserve(reserve)]).unwrap();
        termination(&outcome.replies[0])
    }

    /// A call: a secured access termination and a plain core termination.
    pub(crate) fn call(&mut self) -> (TerminationReply, TerminationReply) {
        let access = self.reserve(access(ContextChoice::New));
        let core = self.reserve(core(ContextChoice::Existing(access.context)));
        (access, core)
    }

    pub(crate) fn later(&mut self, by: Duration) {
        self.now += by;
    }
}

/// Control and the packet path together: what control orders is done at once, by a real relay.
pub(crate) struct Plane {
    pub(crate) world: World,
    pub(crate) relay: Relay<Portable>,
}

impl Plane {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { world: World::new(policy), relay: Relay::new(Portable) }
    }

    /// Carries out a transaction; control must not order what the packet path refuses.
    pub(crate) fn transact(&mut self, commands: Vec<Command>) -> Result<Vec<Reply>, Refused> {
        let Outcome { replies, work, .. } = self.world.transact(commands)?;
        let steps = work.into_iter().flat_map(|Work { context, steps, .. }| {
            steps.into_iter().map(move |step| (CallId(context.0), step))
        });
        for (call, step) in steps {
            let told = format!("{step:?}");
            let done = self.relay.handle_command_of(call, step, self.world.now);
            assert!(done.is_ok(), "{:?} to {told}", done.unwrap_err());
        }
        while let Some(report) = self.relay.poll_report() {
            self.world.gateway.handle_report(report, SystemTime::UNIX_EPOCH);
        }
        Ok(replies)
    }
}

pub(crate) fn termination(reply: &Reply) -> TerminationReply {
    match reply {
        Reply::Termination(reply) => reply.clone(),
        Reply::Done { .. } | Reply::Released(_) => panic!("not a termination: {reply:?}"),
    }
}

pub(crate) fn access(context: ContextChoice) -> Reserve {
    reserve(context, "access", Transport::Secured)
}

pub(crate) fn core(context: ContextChoice) -> Reserve {
    reserve(context, "core", Transport::Plain)
}

pub(crate) fn reserve(context: ContextChoice, realm: &str, transport: Transport) -> Reserve {
    Reserve {
        context,
        correlation: None,
        realm: Some(realm.to_owned()),
        family: None,
        heartbeat: None,
        priority: None,
        streams: vec![stream(1, transport)],
    }
}

pub(crate) fn stream(id: u16, transport: Transport) -> StreamSpec {
    StreamSpec {
        id: StreamId(id),
        media: Media::Audio,
        transport,
        remote: None,
        rtcp: RtcpMode::Pair,
        mode: StreamMode::SendReceive,
        source: None,
        extras: StreamExtras::default(),
        ingress: None,
        egress: None,
    }
}

pub(crate) fn remote(address: &str) -> Remote {
    Remote { rtp: address.parse().unwrap(), rtcp: None }
}

pub(crate) fn master(seed: u8) -> MasterKey {
    MasterKey::from_concatenated(Suite::AesCm128HmacSha1_80, &[seed; 30]).unwrap()
}

pub(crate) fn ingress(seed: u8) -> CryptoContext<IngressKey> {
    crypto(vec![IngressKey::new(master(seed))])
}

pub(crate) fn egress(seed: u8) -> CryptoContext<EgressKey> {
    crypto(vec![EgressKey::new(master(seed))])
}

pub(crate) fn crypto<K>(keys: Vec<K>) -> CryptoContext<K> {
    CryptoContext {
        source: KeySource::Sdes,
        keys,
        parameters: SessionParameters::default(),
        roc: None,
        overlap: None,
    }
}
