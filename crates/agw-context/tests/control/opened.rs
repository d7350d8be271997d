//! Whatever a controller does with the ingress keys of a call, and whoever sends the call's packets
//! again on any of its legs: none is opened twice.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use agw_context::{
    ActivateKey, CancelKey, Command, ContextChoice, ContextId, CryptoChange, DirectedKey,
    Direction, KeySlot, Policy, Release, StageKey, StreamId, TerminationReply,
};
use agw_relay::{Datagram, DropReason, PortId, Verdict};
use agw_srtp::{
    EgressKey, IngressKey, MAX_TRAILER, MasterKey, Mki, Portable, Protector, RocOnRekey,
    SessionParameters, Suite,
};
use proptest::prelude::*;

use crate::keys::change;
use crate::support::{Plane, access, core, crypto, remote, termination};

#[derive(Debug, Clone)]
enum Step {
    Install(Vec<KeyPlan>, Option<RocOnRekey>, Option<Duration>),
    Remove,
    Stage(KeyPlan),
    Activate(RocOnRekey),
    Cancel,
    /// The leg goes and comes again with a key.
    Again(KeyPlan),
    /// The call ends and another begins.
    NextCall,
    Later(Duration),
    Send(PacketPlan),
    /// One of the packets so far is sent again, and again under another identifier or with less of
    /// its tag.
    Repeat(usize),
}

#[derive(Debug, Clone, Copy)]
struct KeyPlan {
    suite: Suite,
    seed: u8,
    mki: Option<u8>,
}

#[derive(Debug, Clone, Copy)]
struct PacketPlan {
    key: KeyPlan,
    ssrc: u8,
    roc: u32,
    sequence: u16,
    rtcp: bool,
}

impl Step {
    /// The packet that is sent, if one is.
    fn packet(&self, sent: &[PacketPlan]) -> Option<PacketPlan> {
        match self {
            Self::Send(packet) => Some(*packet),
            Self::Repeat(which) => sent.get(which.checked_rem(sent.len())?).copied(),
            Self::Install(..)
            | Self::Remove
            | Self::Stage(_)
            | Self::Activate(_)
            | Self::Cancel
            | Self::Again(_)
            | Self::NextCall
            | Self::Later(_) => None,
        }
    }
}

impl KeyPlan {
    fn master(self) -> MasterKey {
        let octets = vec![self.seed; self.suite.key_len() + self.suite.salt_len()];
        MasterKey::from_concatenated(self.suite, &octets).unwrap()
    }

    fn ingress(self) -> IngressKey {
        let mut key = IngressKey::new(self.master());
        key.mki = self.mki.map(|mki| Mki::new(&[mki]).unwrap());
        key
    }
}

impl PacketPlan {
    /// The packet as a peer with that key would send it whatever it has sent before.
    fn sealed(self) -> Vec<u8> {
        let Self { key, ssrc, roc, sequence, rtcp } = self;
        let (egress, parameters) = (EgressKey::new(key.master()), SessionParameters::default());
        let mut protector = Protector::new(&Portable, vec![egress], parameters, roc).unwrap();
        let mut packet = if rtcp { vec![0x80, 200, 0, 6] } else { vec![0x80, 0, 0, 0] };
        packet.resize(28, 0);
        packet[if rtcp { 7 } else { 11 }] = ssrc;
        packet.resize(28 + MAX_TRAILER, 0);
        let octets = if rtcp {
            // Each SRTCP packet has one index more than the one before.
            let turns = 1 + sequence % 4;
            let turn = |_| {
                packet.truncate(28);
                packet.resize(28 + MAX_TRAILER, 0);
                packet[8..28].fill(0);
                packet[..4].copy_from_slice(&[0x80, 200, 0, 6]);
                protector.protect_srtcp(&Portable, &mut packet, 28).unwrap()
            };
            (0..turns).map(turn).last().unwrap()
        } else {
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            protector.protect_srtp(&Portable, &mut packet, 28).unwrap()
        };
        packet.truncate(octets);
        packet
    }

    /// What makes it the same packet, whatever is made of its trailer.
    fn identity(self) -> (u8, u8, bool, u64) {
        let Self { key, ssrc, roc, sequence, rtcp } = self;
        let index = u64::from(roc) << 16 | u64::from(sequence);
        (key.seed, ssrc, rtcp, if rtcp { u64::from(sequence % 4) } else { index })
    }

    /// The forms that someone on the way can give it: the tag does not cover the identifier, and the
    /// shorter tag is the beginning of the longer one.
    fn forms(self) -> Vec<Vec<u8>> {
        let sealed = self.sealed();
        let tag = match self.rtcp {
            true => self.key.suite.srtcp_tag_len(),
            false => self.key.suite.srtp_tag_len(),
        };
        let (body, tag) = sealed.split_at(sealed.len() - tag);
        let mut forms = vec![sealed.clone()];
        for tag in [tag, &tag[..4]] {
            forms.push([body, tag].concat());
            forms.extend([1, 2].map(|mki| [body, &[mki], tag].concat()));
        }
        forms
    }
}

fn key() -> BoxedStrategy<KeyPlan> {
    let suite = prop_oneof![
        3 => Just(Suite::AesCm128HmacSha1_80),
        1 => Just(Suite::AesCm128HmacSha1_32),
    ];
    let mki = prop_oneof![3 => Just(None), 1 => (1..3u8).prop_map(Some)];
    (suite, 1..4u8, mki).prop_map(|(suite, seed, mki)| KeyPlan { suite, seed, mki }).boxed()
}

fn step() -> BoxedStrategy<Step> {
    let roc =
        || prop::sample::select(vec![RocOnRekey::Keep, RocOnRekey::Reset, RocOnRekey::Set(3)]);
    let overlaps = [0, 1, 9].map(Duration::from_secs);
    let overlap = prop::option::of(prop::sample::select(overlaps.to_vec()));
    let sequence = prop::sample::select(vec![1, 2, 3, 90, 200, 0x8000, 0xfffe, 0xffff, 0]);
    let packet = (key(), 0..3u8, prop::sample::select(vec![0, 3, 4]), sequence, 0..4u8).prop_map(
        |(key, ssrc, roc, sequence, kind)| PacketPlan { key, ssrc, roc, sequence, rtcp: kind == 0 },
    );
    prop_oneof![
        4 => (prop::collection::vec(key(), 1..3), prop::option::of(roc()), overlap)
            .prop_map(|(keys, roc, overlap)| Step::Install(keys, roc, overlap)),
        1 => Just(Step::Remove),
        1 => key().prop_map(Step::Stage),
        1 => roc().prop_map(Step::Activate),
        1 => Just(Step::Cancel),
        2 => key().prop_map(Step::Again),
        1 => Just(Step::NextCall),
        2 => prop::sample::select(overlaps.to_vec()).prop_map(Step::Later),
        12 => packet.prop_map(Step::Send),
        8 => any::<usize>().prop_map(Step::Repeat),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
    //= tests/spec/relay.md#keys-that-return
    //= type=test
    //# An ingress key that returns within a call MUST go on where it was, on whichever leg.
    #[test]
    fn no_packet_is_opened_twice(steps in prop::collection::vec(step(), 1..60)) {
        let mut plane = Plane::new(Policy::default());
        let mut call = Call::new(&mut plane);
        let (mut sent, mut opened) = (Vec::<PacketPlan>::new(), BTreeSet::new());
        for step in steps {
            let Some(packet) = step.packet(&sent) else {
                call.step(&mut plane, step);
                continue;
            };
            sent.push(packet);
            for form in packet.forms() {
                if call.opens(&mut plane, form, packet.rtcp) {
                    prop_assert!(opened.insert(packet.identity()), "{packet:?}");
                }
            }
        }
    }
}

/// A plain core leg, and secured access legs of which one is there at a time.
struct Call {
    access: TerminationReply,
}

const PHONE: &str = "127.0.0.1:50000";

impl Call {
    fn new(plane: &mut Plane) -> Self {
        let mut far = core(ContextChoice::Latest);
        far.streams[0].remote = Some(remote("127.0.0.1:50002"));
        let replies =
            plane.transact(vec![near(ContextChoice::New, None), Command::Reserve(far)]).unwrap();
        Self { access: termination(&replies[0]) }
    }

    /// Takes a step, refused or not.
    fn step(&mut self, plane: &mut Plane, step: Step) {
        let (context, termination) = (self.access.context, self.access.termination);
        let slot = KeySlot { context, termination, stream: StreamId(1) };
        let direction = Direction::Ingress;
        let command = match step {
            Step::Install(keys, roc, overlap) => {
                let mut new = crypto(keys.into_iter().map(KeyPlan::ingress).collect());
                (new.roc, new.overlap) = (roc, overlap);
                self.configure(CryptoChange::Install(new))
            }
            Step::Remove => self.configure(CryptoChange::Remove),
            Step::Stage(key) => {
                Command::StageKey(StageKey { slot, key: DirectedKey::Ingress(key.ingress()) })
            }
            Step::Activate(roc) => {
                let overlap = Some(Duration::from_secs(1));
                Command::ActivateKey(ActivateKey { slot, direction, roc, overlap, at: None })
            }
            Step::Cancel => Command::CancelKey(CancelKey { slot, direction }),
            Step::Again(key) => return self.again(plane, context, key),
            Step::NextCall => {
                let release = Release { context, termination: None };
                plane.transact(vec![Command::Release(release)]).unwrap();
                *self = Self::new(plane);
                plane.world.later(Policy::default().port_rest);
                return;
            }
            Step::Later(by) => {
                plane.world.later(by);
                plane.relay.handle_timeout(plane.world.now);
                return;
            }
            Step::Send(_) | Step::Repeat(_) => return,
        };
        let _either_way = plane.transact(vec![command]);
    }

    /// The leg goes, and another comes in the same transaction.
    fn again(&mut self, plane: &mut Plane, context: ContextId, key: KeyPlan) {
        let gone = Release { context, termination: Some(self.access.termination) };
        let next = |key| near(ContextChoice::Existing(context), key);
        let with_key = vec![Command::Release(gone), next(Some(key))];
        let replies = plane.transact(with_key);
        let replies = replies.or_else(|_| plane.transact(vec![Command::Release(gone), next(None)]));
        self.access = termination(&replies.unwrap()[1]);
        plane.world.later(Policy::default().port_rest);
    }

    fn configure(&self, ingress: CryptoChange<IngressKey>) -> Command {
        let mut configure = change(&self.access);
        configure.streams[0].ingress = ingress;
        Command::Configure(configure)
    }

    /// Whether a packet is opened that arrives on the access leg.
    fn opens(&self, plane: &mut Plane, mut packet: Vec<u8>, rtcp: bool) -> bool {
        let stream = &self.access.streams[0];
        let local: SocketAddr = if rtcp { stream.rtcp.unwrap() } else { stream.rtp };
        let len = packet.len();
        packet.resize(len + MAX_TRAILER, 0);
        let open = &plane.world.ports.open;
        let port: PortId = *open.iter().find(|&(_, &address)| address == local).unwrap().0;
        let (slot, verdict) = (packet.as_mut_slice(), Verdict::Drop(DropReason::NoFlow));
        let source = PHONE.parse().unwrap();
        let mut batch =
            [Datagram { port, source, slot, len, traffic_class: 0, truncated: false, verdict }];
        plane.relay.handle_batch(&mut batch, plane.world.now);
        let [Datagram { verdict, .. }] = batch;
        while let Some(report) = plane.relay.poll_report() {
            plane.world.gateway.handle_report(report, std::time::SystemTime::UNIX_EPOCH);
        }
        matches!(verdict, Verdict::Forward { .. })
    }
}

fn near(context: ContextChoice, key: Option<KeyPlan>) -> Command {
    let mut near = access(context);
    near.streams[0].remote = Some(remote(PHONE));
    near.streams[0].ingress = key.map(|key| crypto(vec![key.ingress()]));
    Command::Reserve(near)
}
