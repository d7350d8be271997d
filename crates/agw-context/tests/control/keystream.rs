//! Whatever a controller and the core side do, no piece of keystream seals two packets: every
//! plain packet here is zeros, so what leaves is keystream, and none may be seen twice.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use agw_context::{
    ActivateKey, Command, Configure, ContextChoice, CryptoChange, DirectedKey, Direction, KeySlot,
    LateChoice, Policy, Release, StageKey, StreamChange, StreamExtrasChange, StreamId,
    TerminationReply,
};
use agw_relay::{Datagram, DropReason, PortId, Verdict};
use agw_srtp::{EgressKey, MAX_TRAILER, MasterKey, Mki, RocOnRekey, Suite};
use proptest::prelude::*;

use crate::support::{Plane, access, core, crypto, remote, termination};

#[derive(Debug, Clone)]
enum Step {
    Install(Vec<KeyPlan>, Option<RocOnRekey>),
    Remove,
    Stage(KeyPlan),
    Activate(RocOnRekey),
    /// The call ends and another begins.
    NextCall(KeyPlan),
    Rtp {
        ssrc: u8,
        sequence: u16,
    },
    Rtcp,
}

#[derive(Debug, Clone, Copy)]
struct KeyPlan {
    suite: Suite,
    seed: u8,
    mki: Option<u8>,
}

impl KeyPlan {
    fn key(self) -> EgressKey {
        let octets = vec![self.seed; self.suite.key_len() + self.suite.salt_len()];
        let mut key = EgressKey::new(MasterKey::from_concatenated(self.suite, &octets).unwrap());
        key.mki = self.mki.map(|mki| Mki::new(&[mki]).unwrap());
        key
    }
}

fn key() -> BoxedStrategy<KeyPlan> {
    let suite = prop_oneof![
        4 => Just(Suite::AesCm128HmacSha1_80),
        1 => Just(Suite::AesCm128HmacSha1_32),
        1 => Just(Suite::AeadAes128Gcm),
    ];
    let mki = prop_oneof![3 => Just(None), 1 => (1..3u8).prop_map(Some)];
    (suite, 1..12u8, mki).prop_map(|(suite, seed, mki)| KeyPlan { suite, seed, mki }).boxed()
}

fn step() -> BoxedStrategy<Step> {
    let roc =
        || prop::sample::select(vec![RocOnRekey::Keep, RocOnRekey::Reset, RocOnRekey::Set(1)]);
    let sequence = prop::sample::select(vec![1, 2, 3, 200, 0x7fff, 0x8000, 0xfffe, 0xffff, 0]);
    prop_oneof![
        3 => (prop::collection::vec(key(), 1..3), prop::option::of(roc()))
            .prop_map(|(keys, roc)| Step::Install(keys, roc)),
        1 => Just(Step::Remove),
        2 => key().prop_map(Step::Stage),
        2 => roc().prop_map(Step::Activate),
        1 => key().prop_map(Step::NextCall),
        12 => (0..2u8, sequence).prop_map(|(ssrc, sequence)| Step::Rtp { ssrc, sequence }),
        4 => Just(Step::Rtcp),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn no_keystream_is_used_twice(steps in prop::collection::vec(step(), 1..80)) {
        let mut plane = Plane::new(Policy::default());
        let mut call = Call::new(&mut plane, None).unwrap();
        let mut seen = BTreeSet::new();
        for step in steps {
            if let Some(sealed) = call.step(&mut plane, step) {
                prop_assert!(seen.insert(sealed.clone()), "{sealed:02x?}");
            }
        }
    }
}

/// A plain core leg and a secured access leg.
struct Call {
    access: TerminationReply,
    core: TerminationReply,
}

const CORE: &str = "127.0.0.1:50002";

impl Call {
    fn new(plane: &mut Plane, key: Option<KeyPlan>) -> Option<Self> {
        let mut near = access(ContextChoice::New);
        near.streams[0].remote = Some(remote("127.0.0.1:50000"));
        near.streams[0].egress = key.map(|key| crypto(vec![key.key()]));
        let mut far = core(ContextChoice::Latest);
        far.streams[0].remote = Some(remote(CORE));
        let replies = plane.transact(vec![Command::Reserve(near), Command::Reserve(far)]).ok()?;
        Some(Self { access: termination(&replies[0]), core: termination(&replies[1]) })
    }

    /// Takes a step, refused or not; what leaves on the secured leg after the clear octets.
    fn step(&mut self, plane: &mut Plane, step: Step) -> Option<Vec<u8>> {
        let (context, termination) = (self.access.context, self.access.termination);
        let slot = KeySlot { context, termination, stream: StreamId(1) };
        let command = match step {
            Step::Install(keys, roc) => {
                let mut new = crypto(keys.into_iter().map(KeyPlan::key).collect());
                new.roc = roc;
                self.configure(CryptoChange::Install(new))
            }
            Step::Remove => self.configure(CryptoChange::Remove),
            Step::Stage(key) => {
                Command::StageKey(StageKey { slot, key: DirectedKey::Egress(key.key()) })
            }
            Step::Activate(roc) => {
                let direction = Direction::Egress;
                Command::ActivateKey(ActivateKey { slot, direction, roc, overlap: None, at: None })
            }
            Step::NextCall(key) => {
                let release = Release { context, termination: None };
                plane.transact(vec![Command::Release(release)]).unwrap();
                let next = Self::new(plane, Some(key)).or_else(|| Self::new(plane, None));
                *self = next.unwrap();
                plane.world.later(Policy::default().port_rest);
                return None;
            }
            Step::Rtp { ssrc, sequence } => {
                let mut packet = vec![0; 12 + 16];
                (packet[0], packet[11]) = (0x80, ssrc);
                packet[2..4].copy_from_slice(&sequence.to_be_bytes());
                return self.pass(plane, self.core.streams[0].rtp, CORE, packet, 12);
            }
            Step::Rtcp => {
                let mut packet = vec![0x80, 200, 0, 6];
                packet.resize(28, 0);
                let (local, source) = (self.core.streams[0].rtcp.unwrap(), "127.0.0.1:50003");
                return self.pass(plane, local, source, packet, 8);
            }
        };
        let _either_way = plane.transact(vec![command]);
        None
    }

    fn configure(&self, egress: CryptoChange<EgressKey>) -> Command {
        let (context, termination) = (self.access.context, self.access.termination);
        let (remote, mode, source) = (None, None, None);
        let (relatch, extras) = (false, StreamExtrasChange::default());
        let ingress = CryptoChange::Keep;
        let change = StreamChange {
            id: StreamId(1),
            remote,
            late: LateChoice::default(),
            mode,
            source,
            relatch,
            extras,
            ingress,
            egress,
        };
        Command::Configure(Configure::of(context, termination, vec![change]))
    }

    fn pass(
        &self,
        plane: &mut Plane,
        local: SocketAddr,
        source: &str,
        mut packet: Vec<u8>,
        clear: usize,
    ) -> Option<Vec<u8>> {
        let len = packet.len();
        packet.resize(len + MAX_TRAILER, 0);
        let open = &plane.world.ports.open;
        let port: PortId = *open.iter().find(|&(_, &address)| address == local).unwrap().0;
        let (slot, verdict) = (packet.as_mut_slice(), Verdict::Drop(DropReason::NoFlow));
        let source = source.parse().unwrap();
        let mut batch =
            [Datagram { port, source, slot, len, traffic_class: 0, truncated: false, verdict }];
        plane.relay.handle_batch(&mut batch, plane.world.now);
        let [Datagram { verdict, .. }] = batch;
        matches!(verdict, Verdict::Forward { .. }).then(|| packet[clear..len].to_vec())
    }
}
