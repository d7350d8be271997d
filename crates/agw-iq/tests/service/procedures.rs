//! Each procedure reaches the gateway as its command, with every field, and is answered.

use std::time::Duration;

use agw_context::{
    Association, Bandwidth, ChangeThroughConnection, Command, ContextChoice, ContextId,
    CryptoChange, DscpRule, EcnRule, Family, KeySource, LateChoice, Media, Priority, Relation,
    Release, Remote, RewriteSources, RtcpGate, RtcpMode, SetTopology, SourcePolicy, StreamId,
    StreamMode, TerminationId, TopologyChange,
};
use agw_relay::{PreKeySpec, TrafficLimit, Transport};
use agw_srtp::{MasterKey, RocOnRekey, SessionParameters, Suite};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use agw_iq::client::IqClient;
use agw_iq::pb;

use crate::fake::{GENERATION, gateway, rig};
use crate::sent;

#[path = "../../examples/originating_e2ae.rs"]
#[expect(dead_code, reason = "its main is not called here")]
mod originating_e2ae;

fn octets(master: &MasterKey) -> Vec<u8> {
    master.expose(<[u8]>::to_vec)
}

/// Every field of a stream set to something that is not its default.
fn limit() -> pb::TrafficLimit {
    pb::TrafficLimit {
        sustained_octets_per_s: 10_000,
        burst_octets: 20_000,
        peak_octets_per_s: 30_000,
        peak_tolerance_us: 40_000,
    }
}

fn full_stream() -> pb::Stream {
    let crypto = pb::CryptoContext {
        suite: pb::Suite::AeadAes256Gcm.into(),
        keys: vec![pb::MasterKey {
            key: vec![9; 32],
            salt: vec![8; 12],
            mki: vec![0, 1],
            srtp_lifetime: 1 << 20,
            srtcp_lifetime: 77,
        }],
        parameters: Some(pb::SessionParameters {
            unencrypted_srtp: true,
            unencrypted_srtcp: true,
            window: 64,
            max_sources: 3,
        }),
        source: pb::KeySource::Mikey.into(),
        roc_on_rekey: pb::RocOnRekey::Value.into(),
        initial_roc: Some(5),
        overlap_ms: Some(700),
        ..pb::CryptoContext::default()
    };
    pb::Stream {
        stream_id: 65_535,
        media: pb::Media::Video.into(),
        transport: pb::Transport::Secured.into(),
        remote: Some(pb::RemoteAddress {
            rtp: Some(sent::address("2001:db8::7", 1)),
            rtcp: Some(sent::address("2001:db8::8", 65_535)),
        }),
        rtcp: pb::RtcpMode::Mux.into(),
        mode: pb::StreamMode::ReceiveOnly.into(),
        source: Some(pb::SourcePolicy {
            rule: pb::SourceRule::Latch.into(),
            within_ms: Some(1_500),
        }),
        ingress_crypto: Some(crypto),
        egress_crypto: Some(sent::sdes(sent::LINE)),
        source_filter: Some(pb::SourceFilter {
            network: "2001:db8::/32".to_owned(),
            lowest_port: 1,
            highest_port: 0,
        }),
        dscp: Some(pb::DiffServ { rule: pb::DscpRule::Set.into(), code_point: Some(46) }),
        ecn: pb::EcnRule::Copy.into(),
        rtcp_gate: pb::RtcpGate::WithMedia.into(),
        bandwidth_bps: 80_000,
        rtcp_bandwidth_bps: 4_000,
        ingress_limit: Some(limit()),
        egress_limit: Some(pb::TrafficLimit::default()),
        latch_once: true,
        inactivity: Some(pb::Inactivity { time_ms: 100, direction: 0, media_only: false }),
        group_id: 65_535,
        rewrite_sources: Some(pb::RewriteSources { enable: true, ssrc: 0x1234_5678 }),
        pre_key: Some(pb::PreKeyBuffer { packets: 64, time_ms: 10_000 }),
    }
}

#[tokio::test]
async fn a_reservation_reaches_the_gateway_with_every_field() {
    let rig = rig().await;
    let request = pb::Reserve {
        correlation_id: "call-9@ue".to_owned(),
        realm: "access".to_owned(),
        address_family: pb::AddressFamily::Ipv6.into(),
        streams: vec![full_stream()],
        ..pb::Reserve::default()
    };

    let reply = rig.client.reserve_and_configure(request).await.unwrap();

    assert_eq!((reply.context_id, reply.termination_id, reply.streams.len()), (7, 1, 1));
    let Command::Reserve(reserve) = rig.fake.command() else { panic!("not a reservation") };
    assert_eq!(reserve.context, ContextChoice::New);
    assert_eq!(reserve.correlation.as_deref(), Some("call-9@ue"));
    assert_eq!(reserve.realm.as_deref(), Some("access"));
    assert_eq!(reserve.family, Some(Family::V6));
    let stream = &reserve.streams[0];
    assert_eq!((stream.id, stream.media), (StreamId(65_535), Media::Video));
    assert_eq!((stream.transport, stream.rtcp), (Transport::Secured, RtcpMode::Mux));
    let remote = Remote {
        rtp: "[2001:db8::7]:1".parse().unwrap(),
        rtcp: Some("[2001:db8::8]:65535".parse().unwrap()),
    };
    assert_eq!(stream.remote, Some(remote));
    assert_eq!(stream.mode, StreamMode::ReceiveOnly);
    let rewrite = RewriteSources { ssrc: Some(0x1234_5678) };
    assert_eq!(stream.extras.rewrite_sources, Some(rewrite));
    let pre_key = PreKeySpec { packets: 64, time: Duration::from_secs(10) };
    assert_eq!(stream.extras.pre_key, Some(pre_key));
    let within = Some(Duration::from_millis(1_500));
    assert_eq!(stream.source, Some(SourcePolicy::Latch { within }));
    let marking = (stream.extras.dscp, stream.extras.ecn);
    assert_eq!(marking, (DscpRule::Set(46), EcnRule::Copy));
    let extras = &stream.extras;
    assert_eq!((extras.rtcp_gate, extras.latch_once), (RtcpGate::WithMedia, true));
    let limit = TrafficLimit {
        sustained_octets_per_s: 10_000,
        burst_octets: 20_000,
        peak_octets_per_s: 30_000,
        peak_tolerance: Duration::from_millis(40),
    };
    let expected =
        Bandwidth { media_bps: 80_000, rtcp_bps: 4_000, ingress: Some(limit), egress: None };
    assert_eq!(extras.bandwidth, expected);
}

#[tokio::test]
async fn keys_reach_the_gateway_by_direction_with_all_that_goes_with_them() {
    let rig = rig().await;
    let request = pb::Reserve { streams: vec![full_stream()], ..pb::Reserve::default() };
    rig.client.reserve_and_configure(request).await.unwrap();

    let Command::Reserve(mut reserve) = rig.fake.command() else { panic!("not a reservation") };
    let stream = reserve.streams.remove(0);
    let ingress = stream.ingress.unwrap();
    assert_eq!((ingress.source, ingress.roc), (KeySource::Mikey, Some(RocOnRekey::Set(5))));
    assert_eq!(ingress.overlap, Some(Duration::from_millis(700)));
    let parameters = SessionParameters {
        unencrypted_srtp: true,
        unencrypted_srtcp: true,
        window: 64,
        max_sources: 3,
    };
    assert_eq!(ingress.parameters, parameters);
    let key = &ingress.keys[0];
    assert_eq!(key.master.suite(), Suite::AeadAes256Gcm);
    assert_eq!(octets(&key.master), [vec![9; 32], vec![8; 12]].concat());
    assert_eq!(key.mki.unwrap().as_slice(), [0, 1]);
    assert_eq!((key.lifetime.srtp, key.lifetime.srtcp), (1 << 20, 77));

    // The text between `inline:` and the first bar, read by another decoder than ours.
    let inline = sent::LINE.split_once("inline:").unwrap().1.split('|').next().unwrap();
    let egress = stream.egress.unwrap();
    let key = &egress.keys[0];
    assert_eq!(octets(&key.master), BASE64_STANDARD.decode(inline).unwrap());
    assert_eq!(key.mki.unwrap().as_slice(), [0, 0, 0, 1]);
    assert_eq!(key.lifetime.srtp, 1 << 20);
    assert_eq!(egress.parameters, SessionParameters::default());
    assert_eq!((egress.source, egress.roc, egress.overlap), (KeySource::Sdes, None, None));
}

#[tokio::test]
async fn what_a_reservation_leaves_out_takes_the_safe_default() {
    let rig = rig().await;
    let stream = pb::Stream {
        stream_id: 1,
        transport: pb::Transport::Plain.into(),
        ..pb::Stream::default()
    };
    let request = pb::Reserve { context_id: 7, streams: vec![stream], ..pb::Reserve::default() };
    rig.client.reserve(request).await.unwrap();

    let Command::Reserve(reserve) = rig.fake.command() else { panic!("not a reservation") };
    assert_eq!(reserve.context, ContextChoice::Existing(ContextId(7)));
    assert_eq!((reserve.correlation, reserve.realm, reserve.family), (None, None, None));
    let stream = &reserve.streams[0];
    assert_eq!((stream.media, stream.mode), (Media::Audio, StreamMode::Inactive));
    assert_eq!((stream.rtcp, stream.source, stream.remote), (RtcpMode::Pair, None, None));
    assert!(stream.ingress.is_none() && stream.egress.is_none());
}

#[tokio::test]
async fn a_configuration_changes_what_it_names_and_keeps_the_rest() {
    let rig = rig().await;
    let keys = pb::StreamChange {
        stream_id: 1,
        ingress_crypto: Some(sent::crypto()),
        ..pb::StreamChange::default()
    };
    let wipe = pb::StreamChange {
        stream_id: 2,
        remove_ingress_crypto: true,
        remove_egress_crypto: true,
        transport: pb::Transport::Plain.into(),
        rtcp: pb::RtcpMode::Mux.into(),
        mode: pb::StreamMode::SendOnly.into(),
        remote: Some(sent::remote()),
        ..pb::StreamChange::default()
    };
    let request = pb::Configure {
        context_id: 7,
        termination_id: 2,
        streams: vec![keys, wipe],
        priority: 3,
        add_streams: vec![pb::Stream { stream_id: 4, ..sent::reserve().streams.remove(0) }],
        remove_stream_ids: vec![5, 6],
        expected_generation: 0,
    };

    let reply = rig.client.configure(request).await.unwrap();

    assert_eq!((reply.context_id, reply.termination_id, reply.generation), (7, 2, GENERATION));
    let Command::Configure(configure) = rig.fake.command() else { panic!("not a change") };
    assert_eq!((configure.context, configure.termination), (ContextId(7), TerminationId(2)));
    assert_eq!(configure.priority, Some(Priority::Emergency));
    assert_eq!(configure.added.iter().map(|added| added.id).collect::<Vec<_>>(), [StreamId(4)]);
    assert_eq!(configure.removed, [StreamId(5), StreamId(6)]);
    let [keys, wipe] = configure.streams.as_slice() else { panic!("not two streams") };
    assert!(matches!(keys.ingress, CryptoChange::Install(_)));
    assert!(matches!(keys.egress, CryptoChange::Keep));
    assert_eq!((keys.mode, keys.remote, keys.source), (None, None, None));
    assert_eq!(keys.late, LateChoice::default());
    let (transport, rtcp) = (Some(Transport::Plain), Some(RtcpMode::Mux));
    let late = LateChoice { transport, rtcp, keys_rest: false };
    assert_eq!(wipe.late, late);
    assert!(matches!(wipe.ingress, CryptoChange::Remove));
    assert!(matches!(wipe.egress, CryptoChange::Remove));
    assert_eq!(wipe.mode, Some(StreamMode::SendOnly));
    let rtp = "192.0.2.1:4000".parse().unwrap();
    assert_eq!(wipe.remote, Some(Remote { rtp, rtcp: None }));
}

#[tokio::test]
async fn associations_reach_the_gateway_in_their_order() {
    let rig = rig().await;
    let associations = [
        (1, 2, pb::Relation::Isolate, 0),
        (3, 2, pb::Relation::BothWay, 4),
        (4, 2, pb::Relation::OneWay, 0),
    ];
    let topology = sent::associations(&associations);
    rig.client.set_topology(topology).await.unwrap();
    let Command::SetTopology(topology) = rig.fake.command() else { panic!("topology") };
    let association = |from, to, relation, stream| Association {
        from: TerminationId(from),
        to: TerminationId(to),
        relation,
        stream,
    };
    let expected = TopologyChange::Associate(vec![
        association(1, 2, Relation::Isolate, None),
        association(3, 2, Relation::BothWay, Some(StreamId(4))),
        association(4, 2, Relation::OneWay, None),
    ]);
    assert_eq!(topology.change, expected);
}

#[tokio::test]
async fn gates_topology_and_release_reach_the_gateway() {
    let rig = rig().await;
    rig.client.change_through_connection(sent::gates()).await.unwrap();
    let Command::ChangeThroughConnection(change) = rig.fake.command() else { panic!("gates") };
    let expected = ChangeThroughConnection {
        context: ContextId(7),
        termination: None,
        stream: None,
        mode: StreamMode::SendReceive,
    };
    assert_eq!(change, expected);

    let topology = pb::SetTopology {
        expected_generation: 0,
        context_id: 7,
        from_termination_id: 3,
        to_termination_id: 2,
        associations: Vec::new(),
    };
    rig.client.set_topology(topology).await.unwrap();
    let Command::SetTopology(topology) = rig.fake.command() else { panic!("topology") };
    let change = TopologyChange::Connect(TerminationId(3), TerminationId(2));
    assert_eq!(topology, SetTopology { context: ContextId(7), change });

    let release = pb::Release { context_id: 7, termination_id: 2, ..Default::default() };
    let reply = rig.client.release(release).await.unwrap();
    let Command::Release(release) = rig.fake.command() else { panic!("release") };
    let termination = Some(TerminationId(2));
    assert_eq!(release, Release { context: ContextId(7), termination });
    assert!(reply.context_ended);
    let statistics = reply.streams[0].statistics.as_ref().unwrap();
    let received = statistics.ingress.as_ref().unwrap().received;
    assert_eq!(received, Some(pb::Traffic { packets: 500, octets: 91_000 }));
}

#[tokio::test]
async fn a_transaction_carries_a_whole_call_and_answers_in_order() {
    use pb::command::Command as Kind;
    use pb::command_reply::Reply;
    let rig = rig().await;
    let second = pb::Reserve { latest_context: true, ..sent::reserve() };
    let commands = [
        Kind::Reserve(sent::reserve()),
        Kind::Reserve(second),
        Kind::ChangeThroughConnection(sent::gates()),
        Kind::Release(pb::Release { context_id: 7, termination_id: 0, ..Default::default() }),
    ];
    let request = pb::TransactRequest {
        commands: commands.map(sent::command).into(),
        ..pb::TransactRequest::default()
    };

    let answer = rig.client.service().transact(request).await.unwrap().into_inner();

    assert_eq!(answer.gateway, gateway());
    let replies: Vec<Reply> = answer.replies.into_iter().map(|r| r.reply.unwrap()).collect();
    assert!(matches!(
        replies.as_slice(),
        [Reply::Termination(_), Reply::Termination(_), Reply::Done(_), Reply::Released(_)]
    ));
    let (_, commands) = rig.fake.state().transactions.pop().unwrap();
    let Command::Reserve(second) = &commands[1] else { panic!("not a reservation") };
    assert_eq!(second.context, ContextChoice::Latest);
}

#[tokio::test]
async fn the_example_of_an_originating_call_opens_the_gates_last() {
    let rig = rig().await;
    let client = IqClient::connect(&rig.address, None).await.unwrap();

    let line_with_k12 = originating_e2ae::set_up(&client).await.unwrap();

    let transactions = std::mem::take(&mut rig.fake.state().transactions);
    let commands: Vec<Command> = transactions.into_iter().flat_map(|(_, c)| c).collect();
    let [Command::Reserve(access), Command::Reserve(core), Command::Configure(_), keys, gates] =
        commands.as_slice()
    else {
        panic!("{commands:?}");
    };
    assert_eq!(access.streams[0].transport, Transport::Secured);
    assert_eq!(core.context, ContextChoice::Existing(ContextId(7)));
    assert!(matches!(gates, Command::ChangeThroughConnection(_)));
    let Command::Configure(keys) = keys else { panic!("{keys:?}") };
    let CryptoChange::Install(egress) = &keys.streams[0].egress else { panic!("no K12") };
    let inline = line_with_k12.split_once("inline:").unwrap().1;
    let k12 = BASE64_STANDARD.decode(inline.split('|').next().unwrap()).unwrap();
    assert_eq!(octets(&egress.keys[0].master), k12);
}
