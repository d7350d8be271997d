//! What is wrong is refused with code, reason, H.248 code and the path of the field.

mod codes;

use agw_context::{
    CommandError, ContextId, Controller, Direction, Reason, Refused, Resource, ServiceState,
};
use agw_srtp::{KeyError, Suite};
use tonic::Code;
use tonic_types::StatusExt;

use agw_iq::backend::{TransactError, Unavailable};
use agw_iq::client::CallError;
use agw_iq::pb;

use crate::fake::{Rig, from, rig};
use crate::sent;

/// Reserves what `change` makes of a good stream.
async fn refused(rig: &Rig, change: impl FnOnce(&mut pb::Stream)) -> CallError {
    let mut reserve = sent::reserve();
    change(&mut reserve.streams[0]);
    rig.client.reserve(reserve).await.unwrap_err()
}

fn check(error: &CallError, code: Code, reason: &str, h248_code: u16, field: &str) {
    assert_eq!(error.code, code, "{error}");
    assert_eq!(error.reason.as_deref(), Some(reason), "{error}");
    assert_eq!(error.h248_code, Some(h248_code), "{error}");
    assert_eq!(error.field.as_deref(), Some(field), "{error}");
    assert_eq!(error.overload_percent, Some(42));
}

fn ingress(stream: &mut pb::Stream) -> &mut pb::CryptoContext {
    stream.ingress_crypto.as_mut().unwrap()
}

//= tests/spec/iq.md#acknowledgement
//= type=test
//# A refusal MUST carry an H.248 error code, a machine-readable reason and the path of the field.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of rules")]
async fn a_stream_that_breaks_a_rule_is_refused_with_its_path() {
    let rig = rig().await;
    let cases: [(&str, &str, fn(&mut pb::Stream)); 24] = [
        ("FIELD_VALUE", "pre_key.packets", |s| {
            s.pre_key = Some(pb::PreKeyBuffer { packets: 0, time_ms: 1 });
        }),
        ("FIELD_VALUE", "pre_key.packets", |s| {
            s.pre_key = Some(pb::PreKeyBuffer { packets: 65, time_ms: 1 });
        }),
        ("FIELD_VALUE", "pre_key.time_ms", |s| {
            s.pre_key = Some(pb::PreKeyBuffer { packets: 1, time_ms: 0 });
        }),
        ("FIELD_VALUE", "pre_key.time_ms", |s| {
            s.pre_key = Some(pb::PreKeyBuffer { packets: 1, time_ms: 10_001 });
        }),
        ("FIELD_VALUE", "rewrite_sources.ssrc", |s| {
            s.rewrite_sources = Some(pb::RewriteSources { enable: false, ssrc: 1 });
        }),
        ("FIELD_MISSING", "stream_id", |s| s.stream_id = 0),
        ("FIELD_VALUE", "stream_id", |s| s.stream_id = 65_536),
        ("FIELD_MISSING", "transport", |s| s.transport = 0),
        ("FIELD_VALUE", "remote", |s| s.remote = Some(sent::remote())),
        ("FIELD_MISSING", "source.rule", |s| s.source = Some(pb::SourcePolicy::default())),
        ("FIELD_VALUE", "source.within_ms", |s| {
            s.source = Some(pb::SourcePolicy { rule: 1, within_ms: Some(5) });
        }),
        ("FIELD_VALUE", "source.within_ms", |s| {
            s.source = Some(pb::SourcePolicy { rule: 2, within_ms: Some(0) });
        }),
        ("FIELD_MISSING", "dscp.rule", |s| s.dscp = Some(pb::DiffServ::default())),
        ("FIELD_MISSING", "dscp.code_point", |s| {
            s.dscp = Some(pb::DiffServ { rule: 2, code_point: None });
        }),
        ("FIELD_VALUE", "dscp.code_point", |s| {
            s.dscp = Some(pb::DiffServ { rule: 2, code_point: Some(64) });
        }),
        ("FIELD_VALUE", "dscp.code_point", |s| {
            s.dscp = Some(pb::DiffServ { rule: 3, code_point: Some(46) });
        }),
        ("FIELD_VALUE", "ecn", |s| s.ecn = 3),
        ("FIELD_MISSING", "ingress_crypto.suite", |s| ingress(s).suite = 0),
        ("FIELD_VALUE", "ingress_crypto.keys", |s| ingress(s).keys.clear()),
        ("FIELD_MISSING", "ingress_crypto.initial_roc", |s| ingress(s).roc_on_rekey = 3),
        ("FIELD_VALUE", "ingress_crypto.initial_roc", |s| ingress(s).initial_roc = Some(1)),
        ("FIELD_VALUE", "ingress_crypto.parameters.window", |s| {
            ingress(s).parameters =
                Some(pb::SessionParameters { window: 63, ..Default::default() });
        }),
        ("FIELD_VALUE", "ingress_crypto.parameters.max_sources", |s| {
            ingress(s).parameters =
                Some(pb::SessionParameters { max_sources: 65, ..Default::default() });
        }),
        ("FIELD_VALUE", "egress_crypto.overlap_ms", |s| {
            s.egress_crypto.as_mut().unwrap().overlap_ms = Some(1);
        }),
    ];
    for (reason, field, change) in cases {
        let error = refused(&rig, change).await;
        let h248_code = if reason == "FIELD_MISSING" { 441 } else { 449 };
        let field = format!("reserve.streams[0].{field}");
        check(&error, Code::InvalidArgument, reason, h248_code, &field);
    }
    assert_eq!(rig.fake.transactions(), 0);
}

//= tests/spec/iq.md#keys
//= type=test
//# A key of the wrong length MUST be refused.
#[tokio::test]
async fn a_key_that_breaks_a_rule_is_refused_with_its_path() {
    let rig = rig().await;
    let cases: [(&str, &str, fn(&mut pb::MasterKey)); 6] = [
        ("KEY_LENGTH", "key", |k| k.key.truncate(15)),
        ("KEY_LENGTH", "key", |k| k.key.clear()),
        ("SALT_LENGTH", "salt", |k| k.salt.push(0)),
        ("MKI_MISMATCH", "mki", |k| k.mki = vec![1; 129]),
        ("LIFETIME_RANGE", "srtp_lifetime", |k| k.srtp_lifetime = (1 << 48) + 1),
        ("LIFETIME_RANGE", "srtcp_lifetime", |k| k.srtcp_lifetime = (1 << 31) + 1),
    ];
    for (reason, field, change) in cases {
        let error = refused(&rig, |stream| change(&mut ingress(stream).keys[0])).await;
        let field = format!("reserve.streams[0].ingress_crypto.keys[0].{field}");
        check(&error, Code::InvalidArgument, reason, 449, &field);
    }
    assert_eq!(rig.fake.transactions(), 0);
}

#[tokio::test]
async fn a_line_that_breaks_a_rule_is_refused_by_reason() {
    let rig = rig().await;
    let inline = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let cases = [
        (Code::InvalidArgument, "SDES_LINE", "a=fmtp:1 x".to_owned()),
        (Code::InvalidArgument, "SDES_LINE", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:!".into()),
        (Code::InvalidArgument, "KEY_LENGTH", format!("a=crypto:1 AEAD_AES_256_GCM {inline}")),
        (
            Code::InvalidArgument,
            "LIFETIME_RANGE",
            format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {inline}|2^49"),
        ),
        (
            Code::InvalidArgument,
            "MKI_MISMATCH",
            format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {inline}|256:1"),
        ),
        (Code::FailedPrecondition, "SUITE_REFUSED", format!("a=crypto:1 F8_128 {inline}")),
        (
            Code::FailedPrecondition,
            "SESSION_PARAM_REFUSED",
            format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {inline} UNAUTHENTICATED_SRTP"),
        ),
    ];
    for (code, reason, line) in cases {
        let error = refused(&rig, |s| s.ingress_crypto = Some(sent::sdes(&line))).await;
        check(&error, code, reason, 449, "reserve.streams[0].ingress_crypto.sdes_line");
    }
    let error = refused(&rig, |s| ingress(s).sdes_line = sent::LINE.to_owned()).await;
    let field = "reserve.streams[0].ingress_crypto.suite";
    check(&error, Code::InvalidArgument, "FIELD_VALUE", 449, field);
}

#[tokio::test]
async fn a_source_filter_that_is_none_is_refused() {
    let rig = rig().await;
    for (network, lowest_port, highest_port, reason, field) in [
        ("192.0.2.0/33", 0, 0, "FIELD_VALUE", "network"),
        ("2001:db8::/129", 0, 0, "FIELD_VALUE", "network"),
        ("192.0.2.0/", 0, 0, "FIELD_VALUE", "network"),
        ("/24", 0, 0, "FIELD_VALUE", "network"),
        ("", 65_536, 0, "FIELD_VALUE", "lowest_port"),
        ("", 1, 65_536, "FIELD_VALUE", "highest_port"),
        ("", 0, 1, "FIELD_MISSING", "lowest_port"),
        ("", 2, 1, "FIELD_VALUE", "highest_port"),
    ] {
        let filter = pb::SourceFilter { network: network.to_owned(), lowest_port, highest_port };
        let error = refused(&rig, |stream| stream.source_filter = Some(filter)).await;
        let path = format!("reserve.streams[0].source_filter.{field}");
        assert_eq!(error.field, Some(path), "{network} {lowest_port} {highest_port}");
        assert_eq!(error.reason.as_deref(), Some(reason), "{error}");
    }
}

#[tokio::test]
async fn a_delay_variation_of_more_than_a_minute_is_refused() {
    let rig = rig().await;
    let limit = pb::TrafficLimit { peak_tolerance_us: 60_000_001, ..Default::default() };
    let error = refused(&rig, |stream| stream.egress_limit = Some(limit)).await;
    let field = "reserve.streams[0].egress_limit.peak_tolerance_us";
    check(&error, Code::InvalidArgument, "FIELD_VALUE", 449, field);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let rig = rig().await;
    for (ip, port, reason, field) in [
        ("", 1, "FIELD_MISSING", "ip"),
        ("localhost", 1, "FIELD_VALUE", "ip"),
        ("192.0.2.1.5", 1, "FIELD_VALUE", "ip"),
        ("fe80::1%eth0", 1, "FIELD_VALUE", "ip"),
        ("192.0.2.1", 0, "FIELD_VALUE", "port"),
        ("192.0.2.1", 65_536, "FIELD_VALUE", "port"),
    ] {
        let mut reserve = sent::reserve();
        let rtp = Some(sent::address(ip, port));
        reserve.streams[0].remote = Some(pb::RemoteAddress { rtp, rtcp: None });
        let error = rig.client.reserve_and_configure(reserve).await.unwrap_err();
        assert_eq!(error.reason.as_deref(), Some(reason), "{ip} {port}");
        let path = format!("reserve.streams[0].remote.rtp.{field}");
        assert_eq!(error.field, Some(path), "{ip} {port}");
    }
}

//= tests/spec/iq.md#acknowledgement
//= type=test
//# A request with an unknown enumeration value MUST be refused.
#[tokio::test]
async fn an_enum_value_of_the_future_is_refused_with_its_path() {
    let rig = rig().await;
    let cases: [(&str, fn(&mut pb::Stream)); 10] = [
        ("media", |s| s.media = 77),
        ("transport", |s| s.transport = 77),
        ("rtcp", |s| s.rtcp = 77),
        ("rtcp_gate", |s| s.rtcp_gate = 77),
        ("mode", |s| s.mode = 77),
        ("inactivity.direction", |s| {
            s.inactivity = Some(pb::Inactivity { time_ms: 100, direction: 77, media_only: false });
        }),
        ("source.rule", |s| s.source = Some(pb::SourcePolicy { rule: 77, within_ms: None })),
        ("ingress_crypto.suite", |s| ingress(s).suite = 77),
        ("ingress_crypto.source", |s| ingress(s).source = 77),
        ("ingress_crypto.roc_on_rekey", |s| ingress(s).roc_on_rekey = 77),
    ];
    for (field, change) in cases {
        let error = refused(&rig, change).await;
        let field = format!("reserve.streams[0].{field}");
        check(&error, Code::InvalidArgument, "FIELD_VALUE", 449, &field);
        assert!(error.message.contains("77"), "{error}");
    }
}

#[tokio::test]
async fn identifiers_keep_to_their_letters_and_length() {
    let rig = rig().await;
    let long = "x".repeat(129);
    for id in [long.as_str(), "a b", "ä", "a/b", "a\n"] {
        let request = sent::reserve_request(id);
        let status = rig.client.service().reserve_connection_point(request).await.unwrap_err();
        let error = CallError::from(status);
        check(&error, Code::InvalidArgument, "FIELD_VALUE", 449, "transaction_id");
    }
    for id in [long.as_str(), "a b", "ä"] {
        let reserve = pb::Reserve { correlation_id: id.to_owned(), ..sent::reserve() };
        let error = rig.client.reserve(reserve).await.unwrap_err();
        check(&error, Code::InvalidArgument, "FIELD_VALUE", 449, "reserve.correlation_id");
    }
    let reserve = pb::Reserve { correlation_id: "a".to_owned(), context_id: 7, ..sent::reserve() };
    let error = rig.client.reserve(reserve).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("reserve.correlation_id"));
    assert_eq!(rig.fake.transactions(), 0);
}

#[tokio::test]
async fn a_change_to_an_unknown_transport_or_rtcp_mode_is_refused() {
    let rig = rig().await;
    let changes: [(&str, fn(&mut pb::StreamChange)); 2] =
        [("transport", |change| change.transport = 77), ("rtcp", |change| change.rtcp = 77)];
    for (field, change) in changes {
        let mut configure = sent::configure();
        change(&mut configure.streams[0]);
        let error = rig.client.configure(configure).await.unwrap_err();
        let path = format!("configure.streams[0].{field}");
        check(&error, Code::InvalidArgument, "FIELD_VALUE", 449, &path);
    }
}

#[tokio::test]
async fn numbers_of_streams_and_commands_have_limits() {
    let rig = rig().await;
    let streams = (1..=65).map(|stream_id| pb::StreamChange { stream_id, ..Default::default() });
    for streams in [streams.collect(), Vec::new()] {
        let configure = pb::Configure { streams, ..sent::configure() };
        let error = rig.client.configure(configure).await.unwrap_err();
        assert_eq!(error.field.as_deref(), Some("configure.streams"));
    }
    let mut twice = sent::configure();
    twice.streams = vec![twice.streams.remove(0); 2];
    let error = rig.client.configure(twice).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("configure.streams[1].stream_id"));

    let gates = pb::command::Command::ChangeThroughConnection(sent::gates());
    for commands in [vec![gates.clone(); 65], Vec::new()] {
        let error = rig.client.transact(commands).await.unwrap_err();
        check(&error, Code::InvalidArgument, "FIELD_VALUE", 449, "commands");
    }
    rig.client.transact(vec![gates; 64]).await.unwrap();
    assert_eq!(rig.fake.transactions(), 1);
}

#[tokio::test]
async fn an_empty_request_names_what_is_missing() {
    let rig = rig().await;
    let mut service = rig.client.service();
    let missing = |status: tonic::Status| CallError::from(status).field.unwrap_or_default();
    let status = service.reserve_connection_point(pb::ReserveConnectionPointRequest::default());
    assert_eq!(missing(status.await.unwrap_err()), "reserve");
    let status = service
        .release(pb::ReleaseRequest { release: Some(Default::default()), ..Default::default() });
    assert_eq!(missing(status.await.unwrap_err()), "release.context_id");
    let commands = vec![
        sent::command(pb::command::Command::Configure(sent::configure())),
        pb::Command::default(),
    ];
    let status = service.transact(pb::TransactRequest { commands, ..Default::default() });
    let error = CallError::from(status.await.unwrap_err());
    assert_eq!((error.field.as_deref(), error.command), (Some("commands[1].command"), Some(1)));
    let status = service.service_change(pb::ServiceChangeRequest::default());
    assert_eq!(missing(status.await.unwrap_err()), "method");
    let stage = pb::StageKey { key: None, ..sent::stage_key() };
    let error = rig.client.stage_key(stage).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("stage_key.ingress_crypto"));
}
