//! Phones of others at the edge: they register with the core of the sample and call each other.

use std::fs;
use std::path::Path;
use std::process::Command;

use agw_testkit::peer;
use agw_tests::{Program, await_listener, stage};

use super::CLEAR;
use super::edge::{self, Edge};

#[test]
fn a_phone_of_others_has_media_security_to_the_edge_with_one_that_knows_nothing_of_it() {
    // The phones are heard on the loopback.
    if stage::is_set() || peer::program("baresip").is_none() {
        return;
    }
    let Some(python) = peer::python(&["numpy", "pjsua2"]) else { return };
    let Some(edge) = Edge::start(CLEAR) else { return };
    let core_at = edge.core.address();
    let Edge { proxy, access, core, gateway, .. } = edge;
    // The sample's core takes the place of the test's.
    drop(core);
    let place = gateway.daemon.directory.path();
    let local = format!("#!define CORE_LISTEN udp:{core_at}\n");
    let _registrar = edge::start(place, "core", &local);
    await_listener(core_at.port());

    let directory = place.join("phones");
    fs::create_dir(&directory).expect("a directory for the phones");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/pcscf/phones.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(access.to_string());
    command.arg(gateway.daemon.ports.peer(9).to_string()).arg(&directory);
    Program::start(&mut command, place).succeed();

    let page = gateway.ledger().page("/metrics");
    for command in ["offer", "answer"] {
        let asked = format!("agw_ng_requests_total{{command=\"{command}\",result=\"ok\"}} 6\n");
        assert!(page.contains(&asked), "{command}");
    }
    // baresip takes its registration back when it ends, PJSIP does not.
    let registered = proxy.asked(&["htable.dump", "ue"]);
    assert_eq!(registered.matches("name: ").count(), 1, "{registered}");
    assert!(registered.contains("value: e2ae"), "{registered}");
    gateway.ledger().await_line("agw_contexts 0");
    gateway.ledger().await_line("agw_alg_calls 0");
}
