//! Any commands, in any order, against what must hold whatever they are: ports and numbers are
//! those of the contexts, keys are in use where they are installed, a refusal leaves no trace, and
//! the packet path does everything that control orders.

mod held;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use agw_context::{
    Command, ContextId, ContextView, Direction, Event, EventKind, KeySlot, Policy, PortError,
    Reason, Refused, Release, Reply, StreamId, TerminationId,
};
use agw_relay::{Datagram, DropReason, PortId, Report, Verdict};
use agw_srtp::{KeyEvent, MAX_TRAILER, Portable, Protector, RocOnRekey, SessionParameters, Suite};
use proptest::prelude::*;

use self::held::{Held, TWISTS, Twist};
use crate::plan::{
    CryptoChangePlan, CryptoPlan, KeyPlan, Place, Plan, SEEDS, StreamPlan, Where, plan, roc,
};
use crate::support::Plane;

/// What happens: a transaction, time, trouble with ports, or something about keys that there are.
#[derive(Debug, Clone)]
enum Step {
    Transact(Vec<Plan>),
    Later(u64),
    Ports(Option<PortError>),
    /// The keys in force of the so-many-th direction are told again, in some form.
    Again(usize, Twist, Option<RocOnRekey>),
    /// The so-many-th staged key is put in force, cancelled, or used by the peer.
    Activate(usize, RocOnRekey),
    Cancel(usize),
    Packet(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let trouble = PortError::Refused("no".to_owned());
    let trouble = vec![None, None, None, Some(PortError::Descriptors), Some(trouble)];
    prop_oneof![
        12 => plan().prop_map(|plan| Step::Transact(vec![plan])),
        6 => prop::collection::vec(plan(), 2..5).prop_map(Step::Transact),
        1 => (0..20u64).prop_map(Step::Later),
        1 => prop::sample::select(trouble).prop_map(Step::Ports),
        4 => (0..99usize, prop::sample::select(TWISTS.to_vec()), prop::option::of(roc()))
            .prop_map(|(which, twist, roc)| Step::Again(which, twist, roc)),
        3 => (0..99usize, roc()).prop_map(|(which, roc)| Step::Activate(which, roc)),
        1 => (0..99usize).prop_map(Step::Cancel),
        3 => (0..99usize).prop_map(Step::Packet),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]
    //= tests/spec/iq.md#acknowledgement
    //= type=test
    //# A refused command MUST change nothing.
    //= tests/spec/relay.md#ports
    //= type=test
    //# Reserving and releasing MUST NOT lose ports.
    //= tests/spec/iq.md#keys
    //= type=test
    //# A key that another stream uses MUST be refused.
    #[test]
    fn control_and_packet_path_agree_whatever_is_asked(
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
            model.check();
        }
        model.check_keys();
        model.plane.world.ports.refuse = None;
        model.release_everything();
        model.check_keys();
    }
}

struct Model {
    plane: Plane,
    keys: BTreeMap<(ContextId, TerminationId, StreamId, Direction), Held>,
    /// Seeds that were in force on streams that have ended, and those of them that sealed.
    spent: BTreeSet<u8>,
    sealed: BTreeSet<u8>,
    sequence: u16,
}

/// Ports of another program, so that half of a pair is often taken.
const FOREIGN: u32 = 1_000_000;

impl Model {
    fn new() -> Self {
        let mut plane = Plane::new(Policy { allow_ingress_key_return: true, ..Policy::default() });
        for number in (0..200).step_by(7) {
            let port = u16::try_from(40_000 + number).unwrap();
            let address = (std::net::Ipv4Addr::LOCALHOST, port).into();
            plane.world.ports.open.insert(PortId(FOREIGN + number), address);
        }
        let (keys, spent, sealed) = Default::default();
        let mut model = Self { plane, keys, spent, sealed, sequence: 0 };
        let mut seeds = SEEDS.rev();
        for mki in [None, Some((1, 9)), Some((1, 8))] {
            let mut key = || {
                let seed = seeds.next().unwrap();
                let suite = Suite::AesCm128HmacSha1_80;
                Some(CryptoPlan::of(KeyPlan { suite, seed, salt: 1, mki }))
            };
            let mut streams = || {
                let mut streams = vec![StreamPlan::secured(1), StreamPlan::secured(2)];
                for stream in &mut streams {
                    (stream.ingress, stream.egress) = (key(), key());
                }
                streams
            };
            model.transact(&[
                Plan::Reserve { context: Where::New, realm: 0, streams: streams() },
                Plan::Reserve { context: Where::Latest, realm: 1, streams: streams() },
            ]);
        }
        assert_eq!(model.contexts().len(), 3);
        model
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Transact(plans) => self.transact(&plans),
            Step::Later(seconds) => {
                self.plane.world.later(Duration::from_secs(seconds));
                self.plane.relay.handle_timeout(self.plane.world.now);
            }
            Step::Ports(refuse) => self.plane.world.ports.refuse = refuse,
            Step::Again(which, twist, roc) => {
                let in_force = self.slots(|held| !held.in_force.is_empty());
                let Some(&(slot, direction)) = pick(&in_force, which) else { return };
                let mut keys = self.held(slot, direction).in_force.clone();
                twist.apply(&mut keys);
                let plan = Plan::install(self.place(slot), direction, CryptoPlan::again(keys, roc));
                self.transact(&[plan]);
            }
            Step::Activate(which, roc) => {
                let staged = self.slots(|held| held.staged.is_some());
                let Some(&(slot, direction)) = pick(&staged, which) else { return };
                let at = self.place(slot);
                self.transact(&[Plan::Activate { at, direction, roc }]);
            }
            Step::Cancel(which) => {
                let staged = self.slots(|held| held.staged.is_some());
                let Some(&(slot, direction)) = pick(&staged, which) else { return };
                let at = self.place(slot);
                self.transact(&[Plan::Cancel { at, direction }]);
            }
            Step::Packet(which) => {
                let mut staged = self.slots(|held| held.staged.is_some());
                staged.retain(|(_, direction)| *direction == Direction::Ingress);
                let Some(&(slot, _)) = pick(&staged, which) else { return };
                self.packet(slot);
            }
        }
    }

    fn transact(&mut self, plans: &[Plan]) {
        let before = self.picture();
        let contexts = self.contexts();
        let commands = plans.iter().map(|plan| plan.command(&contexts)).collect();
        match self.plane.transact(commands) {
            Ok(replies) => {
                for (plan, reply) in plans.iter().zip(&replies) {
                    self.follow(plan, reply, &contexts);
                }
            }
            Err(_) => assert!(self.picture() == before, "a refusal left a trace"),
        }
    }

    /// Does to the expected keys what an accepted command does to the real ones.
    fn follow(&mut self, plan: &Plan, reply: &Reply, contexts: &[ContextId]) {
        match (plan, reply) {
            (Plan::Reserve { streams, .. }, Reply::Termination(made)) => {
                for stream in streams {
                    let (context, termination) = (made.context, made.termination);
                    let stream_id = StreamId(stream.id.into());
                    let slot = KeySlot { context, termination, stream: stream_id };
                    let plans = [&stream.ingress, &stream.egress];
                    for (direction, plan) in DIRECTIONS.into_iter().zip(plans) {
                        let held = self.held(slot, direction);
                        plan.iter().for_each(|plan| held.install(plan));
                    }
                }
            }
            (Plan::Configure { at, change }, _) => {
                let plans = [&change.ingress, &change.egress];
                for (direction, plan) in DIRECTIONS.into_iter().zip(plans) {
                    let held = self.held(at.slot(contexts), direction);
                    match plan {
                        CryptoChangePlan::Keep => {}
                        CryptoChangePlan::Remove => (held.in_force, held.staged) = (vec![], None),
                        CryptoChangePlan::Install(plan) => held.install(plan),
                    }
                }
            }
            (Plan::Stage { at, direction, key }, _) => {
                self.held(at.slot(contexts), *direction).staged = Some(*key);
            }
            (Plan::Activate { at, direction, .. }, _) => {
                self.held(at.slot(contexts), *direction).activate();
            }
            (Plan::Cancel { at, direction }, _) => {
                self.held(at.slot(contexts), *direction).staged = None;
            }
            (_, Reply::Released(released)) => {
                for stream in &released.streams {
                    for direction in DIRECTIONS {
                        let key = (released.context, stream.termination, stream.stream, direction);
                        let used = self.keys.remove(&key).unwrap_or_default().ended(direction);
                        let sealed = used.iter().filter(|_| direction == Direction::Egress);
                        self.sealed.extend(sealed);
                        self.spent.extend(used);
                    }
                }
            }
            _ => {}
        }
    }

    fn held(&mut self, slot: KeySlot, direction: Direction) -> &mut Held {
        let KeySlot { context, termination, stream } = slot;
        self.keys.entry((context, termination, stream, direction)).or_default()
    }

    fn slots(&self, wanted: impl Fn(&Held) -> bool) -> Vec<(KeySlot, Direction)> {
        let wanted = self.keys.iter().filter(|(_, held)| wanted(held));
        wanted
            .map(|(&(context, termination, stream, direction), _)| {
                (KeySlot { context, termination, stream }, direction)
            })
            .collect()
    }

    fn place(&self, slot: KeySlot) -> Place {
        let context = self.contexts().iter().position(|&id| id == slot.context).unwrap();
        Place {
            context: u8::try_from(context).unwrap(),
            termination: u8::try_from(slot.termination.0).unwrap(),
            stream: u8::try_from(slot.stream.0).unwrap(),
        }
    }

    /// A packet under the staged ingress key of a stream arrives, if there is one.
    fn packet(&mut self, slot: KeySlot) {
        let (local, source) = match self.local_and_remote(slot) {
            Some(addresses) => addresses,
            None => return,
        };
        let Some(staged) = self.held(slot, Direction::Ingress).staged else {
            return;
        };
        self.sequence += 1;
        let mut octets = vec![0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3];
        octets[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        let len = octets.len();
        octets.resize(len + MAX_TRAILER, 0);
        let parameters = SessionParameters::default();
        let mut sender = Protector::new(&Portable, vec![staged.egress()], parameters, 0).unwrap();
        let len = sender.protect_srtp(&Portable, &mut octets, len).unwrap();
        octets.resize(len + MAX_TRAILER, 0);
        let ports = &self.plane.world.ports.open;
        let port = *ports.iter().find(|&(_, &address)| address == local).unwrap().0;
        let verdict = Verdict::Drop(DropReason::NoFlow);
        let slot_octets = octets.as_mut_slice();
        let truncated = false;
        let datagram =
            Datagram { port, source, slot: slot_octets, len, traffic_class: 0, truncated, verdict };
        self.plane.relay.handle_batch(&mut [datagram], self.plane.world.now);
        while let Some(report) = self.plane.relay.poll_report() {
            if matches!(report, Report::IngressKey(_, KeyEvent::Activated { .. })) {
                self.held(slot, Direction::Ingress).activate();
            }
            self.plane.world.gateway.handle_report(report, SystemTime::UNIX_EPOCH);
        }
    }

    fn local_and_remote(&self, slot: KeySlot) -> Option<(SocketAddr, SocketAddr)> {
        let views = self.views();
        let context = views.iter().find(|view| view.id == slot.context)?;
        let termination = context.terminations.iter().find(|t| t.id == slot.termination)?;
        let stream = termination.streams.iter().find(|stream| stream.id == slot.stream)?;
        let anywhere = "127.0.0.1:59999".parse().unwrap();
        Some((stream.local.rtp, stream.remote.map_or(anywhere, |remote| remote.rtp)))
    }

    fn contexts(&self) -> Vec<ContextId> {
        self.views().iter().map(|view| view.id).collect()
    }

    fn views(&self) -> Vec<ContextView> {
        let world = &self.plane.world;
        world.gateway.contexts(&world.controller, None, usize::MAX)
    }

    /// Everything that a refusal must leave as it was; pairs set aside may rest, and a refused key
    /// is told.
    fn picture(&self) -> (Vec<ContextView>, usize, Vec<usize>, BTreeMap<PortId, SocketAddr>) {
        let gateway = &self.plane.world.gateway;
        let used = gateway
            .capabilities(self.plane.world.now)
            .realms
            .iter()
            .map(|realm| realm.ports_used)
            .collect();
        let events = gateway.events_after(0, usize::MAX).unwrap();
        let is_change = |event: &&Event| !matches!(event.kind, EventKind::KeyReuseBlocked { .. });
        let changes = events.iter().filter(is_change).count();
        (self.views(), changes, used, self.plane.world.ports.open.clone())
    }

    /// Ports, numbers and the packet path are what the contexts say.
    fn check(&self) {
        let views = self.views();
        let mut addresses = BTreeSet::new();
        let mut pairs: BTreeMap<&str, usize> = BTreeMap::new();
        let mut legs = BTreeSet::new();
        for termination in views.iter().flat_map(|view| &view.terminations) {
            for stream in &termination.streams {
                assert!(addresses.insert(stream.local.rtp));
                addresses.extend(stream.local.rtcp);
                *pairs.entry(&termination.realm).or_default() += 1;
                assert!(legs.insert(stream.ingress.0));
                let ingress = self.plane.relay.ingress(stream.ingress).unwrap();
                let egress = self.plane.relay.egress(stream.egress).unwrap();
                let suites = [&stream.ingress_key, &stream.egress_key]
                    .map(|key| key.as_ref().map(|key| key.suite));
                let really = [ingress.crypto, egress.crypto]
                    .map(|crypto| crypto.as_ref().map(|crypto| crypto.suite));
                assert_eq!(suites, really);
            }
        }
        let open = self.plane.world.ports.open.iter().filter(|(id, _)| id.0 < FOREIGN);
        assert_eq!(open.map(|(_, &address)| address).collect::<BTreeSet<_>>(), addresses);
        for realm in self.plane.world.gateway.capabilities(self.plane.world.now).realms {
            let expected = pairs.get(realm.name.as_str()).copied().unwrap_or_default() * 2;
            assert_eq!(realm.ports_used, expected, "{}", realm.name);
        }
        let relay = &self.plane.relay;
        let live = (0..1_000).filter(|&leg| relay.ingress(agw_relay::IngressId(leg)).is_some());
        assert_eq!(live.collect::<BTreeSet<_>>(), legs);
    }

    /// Each key is refused exactly where it must not go, which an attempt shows that is then
    /// taken back.
    fn check_keys(&mut self) {
        self.plane.world.ports.refuse = None;
        self.plane.world.later(Policy::default().port_rest);
        let held = self.keys.values();
        let in_use: BTreeSet<u8> = held
            .flat_map(|held| held.used.iter().copied().chain(held.staged.map(|key| key.seed)))
            .collect();
        for seed in SEEDS.skip(1) {
            let suite = Suite::AesCm128HmacSha1_80;
            let key = CryptoPlan::of(KeyPlan { suite, seed, salt: 1, mki: None });
            let (mut opens, mut seals) = (StreamPlan::secured(1), StreamPlan::secured(1));
            opens.ingress = Some(key.clone());
            seals.egress = Some(key);
            let opening = in_use.contains(&seed) || self.sealed.contains(&seed);
            assert_eq!(self.is_refused(opens), opening, "opening with {seed}");
            let sealing = opening || self.spent.contains(&seed);
            assert_eq!(self.is_refused(seals), sealing, "sealing with {seed}");
        }
    }

    fn is_refused(&mut self, stream: StreamPlan) -> bool {
        let reserve = Plan::Reserve { context: Where::New, realm: 1, streams: vec![stream] };
        let unknown = Release { context: ContextId(99_999), termination: None };
        let commands = vec![reserve.command(&[]), Command::Release(unknown)];
        let Refused { command, error } = self.plane.transact(commands).unwrap_err();
        let is_reuse = error.reason() == Reason::KeyReuse;
        assert_eq!(command == 0, is_reuse, "{error}");
        is_reuse
    }

    fn release_everything(&mut self) {
        for context in self.contexts() {
            let release =
                Plan::Release { at: Place { context: 0, termination: 0, stream: 0 }, whole: true };
            let contexts = [context];
            let replies = self.plane.transact(vec![release.command(&contexts)]).unwrap();
            self.follow(&release, &replies[0], &contexts);
        }
        self.check();
        assert!(self.keys.values().all(|held| held.used.is_empty()), "{:?}", self.keys);
    }
}

const DIRECTIONS: [Direction; 2] = [Direction::Ingress, Direction::Egress];

fn pick<T>(all: &[T], which: usize) -> Option<&T> {
    all.get(which.checked_rem(all.len())?)
}
