//! Whatever a controller can set, an audit gives back: read off the API's own description.

use std::collections::BTreeMap;

use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_srtp::Suite;
use agw_tests::{Endpoint, Gateway, Key, Side, api};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage as _, Value,
};

/// What is set but never told, and why.
const UNTOLD: [(&str, &str); 12] = [
    ("ingress_crypto.sdes_line", "secret; suite, MKIs, lifetimes and parameters are told"),
    ("ingress_crypto.keys.key", "secret"),
    ("ingress_crypto.keys.salt", "secret"),
    ("ingress_crypto.roc_on_rekey", "acts once; the counter itself is in the statistics"),
    ("ingress_crypto.initial_roc", "acts once; the counter itself is in the statistics"),
    ("egress_crypto.sdes_line", "secret; suite, MKIs, lifetimes and parameters are told"),
    ("egress_crypto.keys.key", "secret"),
    ("egress_crypto.keys.salt", "secret"),
    ("egress_crypto.roc_on_rekey", "acts once; the counter itself is in the statistics"),
    ("egress_crypto.initial_roc", "acts once; the counter itself is in the statistics"),
    ("egress_crypto.overlap_ms", "refused: an egress has no overlap"),
    ("rewrite_sources.enable", "told by the message being there"),
];

/// What of a change is no field of a new stream.
const ACTS_ONCE: [&str; 3] = ["remove_ingress_crypto", "remove_egress_crypto", "relatch"];

/// Where what is set under one name is told under another.
const ELSEWHERE: [(&str, &str); 6] = [
    ("ingress_crypto.", "ingress_key."),
    ("egress_crypto.", "egress_key."),
    ("key.keys.mki", "key.mkis"),
    ("key.keys.srtp_lifetime", "key.lifetimes.srtp"),
    ("key.keys.srtcp_lifetime", "key.lifetimes.srtcp"),
    ("key.keys.", "key."),
];

fn told_as(path: &str) -> String {
    let replace = |path: String, (from, to): &(&str, &str)| path.replace(from, to);
    ELSEWHERE.iter().fold(path.to_owned(), replace)
}

fn descriptor(name: &str) -> MessageDescriptor {
    let pool = DescriptorPool::decode(agw_iq::FILE_DESCRIPTOR_SET).expect("descriptors");
    pool.get_message_by_name(&format!("agw.iq.v1.{name}")).expect("a message")
}

/// The paths of all fields that have no fields of their own.
fn leaves(message: &MessageDescriptor) -> Vec<String> {
    let of_field = |field: FieldDescriptor| match field.kind().as_message() {
        Some(inner) => {
            leaves(inner).into_iter().map(|leaf| format!("{}.{leaf}", field.name())).collect()
        }
        None => vec![field.name().to_owned()],
    };
    message.fields().flat_map(of_field).collect()
}

/// The values at a path, those of lists one after the other; what is not set is left out.
fn values(message: &DynamicMessage, path: &str) -> Vec<Value> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let field = message.descriptor().get_field_by_name(name).expect("a field");
    if !message.has_field(&field) {
        return Vec::new();
    }
    let value = message.get_field(&field).into_owned();
    let items = value.as_list().map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
    let within = |item: &Value| match (item.as_message(), rest) {
        (Some(inner), Some(rest)) => values(inner, rest),
        (_, _) => vec![item.clone()],
    };
    items.iter().flat_map(within).collect()
}

fn dynamic(name: &str, message: &impl prost::Message) -> DynamicMessage {
    let octets = message.encode_to_vec();
    DynamicMessage::decode(descriptor(name), octets.as_slice()).expect("the same message")
}

fn is_untold(path: &str) -> bool {
    UNTOLD.iter().any(|(untold, _)| *untold == path)
}

#[test]
fn every_field_of_a_stream_has_its_place_in_an_audit() {
    let (asked, told) = (leaves(&descriptor("Stream")), leaves(&descriptor("StreamInfo")));
    for (path, why) in UNTOLD {
        assert!(asked.iter().any(|asked| asked == path), "{path} ({why}) is no field any more");
    }
    for path in asked.iter().filter(|path| !is_untold(path)) {
        assert!(told.contains(&told_as(path)), "{path} is not told as {}", told_as(path));
    }
    for path in leaves(&descriptor("StreamChange")) {
        assert!(asked.contains(&path) || ACTS_ONCE.contains(&path.as_str()), "{path}");
    }
}

#[test]
fn every_field_of_a_reservation_a_group_and_a_staged_key_has_its_place_in_an_audit() {
    let has = |message: &str, path: &str| {
        assert!(leaves(&descriptor(message)).iter().any(|leaf| leaf == path), "{message}.{path}");
    };
    for field in descriptor("Reserve").fields() {
        match field.name() {
            "context_id" | "correlation_id" | "priority" => has("ContextInfo", field.name()),
            "expected_generation" => has("ContextInfo", "generation"),
            "realm" | "heartbeat_ms" => has("TerminationInfo", field.name()),
            // Of streams see above; the family is that of the local addresses.
            "streams" | "address_family" => has("StreamInfo", "local.rtp.ip"),
            "latest_context" => {}
            other => panic!("{other} has no place"),
        }
    }
    for path in leaves(&descriptor("SetGroup")) {
        match path.as_str() {
            "context_id" | "latest_context" | "expected_generation" => {}
            // Told by there being no interval.
            "no_rekey_events" => has("GroupInfo", "rekey_interval_ms"),
            path if is_untold(path) => {}
            path => has("GroupInfo", &told_as(path)),
        }
    }
    for path in ["mki", "lifetime.srtp", "lifetime.srtcp", "activates_at.seconds", "initial_roc"] {
        has("KeyInfo", &format!("staged.{path}"));
    }
    for path in ["roc_on_rekey", "overlap_ms"] {
        has("KeyInfo", &format!("staged.{path}"));
    }
}

/// A limit that is no other one.
fn limit(octets: u64) -> Option<pb::TrafficLimit> {
    Some(pb::TrafficLimit {
        sustained_octets_per_s: octets,
        burst_octets: octets + 1,
        peak_octets_per_s: octets + 2,
        peak_tolerance_us: 77,
    })
}

/// Keys with everything that can be said of them.
fn keys(key: &Key, mkis: [u8; 2]) -> pb::CryptoContext {
    let other = Key::random(Suite::AesCm128HmacSha1_80);
    let mut crypto = key.crypto_at(3);
    let keys = [key, &other].into_iter().zip(mkis);
    crypto.keys = keys
        .flat_map(|(key, mki)| key.crypto_at(3).keys.into_iter().map(move |key| (key, mki)))
        .map(|(key, mki)| pb::MasterKey {
            mki: vec![mki],
            srtp_lifetime: 1_000 + u64::from(mki),
            srtcp_lifetime: 2_000 + u64::from(mki),
            ..key
        })
        .collect();
    crypto.source = pb::KeySource::Mikey.into();
    crypto.parameters = Some(pb::SessionParameters {
        unencrypted_srtp: true,
        unencrypted_srtcp: true,
        window: 256,
        max_sources: 5,
    });
    crypto
}

/// A secured stream of which everything is set.
fn secured(peer: &Endpoint, [theirs, ours]: [&Key; 2]) -> pb::Stream {
    pb::Stream {
        media: pb::Media::Video.into(),
        rtcp: pb::RtcpMode::Pair.into(),
        source: Some(pb::SourcePolicy { rule: pb::SourceRule::Latch.into(), within_ms: None }),
        source_filter: Some(pb::SourceFilter {
            network: "127.0.0.0/8".to_owned(),
            lowest_port: 1_025,
            highest_port: 65_000,
        }),
        dscp: Some(pb::DiffServ { rule: pb::DscpRule::Set.into(), code_point: Some(34) }),
        ecn: pb::EcnRule::Copy.into(),
        rtcp_gate: pb::RtcpGate::Open.into(),
        bandwidth_bps: 1_000_000,
        rtcp_bandwidth_bps: 60_000,
        ingress_limit: limit(50_000),
        egress_limit: limit(60_000),
        latch_once: true,
        rewrite_sources: Some(pb::RewriteSources { enable: true, ssrc: 0xCAFE }),
        inactivity: Some(pb::Inactivity {
            time_ms: 60_000,
            direction: pb::InactiveDirection::Egress.into(),
            media_only: true,
        }),
        pre_key: Some(pb::PreKeyBuffer { packets: 9, time_ms: 900 }),
        ..api::secured(
            1,
            peer,
            &pb::CryptoContext { overlap_ms: Some(750), ..keys(theirs, [1, 2]) },
            &keys(ours, [3, 4]),
        )
    }
}

/// A context with all three kinds of stream: secured, latching, member of a group.
fn commands(streams: [pb::Stream; 3]) -> Vec<Command> {
    let [secured, latching, member] = streams;
    let group = pb::SetGroup {
        latest_context: true,
        group_id: 4,
        stream_id: 1,
        focus_termination_id: 2,
        transport: pb::Transport::Plain.into(),
        ..pb::SetGroup::default()
    };
    vec![
        Command::Reserve(api::reserve("access", vec![secured])),
        Command::Reserve(api::join("core", vec![latching])),
        Command::SetGroup(group),
        Command::Reserve(api::join("core", vec![member])),
    ]
}

//= tests/spec/iq.md#audit
//= type=test
//# An audit MUST tell everything that a controller has set of a stream but the octets of keys and
//# salts.
#[test]
fn whatever_was_asked_of_a_stream_is_told_as_it_was_asked() {
    let gateway = Gateway::with(&["policy.allow_unencrypted=true"]);
    let suite = Suite::AesCm128HmacSha1_80;
    let (theirs, ours) = (Key::random(suite), Key::random(suite));
    let phone = Endpoint::secured(Side::Access.peer(), &theirs, &ours);
    let [core, other] = [0, 1].map(|_| Endpoint::plain(Side::Core.peer()));
    let source =
        Some(pb::SourcePolicy { rule: pb::SourceRule::Latch.into(), within_ms: Some(4_321) });
    let latching = pb::Stream { source, ..api::plain(1, &core) };
    let member = pb::Stream { group_id: 4, ..api::plain(1, &other) };
    let asked = [secured(&phone, [&theirs, &ours]), latching, member];

    gateway.wait(gateway.iq.transact(commands(asked.clone()))).expect("a context");

    let contexts = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (asked, termination) in asked.iter().zip(&contexts[0].terminations) {
        let asked = dynamic("Stream", asked);
        let told = dynamic("StreamInfo", &termination.streams[0]);
        for path in leaves(&descriptor("Stream")).into_iter().filter(|path| !is_untold(path)) {
            let asked = values(&asked, &path);
            *seen.entry(path.clone()).or_default() += asked.len();
            if !asked.is_empty() {
                assert_eq!(values(&told, &told_as(&path)), asked, "{path}");
            }
        }
    }
    let unasked: Vec<_> = seen.iter().filter(|(_, count)| **count == 0).collect();
    assert!(unasked.is_empty(), "the test sets everything, but not {unasked:?}");
}
