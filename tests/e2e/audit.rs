//! What an audit tells, and that the ledger of every stream closes.

mod complete;

use std::collections::BTreeSet;

use agw_iq::pb;
use agw_relay::DropReason;
use agw_srtp::Suite;
use agw_tests::{Call, Gateway};

//= tests/spec/iq.md#audit
//= type=test
//# An audit MUST tell packets, octets and drops by reason for each stream and direction.
//= tests/spec/relay.md#accounting
//= type=test
//# Every datagram received MUST be either forwarded or dropped for one named reason.
#[test]
fn an_audit_tells_what_became_of_every_packet() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, Suite::AesCm128HmacSha1_80, 3);
    for _ in 0..10 {
        call.talk();
    }
    let packet = call.next_packet(Call::ACCESS);
    let sealed = call.access.seal(&packet);
    for _ in 0..4 {
        call.access.send_octets(&sealed);
    }
    assert_eq!(call.core.receive(), packet);
    let entry = gateway.ledger().after_drops("replay", 3);
    assert_eq!(entry.received, 24, "{entry:?}");

    let contexts = gateway.wait(gateway.iq.contexts(true)).expect("an audit");

    let [context] = contexts.as_slice() else { panic!("{contexts:?}") };
    assert_eq!(context.context_id, call.context);
    let statistics = context.terminations[0].streams[0].statistics.as_ref().expect("counters");
    let ingress = statistics.ingress.as_ref().expect("what arrived");
    let traffic = |packets| Some(pb::Traffic { packets, octets: packets * 182 });
    assert_eq!(ingress.received, traffic(14));
    assert_eq!(ingress.forwarded, traffic(11));
    let replay = pb::DropCount { reason: pb::DropReason::Replay.into(), packets: 3 };
    assert_eq!(ingress.dropped, [replay]);
    let crypto = ingress.crypto.as_ref().expect("key state");
    assert_eq!(crypto.sources.len(), 1);
    assert_eq!((crypto.sources[0].ssrc, crypto.sources[0].roc), (Call::ACCESS, 3));
    let egress = statistics.egress.as_ref().expect("what left");
    assert_eq!(egress.sent, traffic(10));
}

//= tests/spec/iq.md#audit
//= type=test
//# An audit of capabilities MUST list suites, realms and limits.
#[test]
fn capabilities_list_suites_realms_and_limits() {
    let gateway = Gateway::with(&["limits.contexts=123"]);

    let capabilities = gateway.wait(gateway.iq.capabilities()).expect("capabilities");

    let suites: Vec<_> = capabilities.suites().map(|suite| suite.as_str_name()).collect();
    for suite in Suite::ALL {
        let name = format!("SUITE_{}", suite.name());
        assert_eq!(suites.contains(&name.as_str()), !suite.is_null() && !suite.is_f8(), "{name}");
    }
    assert_eq!(capabilities.max_contexts, 123);
    let realms: Vec<_> = capabilities.realms.iter().map(|realm| realm.name.as_str()).collect();
    assert_eq!(realms, ["access", "core"]);
    let ports = gateway.daemon.ports.access();
    assert_eq!(capabilities.realms[0].lowest_port, u32::from(*ports.start()));
    assert_eq!(capabilities.realms[0].highest_port, u32::from(*ports.end()));
}

//= tests/spec/iq.md#daemon
//= type=test
//# Metrics MUST NOT carry a label per call.
#[test]
fn metrics_have_the_names_of_the_drop_reasons_and_nothing_of_a_call() {
    let gateway = Gateway::start();
    let first = Call::e2ae(&gateway, Suite::AeadAes128Gcm).0;
    // A transaction is counted after it was answered.
    let quiet = loop {
        let page = gateway.ledger().page("/metrics");
        if page.contains("agw_transactions_total{result=\"ok\"}") {
            break page;
        }
    };
    for reason in DropReason::ALL {
        assert!(quiet.contains(&format!("reason=\"{}\"", reason.name())), "{reason:?}");
    }
    let more = (0..5).map(|_| Call::e2ae(&gateway, Suite::AeadAes128Gcm).0);
    for mut call in more.chain([first]) {
        call.talk();
    }

    let busy = gateway.ledger().page("/metrics");

    let series = |page: &str| -> BTreeSet<String> {
        let samples = page.lines().filter(|line| line.starts_with("agw"));
        samples.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    let (quiet, busy) = (series(&quiet), series(&busy));
    assert_eq!(busy.difference(&quiet).next(), None);
}
