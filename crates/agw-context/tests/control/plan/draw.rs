//! How commands are drawn.

use std::time::Duration;

use agw_context::{Direction, RtcpMode, SourcePolicy, StreamMode};
use agw_relay::Transport;
use agw_srtp::{RocOnRekey, Suite};
use proptest::prelude::*;

use super::{
    ChangePlan, CryptoChangePlan, CryptoPlan, KeyPlan, NO_CONTEXT, Place, Plan, SEEDS, StreamPlan,
    Where,
};

/// The streams that there are for the most part, and sometimes one that there is not.
fn place() -> BoxedStrategy<Place> {
    let termination = prop_oneof![20 => 1..3u8, 2 => Just(3u8), 1 => Just(9u8)];
    let stream = prop_oneof![20 => Just(1u8), 10 => Just(2u8), 1 => Just(3u8)];
    (0..=NO_CONTEXT, termination, stream)
        .prop_map(|(context, termination, stream)| Place { context, termination, stream })
        .boxed()
}

pub(crate) fn plan() -> BoxedStrategy<Plan> {
    let chosen = prop_oneof![
        2 => Just(Where::New),
        1 => Just(Where::Latest),
        4 => (0..=NO_CONTEXT).prop_map(Where::Existing),
    ];
    let streams = prop_oneof![
        20 => (stream(1), prop::option::of(stream(2)))
            .prop_map(|(first, second)| std::iter::once(first).chain(second).collect()),
        1 => prop::collection::vec(stream(1), 0..3),
    ];
    let realm = prop_oneof![30 => 0..2u8, 1 => Just(2u8)];
    prop_oneof![
        5 => (chosen, realm, streams)
            .prop_map(|(context, realm, streams)| Plan::Reserve { context, realm, streams }),
        8 => (place(), change()).prop_map(|(at, change)| Plan::Configure { at, change }),
        1 => (place(), any::<bool>(), mode())
            .prop_map(|(at, whole, mode)| Plan::Through { at, whole, mode }),
        1 => (place(), 1..4u8).prop_map(|(at, to)| Plan::Topology { at, to }),
        1 => (place(), any::<bool>()).prop_map(|(at, whole)| Plan::Release { at, whole }),
        6 => (place(), direction(), key())
            .prop_map(|(at, direction, key)| Plan::Stage { at, direction, key }),
        3 => (place(), direction(), roc())
            .prop_map(|(at, direction, roc)| Plan::Activate { at, direction, roc }),
        1 => (place(), direction()).prop_map(|(at, direction)| Plan::Cancel { at, direction }),
    ]
    .boxed()
}

fn stream(id: u8) -> BoxedStrategy<StreamPlan> {
    let transport = prop_oneof![
        5 => Just(Transport::Secured),
        2 => Just(Transport::Plain),
        1 => Just(Transport::Transparent),
    ];
    let rtcp =
        prop_oneof![3 => Just(RtcpMode::Pair), 2 => Just(RtcpMode::Mux), 1 => Just(RtcpMode::Off)];
    let keys = || prop::option::weighted(0.7, crypto());
    (transport, rtcp, mode(), address(), source(), keys(), keys())
        .prop_map(move |(transport, rtcp, mode, remote, source, ingress, egress)| {
            // Keys on other legs are refused; once in a while is enough.
            let keyed = transport == Transport::Secured || id == 2 && mode == StreamMode::SendOnly;
            let (ingress, egress) = if keyed { (ingress, egress) } else { (None, None) };
            StreamPlan { id, transport, rtcp, mode, remote, source, ingress, egress }
        })
        .boxed()
}

fn change() -> BoxedStrategy<ChangePlan> {
    let keys = || {
        prop_oneof![
            2 => Just(CryptoChangePlan::Keep),
            1 => Just(CryptoChangePlan::Remove),
            5 => crypto().prop_map(CryptoChangePlan::Install),
        ]
    };
    (address(), prop::option::of(mode()), source(), keys(), keys())
        .prop_map(|(remote, mode, source, ingress, egress)| ChangePlan {
            remote,
            mode,
            source,
            ingress,
            egress,
        })
        .boxed()
}

fn crypto() -> BoxedStrategy<CryptoPlan> {
    let roc = prop_oneof![2 => Just(None), 3 => roc().prop_map(Some)];
    let overlap = prop_oneof![
        20 => Just(None),
        10 => (0..30u64).prop_map(|seconds| Some(Duration::from_secs(seconds))),
        1 => Just(Some(Duration::MAX)),
    ];
    let window = prop_oneof![20 => prop::sample::select(vec![64, 128, 4096]), 1 => 0..64u16];
    let count = prop_oneof![6 => Just(1usize), 3 => Just(2usize), 1 => Just(3usize)];
    let keys = count.prop_flat_map(|count| prop::collection::vec(key(), count));
    (keys, roc, overlap, window)
        .prop_map(|(mut keys, roc, overlap, window)| {
            // Several keys that fit together are rare by chance.
            for position in 1..keys.len() {
                keys[position].suite = keys[0].suite;
                let next = u8::try_from(position).unwrap();
                keys[position].mki = keys[0].mki.map(|(len, mki)| (len, mki + next));
            }
            CryptoPlan { keys, roc, overlap, window }
        })
        .boxed()
}

fn key() -> BoxedStrategy<KeyPlan> {
    let suite = prop_oneof![
        16 => Just(Suite::AesCm128HmacSha1_80),
        1 => Just(Suite::AesCm128HmacSha1_32),
        1 => Just(Suite::AeadAes128Gcm),
    ];
    let mki = prop_oneof![1 => Just(None), 3 => (prop_oneof![9 => Just(1u8), 1 => Just(2u8)], 1..4u8).prop_map(Some)];
    (suite, SEEDS, 1..3u8, mki)
        .prop_map(|(suite, seed, salt, mki)| KeyPlan { suite, seed, salt, mki })
        .boxed()
}

pub(crate) fn roc() -> BoxedStrategy<RocOnRekey> {
    prop_oneof![
        5 => Just(RocOnRekey::Keep),
        2 => Just(RocOnRekey::Reset),
        1 => any::<u32>().prop_map(RocOnRekey::Set),
    ]
    .boxed()
}

fn mode() -> BoxedStrategy<StreamMode> {
    prop::sample::select(vec![
        StreamMode::Inactive,
        StreamMode::SendOnly,
        StreamMode::ReceiveOnly,
        StreamMode::SendReceive,
    ])
    .boxed()
}

fn direction() -> BoxedStrategy<Direction> {
    prop::sample::select(vec![Direction::Ingress, Direction::Egress]).boxed()
}

fn address() -> BoxedStrategy<Option<u8>> {
    prop_oneof![30 => Just(None), 10 => (2..5u8).prop_map(Some), 1 => (0..2u8).prop_map(Some)]
        .boxed()
}

fn source() -> BoxedStrategy<Option<SourcePolicy>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(SourcePolicy::Signalled)),
        1 => Just(Some(SourcePolicy::Latch { within: None })),
        1 => Just(Some(SourcePolicy::Latch { within: Some(Duration::MAX) })),
    ]
    .boxed()
}
