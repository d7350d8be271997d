//! SIGHUP: what it puts in force, and what it refuses.

use std::fs;
use std::process::Command;

use agw_iq::client::IqClient;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::{Authority, Call, Daemon, Gateway, PortBlock, Program, api};

use crate::draining::reserve;
use crate::events::Listener;
use crate::mtls::gateway_with;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// Replaces a text in the configuration file, and has the daemon read it again.
fn rewrite(gateway: &Gateway, from: &str, to: &str) {
    let path = gateway.daemon.directory.path().join("agwd.toml");
    let text = fs::read_to_string(&path).expect("the configuration");
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).expect("the configuration");
    gateway.daemon.program.signal("HUP");
}

#[test]
fn limits_follow_the_file_calls_above_them_stay_and_a_broken_file_changes_nothing() {
    let gateway = Gateway::with(&["limits.reserve_percent=0"]);
    let mut calls: Vec<Call> = (0..3).map(|_| Call::e2ae_at(&gateway, SUITE, 3).0).collect();
    let mut events = Listener::from_the_start(&gateway);
    let contexts = || gateway.wait(gateway.iq.capabilities()).expect("capabilities").max_contexts;

    rewrite(&gateway, "[limits]", "[limits]\ncontexts = 2");

    let event = events.await_kind(&gateway, |kind| matches!(kind, Kind::CapabilitiesChanged(_)));
    let Some(Kind::CapabilitiesChanged(told)) = event.kind else { unreachable!() };
    assert_eq!(told.keys, ["limits.contexts"]);
    assert_eq!(contexts(), 2);
    calls.iter_mut().for_each(Call::talk);
    let refused = reserve(&gateway).expect_err("three of two");
    assert_eq!(refused.limit.map(|limit| limit.name()), Some("contexts"));
    for call in calls.drain(1..) {
        gateway.wait(gateway.iq.release(api::release(call.context))).expect("its end");
    }
    let _ = reserve(&gateway).expect("one of two is left");
    gateway.ledger().await_line("agwd_reloads_total{result=\"ok\"} 1");

    for (number, (from, to)) in [
        ("contexts = 2", "contexts = \"many\""),
        ("contexts = \"many\"", "contexts = 3\ncontext = 4"),
        ("contexts = 3\ncontext = 4", "contexts = 3\n["),
    ]
    .into_iter()
    .enumerate()
    {
        rewrite(&gateway, from, to);
        let line = format!("agwd_reloads_total{{result=\"failed\"}} {}", number + 1);
        gateway.ledger().await_line(&line);
        assert_eq!(contexts(), 2, "{to}");
        calls[0].talk();
    }
    let _ = reserve(&gateway).expect_err("two of two");

    rewrite(&gateway, "contexts = 3\n[", "contexts = 3");
    gateway.ledger().await_line("agwd_reloads_total{result=\"ok\"} 2");
    assert_eq!(contexts(), 3);
    let _ = reserve(&gateway).expect("the third one");
    calls[0].talk();
}

//= tests/spec/iq.md#access
//= type=test
//# A certificate that has expired MUST NOT be put in force.
#[test]
fn an_expired_certificate_is_put_in_force_neither_at_the_start_nor_by_a_reload() {
    let authority = Authority::new();
    let directory = agw_tests::directory();
    let settings = authority.settings(&directory);
    authority.equip_expired(directory.path());
    let mut command = Command::new(Daemon::executable());
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    Daemon::configure(&mut command, &directory, &PortBlock::take(), &settings);
    let finished = Program::start(&mut command, directory.path()).finish();
    assert_ne!(finished.status.code(), Some(0));
    assert!(finished.output.contains("server.pem: expired on"), "{}", finished.output);

    let gateway = gateway_with(agw_tests::directory(), &authority, "alg-1", &[]);
    authority.equip_expired(gateway.daemon.directory.path());
    gateway.daemon.program.signal("HUP");
    gateway.ledger().await_line("agwd_reloads_total{result=\"failed\"} 1");
    assert!(gateway.log().contains("expired on"), "{}", gateway.log());
    let address = format!("https://{}", gateway.daemon.iq);
    let connect = || {
        let tls = authority.controller("alg-2", &authority);
        let client = gateway.wait(IqClient::connect(&address, Some(tls))).ok()?;
        gateway.wait(client.status()).ok()
    };
    connect().expect("the certificate before is in force");

    authority.equip(gateway.daemon.directory.path(), &authority);
    gateway.daemon.program.signal("HUP");
    gateway.ledger().await_line("agwd_reloads_total{result=\"ok\"} 1");
    connect().expect("the new one");
}
